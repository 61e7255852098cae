//! The federal holidays of the United States, as they are listed.

use std::borrow::Cow;

use serde::Serialize;
use shared::calendar::{self, YEARS};
use shared::fields::Wrong;
use shared::values::Date;

use crate::country::Country;
use crate::dataset::{A_DAY_S, Dataset};

pub const DATASET: Dataset = Dataset {
    // The last law that changed the list.
    version: Cow::Borrowed("Pub. L. 117-17 (2021-06-17)"),
    source: "5 U.S.C. 6103; Executive Order 11582",
    max_age_s: A_DAY_S,
};

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Holiday {
    pub date: Date,
    observed_date: Date,
    name: &'static str,
}

/// The holidays whose date or day off is in a year, by date.
pub fn of_year(year: i32) -> impl Iterator<Item = Holiday> {
    calendar::holidays(year).map(|holiday| Holiday {
        date: holiday.date.into(),
        observed_date: holiday.observed.into(),
        name: holiday.name,
    })
}

/// A code of the one country whose holidays are known.
pub fn country(code: &str) -> Result<(), Wrong> {
    match Country::of_code(code) {
        Some(country) if country.is_united_states() => Ok(()),
        _ => Err(Wrong::invalid("Only the holidays of US are known.")),
    }
}

pub fn year(text: &str) -> Result<i32, Wrong> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Wrong::invalid("This must be a year such as 2026."));
    }
    let year = text.parse().ok().filter(|year| text.len() == 4 && YEARS.contains(year));
    year.ok_or(Wrong::new("out_of_range", "The years from 1971 to 2199 are known."))
}
