//! How the days between two dates are counted, and how many of them make a year.
//!
//! 2006 ISDA Definitions, section 4.16, for the actual days; for the months of thirty days "30/360
//! US" as <https://en.wikipedia.org/wiki/Day_count_convention> gives it.

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};
use shared::fields::Wrong;
use shared::values::word;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum DayCount {
    /// The days of the calendar, over a year of 365 (ISDA 4.16(d)).
    #[serde(rename = "actual/365")]
    Actual365,
    /// The days of the calendar, over a year of 360 (ISDA 4.16(e)).
    #[serde(rename = "actual/360")]
    Actual360,
    /// Twelve months of 30 days, as counted in the United States (NASD).
    #[serde(rename = "30/360")]
    Thirty360,
}

impl DayCount {
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        word(text, &["actual/365", "actual/360", "30/360"])
    }

    /// Days of a year.
    pub fn basis(self) -> i64 {
        match self {
            Self::Actual365 => 365,
            Self::Actual360 | Self::Thirty360 => 360,
        }
    }

    /// Days from one date to a later one.
    pub fn days(self, from: NaiveDate, to: NaiveDate) -> i64 {
        match self {
            Self::Actual365 | Self::Actual360 => (to - from).num_days(),
            Self::Thirty360 => thirty_360(from, to),
        }
    }
}

/// 360 (Y2 − Y1) + 30 (M2 − M1) + (D2 − D1), where, one rule after the other:
///
/// 1. D2 is 30 where both dates are the last of a February;
/// 2. D1 is 30 where the first date is the last of a February;
/// 3. D2 is 30 where it is 31 and D1 is 30 or 31;
/// 4. D1 is 30 where it is 31.
fn thirty_360(from: NaiveDate, to: NaiveDate) -> i64 {
    let (mut first, mut last) = (i64::from(from.day()), i64::from(to.day()));
    if ends_february(from) {
        if ends_february(to) {
            last = 30;
        }
        first = 30;
    }
    if last == 31 && first >= 30 {
        last = 30;
    }
    first = first.min(30);
    let months = i64::from(to.month()) - i64::from(from.month());
    360 * i64::from(to.year() - from.year()) + 30 * months + (last - first)
}

fn ends_february(day: NaiveDate) -> bool {
    day.month() == 2 && day.succ_opt().is_some_and(|next| next.month() == 3)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn days(of: DayCount, from: &str, to: &str) -> i64 {
        of.days(from.parse().unwrap_or_default(), to.parse().unwrap_or_default())
    }

    #[test]
    fn actual_days_know_leap_years() {
        assert_eq!(days(DayCount::Actual365, "2024-01-01", "2025-01-01"), 366);
        assert_eq!(days(DayCount::Actual360, "2023-01-01", "2024-01-01"), 365);
        assert_eq!(days(DayCount::Actual360, "2024-02-28", "2024-03-01"), 2);
        assert_eq!(days(DayCount::Actual365, "2100-02-28", "2100-03-01"), 1);
    }

    /// By hand from the rules.
    #[test]
    fn months_of_thirty_days_are_counted_as_in_the_united_states() {
        for (from, to, expected) in [
            ("2011-01-15", "2011-01-30", 15),
            ("2011-01-15", "2011-02-15", 30),
            ("2011-01-15", "2011-07-15", 180),
            ("2011-01-15", "2012-01-15", 360),
            // Rules 3 and 4: the 31st.
            ("2011-01-31", "2011-03-31", 60),
            ("2011-01-30", "2011-03-31", 60),
            ("2011-01-31", "2011-04-01", 61),
            ("2011-01-29", "2011-03-31", 62),
            ("2011-01-15", "2011-01-31", 16),
            ("2011-12-31", "2012-01-31", 30),
            // Rule 2: from the end of a February.
            ("2011-02-28", "2011-03-01", 1),
            ("2011-02-28", "2011-03-31", 30),
            ("2012-02-28", "2012-03-01", 3),
            ("2012-02-29", "2012-03-01", 1),
            ("2012-02-29", "2012-03-31", 30),
            // Rule 1: from the end of a February to that of another.
            ("2011-02-28", "2012-02-29", 360),
            ("2012-02-29", "2013-02-28", 360),
            ("2012-02-28", "2013-02-28", 360),
            ("2012-02-29", "2016-02-28", 1_438),
            ("2012-02-29", "2016-02-29", 1_440),
            // To the end of a February from elsewhere.
            ("2011-01-31", "2011-02-28", 28),
            ("2012-01-30", "2012-02-29", 29),
            ("2012-08-31", "2013-02-28", 178),
        ] {
            assert_eq!(days(DayCount::Thirty360, from, to), expected, "{from} to {to}");
        }
    }

    proptest! {
        #[test]
        fn a_day_later_is_never_fewer_days(from in 0..80_000u64, to in 0..80_000u64) {
            let begin = NaiveDate::from_ymd_opt(1971, 1, 1).unwrap_or_default();
            let day = |n| begin + chrono::Days::new(n);
            let (from, to) = (from.min(to), from.max(to));
            for of in [DayCount::Actual365, DayCount::Actual360, DayCount::Thirty360] {
                prop_assert_eq!(of.days(day(from), day(from)), 0);
                let days = of.days(day(from), day(to));
                prop_assert!(days >= 0);
                prop_assert!(of.days(day(from), day(to + 1)) >= days);
            }
        }
    }
}
