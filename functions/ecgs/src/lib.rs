//! ECGs: first the HTTP, then the recording, where its samples lie, and the worker that analyses
//! them; the analysis itself knows of none of these.

mod routes;
mod segments;
mod views;
mod access;

mod recording;
mod report;

mod table;
mod samples;
mod worker;

pub mod analysis;

#[cfg(feature = "openapi")]
pub mod openapi;

use shared::app::Function;
use shared::store::Table;
use shared::worker::Worker;

pub const FUNCTION: Function = Function {
    name: "ecgs",
    tables: &[
        Table::Ecgs,
        Table::Samples,
        Table::Users,
        Table::Audit,
        Table::Idempotency,
        Table::Limits,
    ],
    routes: routes::routes,
};

/// Analyses what was registered, and clears away what was deleted.
pub const INSIGHTS: Worker = Worker {
    name: "ecg-insights",
    tables: &[Table::Ecgs, Table::Samples, Table::Audit],
    secrets: &["AUDIT_SECRET", "SENTRY_DSN"],
    start: |store, _| Ok(worker::start(store)),
};
