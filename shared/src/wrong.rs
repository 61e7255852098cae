//! What is wrong with a request, and where. Every name and text in it is one of ours.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// The most errors in one answer.
const MAX_ERRORS: usize = 100;

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

    pub(crate) const fn unknown(code: &'static str, allowed: &'static [&'static str]) -> Self {
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
pub(crate) enum Place {
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

impl FieldError {
    /// The parameter or header that is wrong, where it is none of the body.
    pub fn parameter(&self) -> Option<&'static str> {
        match self.place {
            Place::Parameter(name) | Place::Header(name) => Some(name),
            Place::Pointer(_) => None,
        }
    }

    /// For people.
    pub fn detail(&self) -> Cow<'static, str> {
        self.wrong.detail()
    }
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

    /// A parameter that breaks a rule which the storage alone can tell.
    pub fn of_parameter(name: &'static str, wrong: Wrong) -> Self {
        let place = Place::Parameter(name);
        Self { listed: vec![FieldError { at: 0, place, wrong }], truncated: false }
    }

    /// A member of the body that breaks a rule which the storage alone can tell.
    pub fn of_member(name: &'static str, wrong: Wrong) -> Self {
        let place = Place::Pointer(format!("/{name}"));
        Self { listed: vec![FieldError { at: 0, place, wrong }], truncated: false }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.listed.is_empty() && !self.truncated
    }

    /// Enters what is wrong with the value that begins at `at`.
    pub(crate) fn enter(&mut self, at: usize, place: Place, wrong: Wrong) {
        self.listed.push(FieldError { at, place, wrong });
    }

    /// One more, which isn't listed.
    pub(crate) fn leave_out(&mut self) {
        self.truncated = true;
    }

    /// As many as one answer has, in the order of the request.
    pub(crate) fn in_order(mut self) -> Self {
        self.listed.sort_by_key(|error| error.at);
        self.truncate(MAX_ERRORS);
        self
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
