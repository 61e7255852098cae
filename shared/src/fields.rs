//! From a JSON document or a query to trusted values, collecting every wrong field on the way.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::json::{Node, Value};

/// The most errors in one answer, and the most from one array.
const MAX_ERRORS: usize = 100;
const MAX_ERRORS_OF_AN_ARRAY: usize = 10;

/// What is wrong with one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrong {
    pub code: &'static str,
    detail: Detail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Text(&'static str),
    OneOf(&'static [&'static str]),
}

impl Wrong {
    pub const REQUIRED: Self = Self::new("required", "This field is needed.");
    pub const NOT_A_STRING: Self = Self::new("wrong_type", "This must be a string.");
    pub const NOT_A_NUMBER: Self = Self::new("wrong_type", "This must be a number.");
    pub const NOT_AN_INTEGER: Self = Self::new("wrong_type", "This must be an integer.");
    pub const NOT_A_BOOLEAN: Self = Self::new("wrong_type", "This must be true or false.");
    pub const NOT_AN_OBJECT: Self = Self::new("wrong_type", "This must be an object.");
    pub const NOT_AN_ARRAY: Self = Self::new("wrong_type", "This must be an array.");
    pub const EMPTY: Self = Self::new("too_short", "This must not be empty.");
    pub const TOO_LONG: Self = Self::new("too_long", "This is longer than is allowed here.");
    pub const OUT_OF_RANGE: Self = Self::new("out_of_range", "This is outside the allowed range.");
    pub const REPEATED: Self = Self::new("repeated_parameter", "Send this parameter once.");

    pub const fn new(code: &'static str, detail: &'static str) -> Self {
        Self { code, detail: Detail::Text(detail) }
    }

    pub const fn invalid(detail: &'static str) -> Self {
        Self::new("invalid_value", detail)
    }

    /// Not one of a closed set of words.
    pub const fn not_one_of(allowed: &'static [&'static str]) -> Self {
        Self { code: "invalid_value", detail: Detail::OneOf(allowed) }
    }

    const fn unknown(code: &'static str, allowed: &'static [&'static str]) -> Self {
        Self { code, detail: Detail::OneOf(allowed) }
    }

    fn detail(self) -> Cow<'static, str> {
        match self.detail {
            Detail::Text(text) => Cow::Borrowed(text),
            Detail::OneOf([]) => Cow::Borrowed("None is allowed here."),
            Detail::OneOf(allowed) => Cow::Owned(format!("Allowed: {}.", allowed.join(", "))),
        }
    }
}

/// Where a wrong value stands. Every name in it is one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// RFC 6901, into the body.
    Pointer(String),
    Parameter(&'static str),
    Header(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    at: usize,
    place: Place,
    wrong: Wrong,
}

impl Serialize for FieldError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        match &self.place {
            Place::Pointer(pointer) => map.serialize_entry("pointer", pointer)?,
            Place::Parameter(name) => map.serialize_entry("parameter", name)?,
            Place::Header(name) => map.serialize_entry("header", name)?,
        }
        map.serialize_entry("code", self.wrong.code)?;
        map.serialize_entry("detail", &self.wrong.detail())?;
        map.end()
    }
}

/// The wrong fields of one request, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Errors {
    listed: Vec<FieldError>,
    truncated: bool,
}

impl Errors {
    /// A header that doesn't have its form.
    pub fn of_header(name: &'static str, wrong: Wrong) -> Self {
        Self {
            listed: vec![FieldError { at: 0, place: Place::Header(name), wrong }],
            truncated: false,
        }
    }

    pub fn listed(&self) -> &[FieldError] {
        &self.listed
    }

    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// Keeps the first `most`; the rest is known to be there, and not listed.
    pub fn truncate(&mut self, most: usize) {
        self.truncated |= self.listed.len() > most;
        self.listed.truncate(most);
    }
}

/// The names that an object may have. Read-only ones are taken and ignored, so that what was read
/// can be sent back.
#[derive(Clone, Copy)]
pub struct Members {
    pub writable: &'static [&'static str],
    pub read_only: &'static [&'static str],
}

/// Collects wrong fields while a body is read.
#[derive(Default)]
pub struct Fields {
    pointer: String,
    /// The arrays around the current value, by where they began.
    arrays: Vec<u32>,
    errors_of_array: HashMap<u32, usize>,
    errors: Errors,
}

