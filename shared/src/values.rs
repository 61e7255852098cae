//! The leaves of a body or a query: text, numbers, times. Each takes what was sent and gives a
//! trusted value or says what is wrong with it.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Utc};
use rust_decimal::Decimal;
use serde::de::{DeserializeOwned, value};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::fields::Wrong;
use crate::json::{Node, Value};

/// Turns a parser of text into one of JSON strings.
pub fn string<T>(parse: impl Fn(&str) -> Result<T, Wrong>) -> impl Fn(&Node) -> Result<T, Wrong> {
    move |node| match &node.value {
        Value::String(text) => parse(text),
        _ => Err(Wrong::NOT_A_STRING),
    }
}

/// One line of 1 to `MOST` characters, none a control character.
pub fn text<const MOST: usize>(text: &str) -> Result<String, Wrong> {
    checked(text, MOST, char::is_control)
}

/// The same with line breaks.
pub fn lines<const MOST: usize>(text: &str) -> Result<String, Wrong> {
    checked(text, MOST, |c| c.is_control() && !matches!(c, '\n' | '\r'))
}

fn checked(text: &str, most: usize, refused: impl Fn(char) -> bool) -> Result<String, Wrong> {
    if text.is_empty() {
        return Err(Wrong::EMPTY);
    }
    if text.chars().nth(most).is_some() {
        return Err(Wrong::TOO_LONG);
    }
    if text.chars().any(refused) {
        return Err(Wrong::invalid("Control characters are not allowed here."));
    }
    Ok(text.to_owned())
}

/// 1 to `MOST` of ASCII's letters and digits and of `extra`, as `form` says.
pub fn name<const MOST: usize>(
    text: &str,
    extra: &[u8],
    form: &'static str,
) -> Result<String, Wrong> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || extra.contains(&b);
    match text.len() {
        0 => Err(Wrong::EMPTY),
        length if length > MOST => Err(Wrong::TOO_LONG),
        _ if text.bytes().all(allowed) => Ok(text.to_owned()),
        _ => Err(Wrong::invalid(form)),
    }
}

/// One of a closed set of words: those by which serde knows a `T`.
pub fn word<T: DeserializeOwned>(text: &str, words: &'static [&'static str]) -> Result<T, Wrong> {
    let word = value::StrDeserializer::<value::Error>::new(text);
    T::deserialize(word).map_err(|_| Wrong::not_one_of(words))
}

pub fn boolean(node: &Node) -> Result<bool, Wrong> {
    match node.value {
        Value::Bool(value) => Ok(value),
        _ => Err(Wrong::NOT_A_BOOLEAN),
    }
}

/// A JSON integer, however many digits it has; `1.0` and `1e3` are none.
pub fn integer(range: RangeInclusive<i64>) -> impl Fn(&Node) -> Result<i64, Wrong> {
    move |node| {
        let Value::Number(digits) = &node.value else {
            return Err(Wrong::NOT_AN_INTEGER);
        };
        if digits.contains(['.', 'e', 'E']) {
            return Err(Wrong::NOT_AN_INTEGER);
        }
        let value = digits.parse().map_err(|_| Wrong::OUT_OF_RANGE)?;
        if range.contains(&value) { Ok(value) } else { Err(Wrong::OUT_OF_RANGE) }
    }
}

/// A whole number of a query, as `form` says: digits, behind a sign those of no range here.
pub fn whole<N: FromStr + PartialOrd>(
    range: RangeInclusive<N>,
    form: &'static str,
) -> impl Fn(&str) -> Result<N, Wrong> {
    move |text| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Wrong::invalid(form));
        }
        text.parse::<N>().ok().filter(|n| range.contains(n)).ok_or(Wrong::OUT_OF_RANGE)
    }
}

/// A number of a query, as `form` says: digits, perhaps with a sign and a point.
pub fn plain(
    range: RangeInclusive<f64>,
    form: &'static str,
) -> impl Fn(&str) -> Result<f64, Wrong> {
    move |text| {
        let is_plain = text.bytes().all(|b| b.is_ascii_digit() || b"+-.".contains(&b));
        let value = Some(text).filter(|_| is_plain).and_then(|text| text.parse().ok());
        let value = value.ok_or(Wrong::invalid(form))?;
        if range.contains(&value) { Ok(value) } else { Err(Wrong::OUT_OF_RANGE) }
    }
}

