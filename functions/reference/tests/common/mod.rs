//! What the tests of reference data share.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

use serde_json::{Value, json};
use shared::auth::Scope;
use shared::testing::{Client, Reply, TestApp};

/// An empty store and a user who may import.
pub async fn app() -> (TestApp, Client) {
    let app = TestApp::start(&[reference::FUNCTION]).await;
    let ada = app.user("ada", &[Scope::PayoffsWrite]).await;
    (app, ada)
}

pub fn franchise(id: &str, name: &str) -> Value {
    json!({"franchise_id": id, "name": name, "status": "active"})
}

/// What came of an import.
pub async fn import(caller: &Client, items: &[Value]) -> Value {
    let imported = caller.post("/franchises/import", &json!({"items": items})).await;
    assert_eq!(imported.status, 200, "{}", imported.json());
    imported.json()
}

/// All items of a list, by its pages.
pub async fn every_page(caller: &Client, path: &str) -> Vec<Value> {
    caller.pages(path).await.iter().flat_map(Reply::items).collect()
}

pub fn column(items: &[Value], name: &str) -> Vec<String> {
    items.iter().map(|item| item[name].as_str().unwrap_or("?").to_owned()).collect()
}
