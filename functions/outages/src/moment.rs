//! RFC 3339 times, compared as exact instants: every digit of a fraction counts, and nothing is
//! allocated, since each outage has two of them.

/// An instant: seconds since 1970, and the digits of their fraction without zeros at the end, whose
/// order as text is their order as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment<'a> {
    seconds: i64,
    fraction: &'a str,
}

impl<'a> Moment<'a> {
    /// None where it is no RFC 3339 time with an offset. A leap second is the next second.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (date_time, rest) = text.as_bytes().split_first_chunk::<19>()?;
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T' | b't' | b' ', clock @ ..] =
            *date_time
        else {
            return None;
        };
        let [h1, h2, b':', i1, i2, b':', s1, s2] = clock else {
            return None;
        };
        let year = number(y1, y2)? * 100 + number(y3, y4)?;
        let (month, day) = (number(m1, m2)?, number(d1, d2)?);
        let (hour, minute, second) = (number(h1, h2)?, number(i1, i2)?, number(s1, s2)?);
        let in_range = (1..=12).contains(&month)
            && (1..=days_in(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60;
        if !in_range {
            return None;
        }
        let digits = match rest {
            [b'.', behind @ ..] => {
                let digits = behind.iter().take_while(|b| b.is_ascii_digit()).count();
                if digits == 0 {
                    return None;
                }
                digits
            }
            _ => 0,
        };
        let dot = usize::from(digits > 0);
        let fraction = text.get(19 + dot..19 + dot + digits)?.trim_end_matches('0');
        let offset = offset(rest.get(dot + digits..)?)?;
        let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        Some(Self { seconds: seconds - offset, fraction })
    }

    /// The instant as text that is the same for every way of writing it.
    pub fn canonical(self) -> String {
        format!("{}.{}", self.seconds, self.fraction)
    }
}

fn number(tens: u8, ones: u8) -> Option<i64> {
    let digit = |b: u8| b.is_ascii_digit().then(|| i64::from(b - b'0'));
    Some(digit(tens)? * 10 + digit(ones)?)
}

/// Seconds ahead of UTC.
fn offset(text: &[u8]) -> Option<i64> {
    match *text {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number(h1, h2)?, number(m1, m2)?);
            let ahead = hours * 3_600 + minutes * 60;
            let signed = if sign == b'-' { -ahead } else { ahead };
            (hours < 24 && minutes < 60).then_some(signed)
        }
        _ => None,
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 in the proleptic Gregorian calendar.
/// <https://howardhinnant.github.io/date_algorithms.html#days_from_civil>
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    fn agrees(text: &str) {
        let chrono = DateTime::parse_from_rfc3339(text).ok();
        let ours = Moment::parse(text);
        assert_eq!(ours.is_some(), chrono.is_some(), "{text:?}");
        if let (Some(ours), Some(chrono)) = (ours, chrono) {
            // chrono counts a leap second as a fraction above one.
            let leap = i64::from(chrono.timestamp_subsec_nanos() >= 1_000_000_000);
            assert_eq!(ours.seconds, chrono.timestamp() + leap, "{text:?}");
            let nanos = format!("{:0<9}", ours.fraction.get(..9).unwrap_or(ours.fraction));
            let theirs = chrono.timestamp_subsec_nanos() % 1_000_000_000;
            assert_eq!(nanos.parse(), Ok(theirs), "{text:?}");
        }
    }

    #[test]
    fn times_are_read_as_chrono_reads_them() {
        for text in [
            "2022-01-01T00:00:00.000Z",
            "2022-01-01t00:00:00z",
            "2022-01-01 00:00:00+00:00",
            "2021-12-31T19:00:00.5-05:00",
            "2016-12-31T23:59:60Z",
            "0000-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2022-13-01T00:00:00Z",
            "2022-00-01T00:00:00Z",
            "2022-01-00T00:00:00Z",
            "2022-01-01T24:00:00Z",
            "2022-01-01T00:00:61Z",
            "2022-01-01T00:00:00",
            "2022-01-01T00:00:00.Z",
            "2022-01-01T00:00:00+0000",
            "2022-01-01T00:00:00+00",
            "2022-01-01T00:00:00+00:60",
            "2022-01-01T00:00:00Zx",
            "2022-01-01",
            "20220101T000000Z",
            "",
        ] {
            agrees(text);
        }
    }

    #[test]
    fn the_order_is_that_of_the_instants_to_the_last_digit() {
        let moment = |text| Moment::parse(text).unwrap();
        let since = moment("2022-01-01T00:00:00.000Z");
        assert_eq!(moment("2022-01-01T01:00:00+01:00"), since);
        assert_eq!(moment("2021-12-31T23:59:60Z"), since);
        assert!(moment("2022-01-01T00:00:00.0000000000001Z") > since);
        assert!(moment("2022-01-01T00:00:00.1Z") > moment("2022-01-01T00:00:00.09Z"));
        assert!(moment("2021-12-31T23:59:59.9999Z") < since);
        assert!(moment("2022-01-01T00:00:00+00:01") < since);
    }

    proptest! {
        #[test]
        fn any_time_is_read_as_chrono_reads_it(
            y in 0..10_000, mo in 0..14, d in 0..33, h in 0..25, mi in 0..61, s in 0..62,
            fraction in "(\\.[0-9]{0,12})?", zone in "Z|z|[+-][01][0-9]:[0-6][0-9]|[+-]2[0-3]:00||UTC",
        ) {
            agrees(&format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}{fraction}{zone}"));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,40}") {
            let _ = Moment::parse(&text);
        }
    }
}