/// A JSON number within `range`. A negative zero, and what is too small for a DynamoDB number,
/// which begins at 1e-130, becomes zero.
pub fn number(range: RangeInclusive<f64>) -> impl Fn(&Node) -> Result<f64, Wrong> {
    move |node| {
        let Value::Number(digits) = &node.value else {
            return Err(Wrong::NOT_A_NUMBER);
        };
        let value: f64 = digits.parse().map_err(|_| Wrong::NOT_A_NUMBER)?;
        match value {
            _ if !range.contains(&value) => Err(Wrong::OUT_OF_RANGE),
            _ if value.abs() < 1e-130 => Ok(0.0),
            value => Ok(value),
        }
    }
}

/// A decimal number of digits with perhaps a point between them: no sign, no exponent, no leading
/// zero before another digit. How many digits may stand before and after the point is the field's.
pub fn decimal(text: &str, whole_digits: usize, decimals: usize) -> Result<Decimal, Wrong> {
    const FORM: Wrong =
        Wrong::invalid("This must be a decimal number such as 12.50, without sign or exponent.");
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let padded = whole.len() > 1 && whole.starts_with('0');
    if !digits(whole) || padded || !fraction.is_none_or(digits) {
        return Err(FORM);
    }
    if whole.len() > whole_digits {
        return Err(Wrong::new("out_of_range", "This has more digits than are allowed here."));
    }
    if fraction.is_some_and(|fraction| fraction.len() > decimals) {
        return Err(Wrong::invalid("This has more decimals than are allowed here."));
    }
    Decimal::from_str_exact(text).map_err(|_| FORM)
}

/// What names a request, so that it happens once: 1 to 255 visible ASCII characters.
pub fn idempotency_key(text: &str) -> Result<String, Wrong> {
    const FORM: Wrong = Wrong::invalid("Send one key of 1 to 255 visible ASCII characters.");
    let visible = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if visible { Ok(text.to_owned()) } else { Err(FORM) }
}

/// Each value once, where it comes first. For lists that are short.
pub fn unique<T: PartialEq>(values: Vec<T>) -> Vec<T> {
    let mut unique = Vec::new();
    for value in values {
        if !unique.contains(&value) {
            unique.push(value);
        }
    }
    unique
}

pub fn uuid(text: &str) -> Result<Uuid, Wrong> {
    Uuid::try_parse(text).map_err(|_| Wrong::invalid("This must be a UUID."))
}

/// An instant, in milliseconds since 1970, between the years 0000 and 9999 (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    pub fn now() -> Self {
        let now = Utc::now().timestamp_millis();
        #[cfg(feature = "testing")]
        let now = now + crate::testing::clock_is_ahead_ms();
        Self(now)
    }

    /// RFC 3339 with an offset; what is finer than a millisecond is cut off.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        const FORM: Wrong = Wrong::invalid(
            "This must be an RFC 3339 time with an offset, such as 2016-08-05T08:40:51.620Z.",
        );
        // chrono takes a typographic minus as well.
        let parsed = DateTime::parse_from_rfc3339(text).ok().filter(|_| text.is_ascii());
        let parsed = parsed.ok_or(FORM)?;
        Self::from_ms(parsed.timestamp_millis()).ok_or(Wrong::OUT_OF_RANGE)
    }

    /// None outside the years that RFC 3339 can write.
    pub fn from_ms(ms: i64) -> Option<Self> {
        const YEARS: RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;
        YEARS.contains(&ms).then_some(Self(ms))
    }

    pub fn ms(self) -> i64 {
        self.0
    }

    /// The day (UTC) that it falls on.
    pub fn day(self) -> Date {
        Date(DateTime::from_timestamp_millis(self.0).unwrap_or_default().date_naive())
    }

    /// Since 1970, with a fraction: exact for any year here.
    #[expect(clippy::cast_precision_loss, reason = "below 2^52")]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1_000.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = DateTime::from_timestamp_millis(self.0).unwrap_or_default();
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|_| serde::de::Error::custom("not a timestamp"))
    }
}

/// A day of the calendar, as `YYYY-MM-DD` between the years 0001 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(NaiveDate);

impl Date {
    /// A real day: no time behind it, no sign, no digit too few.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        const FORM: Wrong = Wrong::invalid("This must be a real day as YYYY-MM-DD.");
        let shape = |(at, byte): (usize, u8)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        };
        if text.len() != 10 || !text.bytes().enumerate().all(shape) {
            return Err(FORM);
        }
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| FORM)?;
        // No calendar of people has a year 0, nor has HL7 FHIR.
        if day.year() > 0 { Ok(Self(day)) } else { Err(FORM) }
    }

    pub fn day(self) -> NaiveDate {
        self.0
    }
}

