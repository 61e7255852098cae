//! What goes to Sentry where `SENTRY_DSN` is set: what broke, and a sample of how long calls took.
//! Constants, ids and figures alone, as in the log. All of a call is sent before it is answered,
//! since Lambda freezes the process afterwards; so that there is no queue and no thread.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use futures_util::future::join_all;
use http::header;
use http_body_util::{BodyExt, Limited};
use sentry_types::protocol::v7::{
    Breadcrumb, Context, Envelope, Event, Level, Map, SpanStatus, TraceContext, Transaction, Values,
};
use sentry_types::{Dsn, Scheme};

use crate::aws;
use crate::config::{BadSetting, Basics, is_loopback};
use crate::log::{self, CallContext, Found, scrubbed};

const RELEASE: &str = concat!("quartet@", env!("CARGO_PKG_VERSION"));
const AGENT: &str = concat!("quartet/", env!("CARGO_PKG_VERSION"));
/// A caller waits for it.
pub const LONGEST: Duration = Duration::from_secs(2);
/// How long nothing is sent where Sentry is away or has had enough.
const QUIET: Duration = Duration::from_mins(1);
const LONGEST_QUIET: Duration = Duration::from_hours(1);
const MOST_OF_AN_ANSWER: usize = 64 * 1024;

#[derive(Clone)]
pub struct SentrySettings {
    dsn: Dsn,
    /// Which part of all calls leaves a trace: 0 to 1.
    traces: f64,
}

