//! How far this process's clock is ahead of the machine's: a clock that is set while a process runs
//! steps, and nothing else of a test has to know.

use std::sync::atomic::{AtomicI64, Ordering};

static AHEAD_MS: AtomicI64 = AtomicI64::new(0);

pub fn clock_is_ahead_ms() -> i64 {
    AHEAD_MS.load(Ordering::Relaxed)
}

/// Sets the clock of all that runs in this process, back where it is negative.
pub fn step_clock(ahead_ms: i64) {
    AHEAD_MS.store(ahead_ms, Ordering::Relaxed);
}
