//! What a loan costs to pay off: interest by the day, to the cent, exactly.
//!
//! ```text
//! good_through     = payoff_date, or the next day that is a business day
//! accrued_days     = days from interest_paid_through to good_through, as the day count has them
//! per_diem         = principal_balance × annual_rate_percent / 100 / basis
//! accrued_interest = principal_balance × annual_rate_percent / 100 × accrued_days / basis
//! total_due        = principal_balance + accrued_interest + fees_total
//! ```
//!
//! Simple interest: an amount times a rate times a fraction of a year, 2006 ISDA Definitions, section
//! 5.1; the fraction is that of the day count. `per_diem` and `accrued_interest` are each rounded
//! once, half to even, from the exact value: the interest is not the rounded `per_diem` times the
//! days.

use chrono::Datelike;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use shared::calendar::{YEARS, business_day_from};
use shared::fields::{Members, Object, Wrong};
use shared::values::{Date, Timestamp, decimal, string, text};
use uuid::Uuid;

use crate::day_count::DayCount;

pub const MEMBERS: Members = Members {
    writable: &[
        "loan_number",
        "payoff_date",
        "principal_balance",
        "annual_rate_percent",
        "interest_paid_through",
        "day_count",
        "fees",
    ],
    read_only: &[
        "id",
        "location_id",
        "good_through",
        "accrued_days",
        "per_diem",
        "accrued_interest",
        "fees_total",
        "total_due",
        "created_at",
    ],
};
pub const FEE: Members = Members { writable: &["name", "amount"], read_only: &[] };

/// Digits before the point of an amount; decimals of one and of a rate.
const AMOUNT_DIGITS: usize = 15;
const CENTS: u32 = 2;
const RATE_DECIMALS: u32 = 6;
pub const MOST_FEES: usize = 100;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Terms {
    pub loan_number: String,
    pub payoff_date: Date,
    pub principal_balance: Decimal,
    pub annual_rate_percent: Decimal,
    pub interest_paid_through: Date,
    pub day_count: DayCount,
    pub fees: Vec<Fee>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Fee {
    pub name: String,
    pub amount: Decimal,
}

/// What comes of it. Amounts have two decimals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Figures {
    pub good_through: Date,
    pub accrued_days: i64,
    pub per_diem: Decimal,
    pub accrued_interest: Decimal,
    pub fees_total: Decimal,
    pub total_due: Decimal,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Payoff {
    pub id: Uuid,
    pub location_id: Uuid,
    #[serde(flatten)]
    pub terms: Terms,
    #[serde(flatten)]
    pub figures: Figures,
    pub created_at: Timestamp,
}

impl Terms {
    pub fn read(body: &mut Object) -> Option<Self> {
        let loan_number = body.required("loan_number", string(text::<128>));
        let payoff_date = body.required("payoff_date", string(date));
        let principal_balance = body.required("principal_balance", string(balance));
        let annual_rate_percent = body.required("annual_rate_percent", string(rate));
        let interest_paid_through = body.required("interest_paid_through", string(date));
        let day_count = body.required("day_count", string(DayCount::parse));
        let given = body.has("fees");
        let fees = body.objects("fees", MOST_FEES, FEE, Fee::read);
        let (payoff_date, interest_paid_through) = (payoff_date?, interest_paid_through?);
        if payoff_date < interest_paid_through {
            const BEFORE: Wrong = Wrong::invalid("This must not be before interest_paid_through.");
            body.wrong("payoff_date", BEFORE);
        }
        Some(Self {
            loan_number: loan_number?,
            payoff_date,
            principal_balance: principal_balance?,
            annual_rate_percent: annual_rate_percent?,
            interest_paid_through,
            day_count: day_count?,
            fees: if given { fees? } else { Vec::new() },
        })
    }

    /// None beyond the days and numbers that can be written, which no terms that were read are.
    pub fn figures(&self) -> Option<Figures> {
        let good_through = business_day_from(self.payoff_date.day())?;
        let accrued_days = self.day_count.days(self.interest_paid_through.day(), good_through);
        let accrued_interest = self.interest(accrued_days)?;
        let mut fees_total = Decimal::ZERO;
        for fee in &self.fees {
            fees_total = fees_total.checked_add(fee.amount)?;
        }
        let sum = self.principal_balance.checked_add(accrued_interest)?;
        Some(Figures {
            good_through: good_through.into(),
            accrued_days,
            per_diem: self.interest(1)?,
            accrued_interest,
            fees_total: in_cents(fees_total),
            total_due: in_cents(sum.checked_add(fees_total)?),
        })
    }

    /// The interest of so many days, in cents. The exact value is a fraction of whole numbers, up
    /// to 10^30 and more than a `Decimal` holds; it is rounded once, half to even.
    fn interest(&self, days: i64) -> Option<Decimal> {
        let cents = whole(self.principal_balance, CENTS);
        let rate = whole(self.annual_rate_percent, RATE_DECIMALS);
        let year = i128::from(self.day_count.basis()) * 100 * 10_i128.pow(RATE_DECIMALS);
        let exact = cents.checked_mul(rate)?.checked_mul(i128::from(days))?;
        let (cents, rest) = (exact.div_euclid(year), exact.rem_euclid(year));
        let up = match (rest * 2).cmp(&year) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => cents % 2 != 0,
            std::cmp::Ordering::Greater => true,
        };
        Decimal::try_from_i128_with_scale(cents + i128::from(up), CENTS).ok()
    }
}

impl Fee {
    fn read(fee: &mut Object) -> Option<Self> {
        let name = fee.required("name", string(text::<256>));
        let amount = fee.required("amount", string(amount));
        Some(Self { name: name?, amount: amount? })
    }
}

/// An amount as a number of its smallest units, which it has no parts of.
fn whole(mut amount: Decimal, decimals: u32) -> i128 {
    amount.rescale(decimals);
    amount.mantissa()
}

/// Written with both decimals.
fn in_cents(mut amount: Decimal) -> Decimal {
    amount.rescale(CENTS);
    amount
}

fn amount(text: &str) -> Result<Decimal, Wrong> {
    decimal(text, AMOUNT_DIGITS, CENTS as usize)
}

/// Above 0.
fn balance(text: &str) -> Result<Decimal, Wrong> {
    match amount(text)? {
        balance if balance.is_zero() => Err(Wrong::OUT_OF_RANGE),
        balance => Ok(balance),
    }
}

/// 0 to 100.
fn rate(text: &str) -> Result<Decimal, Wrong> {
    match decimal(text, AMOUNT_DIGITS, RATE_DECIMALS as usize)? {
        rate if rate > Decimal::ONE_HUNDRED => Err(Wrong::OUT_OF_RANGE),
        rate => Ok(rate),
    }
}

/// A day of the years whose holidays are known.
fn date(text: &str) -> Result<Date, Wrong> {
    let date = Date::parse(text)?;
    if YEARS.contains(&date.day().year()) { Ok(date) } else { Err(Wrong::OUT_OF_RANGE) }
}

#[cfg(test)]
mod tests;
