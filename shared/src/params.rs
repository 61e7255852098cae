//! From a query to trusted values: each parameter at most once, and none that the route doesn't know.

use std::borrow::Cow;

use crate::wrong::{Errors, Place, Wrong};

/// The query of a request.
pub struct Params {
    given: Vec<(String, Result<String, Wrong>)>,
    allowed: &'static [&'static str],
    errors: Errors,
}

impl Params {
    pub fn parse(query: Option<&str>, allowed: &'static [&'static str]) -> Self {
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let given = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name).unwrap_or_default(), decoded(value))
        });
        Self { given: given.collect(), allowed, errors: Errors::default() }
    }

    /// None where it is absent, or wrong, which is then entered.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        debug_assert!(self.allowed.contains(&name));
        let mut found = self.given.iter().enumerate().filter(|(_, (given, _))| given == name);
        let (at, (_, value)) = found.next()?;
        let parsed = match (found.next(), value) {
            (Some(_), _) => Err(Wrong::REPEATED),
            (None, Ok(value)) => parse(value),
            (None, Err(wrong)) => Err(*wrong),
        };
        parsed.map_err(|wrong| self.enter(at, name, wrong)).ok()
    }

    /// Whether a parameter was sent, right or wrong.
    pub fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| given == name)
    }

    /// Whether a parameter can't be decoded.
    pub fn is_garbled(&self, name: &str) -> bool {
        self.given.iter().any(|(given, value)| given == name && value.is_err())
    }

    /// Enters a rule between parameters that `name` breaks.
    pub fn wrong(&mut self, name: &'static str, wrong: Wrong) {
        let at = self.given.iter().position(|(given, _)| given == name);
        self.enter(at.unwrap_or(self.given.len()), name, wrong);
    }

    /// Ends the reading: fails where anything was wrong or unknown.
    pub fn finish(mut self) -> Result<(), Errors> {
        let unknown = |(name, _): &(String, _)| !self.allowed.contains(&name.as_str());
        if let Some(at) = self.given.iter().position(unknown) {
            self.enter(at, "", Wrong::unknown("unknown_parameter", self.allowed));
        }
        if self.errors.is_empty() { Ok(()) } else { Err(self.errors.in_order()) }
    }

    /// What could be read of the query, in its order.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&str, &str)> {
        self.given.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref().ok()?)))
    }

    /// What was asked, less where in the list and how much of it, by name.
    pub(crate) fn filters(&self) -> Vec<(&str, &str)> {
        let mut filters: Vec<_> =
            self.given().filter(|(name, _)| !["limit", "cursor"].contains(name)).collect();
        filters.sort_unstable();
        filters
    }

    fn enter(&mut self, at: usize, name: &'static str, wrong: Wrong) {
        self.errors.enter(at, Place::Parameter(name), wrong);
    }
}

/// One side of a pair, as `application/x-www-form-urlencoded` has it.
fn decoded(text: &str) -> Result<String, Wrong> {
    let text = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&text).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| Wrong::invalid("This must be UTF-8, percent-encoded."))
}
