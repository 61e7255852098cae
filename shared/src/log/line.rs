//! How a line comes to be written: what all lines of a process and of a request have in common, and
//! a second net against people's data.

use std::io::{self, Write};
use std::sync::OnceLock;

use serde::Serialize;
use tracing::Level;

use super::call_context::CallContext;
use super::metrics::Dimensions;
use super::scrub::scrubbed;
use crate::config::Basics;

/// What is fixed for this process.
pub struct Process {
    /// A function's or worker's name.
    pub service: String,
    pub environment: String,
    pub level: Level,
    /// Whether metrics are printed.
    pub metrics: bool,
    /// Its members of each line, as they stand in JSON, with a comma behind.
    pub tags: String,
}

static PROCESS: OnceLock<Process> = OnceLock::new();

/// By Datadog's unified tagging: <https://docs.datadoghq.com/getting_started/tagging/unified_service_tagging/>
#[derive(Serialize)]
struct Tags<'a> {
    service: &'a str,
    env: &'a str,
    version: &'static str,
}

#[derive(Default, Serialize)]
struct OfRequest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    xray_trace_id: Option<&'a str>,
    #[serde(rename = "dd.trace_id", skip_serializing_if = "Option::is_none")]
    datadog: Option<String>,
    #[serde(rename = "dd.span_id", skip_serializing_if = "Option::is_none")]
    datadog_span: Option<String>,
}

impl Process {
    /// The first in a process stays, as tests start several.
    pub fn start(service: &str, settings: &Basics) -> &'static Self {
        PROCESS.get_or_init(|| Self {
            service: service.to_owned(),
            environment: settings.environment.clone(),
            level: settings.log_level,
            metrics: settings.metrics,
            tags: members(&Tags {
                service,
                env: &settings.environment,
                version: env!("CARGO_PKG_VERSION"),
            }),
        })
    }

    pub fn dimensions<'a>(&'a self, route: Option<&'a str>) -> Dimensions<'a> {
        Dimensions { environment: &self.environment, service: Some(&self.service), route }
    }

    /// None in a test that hasn't started the log.
    pub fn get() -> Option<&'static Self> {
        PROCESS.get()
    }
}

/// The members of an object, with a comma behind.
fn members(object: &impl Serialize) -> String {
    let json = serde_json::to_string(object).unwrap_or_default();
    let members = json.trim_start_matches('{').trim_end_matches('}');
    if members.is_empty() { String::new() } else { format!("{members},") }
}

/// Writes a line, which is a JSON object, to stderr.
pub fn print(line: &str) {
    let call = CallContext::current();
    let of_request = call.as_deref().map_or_else(String::new, |call| {
        let trace = call.trace.as_ref();
        members(&OfRequest {
            request_id: Some(&call.request_id),
            xray_trace_id: trace.map(crate::trace::Trace::x_ray),
            datadog: trace.map(crate::trace::Trace::datadog),
            datadog_span: trace.and_then(crate::trace::Trace::datadog_span),
        })
    });
    let tags = Process::get().map_or("", |process| process.tags.as_str());
    let line = line.trim_end().trim_start_matches('{');
    let line = format!("{{{tags}{of_request}{line}\n");
    // Where stderr is gone there is nobody to tell.
    let _ = io::stderr().lock().write_all(scrubbed(&line).as_bytes());
}

/// For tracing's formatter, which writes whole lines.
pub struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        print(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
