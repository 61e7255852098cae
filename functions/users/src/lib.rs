//! Users and their keys.

mod routes;
mod table;
mod user;

use shared::app::Function;
use shared::store::Table;

pub const FUNCTION: Function = Function {
    name: "users",
    tables: &[Table::Users, Table::Audit, Table::Idempotency],
    routes: routes::routes,
};
