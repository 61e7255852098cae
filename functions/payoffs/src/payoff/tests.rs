use std::cmp::Ordering;

use chrono::{Days, NaiveDate};
use proptest::prelude::*;

use super::*;

fn number(text: &str) -> Decimal {
    text.parse().unwrap_or_default()
}

fn day(text: &str) -> Date {
    Date::parse(text).unwrap_or_else(|_| panic!("{text}"))
}

fn terms(balance: &str, rate: &str, day_count: DayCount, from: &str, to: &str) -> Terms {
    Terms {
        loan_number: "L-1".to_owned(),
        payoff_date: day(to),
        principal_balance: number(balance),
        annual_rate_percent: number(rate),
        interest_paid_through: day(from),
        day_count,
        fees: Vec::new(),
    }
}

fn shown(terms: &Terms) -> String {
    let of = terms.figures().expect("figures");
    let (interest, total) = (of.accrued_interest, of.total_due);
    format!("{} {} {} {interest} {total}", of.good_through, of.accrued_days, of.per_diem)
}

/// Each by hand, as the comment behind it has it.
#[test]
fn what_was_computed_by_hand_comes_out() {
    use DayCount::{Actual360, Actual365, Thirty360};
    for (balance, rate, day_count, from, to, expected) in [
        // 250,000 × 4.5 % = 11,250 a year; / 365 = 30.8219…; × 14 = 431.5068…
        (
            "250000.00",
            "4.5",
            Actual365,
            "2026-03-01",
            "2026-03-15",
            "2026-03-16 15 30.82 462.33 250462.33",
        ),
        (
            "250000.00",
            "4.5",
            Actual365,
            "2026-03-02",
            "2026-03-16",
            "2026-03-16 14 30.82 431.51 250431.51",
        ),
        // / 360 = 31.25; × 14 = 437.50
        (
            "250000.00",
            "4.5",
            Actual360,
            "2026-03-02",
            "2026-03-16",
            "2026-03-16 14 31.25 437.50 250437.50",
        ),
        // The same 14 days of months of thirty; over the end of January (31 days) 13 for 14.
        (
            "250000.00",
            "4.5",
            Thirty360,
            "2026-03-02",
            "2026-03-16",
            "2026-03-16 14 31.25 437.50 250437.50",
        ),
        (
            "250000.00",
            "4.5",
            Thirty360,
            "2026-01-19",
            "2026-02-02",
            "2026-02-02 13 31.25 406.25 250406.25",
        ),
        // Of a leap year 366 days over 365: 10,000 × 3.65 % = 365; / 365 = 1.00; × 366
        (
            "10000",
            "3.65",
            Actual365,
            "2024-01-02",
            "2025-01-02",
            "2025-01-02 366 1.00 366.00 10366.00",
        ),
        // The end of a February to that of another: a year of 360.
        (
            "36000",
            "10",
            Thirty360,
            "2023-02-28",
            "2024-02-29",
            "2024-02-29 360 10.00 3600.00 39600.00",
        ),
        // 4 July 2026 is a Saturday, observed on Friday the 3rd: good through Monday the 6th.
        ("36500", "1", Actual365, "2026-07-01", "2026-07-03", "2026-07-06 5 1.00 5.00 36505.00"),
        // Christmas Day of 2022 is a Sunday, observed on Monday.
        ("36500", "1", Actual365, "2022-12-23", "2022-12-24", "2022-12-27 4 1.00 4.00 36504.00"),
        // Paid on the day through which interest is paid: none.
        ("100", "5", Actual360, "2026-03-16", "2026-03-16", "2026-03-16 0 0.01 0.00 100.00"),
        ("100", "0", Actual360, "2026-03-02", "2026-03-16", "2026-03-16 14 0.00 0.00 100.00"),
    ] {
        let terms = terms(balance, rate, day_count, from, to);
        assert_eq!(shown(&terms), expected, "{balance} at {rate} from {from} to {to}");
    }
}

