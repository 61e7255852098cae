//! An answer that can be given again: what a keyed POST's first try said is kept with its record.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::precondition::IfNoneMatch;
use crate::problem::Problem;

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A 2xx with a JSON body.
#[derive(Clone, Serialize, Deserialize)]
pub struct Answer {
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    body: String,
    /// What a replay says instead, where the body holds a secret that is shown once.
    #[serde(skip)]
    body_of_a_replay: Option<String>,
    #[serde(skip)]
    replayed: bool,
}

impl Answer {
    pub fn ok(body: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self {
            status: 200,
            location: None,
            version: None,
            body: json(body)?,
            body_of_a_replay: None,
            replayed: false,
        })
    }

    /// 201; `location` can be read.
    pub fn created(location: String, body: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self { status: 201, location: Some(location), ..Self::ok(body)? })
    }

    /// 201 of what has no address of its own.
    pub fn made(body: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self { status: 201, ..Self::ok(body)? })
    }

    /// 202; `location` can be read, and says more later.
    pub fn accepted(location: String, body: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self { status: 202, location: Some(location), ..Self::ok(body)? })
    }

    /// 204
    pub fn no_content() -> Self {
        Self {
            status: 204,
            location: None,
            version: None,
            body: String::new(),
            body_of_a_replay: None,
            replayed: false,
        }
    }

    /// 304 in place of a body that the caller has already.
    #[must_use]
    pub fn unless_known(mut self, known: &IfNoneMatch) -> Self {
        if self.version.is_some_and(|version| known.has(&version.to_string())) {
            self.status = 304;
            self.body.clear();
        }
        self
    }

    #[must_use]
    pub fn with_version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    /// Keeps `body` for replays in place of the one that this answer shows once.
    pub fn replayed_as(mut self, body: &impl Serialize) -> Result<Self, Problem> {
        self.body_of_a_replay = Some(json(body)?);
        Ok(self)
    }

    /// Whether it was given before: what `body` says is then what was kept of it.
    pub fn is_replayed(&self) -> bool {
        self.replayed
    }

    /// The same answer with a body made anew.
    pub fn with_body(self, body: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self { body: json(body)?, ..self })
    }

    /// What is kept with the idempotency record.
    pub(crate) fn to_record(&self) -> Result<String, Problem> {
        let mut kept = self.clone();
        if let Some(body) = kept.body_of_a_replay.take() {
            kept.body = body;
        }
        json(&kept)
    }

    pub(crate) fn from_record(text: &str) -> Result<Self, Problem> {
        let answer: Self = serde_json::from_str(text)
            .map_err(|_| Problem::bug("an idempotency record can't be read"))?;
        Ok(Self { replayed: true, ..answer })
    }

    /// The body's value, for work that spans several transactions.
    pub fn body<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        serde_json::from_str(&self.body).map_err(|_| Problem::bug("an answer can't be read"))
    }
}

fn json(body: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(body).map_err(|_| Problem::bug("an answer can't be written"))
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let bodiless = self.body.is_empty();
        let mut response = (status, self.body).into_response();
        let headers = response.headers_mut();
        if bodiless {
            headers.remove(header::CONTENT_TYPE);
        } else {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(location) = self.location.and_then(|l| HeaderValue::try_from(l).ok()) {
            headers.insert(header::LOCATION, location);
        }
        if let Some(etag) =
            self.version.and_then(|v| HeaderValue::try_from(format!("\"{v}\"")).ok())
        {
            headers.insert(header::ETAG, etag);
        }
        if self.replayed {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}
