//! A stand-in of Sentry, over real HTTP.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;

/// What came, and what is answered.
#[derive(Clone)]
pub struct Sentry {
    port: u16,
    received: Arc<Mutex<Vec<Envelope>>>,
    answer: Arc<Mutex<(StatusCode, &'static str)>>,
}

/// One envelope as it came.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// `x-sentry-auth`
    pub auth: String,
    pub body: String,
}

impl Envelope {
    /// `event` or `transaction`, and what it holds.
    pub fn item(&self) -> (String, Value) {
        let json = |line: Option<&str>| -> Value {
            serde_json::from_str(line.unwrap_or_default()).expect("a line of an envelope")
        };
        let mut lines = self.body.lines().skip(1);
        let header = json(lines.next());
        (header["type"].as_str().unwrap_or_default().to_owned(), json(lines.next()))
    }
}

impl Sentry {
    /// # Panics
    /// Where no port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let answer = Arc::new(Mutex::new((StatusCode::OK, "")));
        let sentry = Self { port, received: Arc::default(), answer };
        let router =
            Router::new().route("/api/7/envelope/", post(receive)).with_state(sentry.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        sentry
    }

    pub fn dsn(&self) -> String {
        format!("http://the-key@127.0.0.1:{}/7", self.port)
    }

    /// Answers so from now on, with this `Retry-After`.
    pub fn answers(&self, status: StatusCode, retry_after: &'static str) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = (status, retry_after);
    }

    pub fn received(&self) -> Vec<Envelope> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the envelopes of one type hold.
    pub fn items(&self, kind: &str) -> Vec<Value> {
        let items = self.received().into_iter().map(|envelope| envelope.item());
        items.filter(|(of, _)| of == kind).map(|(_, item)| item).collect()
    }
}

async fn receive(
    State(sentry): State<Sentry>,
    headers: HeaderMap,
    body: String,
) -> impl IntoResponse {
    let auth = headers.get("x-sentry-auth").and_then(|auth| auth.to_str().ok());
    let envelope = Envelope { auth: auth.unwrap_or_default().to_owned(), body };
    sentry.received.lock().unwrap_or_else(PoisonError::into_inner).push(envelope);
    let (status, after) = *sentry.answer.lock().unwrap_or_else(PoisonError::into_inner);
    (status, [("retry-after", after)])
}
