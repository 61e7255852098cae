//! How long ago something was.

use std::time::{Duration, Instant};

use crate::values::Timestamp;

/// A moment by two clocks: the steady one stands still while Lambda or a lid freezes the process,
/// and the other one may be set.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    steady: Instant,
    clock: Timestamp,
}

impl Mark {
    pub fn now() -> Self {
        Self { steady: Instant::now(), clock: Timestamp::now() }
    }

    /// The longer of what the two say; no end where the clock was set back behind it by more than
    /// it is ever corrected by.
    pub fn age(self) -> Duration {
        const CORRECTED_MS: i64 = 2_000;
        let by_clock = match Timestamp::now().ms() - self.clock.ms() {
            back if back < -CORRECTED_MS => Duration::MAX,
            ms => Duration::from_millis(u64::try_from(ms).unwrap_or(0)),
        };
        by_clock.max(self.steady.elapsed())
    }
}
