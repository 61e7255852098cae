//! The audit: lists of its entries, the chain that each item's entries form, the worker that seals
//! them and the proof that none was touched since.

mod routes;
mod list;

mod chain;
mod seal;
mod verify;

#[cfg(feature = "openapi")]
pub mod openapi;

use shared::app::Function;
use shared::store::Table;
use shared::worker::Worker;

pub use self::chain::Bad;
pub use self::verify::{Verified, verify, verify_all, verify_part};

pub const FUNCTION: Function = Function {
    name: "audit",
    tables: &[Table::Audit, Table::Seals, Table::Users, Table::Limits],
    routes: routes::routes,
};

/// The only writer of the seals. Of the API it knows nothing.
pub const SEAL: Worker = Worker {
    name: "audit-seal",
    tables: &[Table::Audit, Table::Seals],
    secrets: &["AUDIT_SECRET", "SENTRY_DSN"],
    start: |store, _| Ok(seal::start(store)),
};
