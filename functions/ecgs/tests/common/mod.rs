//! What the tests of ECGs share.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

use serde_json::{Value, json};
use shared::auth::Scope;
use shared::testing::{Client, Reply, TestApp};

pub const NOBODYS: &str = "/ecgs/019b0000-0000-7000-8000-000000000001";

/// An empty store and a user with recordings of her own.
pub async fn app() -> (TestApp, Client) {
    let app = TestApp::start(&[ecgs::FUNCTION]).await;
    let ada = app.user("ada", &[Scope::EcgsRead, Scope::EcgsWrite]).await;
    (app, ada)
}

/// A recording of these leads, at 250 Hz.
pub fn recording(leads: &[(&str, &[i32])]) -> Value {
    let lead = |(name, signal): &(&str, &[i32])| json!({"name": name, "signal": signal});
    let leads: Vec<_> = leads.iter().map(lead).collect();
    json!({"leads": leads, "sampling_rate_hz": 250, "adc_gain": 1000})
}

pub async fn made(ada: &Client, recording: &Value) -> String {
    let reply = ada.post("/ecgs", recording).await;
    assert_eq!(reply.status, 201, "{}", reply.json());
    reply.header("location").to_owned()
}

/// The insights, once the worker has made them.
pub async fn insights(app: &TestApp, ada: &Client, path: &str) -> Value {
    app.drain(&ecgs::INSIGHTS).await;
    let reply = ada.get(&format!("{path}/insights")).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
    reply.json()
}

/// The samples of one lead as they are answered.
pub fn signal(reply: &Reply) -> Vec<i32> {
    let signal = reply.json()["signal"].as_array().cloned().unwrap_or_default();
    signal.iter().filter_map(|n| n.as_i64()?.try_into().ok()).collect()
}
