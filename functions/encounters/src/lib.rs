//! Patient encounters: first the HTTP, then who may see what, then the record, then where it lies.

mod routes;
mod list;
mod access;

mod encounter;
mod fhir;

mod table;

#[cfg(feature = "openapi")]
pub mod openapi;

use shared::app::Function;
use shared::store::Table;

pub const FUNCTION: Function = Function {
    name: "encounters",
    tables: &[Table::Encounters, Table::Users, Table::Audit, Table::Idempotency, Table::Limits],
    routes: routes::routes,
};
