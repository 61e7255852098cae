//! Countries by ISO 3166-1, as the crate `rust_iso3166` has them: the codes of Debian's iso-codes,
//! the names of ISO's own platform.

use std::borrow::Cow;
use std::sync::LazyLock;

use rust_iso3166::ALL;
use serde::Serialize;

use crate::catalogue::Catalogue;
use crate::dataset::{A_DAY_S, Dataset};

pub const DATASET: Dataset = Dataset {
    version: Cow::Borrowed("2026-01-01"),
    source: "ISO 3166-1, by iso-codes 4.20.1 in rust_iso3166 0.2.0",
    max_age_s: A_DAY_S,
};

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Country {
    alpha2: &'static str,
    alpha3: &'static str,
    /// Three digits.
    numeric: String,
    name: &'static str,
}

/// By alpha-2 code; found by its name and its codes.
pub static COUNTRIES: LazyLock<Catalogue<Country>> = LazyLock::new(|| {
    let country = |of: &rust_iso3166::CountryCode| Country {
        alpha2: of.alpha2,
        alpha3: of.alpha3,
        numeric: format!("{:03}", of.numeric),
        name: of.name,
    };
    let found_by = |of: &Country| {
        let Country { alpha2, alpha3, numeric, name } = of;
        format!("{name} {alpha2} {alpha3} {numeric}")
    };
    Catalogue::new(ALL.iter().map(country).collect(), |country| country.alpha2, found_by)
});

impl Country {
    /// By a code of any of the three kinds, in any case.
    pub fn of_code(code: &str) -> Option<&'static Self> {
        let is = |known: &str| known.eq_ignore_ascii_case(code);
        let of = |row: &&Self| is(row.alpha2) || is(row.alpha3) || is(&row.numeric);
        COUNTRIES.rows().iter().find(of)
    }

    pub fn is_united_states(&self) -> bool {
        self.alpha2 == "US"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(code: &str) -> Option<&'static str> {
        Country::of_code(code).map(|country| country.name)
    }

    #[test]
    fn a_country_has_three_codes_in_any_case() {
        for code in ["GB", "gb", "GBR", "gBr", "826"] {
            assert_eq!(
                name(code),
                Some("United Kingdom of Great Britain and Northern Ireland"),
                "{code}"
            );
        }
        assert_eq!((name("004"), name("ci")), (Some("Afghanistan"), Some("Côte d'Ivoire")));
        for code in ["", "4", "XX", "UK", "XK", "0826", "G B"] {
            assert_eq!(name(code), None, "{code}");
        }
    }

    #[test]
    fn there_are_249_with_codes_of_their_own() {
        let rows = COUNTRIES.rows();
        let mut codes: Vec<_> =
            rows.iter().flat_map(|of| [of.alpha2, of.alpha3, of.numeric.as_str()]).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!((rows.len(), codes.len()), (249, 747));
        let form = |of: &Country| {
            of.alpha2.len() == 2
                && of.alpha3.len() == 3
                && of.numeric.len() == 3
                && !of.name.is_empty()
        };
        assert!(rows.iter().all(form));
    }
}