#[test]
fn half_a_cent_goes_to_the_even_one() {
    // Per diem: 18 × 10 % / 360 = 0.005 and 54 × 10 % / 360 = 0.015; five days of the first 0.025.
    let per_diem = |balance| {
        let terms = terms(balance, "10", DayCount::Actual360, "2026-03-02", "2026-03-03");
        terms.figures().expect("figures").per_diem.to_string()
    };
    assert_eq!(
        (per_diem("18"), per_diem("54"), per_diem("90")),
        ("0.00".into(), "0.02".into(), "0.02".into())
    );
    assert_eq!((per_diem("18.01"), per_diem("53.99")), ("0.01".into(), "0.01".into()));
    let five = terms("18", "10", DayCount::Actual360, "2026-03-02", "2026-03-09");
    assert_eq!(five.interest(5), Some(number("0.02")));
    assert_eq!(five.interest(7), Some(number("0.04")), "0.035");
}

#[test]
fn interest_comes_from_the_exact_value_and_not_from_the_rounded_per_diem() {
    // 100 × 5 % / 365 = 0.01369…: 0.01 a day, but 4.11 in 300 days.
    let terms = terms("100", "5", DayCount::Actual365, "2026-01-02", "2026-01-02");
    assert_eq!(
        (terms.interest(1), terms.interest(300)),
        (Some(number("0.01")), Some(number("4.11")))
    );
}

#[test]
fn the_largest_terms_have_figures() {
    let mut largest =
        terms("999999999999999.99", "100.000000", DayCount::Actual360, "1971-01-01", "2199-12-31");
    largest.fees = vec![Fee { name: "f".into(), amount: number("999999999999999.99") }; 100];
    let figures = largest.figures().expect("figures");
    assert_eq!(figures.fees_total.to_string(), "99999999999999999.00");
    assert!(figures.total_due > figures.fees_total);
    assert_eq!(figures.good_through, day("2199-12-31"));
}

fn day_count() -> impl Strategy<Value = DayCount> {
    prop_oneof![Just(DayCount::Actual365), Just(DayCount::Actual360), Just(DayCount::Thirty360)]
}

prop_compose! {
    fn any_terms()(
        cents in 1..100_000_000_000_000_000_i64,
        scale in 0..=2_u32,
        millionths in 0..=100_000_000_i64,
        from in 0..83_000_u64,
        lasts in 0..400_u64,
        day_count in day_count(),
        fees in prop::collection::vec(0..1_000_000_i64, 0..5),
    ) -> Terms {
        let begin = NaiveDate::from_ymd_opt(1971, 1, 1).expect("a day");
        let fee = |cents| Fee { name: "fee".to_owned(), amount: Decimal::new(cents, CENTS) };
        Terms {
            loan_number: "L-1".to_owned(),
            payoff_date: (begin + Days::new(from + lasts)).into(),
            principal_balance: Decimal::new(cents / 10_i64.pow(2 - scale) + 1, scale),
            annual_rate_percent: Decimal::new(millionths, RATE_DECIMALS),
            interest_paid_through: (begin + Days::new(from)).into(),
            day_count,
            fees: fees.into_iter().map(fee).collect(),
        }
    }
}

/// Digits, least first: numbers of any size, added and multiplied as at school, to judge by what
/// shares nothing with what is judged.
#[derive(Clone)]
struct Digits(Vec<u32>);

impl Digits {
    fn of(mut number: u128) -> Self {
        let mut digits = Vec::new();
        while number > 0 {
            digits.push(u32::try_from(number % 10).expect("a digit"));
            number /= 10;
        }
        Self(digits)
    }

    fn times(&self, other: &Self) -> Self {
        let mut digits = vec![0; self.0.len() + other.0.len() + 1];
        for (i, a) in self.0.iter().enumerate() {
            for (j, b) in other.0.iter().enumerate() {
                let mut at = i + j;
                digits[at] += a * b;
                while digits[at] > 9 {
                    digits[at + 1] += digits[at] / 10;
                    digits[at] %= 10;
                    at += 1;
                }
            }
        }
        Self(digits).trimmed()
    }

