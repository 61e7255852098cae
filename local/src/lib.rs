//! What Quartet is made of: each function, and each worker behind them.

use shared::app::Function;
use shared::worker::Worker;

pub const FUNCTIONS: &[Function] = &[
    coupons::FUNCTION,
    encounters::FUNCTION,
    ecgs::FUNCTION,
    outages::FUNCTION,
    reference::FUNCTION,
    payoffs::FUNCTION,
    users::FUNCTION,
    audit::FUNCTION,
    docs::FUNCTION,
    system::FUNCTION,
];

pub const WORKERS: &[Worker] = &[audit::SEAL, ecgs::INSIGHTS, outages::WORKER];
