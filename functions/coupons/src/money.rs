//! Amounts of money: decimals, never floats, each in a currency that says how many of them count.

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shared::fields::Wrong;
use shared::json::Node;
use shared::values::{decimal, string};

/// Digits before the point of an amount, and decimals of a percentage.
const AMOUNT_DIGITS: usize = 15;
const RATE_DECIMALS: usize = 6;

/// A currency of ISO 4217 that amounts can be in: gold and test codes have no decimals, and
/// withdrawn ones are nobody's money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Currency {
    iso: iso_currency::Currency,
    decimals: u16,
}

impl Currency {
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        // Venezuela has two: VED came beside VES and didn't take its place, as the crate has it.
        let is_current = |iso: &iso_currency::Currency| {
            iso.is_superseded().is_none() || *iso == iso_currency::Currency::VES
        };
        let iso = iso_currency::Currency::from_code(text).filter(is_current);
        let known = iso.and_then(|iso| Some(Self { iso, decimals: iso.exponent()? }));
        known.ok_or(Wrong::invalid("This must be a currency's code by ISO 4217, such as USD."))
    }

    pub fn code(self) -> &'static str {
        self.iso.code()
    }

    /// Rounded half-even to the currency's decimals, and written with all of them.
    pub fn round(self, amount: Decimal) -> Decimal {
        let decimals = u32::from(self.decimals);
        let mut rounded =
            amount.round_dp_with_strategy(decimals, RoundingStrategy::MidpointNearestEven);
        rounded.rescale(decimals);
        rounded
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::parse(&code).map_err(|_| serde::de::Error::custom("not a currency"))
    }
}

/// An amount with at most the currency's decimals. Without a currency, which is an error of its
/// own, the form alone is checked.
pub fn amount(currency: Option<Currency>) -> impl Fn(&Node) -> Result<Decimal, Wrong> {
    let decimals = currency.map_or(RATE_DECIMALS, |currency| usize::from(currency.decimals));
    string(move |text| decimal(text, AMOUNT_DIGITS, decimals))
}

/// 0 to 100.
pub fn percent(text: &str) -> Result<Decimal, Wrong> {
    let percent = decimal(text, AMOUNT_DIGITS, RATE_DECIMALS)?;
    if percent > Decimal::ONE_HUNDRED { Err(Wrong::OUT_OF_RANGE) } else { Ok(percent) }
}