impl SentrySettings {
    pub fn from_variables(
        get: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Option<Self>, BadSetting> {
        let traces = match get("SENTRY_TRACES_SAMPLE_RATE").map(|rate| rate.parse()) {
            None => 0.1,
            Some(Ok(rate)) if (0.0..=1.0).contains(&rate) => rate,
            Some(_) => {
                return Err(BadSetting { name: "SENTRY_TRACES_SAMPLE_RATE", why: "0 to 1" });
            }
        };
        let why = "https://KEY@HOST/PROJECT, or http:// on a loopback address";
        let bad = BadSetting { name: "SENTRY_DSN", why };
        let Some(dsn) = get("SENTRY_DSN") else { return Ok(None) };
        let dsn: Dsn = dsn.parse().map_err(|_| BadSetting { ..bad })?;
        let secure = dsn.scheme() == Scheme::Https || is_loopback(dsn.envelope_api_url().as_str());
        if secure { Ok(Some(Self { dsn, traces })) } else { Err(bad) }
    }
}

pub struct Sentry {
    settings: SentrySettings,
    environment: String,
    /// Made when there is something to send.
    http: OnceLock<Connector>,
    quiet_until: Mutex<Option<Instant>>,
}

/// An answered request, or a worker's call.
pub struct Call<'a> {
    name: String,
    operation: &'static str,
    /// The code of a failure that is ours.
    failed: Option<&'a str>,
    status: SpanStatus,
    duration_ms: f64,
    tags: Vec<(&'static str, String)>,
    figures: Vec<(&'static str, f64)>,
}

impl<'a> Call<'a> {
    pub fn of_request(line: &log::Request<'a>) -> Self {
        Self {
            name: line.name(),
            operation: "http.server",
            failed: (line.status >= 500).then_some(line.code),
            status: match line.status {
                ..400 => SpanStatus::Ok,
                401 => SpanStatus::Unauthenticated,
                403 => SpanStatus::PermissionDenied,
                404 => SpanStatus::NotFound,
                409 => SpanStatus::AlreadyExists,
                412 => SpanStatus::FailedPrecondition,
                429 => SpanStatus::ResourceExhausted,
                400..500 => SpanStatus::InvalidArgument,
                503 => SpanStatus::Unavailable,
                _ => SpanStatus::InternalError,
            },
            duration_ms: line.duration_ms,
            tags: vec![("status", line.status.to_string()), ("code", line.code.to_owned())],
            figures: vec![
                ("storage_calls", f64::from(line.calls)),
                ("read_units", line.read_units),
                ("write_units", line.write_units),
            ],
        }
    }

    pub fn of_work(work: &log::Work) -> Self {
        let failed = Some(work.failed).filter(|why| !why.is_empty());
        Self {
            name: work.worker.to_owned(),
            operation: "function",
            failed,
            status: if failed.is_some() { SpanStatus::InternalError } else { SpanStatus::Ok },
            duration_ms: work.duration_ms,
            tags: vec![("code", work.failed.to_owned())],
            figures: Vec::new(),
        }
    }
}

impl Sentry {
    /// None where it isn't set.
    pub fn start(settings: &Basics) -> Option<Arc<Self>> {
        Some(Arc::new(Self {
            settings: settings.sentry.clone()?,
            environment: settings.environment.clone(),
            http: OnceLock::new(),
            quiet_until: Mutex::default(),
        }))
    }

    /// Sends what there is to say of a call: what broke in it, and perhaps its trace.
    pub async fn report(&self, context: &CallContext, call: &Call<'_>) {
        let found = context.found();
        let broke = found.iter().any(|found| !matches!(found, Found::Storage { .. }));
        let mut envelopes: Vec<Envelope> = Vec::new();
        if broke || call.failed.is_some() {
            envelopes.push(self.event(context, call, &found).into());
        }
        if rand::random::<f64>() < self.settings.traces {
            envelopes.push(self.transaction(context, call).into());
        }
        if envelopes.is_empty() || self.is_quiet() {
            return;
        }
        let all = join_all(envelopes.iter().map(|envelope| self.send(envelope)));
        let pause = match tokio::time::timeout(LONGEST, all).await {
            Ok(sent) => sent.into_iter().find_map(Result::err),
            Err(_) => Some(QUIET),
        };
        if let Some(pause) = pause {
            log::sentry_is_away();
            let until = Instant::now() + pause.min(LONGEST_QUIET);
            *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
        }
    }

    fn is_quiet(&self) -> bool {
        let until = self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// What broke: told by the first bug or panic, else by the answer's code. The rest of what was
    /// found stands behind it.
    fn event(&self, context: &CallContext, call: &Call, found: &[Found]) -> Event<'static> {
        let told = found.iter().find(|found| !matches!(found, Found::Storage { .. }));
        let told = told.or(found.first()).map(text);
        let breadcrumbs = found.iter().map(|found| Breadcrumb {
            category: Some("found".to_owned()),
            level: Level::Error,
            message: Some(text(found)),
            ..Breadcrumb::default()
        });
        Event {
            level: Level::Error,
            message: Some(told.unwrap_or_else(|| call.failed.unwrap_or_default().to_owned())),
            transaction: Some(call.name.clone()),
            release: Some(RELEASE.into()),
            environment: Some(self.environment.clone().into()),
            platform: "rust".into(),
            breadcrumbs: Values { values: breadcrumbs.collect() },
            contexts: contexts(context, call),
            tags: tags(context, call),
            ..Event::default()
        }
    }

    fn transaction(&self, context: &CallContext, call: &Call) -> Transaction<'static> {
        let end = SystemTime::now();
        let took = Duration::try_from_secs_f64(call.duration_ms / 1_000.0).unwrap_or_default();
        Transaction {
            name: Some(call.name.clone()),
            release: Some(RELEASE.into()),
            environment: Some(self.environment.clone().into()),
            platform: "rust".into(),
            start_timestamp: end.checked_sub(took).unwrap_or(end),
            timestamp: Some(end),
            contexts: contexts(context, call),
            tags: tags(context, call),
            ..Transaction::default()
        }
    }

    /// Fails with how long nothing more should be sent.
    async fn send(&self, envelope: &Envelope) -> Result<(), Duration> {
        let mut body = Vec::new();
        envelope.to_writer(&mut body).map_err(|_| QUIET)?;
        let dsn = &self.settings.dsn;
        let request = http::Request::post(dsn.envelope_api_url().as_str())
            .header(header::CONTENT_TYPE, "application/x-sentry-envelope")
            .header(header::USER_AGENT, AGENT)
            .header("x-sentry-auth", dsn.to_auth(Some(AGENT)).to_string())
            .body(SdkBody::from(body));
        let request = HttpRequest::try_from(request.map_err(|_| QUIET)?).map_err(|_| QUIET)?;
        let answer =
            self.http.get_or_init(aws::connector).call(request).await.map_err(|_| QUIET)?;
        let (status, after) = (answer.status(), answer.headers().get("retry-after"));
        let after = after.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        // The connection is free for the next report once its answer is read.
        let _ = Limited::new(answer.into_body(), MOST_OF_AN_ANSWER).collect().await;
        if status.is_success() { Ok(()) } else { Err(after.unwrap_or(QUIET)) }
    }
}

fn text(found: &Found) -> String {
    match found {
        Found::Panic { file, line } => format!("panic at {file}:{line}"),
        Found::Bug(what) => (*what).to_owned(),
        Found::Storage { operation, code } => format!("{operation} failed: {code}"),
    }
}

fn tags(context: &CallContext, call: &Call) -> Map<String, String> {
    let given = call.tags.iter().filter(|(_, value)| !value.is_empty());
    let mut tags: Map<_, _> =
        given.map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    // It may be the caller's own.
    tags.insert("request_id".to_owned(), scrubbed(&context.request_id).into_owned());
    if let Some(trace) = &context.trace {
        tags.insert("xray_trace_id".to_owned(), trace.x_ray().to_owned());
    }
    tags
}

fn contexts(context: &CallContext, call: &Call) -> Map<String, Context> {
    let trace = context.trace.as_ref();
    let context = TraceContext {
        trace_id: trace.and_then(crate::trace::Trace::sentry).unwrap_or_default(),
        parent_span_id: trace.and_then(crate::trace::Trace::sentry_span),
        op: Some(call.operation.to_owned()),
        status: Some(call.status),
        data: call
            .figures
            .iter()
            .map(|(name, figure)| ((*name).to_owned(), (*figure).into()))
            .collect(),
        ..TraceContext::default()
    };
    Map::from([("trace".to_owned(), Context::from(context))])
}
