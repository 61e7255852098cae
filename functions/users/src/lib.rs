//! Users, their keys, and the locations where they work.

mod routes;
mod locations;
mod user;
mod location;
mod table;

#[cfg(feature = "openapi")]
pub mod openapi;

use shared::app::Function;
use shared::store::Table;

pub const FUNCTION: Function = Function {
    name: "users",
    tables: &[Table::Users, Table::Audit, Table::Idempotency, Table::Limits],
    routes: routes::routes,
};
