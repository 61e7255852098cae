//! What the API says of itself, as OpenAPI 3.1: each function states its operations and schemas,
//! and what all have in common is added by rules. For docs/openapi.json alone; no function carries
//! it.

mod common;
mod document;
pub mod schema;

use serde_json::Value;

pub use self::document::document;
use crate::auth::Scope;

/// What one function has to say.
pub struct Description {
    /// Of the group that its operations form.
    pub name: &'static str,
    pub says: &'static str,
    pub operations: Vec<Operation>,
    /// Schemas by name, each with an example.
    pub schemas: Vec<(&'static str, Value)>,
}

/// A method of a path.
#[derive(Clone)]
pub struct Operation {
    pub method: &'static str,
    pub path: &'static str,
    pub says: &'static str,
    /// What the summary leaves out.
    pub more: &'static str,
    pub who: Who,
    /// Of the path and the query.
    pub parameters: Vec<Value>,
    pub headers: &'static [Header],
    pub body: Option<Body>,
    pub answers: Vec<Answer>,
    /// Statuses and codes of its own, beside those that follow from the rest.
    pub refusals: &'static [(u16, &'static str)],
    /// `Accept: application/fhir+json` changes the form, of problems too.
    pub is_fhir: bool,
}

/// Who may call.
#[derive(Clone, Copy)]
pub enum Who {
    Anyone,
    /// Any credential.
    Known,
    /// Any user.
    User,
    Admin,
    /// A user with any one of these scopes.
    Any(&'static [Scope]),
    /// The same, or the administrator.
    AdminOr(Scope),
}

/// A header that changes what is done, beside those that every request may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Header {
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    EmergencyReason,
}

/// A JSON body, by the name of its schema.
#[derive(Clone, Copy)]
pub struct Body {
    pub schema: &'static str,
    /// Whether there must be one.
    pub required: bool,
}

impl Body {
    pub const fn of(schema: &'static str) -> Option<Self> {
        Some(Self { schema, required: true })
    }

    /// One that may be left out, since no member of it is needed.
    pub const fn optional(schema: &'static str) -> Option<Self> {
        Some(Self { schema, required: false })
    }
}

/// An answer that is no refusal.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub says: &'static str,
    pub content: Vec<(&'static str, Content)>,
    pub headers: &'static [&'static str],
}

#[derive(Clone)]
pub enum Content {
    /// A schema by its name.
    One(&'static str),
    /// A page of such.
    Page(&'static str),
    /// A page of reference data.
    PageOfDataset(&'static str),
    /// What has a schema only here.
    Is(Value),
}

impl Answer {
    pub fn new(status: u16, says: &'static str, content: Content) -> Self {
        Self { status, says, content: vec![("application/json", content)], headers: &[] }
    }

    pub fn ok(schema: &'static str) -> Self {
        Self::new(200, "What was asked for.", Content::One(schema))
    }

    pub fn page(of: &'static str) -> Self {
        let answer = Self::new(200, "A page of the list.", Content::Page(of));
        Self { headers: &["Link"], ..answer }
    }

    /// A page without a link, since no patient stands in a URL.
    pub fn page_of_search(of: &'static str) -> Self {
        Self { headers: &[], ..Self::page(of) }
    }

    /// 201 of what can be read at its `Location`.
    pub fn created(schema: &'static str) -> Self {
        let answer = Self::new(201, "It was created.", Content::One(schema));
        Self { headers: &["Location", "Idempotency-Replayed"], ..answer }
    }

    /// What a keyed POST changed.
    pub fn done(schema: &'static str) -> Self {
        let answer = Self::new(200, "It is done.", Content::One(schema));
        Self { headers: &["Idempotency-Replayed"], ..answer }
    }

    pub fn no_content() -> Self {
        Self { status: 204, says: "It is deleted.", content: vec![], headers: &[] }
    }

    pub fn not_modified() -> Self {
        let says = "The caller has it already.";
        Self { status: 304, says, content: vec![], headers: &["ETag"] }
    }

    /// What isn't JSON.
    pub fn file(kind: &'static str) -> Self {
        let text = serde_json::json!({"type": "string"});
        Self { content: vec![(kind, Content::Is(text))], ..Self::ok("") }
    }

    #[must_use]
    pub fn with(self, headers: &'static [&'static str]) -> Self {
        Self { headers, ..self }
    }
}

impl Operation {
    pub fn new(method: &'static str, path: &'static str, says: &'static str, who: Who) -> Self {
        Self {
            method,
            path,
            says,
            more: "",
            who,
            parameters: Vec::new(),
            headers: &[],
            body: None,
            answers: Vec::new(),
            refusals: &[],
            is_fhir: false,
        }
    }
}
