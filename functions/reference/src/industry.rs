//! Industries by the North American Industry Classification System of 2022.
//!
//! data/naics-2022.tsv is made by the script beside it.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde::Serialize;
use shared::fields::Wrong;

use crate::catalogue::Catalogue;
use crate::dataset::{A_DAY_S, Dataset};

pub const DATASET: Dataset = Dataset {
    version: Cow::Borrowed("2022"),
    source: "U.S. Census Bureau, 2-6 digit 2022 NAICS Codes",
    max_age_s: A_DAY_S,
};

/// Digits of the longest code.
const MOST_DIGITS: usize = 6;

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Industry {
    code: &'static str,
    title: &'static str,
    /// 2 for a sector, 6 for a national industry.
    pub level: u8,
    parent: Option<&'static str>,
}

/// By code; found by its title and its numbers.
pub static INDUSTRIES: LazyLock<Catalogue<Industry>> = LazyLock::new(|| {
    let table = include_str!("../data/naics-2022.tsv");
    let lines = || table.lines().filter_map(|line| line.split_once('\t'));
    let sectors: Vec<_> = lines().map(|(code, _)| code).filter(|code| is_sector(code)).collect();
    let industry = |(code, title)| Industry {
        code,
        title,
        level: if is_sector(code) { 2 } else { u8::try_from(code.len()).unwrap_or(0) },
        parent: parent(code, &sectors),
    };
    let found_by = |of: &Industry| {
        let numbers: Vec<_> = numbers(of.code).collect();
        format!("{} {} {}", of.title, of.code, numbers.join(" "))
    };
    Catalogue::new(lines().map(industry).collect(), |industry| industry.code, found_by)
});

fn is_sector(code: &str) -> bool {
    code.len() == 2 || code.contains('-')
}

/// The numbers that a code stands for: those of a sector may be several, as in `31-33`.
fn numbers(code: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let range = code.split_once('-').and_then(|(first, last)| {
        let ends: (u8, u8) = (first.parse().ok()?, last.parse().ok()?);
        Some(ends.0..=ends.1)
    });
    let alone = range.is_none().then_some(Cow::Borrowed(code));
    range.into_iter().flatten().map(|number| Cow::Owned(number.to_string())).chain(alone)
}

/// The code with a digit less; for one of three, the sector that has its first two.
fn parent<'a>(code: &'a str, sectors: &[&'a str]) -> Option<&'a str> {
    if is_sector(code) {
        return None;
    }
    let shorter = code.get(..code.len() - 1)?;
    match shorter.len() {
        2 => sectors.iter().copied().find(|sector| numbers(sector).any(|of| of == shorter)),
        _ => Some(shorter),
    }
}

impl Industry {
    /// A code of any level; each number of a sector finds it.
    pub fn of_code(code: &str) -> Option<&'static Self> {
        let sector = |code: &str| {
            let sectors = INDUSTRIES.rows().iter().filter(|industry| industry.level == 2);
            sectors.into_iter().find(|sector| numbers(sector.code).any(|of| of == code))
        };
        INDUSTRIES.get(code).or_else(|| sector(code))
    }

    /// Whether its code, or a number that it stands for, begins so.
    pub fn begins_with(&self, prefix: &str) -> bool {
        self.code.starts_with(prefix)
            || (self.level == 2 && numbers(self.code).any(|number| number.starts_with(prefix)))
    }
}

/// The beginning of a code.
pub fn prefix(text: &str) -> Result<String, Wrong> {
    if text.is_empty() {
        return Err(Wrong::EMPTY);
    }
    if text.len() > MOST_DIGITS {
        return Err(Wrong::TOO_LONG);
    }
    if !text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return Err(Wrong::invalid("This must be the beginning of a code, such as 3119 or 31-33."));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(level: u8) -> usize {
        INDUSTRIES.rows().iter().filter(|industry| industry.level == level).count()
    }

    /// As the manual's introduction counts them.
    #[test]
    fn all_2125_codes_of_2022_are_there() {
        assert_eq!([2, 3, 4, 5, 6].map(count), [20, 96, 308, 689, 1_012]);
        assert_eq!(INDUSTRIES.rows().len(), 2_125);
    }

    #[test]
    fn every_code_has_its_parent_one_level_above() {
        for industry in INDUSTRIES.rows() {
            let parent = industry.parent.map(Industry::of_code);
            match parent {
                None => assert_eq!(industry.level, 2, "{}", industry.code),
                Some(parent) => {
                    let above = parent.map(|parent| parent.level);
                    assert_eq!(above, Some(industry.level - 1), "{}", industry.code);
                }
            }
            assert!(!industry.title.is_empty() && industry.title.trim() == industry.title);
        }
    }

    #[test]
    fn a_sector_of_several_numbers_is_found_by_each() {
        let code = |number| Industry::of_code(number).map(|industry| industry.code);
        for (sector, numbers) in [
            ("31-33", ["31", "32", "33"]),
            ("44-45", ["44", "45", "44"]),
            ("48-49", ["48", "49", "48"]),
        ] {
            assert_eq!(code(sector), Some(sector));
            assert!(numbers.iter().all(|number| code(number) == Some(sector)), "{sector}");
        }
        let parent = |number| Industry::of_code(number).and_then(|industry| industry.parent);
        assert_eq!(
            (parent("322"), parent("455"), parent("31-33")),
            (Some("31-33"), Some("44-45"), None)
        );
        for code in ["34", "3", "999999", "31-32", "", "1111111", "x"] {
            assert!(Industry::of_code(code).is_none(), "{code}");
        }
    }
}