impl From<NaiveDate> for Date {
    fn from(day: NaiveDate) -> Self {
        Self(day)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d"))
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|_| serde::de::Error::custom("not a date"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Result<String, &'static str> {
        Timestamp::parse(text).map(|t| t.to_string()).map_err(|wrong| wrong.code)
    }

    #[test]
    fn times_come_in_with_an_offset_and_go_out_as_utc_milliseconds() {
        assert_eq!(time("2016-08-05T08:40:51.62Z"), Ok("2016-08-05T08:40:51.620Z".into()));
        assert_eq!(time("2016-08-05T10:40:51.6209+02:00"), Ok("2016-08-05T08:40:51.620Z".into()));
        assert_eq!(time("2016-12-31T23:59:60Z"), Ok("2017-01-01T00:00:00.000Z".into()));
        assert_eq!(time("9999-12-31T23:59:59.999Z"), Ok("9999-12-31T23:59:59.999Z".into()));
        assert_eq!(time("0000-01-01T00:00:00Z"), Ok("0000-01-01T00:00:00.000Z".into()));
    }

    #[test]
    fn what_is_no_rfc_3339_time_of_a_real_day_is_refused() {
        for text in [
            "",
            "2016-08-05",
            "2016-08-05T08:40:51",
            "2023-02-29T00:00:00Z",
            "2016-13-01T00:00:00Z",
            "2016-08-05T24:00:00Z",
            "2016-08-05T08:40:51.Z",
            "1470386451",
            "2016-08-05T08:40:51\u{2212}01:00",
        ] {
            assert_eq!(time(text), Err("invalid_value"), "{text:?}");
        }
        assert_eq!(time("0000-01-01T00:00:00+01:00"), Err("out_of_range"));
        assert_eq!(time("9999-12-31T23:59:59-00:01"), Err("out_of_range"));
    }

    #[test]
    fn a_date_is_a_real_day_and_nothing_else() {
        for text in ["2024-02-29", "0001-01-01", "9999-12-31", "2000-02-29"] {
            assert_eq!(Date::parse(text).map(|day| day.to_string()), Ok(text.to_owned()));
        }
        for text in [
            "",
            "2024-02-30",
            "2024-99-99",
            "2023-02-29",
            "1900-02-29",
            "0000-01-01",
            "2024-01-01Tgarbage",
            "2024-01-01T00:00:00Z",
            "2024-1-1",
            "24-01-01",
            "+024-01-01",
            "2024-01-1 ",
            "2024/01/01",
            "٢٠٢٤-٠١",
        ] {
            assert_eq!(Date::parse(text).map_err(|w| w.code), Err("invalid_value"), "{text:?}");
        }
    }

    #[test]
    fn decimals_have_no_sign_no_exponent_and_no_padding() {
        for text in
            ["", ".", "1.", ".5", "-1", "+1", "1e3", "1_000", "01", "00", "1.2.3", " 1", "١"]
        {
            assert_eq!(decimal(text, 15, 2).map_err(|w| w.code), Err("invalid_value"), "{text:?}");
        }
        assert_eq!(decimal("1234567890123456", 15, 2).map_err(|w| w.code), Err("out_of_range"));
        assert_eq!(decimal("1.234", 15, 2).map_err(|w| w.code), Err("invalid_value"));
    }

    proptest! {
        #[test]
        fn a_decimal_goes_out_as_it_came_in(whole in "0|[1-9][0-9]{0,14}", fraction in "(\\.[0-9]{1,6})?") {
            let text = format!("{whole}{fraction}");
            prop_assert_eq!(decimal(&text, 15, 6).map(|d| d.to_string()), Ok(text));
        }

        #[test]
        fn any_text_is_a_time_or_refused_and_a_time_reads_back_as_itself(text in "\\PC{0,40}") {
            if let Ok(time) = Timestamp::parse(&text) {
                prop_assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
            }
        }

        #[test]
        fn every_instant_reads_back_as_itself(ms in -62_167_219_200_000..=253_402_300_799_999i64) {
            let time = Timestamp::from_ms(ms);
            prop_assert_eq!(time.and_then(|t| Timestamp::parse(&t.to_string()).ok()), time);
        }
    }
}
