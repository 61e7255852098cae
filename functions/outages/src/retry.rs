//! When a request is tried again: the one place that says so.

use std::time::{Duration, SystemTime};

use crate::settings::Timing;

/// What became of one try that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hitch {
    /// No connection: the request was never sent.
    NotSent,
    Broken,
    TimedOut,
    Status(u16),
}

impl Hitch {
    pub fn is_passing(self) -> bool {
        match self {
            Self::NotSent | Self::Broken | Self::TimedOut => true,
            Self::Status(status) => status == 429 || (500..600).contains(&status),
        }
    }

    /// Whether the request may have been received, for all that is known.
    pub fn is_in_doubt(self) -> bool {
        matches!(self, Self::Broken | Self::TimedOut)
    }
}

/// How long to wait before the next try, where there is one: full jitter, exponential, and not
/// before the upstream asked for. `tried` so far; `random` from 0 to 1.
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
pub fn pause(
    hitch: Hitch,
    tried: u32,
    attempts: u32,
    asked: Option<Duration>,
    timing: &Timing,
    random: f64,
) -> Option<Duration> {
    if !hitch.is_passing() || tried >= attempts {
        return None;
    }
    let doubled = 2_u32.saturating_pow(tried.saturating_sub(1));
    let most = timing.pause.saturating_mul(doubled).min(timing.longest_pause);
    let asked = asked.unwrap_or_default().min(timing.longest_asked);
    Some(most.mul_f64(random).max(asked))
}

/// `Retry-After`, RFC 9110, section 10.2.3: seconds, or a date.
pub fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit are longer than anybody waits.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIMING: Timing = Timing::USUAL;

    fn longest(hitch: Hitch, tried: u32) -> Option<Duration> {
        pause(hitch, tried, 100, None, &TIMING, 1.0)
    }

    #[test]
    fn what_may_pass_is_tried_again_and_nothing_else() {
        for hitch in [Hitch::NotSent, Hitch::Broken, Hitch::TimedOut] {
            assert!(longest(hitch, 1).is_some(), "{hitch:?}");
        }
        for (status, again) in [
            (429, true),
            (500, true),
            (503, true),
            (599, true),
            (200, false),
            (202, false),
            (301, false),
            (400, false),
            (403, false),
            (404, false),
            (600, false),
        ] {
            assert_eq!(longest(Hitch::Status(status), 1).is_some(), again, "{status}");
        }
    }

    #[test]
    fn pauses_double_up_to_ten_seconds_and_end_with_the_attempts() {
        let pauses: Vec<_> =
            (1..=8).map(|tried| longest(Hitch::Broken, tried).unwrap().as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        assert_eq!(longest(Hitch::Broken, 99), Some(TIMING.longest_pause));
        assert_eq!(pause(Hitch::Broken, 5, 6, None, &TIMING, 0.0), Some(Duration::ZERO));
        assert_eq!(pause(Hitch::Broken, 6, 6, None, &TIMING, 0.0), None);
        assert_eq!(pause(Hitch::Broken, 1, 1, None, &TIMING, 0.0), None);
    }

    #[test]
    fn what_the_upstream_asks_for_is_waited_for_up_to_thirty_seconds() {
        let asked = |seconds| {
            let asked = Some(Duration::from_secs(seconds));
            pause(Hitch::Status(429), 1, 6, asked, &TIMING, 0.5).unwrap().as_millis()
        };
        assert_eq!([asked(0), asked(7), asked(30), asked(3_600)], [100, 7_000, 30_000, 30_000]);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let after = |text| retry_after(text, now).map(|after| after.as_secs());
        assert_eq!(after("120"), Some(120));
        assert_eq!(after(" 0 "), Some(0));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:47 GMT"), Some(10));
        assert_eq!(after("Sunday, 06-Nov-94 08:49:47 GMT"), Some(10));
        assert_eq!(after("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!(after("99999999999999999999"), Some(u64::from(u32::MAX)));
        for text in ["", "-1", "1.5", "soon"] {
            assert_eq!(after(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_pause_is_longer_than_its_bounds(tried: u32, random in 0.0..=1.0, asked: Option<u32>) {
            let asked = asked.map(|seconds| Duration::from_secs(seconds.into()));
            let paused = pause(Hitch::TimedOut, tried, u32::MAX, asked, &TIMING, random);
            prop_assert!(paused.is_none_or(|paused| paused <= TIMING.longest_asked));
        }
    }
}
