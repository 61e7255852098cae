//! What it takes to pay a loan off on a day.

mod routes;
mod day_count;
mod payoff;
mod table;

#[cfg(feature = "openapi")]
pub mod openapi;

use shared::app::Function;
use shared::store::Table;

pub const FUNCTION: Function = Function {
    name: "payoffs",
    tables: &[Table::Payoffs, Table::Users, Table::Audit, Table::Idempotency, Table::Limits],
    routes: routes::routes,
};
