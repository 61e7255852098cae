//! Coupons: the resource, its list, import and export.

mod coupon;
mod import;
mod ledger;
mod list;
mod money;
mod near;
mod place;
mod redeem;
mod redemption;
mod routes;
mod rules;
mod standing;
mod table;
mod terms;
mod usage;

use shared::app::Function;
use shared::store::Table;

pub const FUNCTION: Function = Function {
    name: "coupons",
    tables: &[Table::Coupons, Table::Users, Table::Audit, Table::Idempotency, Table::Limits],
    routes: routes::routes,
};
