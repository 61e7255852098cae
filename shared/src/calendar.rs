//! The days on which the United States' federal offices are shut, by rule.
//!
//! Which days are holidays: 5 U.S.C. 6103(a), as amended. They are listed from 1971 on, when the
//! Uniform Monday Holiday Act (Pub. L. 90-363) came into force.
//! When they are observed: a Saturday's holiday on the Friday before, 5 U.S.C. 6103(b)(1); a
//! Sunday's on the Monday behind, Executive Order 11582, section 3(a).
//! <https://www.opm.gov/policy-data-oversight/pay-leave/federal-holidays/>
//!
//! Inauguration Day, which is one around Washington alone, is left out.

use chrono::{Datelike, Days, NaiveDate, Weekday};

/// The years whose holidays are known. Those of later years stand to be changed by law.
pub const YEARS: std::ops::RangeInclusive<i32> = 1971..=2199;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holiday {
    pub name: &'static str,
    pub date: NaiveDate,
    /// The day off.
    pub observed: NaiveDate,
}

/// When in a year a holiday is.
#[derive(Clone, Copy)]
enum Rule {
    /// Month and day.
    On(u32, u32),
    /// Month, weekday, and which of them: 1 is the first.
    Nth(u32, Weekday, u8),
    /// The last such weekday of a month.
    Last(u32, Weekday),
}

use Rule::{Last, Nth, On};
use Weekday::{Mon, Thu};

/// Each holiday as the law names it, with the first and the last year of a rule; in the order of a
/// year.
const RULES: [(&str, i32, i32, Rule); 12] = [
    ("New Year's Day", 1971, i32::MAX, On(1, 1)),
    // Pub. L. 98-144: from 1986.
    ("Birthday of Martin Luther King, Jr.", 1986, i32::MAX, Nth(1, Mon, 3)),
    ("Washington's Birthday", 1971, i32::MAX, Nth(2, Mon, 3)),
    ("Memorial Day", 1971, i32::MAX, Last(5, Mon)),
    // Pub. L. 117-17: signed two days before.
    ("Juneteenth National Independence Day", 2021, i32::MAX, On(6, 19)),
    ("Independence Day", 1971, i32::MAX, On(7, 4)),
    ("Labor Day", 1971, i32::MAX, Nth(9, Mon, 1)),
    ("Columbus Day", 1971, i32::MAX, Nth(10, Mon, 2)),
    // Pub. L. 94-97: back on its old day from 1978.
    ("Veterans Day", 1971, 1977, Nth(10, Mon, 4)),
    ("Veterans Day", 1978, i32::MAX, On(11, 11)),
    ("Thanksgiving Day", 1971, i32::MAX, Nth(11, Thu, 4)),
    ("Christmas Day", 1971, i32::MAX, On(12, 25)),
];

/// The holidays whose date is in a year, by date.
fn dated_in(year: i32) -> impl Iterator<Item = Holiday> {
    let in_force = move |(_, from, to, _): &(&str, i32, i32, Rule)| (*from..=*to).contains(&year);
    RULES.into_iter().filter(in_force).filter_map(move |(name, _, _, rule)| {
        let date = rule.date(year)?;
        Some(Holiday { name, date, observed: observed(date)? })
    })
}

/// The holidays whose date or day off is in a year, by date. New Year's Day may be off in the year
/// before.
pub fn holidays(year: i32) -> impl Iterator<Item = Holiday> {
    let next = dated_in(year + 1).filter(move |holiday| holiday.observed.year() == year);
    dated_in(year).chain(next)
}

/// Neither a weekend day nor the day off of a holiday.
fn is_business_day(day: NaiveDate) -> bool {
    !is_weekend(day) && !holidays(day.year()).any(|holiday| holiday.observed == day)
}

/// The day itself, or the next one that is a business day; None at the end of all days.
pub fn business_day_from(day: NaiveDate) -> Option<NaiveDate> {
    day.iter_days().find(|day| is_business_day(*day))
}

