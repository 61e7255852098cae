//! What the tests of the audit share.

#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

use serde_json::{Value, json};
use shared::auth::Scope;
use shared::testing::{Client, TestApp};

pub async fn app() -> (TestApp, Client) {
    let app = TestApp::start(&[audit::FUNCTION, encounters::FUNCTION, coupons::FUNCTION]).await;
    let scopes =
        [Scope::AuditRead, Scope::EncountersRead, Scope::EncountersWrite, Scope::CouponsWrite];
    let ada = app.user("ada", &scopes).await;
    (app, ada)
}

pub fn visit(patient: &str) -> Value {
    json!({
        "patient_id": patient, "provider_id": "q", "encounter_date": "2024-02-29",
        "encounter_type": "follow_up", "clinical_data": null,
    })
}

/// A record that was read so many times: its id.
pub async fn read(ada: &Client, times: usize) -> String {
    let path = ada.post("/encounters", &visit("p")).await.header("location").to_owned();
    for _ in 0..times {
        assert_eq!(ada.get(&path).await.status, 200);
    }
    path.trim_start_matches("/encounters/").to_owned()
}

pub async fn items(ada: &Client, path: &str) -> Vec<Value> {
    let reply = ada.get(path).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
    reply.json()["items"].as_array().cloned().unwrap_or_default()
}

pub async fn verification(ada: &Client, id: &str) -> Value {
    let reply = ada.get(&format!("/audit/encounters/{id}/verification")).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
    reply.json()
}
