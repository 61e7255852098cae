//! A caller as a value, and what comes back to it.

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// Who sends a request.
#[derive(Clone)]
pub struct Client {
    router: Router,
    headers: Vec<(String, String)>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Client {
    /// Nobody yet, who sends to a router.
    pub fn of(router: Router) -> Self {
        Self { router, headers: Vec::new() }
    }

    /// The same caller, with one more header in every request.
    #[must_use]
    pub fn header(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    /// The same caller, with an idempotency key.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await
    }

    /// Follows a list to its end: each page of it.
    ///
    /// # Panics
    /// Where a page is refused, or there is no end.
    pub async fn pages(&self, path: &str) -> Vec<Reply> {
        let (mut pages, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(path) = next {
            let page = self.get(&path).await;
            assert_eq!(page.status, 200, "{path}: {}", page.json());
            next = page.next_path();
            pages.push(page);
            assert!(pages.len() < 1_000, "no end");
        }
        pages
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.header("content-type", "application/json")
            .send(Method::POST, path, Some(body.to_string().into_bytes()))
            .await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.header("content-type", "application/json")
            .send(Method::PUT, path, Some(body.to_string().into_bytes()))
            .await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        let client = self.header("content-type", "application/merge-patch+json");
        client.send(Method::PATCH, path, Some(body.to_string().into_bytes())).await
    }

    /// # Panics
    /// Where the request is none, or the router breaks.
    pub async fn send(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(body.map_or_else(Body::empty, Body::from)).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes().to_vec();
        Reply { status: parts.status, headers: parts.headers, bytes }
    }
}

impl Reply {
    /// The body as JSON, null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// The items of a list's page.
    pub fn items(&self) -> Vec<Value> {
        self.json()["items"].as_array().cloned().unwrap_or_default()
    }

    /// Where `Link` says that the next page is.
    pub fn next_path(&self) -> Option<String> {
        let link = self.header("link").strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?;
        Some(link.to_owned())
    }

    /// A header's value, empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// `STATUS CODE` of a problem; every part that all problems share is checked.
    ///
    /// # Panics
    /// Where it is no complete problem.
    pub fn problem(&self) -> String {
        let body = self.json();
        assert_eq!(self.header("content-type"), "application/problem+json", "{body}");
        assert_eq!(body["status"], self.status.as_u16(), "{body}");
        assert_eq!(body["request_id"], self.header("x-request-id"), "{body}");
        for member in ["type", "title", "detail", "code"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {body}");
        }
        format!("{} {}", self.status.as_u16(), body["code"].as_str().unwrap_or_default())
    }

    /// Each wrong field of a validation problem as `PLACE CODE`.
    ///
    /// # Panics
    /// Where it is no validation problem.
    pub fn wrong(&self) -> Vec<String> {
        assert_eq!(self.problem(), "400 validation_failed", "{}", self.json());
        let place = |error: &Value| {
            let place = error.get("pointer").or(error.get("parameter")).or(error.get("header"));
            place.and_then(Value::as_str).unwrap_or("?").to_owned()
        };
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        errors
            .iter()
            .map(|error| format!("{} {}", place(error), error["code"].as_str().unwrap_or("?")))
            .collect()
    }
}