    fn trimmed(mut self) -> Self {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let length = self.0.len().cmp(&other.0.len());
        length.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

/// Whether `cents` is the cent nearest to cents × rate × days / year, and of two the even one:
/// (2 c − 1) year ≤ 2 exact ≤ (2 c + 1) year, with equality for an even c alone.
fn is_nearest(cents: u128, exact: &Digits, year: u128) -> bool {
    let (twice, year) = (exact.times(&Digits::of(2)), Digits::of(year));
    let even = cents.is_multiple_of(2);
    let above = match cents {
        0 => true,
        cents => match Digits::of(2 * cents - 1).times(&year).cmp(&twice) {
            Ordering::Less => true,
            Ordering::Equal => even,
            Ordering::Greater => false,
        },
    };
    let below = match Digits::of(2 * cents + 1).times(&year).cmp(&twice) {
        Ordering::Greater => true,
        Ordering::Equal => even,
        Ordering::Less => false,
    };
    above && below
}

proptest! {
    #[test]
    fn each_amount_is_the_nearest_cent_to_its_exact_value(terms in any_terms()) {
        let figures = terms.figures().expect("figures");
        let cents = |amount| u128::try_from(whole(amount, CENTS)).expect("no sign");
        let rate = u128::try_from(whole(terms.annual_rate_percent, RATE_DECIMALS)).expect("no sign");
        let year = u128::try_from(terms.day_count.basis()).expect("no sign") * 100_000_000;
        let of_a_day = Digits::of(cents(terms.principal_balance)).times(&Digits::of(rate));
        let days = Digits::of(u128::try_from(figures.accrued_days).expect("no sign"));
        prop_assert!(is_nearest(cents(figures.per_diem), &of_a_day, year));
        prop_assert!(is_nearest(cents(figures.accrued_interest), &of_a_day.times(&days), year));
    }

    #[test]
    fn halves_are_met_and_go_to_the_even_cent(half in 0..1_000_000_i64, basis in day_count()) {
        // basis × (2 half + 1) cents at 50 % a year are half + ½ cents a day.
        let cents = basis.basis() * (2 * half + 1);
        let mut terms = terms("1", "50", basis, "2026-03-02", "2026-03-03");
        terms.principal_balance = Decimal::new(cents, CENTS);
        let even = half + half % 2;
        prop_assert_eq!(terms.interest(1), Some(Decimal::new(even, CENTS)));
    }

    #[test]
    fn the_total_is_the_sum_of_its_parts(terms in any_terms()) {
        let figures = terms.figures().expect("figures");
        let fees: Decimal = terms.fees.iter().map(|fee| fee.amount).sum();
        prop_assert_eq!(figures.fees_total, fees);
        prop_assert_eq!(figures.total_due, terms.principal_balance + figures.accrued_interest + fees);
        for amount in [figures.per_diem, figures.accrued_interest, figures.fees_total, figures.total_due] {
            prop_assert_eq!(amount.scale(), 2);
            prop_assert!(!amount.is_sign_negative());
        }
    }

    #[test]
    fn a_later_payoff_a_higher_rate_or_balance_never_costs_less(terms in any_terms(), later in 0..400_u64) {
        let figures = terms.figures().expect("figures");
        let interest = |terms: Terms| terms.figures().expect("figures").accrued_interest;
        let payoff_date = (terms.payoff_date.day() + Days::new(later)).into();
        let principal_balance = terms.principal_balance + Decimal::new(1, 2);
        let annual_rate_percent = terms.annual_rate_percent + Decimal::new(1, RATE_DECIMALS);
        for more in [
            interest(Terms { payoff_date, ..terms.clone() }),
            interest(Terms { principal_balance, ..terms.clone() }),
            interest(Terms { annual_rate_percent, ..terms }),
        ] {
            prop_assert!(more >= figures.accrued_interest);
        }
    }
}
