//! Every failure a client can see, as RFC 9457 problem details. Texts are `&'static str`: nothing
//! that a caller sent and nothing that is stored can reach one.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::fields::{Errors, FieldError};
use crate::log;

/// A refusal or failure. `http::envelope` writes the body, since only it knows the request's id.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: &'static str,
    retry_after_s: Option<u32>,
    errors: Option<Box<Errors>>,
    missing: Option<Box<[u32]>>,
}

impl Problem {
    pub const NOT_FOUND: Self = Self::new(404, "not_found", "There is nothing here.");
    pub const METHOD_NOT_ALLOWED: Self =
        Self::new(405, "method_not_allowed", "The header Allow names this path's methods.");
    pub const UNAUTHENTICATED: Self =
        Self::new(401, "unauthenticated", "A valid credential is needed.");
    pub const AMBIGUOUS_CREDENTIALS: Self =
        Self::new(400, "ambiguous_credentials", "Send one credential, in one header.");
    pub const NOT_YOURS: Self = Self::forbidden("This location is not one of yours.");
    pub const UNSUPPORTED_MEDIA_TYPE: Self = Self::new(
        415,
        "unsupported_media_type",
        "Send application/json; for PATCH application/merge-patch+json does as well.",
    );
    pub const PAYLOAD_TOO_LARGE: Self =
        Self::new(413, "payload_too_large", "A body may have up to 5 MiB.");
    pub const MALFORMED_JSON: Self = Self::new(
        400,
        "malformed_json",
        "The body must be JSON in UTF-8, no member twice in an object, at most 128 levels.",
    );
    pub const INVALID_CURSOR: Self = Self::new(
        400,
        "invalid_cursor",
        "Send next_cursor as it came, with the filters and the caller that it came for.",
    );
    pub const VERSION_MISMATCH: Self = Self::new(
        412,
        "version_mismatch",
        "The resource has another version than If-Match asks for; read it again.",
    );
    pub const IDEMPOTENCY_KEY_REUSED: Self = Self::new(
        422,
        "idempotency_key_reused",
        "This Idempotency-Key came with another body before.",
    );
    pub const IDEMPOTENCY_IN_PROGRESS: Self = Self::new(
        409,
        "idempotency_in_progress",
        "A request with this Idempotency-Key is still running.",
    )
    .retry_after(1);
    /// Why has been logged by then: by `bug`, of a panic by its hook, of the storage by its call.
    pub(crate) const INTERNAL: Self =
        Self::new(500, "internal_error", "Something went wrong here; it has been logged.");
    pub const STORAGE_UNAVAILABLE: Self = Self::new(
        503,
        "storage_unavailable",
        "What this needs did not answer in time; send the request again.",
    )
    .retry_after(2);

    /// `status` is one that the contract names; any other becomes 500.
    pub const fn new(status: u16, code: &'static str, detail: &'static str) -> Self {
        let status = match status {
            400 => StatusCode::BAD_REQUEST,
            401 => StatusCode::UNAUTHORIZED,
            403 => StatusCode::FORBIDDEN,
            404 => StatusCode::NOT_FOUND,
            405 => StatusCode::METHOD_NOT_ALLOWED,
            409 => StatusCode::CONFLICT,
            412 => StatusCode::PRECONDITION_FAILED,
            413 => StatusCode::PAYLOAD_TOO_LARGE,
            415 => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            422 => StatusCode::UNPROCESSABLE_ENTITY,
            429 => StatusCode::TOO_MANY_REQUESTS,
            503 => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, code, detail, retry_after_s: None, errors: None, missing: None }
    }

    /// What only a bug of this program can bring about: `what` it was is logged, and not told.
    pub fn bug(what: &'static str) -> Self {
        log::bug(what);
        Self::INTERNAL
    }

    pub const fn rate_limited(retry_after_s: u32) -> Self {
        Self::new(429, "rate_limited", "These were too many requests for this minute.")
            .retry_after(retry_after_s)
    }

    const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Names what is missing, by number.
    #[must_use]
    pub fn with_missing(self, missing: Vec<u32>) -> Self {
        Self { missing: Some(missing.into()), ..self }
    }

    pub const fn forbidden(detail: &'static str) -> Self {
        Self::new(403, "forbidden", detail)
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// For people: a constant text.
    pub fn detail(&self) -> &'static str {
        self.detail
    }

    /// The wrong fields of a validation problem.
    pub fn errors(&self) -> &[FieldError] {
        self.errors.as_deref().map_or(&[], Errors::listed)
    }

    /// The machine-readable name of the failure, for logs.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Refused for what the request is, not for the state of the storage or of this program.
    pub fn is_refusal(&self) -> bool {
        self.status.is_client_error()
    }

    /// Ours to mend: to try again does not help.
    pub fn is_of_this_program(&self) -> bool {
        self.status == StatusCode::INTERNAL_SERVER_ERROR
    }

    /// The body. `request_id` is the caller's own or ours, and safe to print in either case.
    pub(crate) fn body(&self, request_id: &str) -> Vec<u8> {
        let errors = self.errors.as_deref();
        serde_json::to_vec(&Body {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code,
            request_id,
            errors: errors.map(Errors::listed),
            errors_truncated: errors.is_some_and(Errors::truncated),
            missing: self.missing.as_deref(),
        })
        .unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'static str,
    code: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<&'a [FieldError]>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    errors_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<&'a [u32]>,
}

impl From<Errors> for Problem {
    fn from(errors: Errors) -> Self {
        Self {
            errors: Some(Box::new(errors)),
            ..Self::new(400, "validation_failed", "Some fields are wrong; errors names each.")
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(r#"ApiKey realm="quartet", Bearer realm="quartet""#),
            );
        }
        response.extensions_mut().insert(self);
        response
    }
}