impl Fields {
    /// Reads a whole body: its value, or every wrong field in it.
    pub fn read<'n, T>(
        node: &'n Node<'n>,
        members: Members,
        read: impl FnOnce(&mut Object<'_, 'n>) -> Option<T>,
    ) -> Result<T, Errors> {
        let mut fields = Self::default();
        let value = fields.object(node, members, read);
        let Self { mut errors, .. } = fields;
        match value {
            Some(value) if errors.listed.is_empty() && !errors.truncated => Ok(value),
            _ => {
                errors.listed.sort_by_key(|error| error.at);
                errors.truncate(MAX_ERRORS);
                Err(errors)
            }
        }
    }

    fn object<'n, T>(
        &mut self,
        node: &'n Node<'n>,
        members: Members,
        read: impl FnOnce(&mut Object<'_, 'n>) -> Option<T>,
    ) -> Option<T> {
        let Value::Object(given) = &node.value else {
            self.wrong(node.at, Wrong::NOT_AN_OBJECT);
            return None;
        };
        let known =
            |name: &str| members.writable.contains(&name) || members.read_only.contains(&name);
        if let Some((_, first)) = given.iter().find(|(name, _)| !known(name)) {
            self.wrong(first.at, Wrong::unknown("unknown_field", members.writable));
        }
        read(&mut Object { fields: self, node })
    }

    /// Enters `wrong` at the current pointer.
    fn wrong(&mut self, at: u32, wrong: Wrong) {
        let full = |array: &u32| {
            self.errors_of_array.get(array).is_some_and(|n| *n >= MAX_ERRORS_OF_AN_ARRAY)
        };
        if self.arrays.iter().any(full) {
            self.errors.truncated = true;
            return;
        }
        for array in &self.arrays {
            *self.errors_of_array.entry(*array).or_default() += 1;
        }
        let place = Place::Pointer(self.pointer.clone());
        self.errors.listed.push(FieldError { at: at as usize, place, wrong });
    }

    /// Runs `read` one step further down the pointer. No name of ours has a `/` or `~` to escape.
    fn within<T>(&mut self, step: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(step);
        let value = read(self);
        self.pointer.truncate(length);
        value
    }
}

/// One JSON object that is being read. A null counts as absent.
pub struct Object<'f, 'n> {
    fields: &'f mut Fields,
    node: &'n Node<'n>,
}

impl<'n> Object<'_, 'n> {
    fn member(&self, name: &str) -> Option<&'n Node<'n>> {
        self.node.member(name)
    }

    /// Whether the member was given, right or wrong.
    pub fn has(&self, name: &str) -> bool {
        self.member(name).is_some()
    }

    /// Whether the member was named, be it by a null.
    pub fn names(&self, name: &str) -> bool {
        match &self.node.value {
            Value::Object(members) => members.iter().any(|(given, _)| given == name),
            _ => false,
        }
    }

    /// Which of these members were given.
    pub fn given(&self, members: Members) -> Vec<&'static str> {
        members.writable.iter().copied().filter(|name| self.has(name)).collect()
    }

    /// A member of an object within this one, as it was given.
    pub fn node_within(&self, outer: &str, name: &str) -> Option<&'n Node<'n>> {
        self.member(outer)?.member(name)
    }

    /// None where it is missing or wrong, which is then entered.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&'n Node<'n>) -> Result<T, Wrong>,
    ) -> Option<T> {
        if self.member(name).is_none() {
            self.wrong(name, Wrong::REQUIRED);
        }
        self.optional(name, parse)
    }

    /// None where it is absent, or wrong, which is then entered.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&'n Node<'n>) -> Result<T, Wrong>,
    ) -> Option<T> {
        parse(self.member(name)?).map_err(|wrong| self.wrong(name, wrong)).ok()
    }

    /// An object within this one.
    pub fn object<T>(
        &mut self,
        name: &'static str,
        members: Members,
        read: impl FnOnce(&mut Object<'_, 'n>) -> Option<T>,
    ) -> Option<T> {
        let node = self.member(name)?;
        self.fields.within(name, |fields| fields.object(node, members, read))
    }

    /// An array of up to `most` values.
    pub fn list<T>(
        &mut self,
        name: &'static str,
        most: usize,
        parse: impl Fn(&'n Node<'n>) -> Result<T, Wrong>,
    ) -> Option<Vec<T>> {
        let array = self.member(name)?;
        let Value::Array(items) = &array.value else {
            self.wrong(name, Wrong::NOT_AN_ARRAY);
            return None;
        };
        if items.len() > most {
            self.wrong(name, Wrong::TOO_LONG);
            return None;
        }
        self.fields.within(name, |fields| {
            fields.arrays.push(array.at);
            let values = items.iter().enumerate().map(|(index, item)| {
                parse(item)
                    .map_err(|wrong| {
                        fields.within(&index.to_string(), |fields| fields.wrong(item.at, wrong));
                    })
                    .ok()
            });
            // Every item is looked at: a collected Option would stop at the first wrong one.
            let values: Vec<Option<T>> = values.collect();
            fields.arrays.pop();
            values.into_iter().collect()
        })
    }

    /// Enters a rule of the object's own that `name` breaks.
    pub fn wrong(&mut self, name: &'static str, wrong: Wrong) {
        let at = self.member(name).map_or(self.node.end, |node| node.at);
        self.fields.within(name, |fields| fields.wrong(at, wrong));
    }

    /// The same for a member of an object within this one, which may be absent altogether.
    pub fn wrong_within(&mut self, outer: &'static str, name: &'static str, wrong: Wrong) {
        let at = self.member(outer).map_or(self.node.end, |node| node.end);
        self.fields.within(outer, |fields| {
            fields.within(name, |fields| fields.wrong(at, wrong));
        });
    }
}

/// The query of a request: each parameter at most once, and none that the route doesn't know.
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
        if self.errors.listed.is_empty() {
            return Ok(());
        }
        self.errors.listed.sort_by_key(|error| error.at);
        self.errors.truncate(MAX_ERRORS);
        Err(self.errors)
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
        self.errors.listed.push(FieldError { at, place: Place::Parameter(name), wrong });
    }
}

/// One side of a pair, as `application/x-www-form-urlencoded` has it.
fn decoded(text: &str) -> Result<String, Wrong> {
    let text = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&text).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| Wrong::invalid("This must be UTF-8, percent-encoded."))
}
