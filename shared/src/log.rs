//! JSON lines on stderr, and nothing in them but what is named here: no other crate's lines pass,
//! since the SDK's would show items and keys.

mod call_context;
mod line;
mod metrics;
mod scrub;

use std::panic::PanicHookInfo;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;
use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;
use uuid::Uuid;

pub use self::call_context::{CallContext, Found};
use self::line::{Lines, Process, print};
use self::metrics::{Dimensions, Metrics};
pub use self::scrub::scrubbed;
use crate::config::Basics;
use crate::http::Named;
use crate::values::Timestamp;

/// The target of every line of ours.
const TARGET: &str = "quartet";

/// Starts the log of a function or worker, and logs panics by their place alone.
pub fn start(service: &str, settings: &Basics) {
    let level = Process::start(service, settings).level;
    let ours = filter_fn(move |line| line.target() == TARGET && *line.level() <= level);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(|| Lines);
    // A second start in one process, as tests make them, keeps the first's subscriber.
    let _ = tracing_subscriber::registry().with(lines.with_filter(ours)).try_init();
    std::panic::set_hook(Box::new(panicked));
}

/// A panic's message can hold what a caller sent; its place can't.
fn panicked(panic: &PanicHookInfo) {
    let place = panic.location();
    let (file, line) = place.map_or(("", 0), |place| (place.file(), place.line()));
    CallContext::note(Found::Panic { file: file.to_owned(), line });
    tracing::error!(target: TARGET, file, line, "panic");
}

/// One answered request.
#[derive(Serialize)]
pub struct Request<'a> {
    pub method: &'a str,
    /// The route's pattern: a path could hold somebody's data.
    pub route: &'a str,
    /// On a coupon's own routes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coupon_id: Option<Uuid>,
    pub status: u16,
    /// The problem's code, empty where there is none.
    pub code: &'a str,
    #[serde(flatten)]
    pub caller: &'a Named,
    pub duration_ms: f64,
    pub calls: u32,
    pub read_units: f64,
    pub write_units: f64,
}

/// One call of a worker.
#[derive(Serialize)]
pub struct Work {
    pub worker: &'static str,
    /// Why it did not succeed, or nothing.
    pub failed: &'static str,
    pub duration_ms: f64,
}

/// A line that is made here, not by tracing's formatter, which writes no nested members.
#[derive(Serialize)]
struct Line<'a, T> {
    #[serde(flatten)]
    said: Option<Said<'a, T>>,
    #[serde(flatten)]
    metrics: Option<Metrics<'a>>,
}

#[derive(Serialize)]
struct Said<'a, T> {
    timestamp: Timestamp,
    level: &'static str,
    message: &'static str,
    cold_start: bool,
    #[serde(flatten)]
    what: &'a T,
}

/// Whether this process hasn't answered anything yet.
static COLD: AtomicBool = AtomicBool::new(true);

impl Request<'_> {
    /// Method and pattern.
    pub fn name(&self) -> String {
        match self.route {
            // Not by its method alone: nobody should make a metric by asking for nothing.
            "" => "unmatched".to_owned(),
            route => format!("{} {route}", self.method),
        }
    }

    fn line(&self, process: &Process, cold: bool) -> Option<String> {
        let name = self.name();
        let is = |which: bool| f64::from(u8::from(which));
        let metrics = process.metrics.then(|| {
            Metrics::new(
                process.dimensions(Some(&name)),
                &[("Requests", "Count", 1.0), ("Latency", "Milliseconds", self.duration_ms)],
                &[
                    ("Errors", "Count", is(self.status >= 500)),
                    ("ClientErrors", "Count", is((400..500).contains(&self.status))),
                    ("Unauthenticated", "Count", is(self.status == 401)),
                    ("ColdStarts", "Count", is(cold)),
                    ("ReadUnits", "Count", self.read_units),
                    ("WriteUnits", "Count", self.write_units),
                ],
            )
        });
        line(process, Level::INFO, "request", cold, self, metrics)
    }
}

