//! A process that no request calls, but a table's stream or a schedule: event -> work -> answer.

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_lambda_events::event::dynamodb::{Event as StreamEvent, EventRecord};
use futures_util::future::{BoxFuture, FutureExt};
use lambda_http::lambda_runtime::{self, Diagnostic, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use crate::config::{BadSetting, Basics, variable};
use crate::log::{self, CallContext, Work};
use crate::problem::Problem;
use crate::secrets;
use crate::sentry::{Call, Sentry};
use crate::serve::failed;
use crate::store::{Store, Table};
use crate::trace::Trace;

/// One worker: the tables that it may touch, the secrets that it needs, and how it begins.
#[derive(Clone, Copy)]
pub struct Worker {
    /// The name of its binary.
    pub name: &'static str,
    pub tables: &'static [Table],
    /// The variables that may come from SSM.
    pub secrets: &'static [&'static str],
    /// Reads settings of its own by the environment's variables.
    pub start: Start,
}

/// Makes a worker of its storage and of what reads an environment variable.
pub type Start = fn(Store, &dyn Fn(&'static str) -> Option<String>) -> Result<Handle, BadSetting>;

/// What a worker does with an event.
pub type Handle = Arc<dyn Fn(Event) -> BoxFuture<'static, Result<Value, Failed>> + Send + Sync>;

/// Why a worker was called.
pub struct Event {
    pub payload: Value,
    /// When the invocation is ended from outside.
    pub deadline: Instant,
    pub request_id: String,
}

#[cfg(feature = "embedded")]
impl Event {
    /// One of now, with as long as Lambda gives the workers.
    pub fn new(payload: Value) -> Self {
        let deadline = Instant::now() + Duration::from_mins(2);
        Self { payload, deadline, request_id: uuid::Uuid::now_v7().to_string() }
    }
}

/// A call that did not succeed: what called the worker has to try again, or to tell somebody.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Failed(pub &'static str);

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self(problem.code())
    }
}

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Self {
        Self { error_type: "Failed".to_owned(), error_message: failed.0.to_owned() }
    }
}

impl Worker {
    /// `get` reads an environment variable.
    pub async fn begin(
        &self,
        get: impl Fn(&'static str) -> Option<String>,
    ) -> Result<(Handle, Basics), BadSetting> {
        let (http, get) = secrets::environment(self.secrets, get).await?;
        let basics = Basics::from_variables(&get)?;
        let store = Store::start(http, &basics, self.tables, &get).await?;
        let handle = (self.start)(store, &get)?;
        Ok((dressed(self.name, handle, Sentry::start(&basics)), basics))
    }
}

/// Runs one worker under Lambda until it is told to stop.
pub async fn run(worker: Worker) -> ExitCode {
    let begun = worker.begin(variable).await;
    let (handle, basics) = match begun {
        Ok(begun) => begun,
        Err(bad) => return failed(&bad.to_string()),
    };
    log::start(worker.name, &basics);
    let called = service_fn(move |event: LambdaEvent<Value>| {
        let handle = Arc::clone(&handle);
        async move {
            let left = event.context.deadline().duration_since(SystemTime::now());
            let event = Event {
                payload: event.payload,
                deadline: Instant::now() + left.unwrap_or(Duration::ZERO),
                request_id: event.context.request_id,
            };
            handle(event).await
        }
    });
    match lambda_runtime::run(called).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => failed("the Lambda runtime ended"),
    }
}

/// What each call of a worker wears: its id and trace in every line, one line at its end, a report
/// of what went wrong.
fn dressed(worker: &'static str, handle: Handle, sentry: Option<Arc<Sentry>>) -> Handle {
    Arc::new(move |event: Event| {
        let (handle, sentry) = (Arc::clone(&handle), sentry.clone());
        // Lambda's runtime sets it for each invocation.
        let trace = std::env::var("_X_AMZN_TRACE_ID").ok();
        let trace = trace.and_then(|header| Trace::parse(&header));
        let call = CallContext::new(event.request_id.clone(), trace);
        let within = Arc::clone(&call);
        let done = async move {
            let began = Instant::now();
            let answer = AssertUnwindSafe(handle(event)).catch_unwind().await;
            let answer = answer.unwrap_or_else(|_| Err(Problem::INTERNAL.into()));
            let failed = answer.as_ref().err().map_or("", |failed| failed.0);
            let duration_ms = began.elapsed().as_secs_f64() * 1_000.0;
            let work = Work { worker, failed, duration_ms };
            log::work(&work);
            if let Some(sentry) = &sentry {
                sentry.report(&call, &Call::of_work(&work)).await;
            }
            answer
        };
        async move { within.within(done).await }.boxed()
    })
}

/// The records of a stream's event; None where it is another kind of event. One that can't be read
/// must fail: the stream would take it for done.
pub fn stream_records(payload: &Value) -> Result<Option<Vec<EventRecord>>, Failed> {
    if payload.get("Records").is_none() {
        return Ok(None);
    }
    let read = StreamEvent::deserialize(payload).map(|event| Some(event.records));
    read.map_err(|_| Failed("the stream's event can't be read"))
}

/// The key of a record's item: partition and sort key.
pub fn key_of(record: &EventRecord) -> (String, String) {
    let text = |name: &str| match record.change.keys.get(name) {
        Some(serde_dynamo::AttributeValue::S(text)) => text.clone(),
        _ => String::new(),
    };
    (text("pk"), text("sk"))
}

/// The answer to a stream's event: everything before this record is done, and it comes again.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>
pub fn done_before(failed: Option<&EventRecord>) -> Value {
    let item = |record: &EventRecord| json!({"itemIdentifier": record.change.sequence_number.as_deref().unwrap_or_default()});
    json!({"batchItemFailures": failed.map(item).into_iter().collect::<Vec<_>>()})
}
