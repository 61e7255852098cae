//! A proxy in front of DynamoDB's HTTP API that fails as the real one can and the embedded one
//! doesn't: throttling, conflicts, server errors, delays, connections cut before a request is
//! passed on or after it was answered.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::Policy;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Throttle,
    /// A transaction holds the item; a read, which none disturbs, is throttled.
    Conflict,
    ServerError,
    Delay(Duration),
    /// The request never reaches DynamoDB.
    CutBefore,
    /// DynamoDB did as it was asked; nobody hears of it.
    CutAfter,
}

/// What the proxy is to do with the next calls.
#[derive(Default)]
struct Plan {
    /// Each fault for the next call of its operation that none before it took.
    rules: Vec<(&'static str, Fault)>,
    /// A share of all calls, at random.
    random: Option<(StdRng, f64)>,
    /// Calls so far, by operation.
    calls: Vec<String>,
    /// Calls that are still answered before the caller dies.
    lives_for: Option<usize>,
    /// What reads were answered, where they are to be answered so again.
    known: Option<HashMap<(String, String), Bytes>>,
}

#[derive(Clone)]
pub struct FaultProxy {
    address: SocketAddr,
    upstream: Arc<String>,
    plan: Arc<Mutex<Plan>>,
    died: Arc<Notify>,
    /// What whoever calls by this address may do.
    policy: Option<Arc<Policy>>,
}

impl FaultProxy {
    pub async fn start(upstream: String, policy: Option<Policy>) -> io::Result<Self> {
        Self::serve(Arc::new(upstream), policy, Arc::default(), Arc::default()).await
    }

    /// Another address of the same proxy, for somebody else.
    pub async fn beside(&self, policy: Option<Policy>) -> io::Result<Self> {
        let (plan, died) = (Arc::clone(&self.plan), Arc::clone(&self.died));
        Self::serve(Arc::clone(&self.upstream), policy, plan, died).await
    }