fn is_weekend(day: NaiveDate) -> bool {
    matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

fn observed(date: NaiveDate) -> Option<NaiveDate> {
    match date.weekday() {
        Weekday::Sat => date.checked_sub_days(Days::new(1)),
        Weekday::Sun => date.checked_add_days(Days::new(1)),
        _ => Some(date),
    }
}

impl Rule {
    fn date(self, year: i32) -> Option<NaiveDate> {
        match self {
            On(month, day) => NaiveDate::from_ymd_opt(year, month, day),
            Nth(month, weekday, n) => NaiveDate::from_weekday_of_month_opt(year, month, weekday, n),
            // Some months have five of a weekday.
            Last(month, weekday) => [5, 4]
                .into_iter()
                .find_map(|n| NaiveDate::from_weekday_of_month_opt(year, month, weekday, n)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(year: i32) -> Vec<String> {
        let line = |holiday: Holiday| {
            let off = if holiday.observed == holiday.date {
                String::new()
            } else {
                format!(" off {}", holiday.observed)
            };
            format!("{} {}{off}", holiday.date, holiday.name)
        };
        holidays(year).map(line).collect()
    }

    /// <https://www.opm.gov/policy-data-oversight/pay-leave/federal-holidays/>, 2021 and 2022.
    #[test]
    fn a_year_is_as_the_office_of_personnel_management_lists_it() {
        assert_eq!(
            listed(2021),
            [
                "2021-01-01 New Year's Day",
                "2021-01-18 Birthday of Martin Luther King, Jr.",
                "2021-02-15 Washington's Birthday",
                "2021-05-31 Memorial Day",
                "2021-06-19 Juneteenth National Independence Day off 2021-06-18",
                "2021-07-04 Independence Day off 2021-07-05",
                "2021-09-06 Labor Day",
                "2021-10-11 Columbus Day",
                "2021-11-11 Veterans Day",
                "2021-11-25 Thanksgiving Day",
                "2021-12-25 Christmas Day off 2021-12-24",
                "2022-01-01 New Year's Day off 2021-12-31",
            ]
        );
        assert_eq!(
            listed(2022),
            [
                "2022-01-01 New Year's Day off 2021-12-31",
                "2022-01-17 Birthday of Martin Luther King, Jr.",
                "2022-02-21 Washington's Birthday",
                "2022-05-30 Memorial Day",
                "2022-06-19 Juneteenth National Independence Day off 2022-06-20",
                "2022-07-04 Independence Day",
                "2022-09-05 Labor Day",
                "2022-10-10 Columbus Day",
                "2022-11-11 Veterans Day",
                "2022-11-24 Thanksgiving Day",
                "2022-12-25 Christmas Day off 2022-12-26",
            ]
        );
        assert_eq!(listed(2026)[5], "2026-07-04 Independence Day off 2026-07-03");
    }

    #[test]
    fn a_holiday_begins_with_the_year_of_its_law() {
        let first = |name: &str| YEARS.clone().find(|year| listed(*year).join(";").contains(name));
        assert_eq!(first("Martin Luther King"), Some(1986));
        assert_eq!(first("Juneteenth"), Some(2021));
        assert_eq!(first("Columbus Day"), Some(1971));
        assert_eq!(listed(1971).len(), 10, "nine, and New Year's Day of 1972 on a Friday");
        assert_eq!(listed(1972).len(), 9);
        assert_eq!((listed(1987).len(), listed(2023).len()), (10, 11));
    }

    #[test]
    fn veterans_day_was_a_monday_in_october_for_seven_years() {
        let of = |year| listed(year).into_iter().find(|line| line.contains("Veterans"));
        assert_eq!(of(1971).as_deref(), Some("1971-10-25 Veterans Day"));
        assert_eq!(of(1977).as_deref(), Some("1977-10-24 Veterans Day"));
        assert_eq!(of(1978).as_deref(), Some("1978-11-11 Veterans Day off 1978-11-10"));
    }

    #[test]
    fn the_business_day_behind_a_long_weekend_is_found() {
        let from = |text: &str| {
            let day = text.parse().unwrap_or_default();
            business_day_from(day).map(|day| day.to_string()).unwrap_or_default()
        };
        assert_eq!(from("2026-07-02"), "2026-07-02");
        assert_eq!(from("2026-07-03"), "2026-07-06");
        assert_eq!(from("2021-12-31"), "2022-01-03");
        assert_eq!(from("2022-12-24"), "2022-12-27");
        assert_eq!(from("2024-11-28"), "2024-11-29");
        assert_eq!(from("2020-06-19"), "2020-06-19");
        assert_eq!(from("2199-12-31"), "2199-12-31");
    }

    proptest! {
        #[test]
        fn a_day_off_is_a_weekday_next_to_its_holiday(year in YEARS) {
            let mut before = None;
            for holiday in holidays(year) {
                prop_assert!(!is_weekend(holiday.observed));
                prop_assert!((holiday.observed - holiday.date).num_days().abs() <= 1);
                prop_assert!(holiday.date.year() == year || holiday.observed.year() == year);
                prop_assert!(before < Some(holiday.date));
                before = Some(holiday.date);
            }
        }

        #[test]
        fn a_business_day_is_at_most_five_days_away(year in YEARS, day in 1..=365u32) {
            let day = NaiveDate::from_yo_opt(year, day).unwrap_or_default();
            let next = business_day_from(day).unwrap_or_default();
            prop_assert!((0..=4).contains(&(next - day).num_days()));
            prop_assert!(is_business_day(next));
            prop_assert_eq!(next == day, is_business_day(day));
        }
    }
}
