//! Outages: what is asked of the API, and the worker that does it. First the rules, free of AWS and
//! HTTP; then a run, the upstream and where runs lie; then what calls them.

pub mod moment;
pub mod outage;
pub mod incoming;

pub mod run;
mod retry;
pub mod settings;
mod upstream;
mod plan;
mod table;
mod keeper;
pub mod sync;

pub mod worker;
mod routes;

#[cfg(feature = "stand-in")]
pub mod stand_in;

#[cfg(feature = "openapi")]
pub mod openapi;

use shared::app::Function;
use shared::store::Table;

pub use self::worker::WORKER;

pub const FUNCTION: Function = Function {
    name: "outages",
    tables: &[Table::Outages, Table::Users, Table::Audit, Table::Idempotency, Table::Limits],
    routes: routes::routes,
};