    async fn serve(
        upstream: Arc<String>,
        policy: Option<Policy>,
        plan: Arc<Mutex<Plan>>,
        died: Arc<Notify>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, policy) = (listener.local_addr()?, policy.map(Arc::new));
        let proxy = Self { address, upstream, plan, died, policy };
        let client = Client::builder(TokioExecutor::new()).build_http();
        let serving = proxy.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (proxy, client) = (serving.clone(), client.clone());
                let pass = service_fn(move |request| {
                    let (proxy, client) = (proxy.clone(), client.clone());
                    async move { proxy.pass(&client, request).await }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), pass);
                tokio::spawn(connection);
            }
        });
        Ok(proxy)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Fails the next call of `operation` that no earlier rule takes.
    pub fn next(&self, operation: &'static str, fault: Fault) {
        self.plan().rules.push((operation, fault));
    }

    /// Fails a `share` of all calls, each fault as likely as the others.
    pub fn at_random(&self, seed: u64, share: f64) {
        self.plan().random = Some((StdRng::seed_from_u64(seed), share));
    }

    /// Answers `calls` more, does what the next one asks, and answers none from then on, as if the
    /// process that made it had died. It is to be ended where `died` says so.
    pub fn dies_after(&self, calls: usize) {
        self.plan().lives_for = Some(calls);
    }

    /// Once the call has come that isn't answered.
    pub async fn died(&self) {
        self.died.notified().await;
    }

    /// Stands in for a DynamoDB that takes no time, to measure what is in front of it: a read is
    /// answered as it was the first time, and each transaction by a success that nothing comes of.
    pub fn answers_at_once(&self) {
        self.plan().known = Some(HashMap::new());
    }

    /// Passes everything on from now.
    pub fn stop(&self) {
        let mut plan = self.plan();
        plan.rules.clear();
        plan.random = None;
        plan.lives_for = None;
        plan.known = None;
    }

    /// Rules that no call has met yet.
    pub fn unmet(&self) -> usize {
        self.plan().rules.len()
    }

    /// The operations called since the last time, in their order.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.plan().calls)
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, operation: &str) -> Option<Fault> {
        let mut plan = self.plan();
        plan.calls.push(operation.to_owned());
        if let Some(at) = plan.rules.iter().position(|(rule, _)| *rule == operation) {
            return Some(plan.rules.remove(at).1);
        }
        let (random, share) = plan.random.as_mut()?;
        let faults = [
            Fault::Throttle,
            Fault::Conflict,
            Fault::ServerError,
            Fault::Delay(Duration::from_millis(5)),
            Fault::CutBefore,
            Fault::CutAfter,
        ];
        let hit = random.random_bool(*share);
        let at = random.random_range(0..faults.len());
        faults.get(at).copied().filter(|_| hit)
    }

    /// None as long as the caller lives; whether this is the call with which it dies.
    fn lives(&self) -> Option<bool> {
        let mut plan = self.plan();
        let left = plan.lives_for.as_mut()?;
        match *left {
            usize::MAX => Some(false),
            0 => {
                *left = usize::MAX;
                Some(true)
            }
            _ => {
                *left -= 1;
                None
            }
        }
    }

    fn known(&self, operation: &str, body: &Bytes) -> Option<Bytes> {
        let plan = self.plan();
        let known = plan.known.as_ref()?;
        match operation {
            "TransactWriteItems" => Some(Bytes::from_static(b"{}")),
            _ => known.get(&(operation.to_owned(), asked(body))).cloned(),
        }
    }

    fn keep(&self, operation: String, body: &Bytes, answer: &Bytes) {
        let is_read = ["GetItem", "BatchGetItem", "Query"].contains(&operation.as_str());
        if let Some(known) = self.plan().known.as_mut().filter(|_| is_read) {
            known.insert((operation, asked(body)), answer.clone());
        }
    }

    /// An error cuts the connection.
    async fn pass(
        &self,
        client: &Client<HttpConnector, Full<Bytes>>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, io::Error> {
        let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
        let operation =
            target.and_then(|target| target.rsplit('.').next()).unwrap_or_default().to_owned();
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        if let Some(policy) = &self.policy
            && let Some(refused) =
                policy.refuses(&operation, &serde_json::from_slice(&body).unwrap_or_default())
        {
            eprintln!("template.yaml doesn't allow it: {refused}");
            return Ok(failure(400, &json!({"__type": "AccessDeniedException"})));
        }
        let fault = self.fault(&operation);
        let lives = self.lives();
        if lives == Some(false) {
            return std::future::pending().await;
        }
        match fault {
            None | Some(Fault::CutAfter) => {}
            Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
            Some(Fault::CutBefore) => return Err(io::Error::other("cut")),
            Some(Fault::ServerError) => {
                return Ok(failure(500, &json!({"__type": "InternalServerError"})));
            }
            Some(Fault::Conflict) if operation == "TransactWriteItems" => {
                return Ok(conflict(&body));
            }
            Some(Fault::Conflict) if operation == "PutItem" || operation == "UpdateItem" => {
                return Ok(failure(400, &json!({"__type": "TransactionConflictException"})));
            }
            Some(Fault::Throttle | Fault::Conflict) => {
                return Ok(failure(
                    400,
                    &json!({"__type": "ProvisionedThroughputExceededException"}),
                ));
            }
        }
        if let Some(known) = self.known(&operation, &body) {
            return Ok(json(200, known));
        }
        let mut onward = Request::post(self.upstream.as_str());
        for (name, value) in &parts.headers {
            if name != header::HOST {
                onward = onward.header(name, value);
            }
        }
        let onward = onward.body(Full::new(body.clone())).map_err(io::Error::other)?;
        let response = client.request(onward).await.map_err(io::Error::other)?;
        let (parts, answer) = response.into_parts();
        let answer = answer.collect().await.map_err(io::Error::other)?.to_bytes();
        if parts.status == StatusCode::OK {
            self.keep(operation, &body, &answer);
        }
        if lives == Some(true) {
            self.died.notify_one();
            return std::future::pending().await;
        }
        if fault == Some(Fault::CutAfter) {
            return Err(io::Error::other("cut"));
        }
        Ok(Response::from_parts(parts, Full::new(answer)))
    }
}

/// A request whatever the order of its members and keys, which the SDK and sets make up.
fn asked(body: &Bytes) -> String {
    fn sort(value: &mut Value) {
        match value {
            Value::Array(items) => {
                items.iter_mut().for_each(sort);
                items.sort_by_cached_key(Value::to_string);
            }
            Value::Object(members) => {
                members.sort_keys();
                members.values_mut().for_each(sort);
            }
            _ => {}
        }
    }
    let mut request: Value = serde_json::from_slice(body).unwrap_or_default();
    sort(&mut request);
    request.to_string()
}

/// A transaction that another one on its first item was in the way of.
fn conflict(request: &[u8]) -> Response<Full<Bytes>> {
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    let items = request.get("TransactItems").and_then(Value::as_array).map_or(1, Vec::len);
    let reason = |at| json!({"Code": if at == 0 { "TransactionConflict" } else { "None" }});
    let reasons: Vec<_> = (0..items).map(reason).collect();
    failure(400, &json!({"__type": "TransactionCanceledException", "CancellationReasons": reasons}))
}

fn failure(status: u16, body: &Value) -> Response<Full<Bytes>> {
    json(status, Bytes::from(body.to_string()))
}

fn json(status: u16, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let kind = HeaderValue::from_static("application/x-amz-json-1.0");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
