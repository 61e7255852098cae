//! What calls the worker: a run that was asked for, by the runs table's stream; the schedule; or an
//! event by hand.

use std::sync::Arc;
use std::time::Instant;

use aws_lambda_events::event::dynamodb::EventRecord;
use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::Value;
use shared::auth::Caller;
use shared::config::BadSetting;
use shared::fields::Fields;
use shared::json::Node;
use shared::outages::Usual;
use shared::store::{Store, Table};
use shared::worker::{Event, Failed, Handle, Worker, done_before, stream_records};
use uuid::Uuid;

use crate::run::{Options, RunState, Trigger};
use crate::settings::{Settings, Timing};
use crate::sync::Sync;
use crate::table::CALLS;

pub const WORKER: Worker = Worker {
    name: "outage-sync",
    tables: &[Table::Outages, Table::Plans, Table::Audit],
    secrets: &["AUDIT_SECRET", "SENTRY_DSN", "KRAKEN_API_URL", "KRAKEN_API_KEY"],
    start: |store, get| start(store, get, Timing::USUAL),
};

/// The name that the worker has in the audit.
pub const NAME: &str = "quartet:outage-sync";

const BAD_EVENT: Failed =
    Failed("the event must be {\"sites\", \"since\", \"dry_run\", \"force\"}, each optional");
const RUN_FAILED: Failed = Failed("the run failed; its record says why");

/// Begins the worker. `get` reads an environment variable.
pub fn start(
    store: Store,
    get: &dyn Fn(&'static str) -> Option<String>,
    timing: Timing,
) -> Result<Handle, BadSetting> {
    let settings = Settings::from_variables(get)?;
    let usual = settings.usual.clone();
    let sync = Arc::new((Sync::new(store, settings, timing)?, usual));
    Ok(Arc::new(move |event| {
        let sync = Arc::clone(&sync);
        async move { called(&sync.0, &sync.1, event).await }.boxed()
    }))
}

async fn called(sync: &Sync, usual: &Usual, event: Event) -> Result<Value, Failed> {
    let caller = Caller::worker(NAME, &event.request_id);
    if let Some(records) = stream_records(&event.payload)? {
        for record in &records {
            let Some(id) = requested(record) else { continue };
            match sync.perform(&caller, id, event.deadline).await {
                Ok(_) => {}
                // There is no such run, and never will be.
                Err(problem) if problem.is_refusal() => {}
                Err(_) => return Ok(done_before(Some(record))),
            }
        }
        return Ok(done_before(None));
    }
    if event.payload.get("detail-type").is_some() {
        let options = Options::usual(usual);
        return run(sync, &caller, &options, Trigger::Schedule, &[], event.deadline).await;
    }
    let json = event.payload.to_string();
    let json = if event.payload.is_null() { "{}" } else { &json };
    let node = Node::parse(json.as_bytes()).map_err(|_| BAD_EVENT)?;
    let read = Fields::read(&node, Options::MEMBERS, |event| {
        Some((Options::read(event, usual)?, event.given(Options::MEMBERS)))
    });
    let (options, given) = read.map_err(|_| BAD_EVENT)?;
    run(sync, &caller, &options, Trigger::Event, &given, event.deadline).await
}

/// The run that a record asks for. The stream's filter lets no other pass, but not everything that
/// calls a worker has a filter.
fn requested(record: &EventRecord) -> Option<Uuid> {
    #[derive(Deserialize)]
    struct Asked {
        id: Uuid,
        calls: String,
    }
    let asked: Asked = serde_dynamo::from_item(record.change.new_image.clone()).ok()?;
    (record.event_name == "INSERT" && asked.calls == CALLS).then_some(asked.id)
}

async fn run(
    sync: &Sync,
    caller: &Caller,
    options: &Options,
    trigger: Trigger,
    given: &[&'static str],
    deadline: Instant,
) -> Result<Value, Failed> {
    let run = sync.run(caller, options, trigger, given, deadline).await?;
    // Lambda's retry, the queue of failures and the alarm go by this.
    if trigger == Trigger::Schedule && run.state != RunState::Succeeded {
        return Err(RUN_FAILED);
    }
    serde_json::to_value(&run).map_err(|_| Failed("the run can't be written"))
}
