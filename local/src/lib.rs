//! What Quartet is made of: each function, and each worker behind them.

use shared::app::Function;
use shared::worker::Worker;

pub const FUNCTIONS: &[Function] =
    &[coupons::FUNCTION, payoffs::FUNCTION, reference::FUNCTION, users::FUNCTION, system::FUNCTION];

pub const WORKERS: &[Worker] = &[];
