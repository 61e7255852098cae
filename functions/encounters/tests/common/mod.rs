//! What the tests of encounters share.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

use serde_json::{Value, json};
use shared::auth::{DEFAULT_LOCATION, Scope};
use shared::store::Table;
use shared::testing::{Client, TestApp};
use uuid::Uuid;

pub const OTHER: Uuid = Uuid::from_u128(0x019b_0000_0000_7000_8000_0000_0000_0099);
pub const NOBODYS: &str = "/encounters/019b0000-0000-7000-8000-000000000001";

/// An empty store and a nurse of the default location.
pub async fn app() -> (TestApp, Client) {
    let app = TestApp::start(&[encounters::FUNCTION]).await;
    let ada = app.user("ada", &[Scope::EncountersRead, Scope::EncountersWrite]).await;
    (app, ada)
}

/// A user of another location.
pub async fn of_other(app: &TestApp, name: &str, scopes: &[Scope]) -> Client {
    let (key, id) = app.user_key_and_id(name, scopes).await;
    app.set(Table::Users, &format!("user#{id}"), "user", "location_ids", json!([OTHER])).await;
    app.with_key(&key)
}

pub fn visit() -> Value {
    json!({
        "patient_id": "patient-1",
        "provider_id": "provider-1",
        "encounter_date": "2024-02-29",
        "encounter_type": "follow_up",
        "clinical_data": {"note": "Better.", "scores": [1, 2.50, 3e2], "nothing": null},
    })
}

pub fn with(name: &str, value: Value) -> Value {
    let mut visit = visit();
    visit[name] = value;
    visit
}

/// A visit of this patient on this day of March 2024.
pub fn on(day: u32, patient: &str) -> Value {
    let mut visit = with("encounter_date", json!(format!("2024-03-{day:02}")));
    visit["patient_id"] = json!(patient);
    visit
}

/// The audit of encounters: `USERNAME ACCESS OUTCOME LOCATION [CHANGED]`, oldest first.
pub async fn audit(app: &TestApp) -> Vec<String> {
    let mut entries = app.entries().await;
    entries.retain(|stored| stored.entry.item_type == "encounters");
    entries.sort_by_key(|stored| stored.entry.id);
    let line = |stored: &shared::audit::StoredEntry| {
        let entry = &stored.entry;
        let location = match entry.location_id {
            Some(DEFAULT_LOCATION) => "here",
            Some(OTHER) => "there",
            Some(_) => "elsewhere",
            None => "nowhere",
        };
        let item = if entry.item_id.is_some() { "" } else { " list" };
        let changed = entry.changed.join(" ");
        format!(
            "{} {} {}{item} {location} [{changed}]",
            entry.username,
            word(&entry.access_type),
            word(&entry.outcome)
        )
    };
    entries.iter().map(line).collect()
}

/// How JSON names it.
fn word(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}
