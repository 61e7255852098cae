//! Coupons and their redemptions: first the HTTP, then the rules, then where things lie.

mod routes;
mod list;
mod import;
mod redeem;

mod terms;
mod coupon;
mod money;
mod rules;
mod redemption;
mod place;

mod near;
mod table;
mod ledger;
mod usage;
mod standing;

#[cfg(feature = "openapi")]
pub mod openapi;

use shared::app::Function;
use shared::store::Table;

pub const FUNCTION: Function = Function {
    name: "coupons",
    tables: &[Table::Coupons, Table::Users, Table::Audit, Table::Idempotency, Table::Limits],
    routes: routes::routes,
};
