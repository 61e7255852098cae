//! Everything behind one address, and what must be true of each answer.

use std::path::PathBuf;

use axum::Router;
use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::BodyExt;
use local::{FUNCTIONS, WORKERS};
use outages::stand_in::StandIn;
use proptest::sample::Index;
use serde_json::Value;
use shared::auth::Scope;
use shared::embedded::{Template, gateway};
use shared::testing::{ADMIN_TOKEN, Reply, TestApp};
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::{MARKER, outage_runs};

/// A request as its event has it.
#[derive(Debug, Clone)]
pub struct Sample {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

pub fn events() -> Vec<(String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../events");
    let files = std::fs::read_dir(folder).expect("events").flatten();
    let mut events: Vec<_> = files
        .map(|file| {
            let text = std::fs::read_to_string(file.path()).expect("an event");
            let name = file.file_name().to_string_lossy().into_owned();
            (name, serde_json::from_str(&text).expect("JSON"))
        })
        .collect();
    events.sort_by(|(one, _), (other, _)| one.cmp(other));
    events
}

/// Everything behind one address, a caller who may do all, and the samples with its key.
pub struct House {
    pub runtime: Runtime,
    pub app: TestApp,
    router: Router,
    samples: Vec<Sample>,
    _upstream: StandIn,
}

impl House {
    pub fn open() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let (upstream, app, key) = runtime.block_on(async {
            let upstream = StandIn::start(outage_runs::KEY).await.expect("an upstream");
            let url = upstream.url();
            let settings = [
                ("KRAKEN_API_URL", url.as_str()),
                ("KRAKEN_API_KEY", outage_runs::KEY),
                ("SERVICE_KEYS", r#"{"prepay": "the-prepay-service-key-of-32-bytes!"}"#),
            ];
            let app = TestApp::start_with(FUNCTIONS, &settings).await;
            let key = app.user_key("ada", &Scope::ALL).await;
            (upstream, app, key)
        });
        let template = Template::of_the_project().expect("a template");
        let router = gateway(template, FUNCTIONS, app.app());
        let is_workers = |name: &str| WORKERS.iter().any(|worker| name.starts_with(worker.name));
        let samples = events().into_iter().filter(|(name, _)| !is_workers(name));
        // A run waits for its worker, and only for it.
        let samples = samples.filter(|(name, _)| name != "outages-runs-create.json");
        let samples = samples.map(|(_, event)| sample(&event, &key)).collect();
        Self { runtime, app, router, samples, _upstream: upstream }
    }

    /// None where no HTTP server would hand the request on.
    fn send(&self, sample: &Sample) -> Option<Reply> {
        let uri: Uri = match sample.query.as_str() {
            "" => sample.path.parse().ok()?,
            query => format!("{}?{query}", sample.path).parse().ok()?,
        };
        let mut request = Request::builder().method(sample.method.clone()).uri(uri);
        for (name, value) in &sample.headers {
            let name: HeaderName = name.parse().ok()?;
            request = request.header(name, HeaderValue::from_bytes(value).ok()?);
        }
        let request = request.body(Body::from(sample.body.clone())).ok()?;
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.expect("an answer");
            let (parts, body) = response.into_parts();
            let bytes = body.collect().await.expect("a body").to_bytes().to_vec();
            Some(Reply { status: parts.status, headers: parts.headers, bytes })
        })
    }

    /// Sends a sample and holds the answer to what must be true of every one.
    pub fn check(&self, sample: &Sample) {
        let Some(reply) = self.send(sample) else { return };
        let status = reply.status.as_u16();
        let text = String::from_utf8_lossy(&reply.bytes).into_owned();
        assert!(status < 500, "{status}: {text}");
        if reply.status.is_client_error() {
            if reply.header("content-type").starts_with("application/fhir+json") {
                assert_eq!(reply.json()["resourceType"], "OperationOutcome", "{text}");
            } else {
                reply.problem();
            }
            let errors = reply.json()["errors"].as_array().map_or(0, Vec::len);
            assert!(errors <= 100, "{errors} errors");
            assert!(!text.contains(MARKER), "it repeats what was sent: {text}");
            let shown = format!("{:?}", reply.headers);
            assert!(!shown.contains(MARKER), "it repeats what was sent: {shown}");
        }
        if status == 201 && !reply.header("location").is_empty() {
            let read = Sample {
                method: Method::GET,
                path: reply.header("location").to_owned(),
                query: String::new(),
                headers: sample
                    .headers
                    .iter()
                    .filter(|(name, _)| is_credential(name))
                    .cloned()
                    .collect(),
                body: Vec::new(),
            };
            let read = self.send(&read).expect("a location is a path");
            assert_eq!(read.status, 200, "{}", read.json());
        }
    }

    /// One of the samples that have a body.
    pub fn with_body(&self, at: Index) -> &Sample {
        let with_body: Vec<_> = self.samples.iter().filter(|of| !of.body.is_empty()).collect();
        with_body[at.index(with_body.len())]
    }

    pub fn any(&self, at: Index) -> Sample {
        self.samples[at.index(self.samples.len())].clone()
    }
}

fn is_credential(name: &str) -> bool {
    ["x-api-key", "x-user-token", "x-admin-token", "authorization"].contains(&name)
}

fn sample(event: &Value, key: &str) -> Sample {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let headers = event["headers"].as_object().into_iter().flatten();
    let headers = headers.filter(|(name, _)| {
        // Keys would answer each alteration of a body with 422.
        !["content-length", "host", "idempotency-key"].contains(&name.as_str())
    });
    let headers = headers.map(|(name, value)| {
        let value = text(value).replace("KEY", key).replace("local-admin-token", ADMIN_TOKEN);
        (name.clone(), value.into_bytes())
    });
    Sample {
        method: text(&event["requestContext"]["http"]["method"]).parse().expect("a method"),
        path: text(&event["rawPath"]),
        query: text(&event["rawQueryString"]),
        headers: headers.collect(),
        body: text(&event["body"]).into_bytes(),
    }
}
