//! What a run of the outage sync does where its trigger doesn't say: settings that the API needs
//! as well as the worker, since it has to know which triggers are equal.

use crate::config::BadSetting;
use crate::fields::Wrong;
use crate::values::{Timestamp, name};

/// The most sites of one run.
pub const MOST_SITES: usize = 100;

/// The sites and the time of a run that names none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usual {
    pub sites: Vec<String>,
    /// RFC 3339, as it was set: no digit of it is lost.
    pub since: String,
}

impl Usual {
    /// From the variables that `get` knows.
    pub fn from_variables(
        get: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, BadSetting> {
        let sites = get("OUTAGE_SITES").unwrap_or_else(|| "norwich-pear-tree".to_owned());
        let why = "up to 100 sites by commas, each 1 to 64 of [A-Za-z0-9._-]";
        let sites: Result<Vec<_>, _> = sites.split(',').map(|text| site(text.trim())).collect();
        let sites = sites.ok().filter(|sites| sites.len() <= MOST_SITES);
        let since = get("OUTAGES_SINCE").unwrap_or_else(|| "2022-01-01T00:00:00.000Z".to_owned());
        let why_since = "an RFC 3339 time with an offset is needed";
        Timestamp::parse(&since)
            .map_err(|_| BadSetting { name: "OUTAGES_SINCE", why: why_since })?;
        Ok(Self { sites: sites.ok_or(BadSetting { name: "OUTAGE_SITES", why })?, since })
    }
}

/// The name of a site, which becomes a segment of a URL.
pub fn site(text: &str) -> Result<String, Wrong> {
    const FORM: &str = "Letters and digits of ASCII and . _ - are allowed here.";
    let site = name::<64>(text, b"._-", FORM)?;
    if text == "." || text == ".." { Err(Wrong::invalid(FORM)) } else { Ok(site) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual(name: &'static str, value: &str) -> Result<Usual, BadSetting> {
        Usual::from_variables(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn sites_and_time_have_a_usual_value_and_a_form() {
        let known = usual("", "").map(|usual| (usual.sites, usual.since));
        let since = "2022-01-01T00:00:00.000Z".to_owned();
        assert_eq!(known, Ok((vec!["norwich-pear-tree".to_owned()], since)));
        let sites = usual("OUTAGE_SITES", "a, b.c_d-E9").map(|usual| usual.sites);
        assert_eq!(sites, Ok(vec!["a".to_owned(), "b.c_d-E9".to_owned()]));
        let many = vec!["a"; 101].join(",");
        for (name, value) in [
            ("OUTAGE_SITES", "a,,b"),
            ("OUTAGE_SITES", ".."),
            ("OUTAGE_SITES", "a/b"),
            ("OUTAGE_SITES", &many),
            ("OUTAGES_SINCE", "2022-01-01"),
            ("OUTAGES_SINCE", "2022-01-01T00:00:00"),
        ] {
            assert_eq!(usual(name, value).map_err(|bad| bad.name), Err(name), "{value}");
        }
    }
}
