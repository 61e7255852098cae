//! What others have settled: countries, holidays, industries; and franchises, which are imported.

mod routes;
mod franchises;
mod answer;

mod dataset;
mod catalogue;
mod search;
mod country;
mod holiday;
mod industry;
mod franchise;

mod table;

#[cfg(feature = "openapi")]
pub mod openapi;

use shared::app::Function;
use shared::store::Table;

pub const FUNCTION: Function = Function {
    name: "reference",
    tables: &[Table::Franchises, Table::Users, Table::Audit, Table::Idempotency, Table::Limits],
    routes: routes::routes,
};
