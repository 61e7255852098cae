//! Coupons: the resource, its list, import and export.

mod coupon;
mod import;
mod routes;
mod table;

use shared::app::Function;
use shared::store::Table;

pub const FUNCTION: Function = Function {
    name: "coupons",
    tables: &[Table::Coupons, Table::Users, Table::Audit, Table::Idempotency],
    routes: routes::routes,
};
