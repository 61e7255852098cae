//! From the bytes of a request to a validated value.

use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, Method, header};
use serde::Serialize;

use crate::app::App;
use crate::auth::Caller;
use crate::fields::{Errors, Fields, Members, Object};
use crate::json::Node;
use crate::params::Params;
use crate::problem::Problem;
use crate::store::IdempotencyKey;
use crate::values;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const MOST_BYTES: usize = 5 * 1024 * 1024;
/// How much of a body that is too large is still read, so that its sender gets to see the answer.
const MOST_DRAINED_BYTES: usize = 64 * 1024 * 1024;

/// A JSON body as it was sent, and the key that came with it.
pub struct Body {
    bytes: Bytes,
    /// No bytes, and no type that they would have.
    is_absent: bool,
    idempotency_key: Option<String>,
    method: Method,
    path: String,
}

impl Body {
    /// Nothing at all counts as an object without members.
    pub fn node(&self) -> Result<Node<'_>, Problem> {
        if self.is_absent {
            return Ok(Node::empty());
        }
        Node::parse(&self.bytes).map_err(|_| Problem::MALFORMED_JSON)
    }

    /// The same where no member is needed: no bytes say nothing, whatever type they claim.
    pub fn optional(&self) -> Result<Node<'_>, Problem> {
        if self.bytes.is_empty() { Ok(Node::empty()) } else { self.node() }
    }

    /// Reads the body as one object: its value, or every wrong field in it.
    pub fn read<T>(
        &self,
        members: Members,
        read: impl for<'f, 'n> FnOnce(&mut Object<'f, 'n>) -> Option<T>,
    ) -> Result<T, Problem> {
        Ok(Fields::read(&self.node()?, members, read)?)
    }

    /// Reads what the body, as a JSON Merge Patch (RFC 7396), makes of `old`.
    pub fn patch<T>(
        &self,
        old: &impl Serialize,
        members: Members,
        read: impl for<'f, 'n> FnOnce(&mut Object<'f, 'n>) -> Option<T>,
    ) -> Result<T, Problem> {
        let patch = self.optional()?;
        let old = serde_json::to_vec(old)
            .map_err(|_| Problem::bug("what a patch is for can't be written"))?;
        let old =
            Node::parse(&old).map_err(|_| Problem::bug("what a patch is for can't be read"))?;
        Ok(Fields::read(&old.merged_with(patch), members, read)?)
    }

    /// The key that the header says.
    pub fn header_key(&self) -> Option<&str> {
        self.idempotency_key.as_deref()
    }

    /// For what needs no word: no body, or an object without members.
    pub fn says_nothing(&self) -> Result<(), Problem> {
        const NOTHING: Members = Members { writable: &[], read_only: &[] };
        Ok(Fields::read(&self.optional()?, NOTHING, |_| Some(()))?)
    }

    /// What the caller's key stands for, where one was sent.
    pub fn key(&self, caller: &Caller) -> Option<IdempotencyKey> {
        self.key_or(caller, None)
    }

    /// The same where a member of the body may say it: `own` is what it says. The two were compared
    /// by `Object::idempotence_key`.
    pub fn key_or(&self, caller: &Caller, own: Option<&str>) -> Option<IdempotencyKey> {
        let key = self.idempotency_key.as_deref().or(own)?;
        let location = caller.location_id().map(|id| id.to_string()).unwrap_or_default();
        let scope = [&caller.identity(), &location, self.method.as_str(), &self.path];
        Some(IdempotencyKey::new(&scope, key, &self.bytes))
    }
}

impl FromRequest<App> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        Params::parse(parts.uri.query(), &[]).finish()?;
        let idempotency_key = match parts.method {
            Method::POST => idempotency_key(&parts.headers)?,
            _ => None,
        };
        let bytes = read_all(body).await?;
        let is_absent = bytes.is_empty() && !parts.headers.contains_key(header::CONTENT_TYPE);
        if !is_absent && !is_json(&parts.headers, &parts.method) {
            return Err(Problem::UNSUPPORTED_MEDIA_TYPE);
        }
        let path = parts.uri.path().to_owned();
        Ok(Self { bytes, is_absent, idempotency_key, method: parts.method, path })
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut sent = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = sent.next() else {
        return Ok(None);
    };
    // Two, or one that is no text, are as wrong as an empty one.
    let key = key.to_str().ok().filter(|_| sent.next().is_none()).unwrap_or_default();
    let key = values::idempotency_key(key).map(Some);
    key.map_err(|wrong| Errors::of_header("Idempotency-Key", wrong).into())
}

async fn read_all(body: axum::body::Body) -> Result<Bytes, Problem> {
    let bytes = received(body).await?;
    if bytes.len() > MOST_BYTES { Err(Problem::PAYLOAD_TOO_LARGE) } else { Ok(bytes) }
}

/// A body, or its beginning where it is too large. The rest is read all the same, up to a point: an
/// answer before that would cut the connection, and not reach a client that is still sending.
pub(crate) async fn received(body: axum::body::Body) -> Result<Bytes, Problem> {
    let mut chunks = body.into_data_stream();
    let (mut bytes, mut total) = (BytesMut::new(), 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::MALFORMED_JSON)?;
        total += chunk.len();
        if total > MOST_DRAINED_BYTES {
            break;
        }
        if bytes.len() <= MOST_BYTES {
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok(bytes.freeze())
}

/// The type without its parameters, in any case.
fn is_json(headers: &HeaderMap, method: &Method) -> bool {
    let mut sent = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(kind), None) = (sent.next(), sent.next()) else {
        return false;
    };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
        || (*method == Method::PATCH && kind.eq_ignore_ascii_case("application/merge-patch+json"))
}