impl Work {
    fn line(&self, process: &Process, cold: bool) -> Option<String> {
        let (level, failed) = match self.failed {
            "" => (Level::DEBUG, 0.0),
            _ => (Level::ERROR, 1.0),
        };
        let metrics = process.metrics.then(|| {
            Metrics::new(
                process.dimensions(None),
                &[("Calls", "Count", 1.0), ("Duration", "Milliseconds", self.duration_ms)],
                &[
                    ("Failures", "Count", failed),
                    ("ColdStarts", "Count", f64::from(u8::from(cold))),
                ],
            )
        });
        line(process, level, "work", cold, self, metrics)
    }
}

/// One line for both, log and metrics: what is ingested is paid for. Metrics go out at any level.
fn line<T: Serialize>(
    process: &Process,
    level: Level,
    message: &'static str,
    cold_start: bool,
    what: &T,
    metrics: Option<Metrics>,
) -> Option<String> {
    let said = (level <= process.level).then(|| Said {
        timestamp: Timestamp::now(),
        level: level.as_str(),
        message,
        cold_start,
        what,
    });
    let worth_it = said.is_some() || metrics.is_some();
    worth_it.then(|| serde_json::to_string(&Line { said, metrics }).ok()).flatten()
}

pub fn request(request: &Request) {
    let cold = COLD.swap(false, Relaxed);
    if let Some(line) = Process::get().and_then(|process| request.line(process, cold)) {
        print(&line);
    }
}

pub fn work(work: &Work) {
    let cold = COLD.swap(false, Relaxed);
    if let Some(line) = Process::get().and_then(|process| work.line(process, cold)) {
        print(&line);
    }
}

/// A storage call that failed for good. `code` is the service's name for it: the rest of such an
/// error prints stored items.
pub fn storage_failed(operation: &'static str, code: &str) {
    CallContext::note(Found::Storage { operation, code: code.to_owned() });
    tracing::error!(target: TARGET, operation, code, "storage failed");
}

/// The identity provider's keys could not be fetched.
pub fn issuer_is_away() {
    tracing::warn!(target: TARGET, "the OIDC issuer's keys could not be fetched");
}

/// Without an identity provider, services vouch for their users alone.
pub fn services_are_trusted(services: usize) {
    tracing::warn!(target: TARGET, services, "no OIDC_ISSUER is set: services are trusted to have checked their users");
}

/// Sentry did not take what it was sent.
pub fn sentry_is_away() {
    tracing::warn!(target: TARGET, "Sentry did not take a report");
}

/// A service token that was accepted.
pub fn service_token(caller_service: &str, jti: &str) {
    tracing::info!(target: TARGET, caller_service, jti, "service token");
}

/// A record of another location was read in an emergency.
pub fn emergency() {
    tracing::warn!(target: TARGET, "emergency access");
    count("EmergencyAccess", 1);
}

/// The head of an item's chain, so that the log is a witness outside the tables.
pub fn sealed(item: &str, sequence: u64, hash: &str) {
    tracing::info!(target: TARGET, item, sequence, hash, "sealed");
}

/// An audit entry that nobody with the secret wrote.
pub fn forged(item: &str, entry: &str) {
    tracing::error!(target: TARGET, item, entry, "forged audit entry");
    count("AuditTampering", 1);
}

/// An audit entry that was changed or removed.
pub fn tampered(item: &str, entry: &str, event: &str) {
    tracing::error!(target: TARGET, item, entry, event, "tampered audit entry");
    count("AuditTampering", 1);
}

/// One count as a metric, where metrics are wanted: a line by itself, whatever the level. <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
pub fn count(metric: &'static str, value: u64) {
    if let Some(line) = Process::get().and_then(|process| counted(process, metric, value)) {
        print(&line);
    }
}

fn counted(process: &Process, metric: &'static str, value: u64) -> Option<String> {
    let value = f64::from(u32::try_from(value).unwrap_or(u32::MAX));
    let dimensions = Dimensions { service: None, ..process.dimensions(None) };
    let metrics =
        process.metrics.then(|| Metrics::new(dimensions, &[(metric, "Count", value)], &[]));
    metrics.and_then(|metrics| serde_json::to_string(&metrics).ok())
}

/// Something that can't be, and is answered with 500.
pub fn bug(what: &'static str) {
    CallContext::note(Found::Bug(what));
    tracing::error!(target: TARGET, what, "internal error");
}

#[cfg(test)]
mod tests;
