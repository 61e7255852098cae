//! How long to wait before the next try.

use std::time::{Duration, Instant};

/// Full jitter, exponential, with an end.
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
pub struct Backoff {
    until: Instant,
    cap: Duration,
}

impl Backoff {
    /// Tries that go on for so long.
    pub fn lasting(time: Duration) -> Self {
        Self { until: Instant::now() + time, cap: Duration::from_millis(20) }
    }

    /// Waits a random while; false where the time is up.
    pub async fn pause(&mut self) -> bool {
        if Instant::now() >= self.until {
            return false;
        }
        tokio::time::sleep(self.cap.mul_f64(rand::random())).await;
        self.cap = (self.cap * 2).min(Duration::from_millis(500));
        true
    }
}
