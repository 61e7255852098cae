//! A process that no request calls, but a table's stream or a schedule: event -> work -> answer.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_lambda_events::event::dynamodb::{Event as StreamEvent, EventRecord};
use futures_util::future::BoxFuture;
use lambda_http::lambda_runtime::{self, Diagnostic, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use crate::aws;
use crate::config::{BadSetting, Basics};
use crate::log;
use crate::problem::Problem;
use crate::secrets;
use crate::store::{Store, Table};

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
        let http = aws::http();
        let secrets: HashMap<_, _> = secrets::read(self.secrets, http.clone(), &get).await?;
        let get = |name| secrets.get(name).cloned().or_else(|| get(name));
        let basics = Basics::from_variables(get)?;
        let store = Store::start(http, &basics, self.tables, get).await?;
        Ok(((self.start)(store, &get)?, basics))
    }
}

/// Runs one worker under Lambda until it is told to stop.
pub async fn run(worker: Worker) -> ExitCode {
    let begun = worker.begin(|name| std::env::var(name).ok()).await;
    let (handle, basics) = match begun {
        Ok(begun) => begun,
        Err(bad) => return failed(&bad.to_string()),
    };
    log::start(basics.log_level);
    let called = service_fn(move |event: LambdaEvent<Value>| {
        let handle = Arc::clone(&handle);
        async move {
            let left = event.context.deadline().duration_since(SystemTime::now());
            let event = Event {
                payload: event.payload,
                deadline: Instant::now() + left.unwrap_or(Duration::ZERO),
                request_id: event.context.request_id,
            };
            call(worker.name, &handle, event).await
        }
    });
    match lambda_runtime::run(called).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => failed("the Lambda runtime ended"),
    }
}

/// Calls a worker with one event, and logs how it went.
pub async fn call(name: &'static str, handle: &Handle, event: Event) -> Result<Value, Failed> {
    let began = Instant::now();
    let request_id = event.request_id.clone();
    let answer = handle(event).await;
    let why = answer.as_ref().err().map_or("", |failed| failed.0);
    log::work(name, &request_id, why, began.elapsed().as_secs_f64() * 1_000.0);
    answer
}

/// The records of a stream's event; None where it is another kind of event.
pub fn stream_records(payload: &Value) -> Option<Vec<EventRecord>> {
    payload.get("Records")?;
    StreamEvent::deserialize(payload).ok().map(|event| event.records)
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

fn failed(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::FAILURE
}
