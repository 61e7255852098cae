//! How many requests a caller may make in a minute: exact over all instances of all functions,
//! without a write for each. Tokens are leased from a counter some at a time; what a process has
//! leased and not used when the minute ends is lost, a tenth of all at the most: the more processes
//! lease, the less each does.
//!
//! Where the counter can't be reached, requests pass: a limit is there to protect the storage, and
//! the storage's own absence should not add 429s to its 503s. Each process then counts alone.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue};
use lru::LruCache;

use crate::problem::Problem;
use crate::store::{Leased, Store};
use crate::values::Timestamp;

const MINUTE_MS: i64 = 60_000;
/// Callers whose leases one process remembers. Who is forgotten leases anew.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

type Window = Arc<tokio::sync::Mutex<Lease>>;

pub struct Limiter {
    windows: Mutex<LruCache<String, Window>>,
}

/// What this process holds of one caller's minute.
#[derive(Default)]
struct Lease {
    minute: i64,
    /// Tokens leased and not used.
    held: u32,
    /// Tokens that this process has used.
    used: u32,
    /// Tokens that all processes have leased, and how many processes, as far as is known.
    taken: u32,
    processes: u32,
    is_spent: bool,
}

/// What a caller has left after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    pub limit: u32,
    pub left: u32,
    pub reset_s: i64,
    pub allowed: bool,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { windows: Mutex::new(LruCache::new(REMEMBERED)) }
    }
}

impl Limiter {
    /// Takes a token of the minute under way.
    pub async fn take(&self, store: &Store, who: &str, limit: u32, now: Timestamp) -> Allowance {
        let window = self.window(who);
        // One leases at a time in a process; the others wait for what it gets.
        let mut lease = window.lock().await;
        let minute = now.ms().div_euclid(MINUTE_MS);
        if lease.minute != minute {
            *lease = Lease { minute, ..Lease::default() };
        }
        while lease.held == 0 && !lease.is_spent {
            let left = limit.saturating_sub(lease.taken);
            if left == 0 {
                lease.is_spent = true;
                break;
            }
            let wanted = lease.portion(limit);
            let (window, ends_at) = (format!("{who}#{minute}"), (minute + 2) * MINUTE_MS / 1_000);
            match store.lease(&window, wanted, lease.processes == 0, limit, ends_at).await {
                Leased::Taken { taken, processes } => {
                    lease.taken = taken;
                    lease.processes = processes;
                    lease.held = wanted;
                }
                // The next one is smaller, down to a single token.
                Leased::TooMany(taken) => {
                    lease.taken = taken;
                    lease.is_spent = taken >= limit;
                }
                Leased::Away => {
                    lease.held = wanted.min(left);
                    lease.taken += lease.held;
                    lease.is_spent = lease.held == 0;
                }
            }
        }
        let allowed = lease.held > 0;
        if allowed {
            lease.held -= 1;
            lease.used += 1;
        }
        Allowance {
            limit,
            left: limit.saturating_sub(lease.taken) + lease.held,
            reset_s: ((minute + 1) * MINUTE_MS - now.ms() + 999) / 1_000,
            allowed,
        }
    }

    /// Gives a token back that turned out not to be needed.
    pub async fn give_back(&self, who: &str, now: Timestamp) {
        let window = self.window(who);
        let mut lease = window.lock().await;
        if lease.minute == now.ms().div_euclid(MINUTE_MS) {
            lease.held += 1;
        }
    }

    fn window(&self, who: &str) -> Window {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(windows.get_or_insert_ref(who, Window::default))
    }
}

impl Lease {
    /// How many tokens to lease at once: one when few are left, so that no process holds many that
    /// another could use; never more than this one has used so far, nor than its share of a
    /// twentieth of all.
    fn portion(&self, limit: u32) -> u32 {
        let left = limit.saturating_sub(self.taken);
        if limit < 100 || left < limit / 10 {
            return 1;
        }
        let share = limit / 20 / self.processes.max(1);
        (left / 50).min(share).min(self.used + 1).clamp(1, 10)
    }
}

impl Allowance {
    pub fn check(self) -> Result<(), Problem> {
        let problem = || Problem::rate_limited(u32::try_from(self.reset_s).unwrap_or(1));
        if self.allowed { Ok(()) } else { Err(problem()) }
    }

    /// `RateLimit` and `RateLimit-Policy` as the IETF draft `ratelimit-headers` has them.
    pub fn write(self, headers: &mut HeaderMap) {
        const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
        const ALLOWANCE: HeaderName = HeaderName::from_static("ratelimit");
        let policy = format!("\"default\";q={};w=60", self.limit);
        let allowance = format!("\"default\";r={};t={}", self.left, self.reset_s);
        for (name, value) in [(POLICY, policy), (ALLOWANCE, allowance)] {
            headers.extend(HeaderValue::from_str(&value).ok().map(|value| (name, value)));
        }
    }
}

/// The name of a source: an address, or the /64 that one host has in IPv6.
pub fn source(ip: Option<std::net::IpAddr>) -> String {
    match ip.map(|ip| ip.to_canonical()) {
        None => "source#unknown".to_owned(),
        Some(std::net::IpAddr::V4(ip)) => format!("source#{ip}"),
        Some(std::net::IpAddr::V6(ip)) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("source#{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_an_address_or_the_64_bits_that_one_host_has() {
        let of = |ip: &str| source(ip.parse().ok());
        assert_eq!(of("203.0.113.7"), "source#203.0.113.7");
        assert_eq!(of("::ffff:203.0.113.7"), of("203.0.113.7"));
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    }

    #[test]
    fn what_is_leased_at_once_shrinks_with_what_is_left_and_who_else_leases() {
        for (taken, used, processes, limit, portion) in [
            (0, 0, 0, 600, 1),
            (1, 1, 1, 600, 2),
            (20, 20, 1, 600, 10),
            (200, 20, 1, 600, 8),
            (200, 20, 6, 600, 5),
            (200, 20, 100, 600, 1),
            (541, 99, 1, 600, 1),
            (0, 50, 1, 99, 1),
            (600, 99, 1, 600, 1),
        ] {
            let lease = Lease { used, taken, processes, ..Lease::default() };
            assert_eq!(lease.portion(limit), portion, "{taken} {used} {processes} {limit}");
        }
    }
}
