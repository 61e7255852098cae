//! From a query to trusted values: each parameter at most once, and none that the route doesn't know.
//! A search says the same in a body, so that nobody's name stands in a URL.

use std::borrow::Cow;

use crate::json::{Node, Value};
use crate::wrong::{Errors, Place, Wrong};

/// The query of a request, or the members of a body that stand for one.
pub struct Params {
    given: Vec<(String, Result<String, Wrong>)>,
    allowed: &'static [&'static str],
    /// The members of a body instead of a query's parameters.
    in_body: bool,
    errors: Errors,
}

impl Params {
    pub fn parse(query: Option<&str>, allowed: &'static [&'static str]) -> Self {
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let given = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name).unwrap_or_default(), decoded(value))
        });
        Self { given: given.collect(), allowed, in_body: false, errors: Errors::default() }
    }

    /// The members of a body; those named in `numbers` are JSON integers, all others strings.
    pub fn of_body(
        node: &Node,
        allowed: &'static [&'static str],
        numbers: &[&str],
    ) -> Result<Self, Errors> {
        let Value::Object(members) = &node.value else {
            let mut errors = Errors::default();
            errors.enter(0, Place::Pointer(String::new()), Wrong::NOT_AN_OBJECT);
            return Err(errors);
        };
        let given = members.iter().filter(|(_, node)| node.value != Value::Null);
        let given = given.map(|(name, node)| {
            let is_number = numbers.contains(&name.as_str());
            let value = match &node.value {
                Value::String(text) if !is_number => Ok(text.clone()),
                Value::Number(digits) if is_number && !digits.contains(['.', 'e', 'E']) => {
                    Ok((*digits).to_owned())
                }
                _ if is_number => Err(Wrong::NOT_AN_INTEGER),
                _ => Err(Wrong::NOT_A_STRING),
            };
            (name.clone(), value)
        });
        Ok(Self { given: given.collect(), allowed, in_body: true, errors: Errors::default() })
    }

    /// Whether they came in a body.
    pub fn is_of_body(&self) -> bool {
        self.in_body
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
            let code = if self.in_body { "unknown_field" } else { "unknown_parameter" };
            self.enter(at, "", Wrong::unknown(code, self.allowed));
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
        let place = match name {
            "" if self.in_body => Place::Pointer(String::new()),
            name if self.in_body => Place::Pointer(format!("/{name}")),
            name => Place::Parameter(name),
        };
        self.errors.enter(at, place, wrong);
    }
}

/// One side of a pair, as `application/x-www-form-urlencoded` has it.
fn decoded(text: &str) -> Result<String, Wrong> {
    let text = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&text).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| Wrong::invalid("This must be UTF-8, percent-encoded."))
}
