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

    /// The longer of what the two say; no end where the clock was set back behind it.
    pub fn age(self) -> Duration {
        let by_clock = u64::try_from(Timestamp::now().ms() - self.clock.ms());
        by_clock.map_or(Duration::MAX, Duration::from_millis).max(self.steady.elapsed())
    }
}
