//! What the tests of users share.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

use serde_json::{Value, json};
use shared::testing::TestApp;

pub const DEFAULT_LOCATION: &str = "00000000-0000-7000-8000-000000000000";

pub async fn app() -> TestApp {
    TestApp::start(&[users::FUNCTION]).await
}

/// Registers a user at these locations.
pub async fn registered(app: &TestApp, name: &str, locations: &[&str], scopes: &[&str]) -> Value {
    let user = json!({"username": name, "location_ids": locations, "scopes": scopes});
    let created = app.admin().post("/users", &user).await;
    assert_eq!(created.status, 201, "{}", created.json());
    created.json()
}

pub async fn location(app: &TestApp, name: &str) -> String {
    let created = app.admin().post("/locations", &json!({"name": name})).await;
    assert_eq!(created.status, 201, "{}", created.json());
    assert_eq!(app.admin().get(created.header("location")).await.json(), created.json());
    created.json()["id"].as_str().unwrap_or_default().to_owned()
}

pub fn names(reply: &shared::testing::Reply) -> Vec<String> {
    let items = reply.json()["items"].as_array().cloned().unwrap_or_default();
    let name = |item: &Value| {
        item.get("username").or(item.get("name")).and_then(Value::as_str).unwrap_or("?").to_owned()
    };
    items.iter().map(name).collect()
}
