//! JSON lines on stderr, and nothing in them but what is named here: no other crate's lines pass,
//! since the SDK's would show items and keys.

mod scrub;

use std::panic::PanicHookInfo;

use serde_json::json;
use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;

use crate::http::Named;
use crate::values::Timestamp;

/// The target of every line of ours.
const TARGET: &str = "quartet";

/// Starts the logging of lines up to `level`, and logs panics by their place alone.
pub fn start(level: Level) {
    let ours = filter_fn(move |line| line.target() == TARGET && *line.level() <= level);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(|| scrub::Scrubbing);
    // A second start in one process, as tests make them, keeps the first's subscriber.
    let _ = tracing_subscriber::registry().with(lines.with_filter(ours)).try_init();
    std::panic::set_hook(Box::new(panicked));
}

/// A panic's message can hold what a caller sent; its place can't.
fn panicked(panic: &PanicHookInfo) {
    let place = panic.location();
    tracing::error!(
        target: TARGET,
        file = place.map_or("", |place| place.file()),
        line = place.map_or(0, std::panic::Location::line),
        "panic"
    );
}

/// One answered request.
pub struct Request<'a> {
    pub request_id: &'a str,
    pub method: &'a str,
    /// The route's pattern: a path could hold somebody's data.
    pub route: &'a str,
    pub status: u16,
    /// The problem's code, empty where there is none.
    pub code: &'a str,
    pub caller: &'a Named,
    pub duration_ms: f64,
    pub calls: u32,
    pub read_units: f64,
    pub write_units: f64,
}

pub fn request(line: &Request) {
    tracing::info!(
        target: TARGET,
        request_id = line.request_id,
        method = line.method,
        route = line.route,
        status = line.status,
        code = line.code,
        user_id = line.caller.user_id,
        username = line.caller.username,
        service = line.caller.service,
        location_id = line.caller.location_id,
        scopes = line.caller.scopes,
        duration_ms = line.duration_ms,
        calls = line.calls,
        read_units = line.read_units,
        write_units = line.write_units,
        "request"
    );
}

/// One call of a worker. `failed`: why it did not succeed, or nothing.
pub fn work(worker: &'static str, request_id: &str, failed: &'static str, duration_ms: f64) {
    if failed.is_empty() {
        tracing::debug!(target: TARGET, worker, request_id, duration_ms, "work");
    } else {
        tracing::error!(target: TARGET, worker, request_id, failed, duration_ms, "work");
    }
}

/// A storage call that failed for good. `code` is the service's name for it: the rest of such an
/// error prints stored items.
pub fn storage_failed(operation: &'static str, code: &str) {
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

/// A service token that was accepted.
pub fn service_token(request_id: &str, service: &str, jti: &str) {
    tracing::info!(target: TARGET, request_id, service, jti, "service token");
}

/// A record of another location was read in an emergency.
pub fn emergency(request_id: &str) {
    tracing::warn!(target: TARGET, request_id, "emergency access");
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

/// One count as a metric, in CloudWatch's embedded metric format: a line by itself, whatever the
/// level. <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
pub fn count(metric: &'static str, value: u64) {
    let metrics = json!([{
        "Namespace": "Quartet",
        "Dimensions": [[]],
        "Metrics": [{"Name": metric, "Unit": "Count"}],
    }]);
    let aws = json!({"Timestamp": Timestamp::now().ms(), "CloudWatchMetrics": metrics});
    eprintln!("{}", json!({"_aws": aws, (metric): value}));
}

/// Something that can't be, and is answered with 500.
pub fn bug(what: &'static str) {
    tracing::error!(target: TARGET, what, "internal error");
}
