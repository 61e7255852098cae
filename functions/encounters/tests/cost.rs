//! What each route costs the store, held to the table in ARCHITECTURE.md.

mod common;

use common::{app, of_other, on};
use serde_json::json;
use shared::auth::Scope;
use shared::testing::{Reply, assert_in_the_table};

/// The rows of the table with so many records stored, as the page has them.
async fn measured(stored: u32) -> Vec<String> {
    let (app, ada) = app().await;
    let bob = of_other(&app, "bob", &[Scope::EncountersEmergency]).await;
    for number in 0..stored {
        assert_eq!(ada.post("/encounters", &on(number % 28 + 1, "p")).await.status, 201);
    }
    let made = ada.post("/encounters", &on(1, "p")).await;
    let path = made.header("location").to_owned();
    let urgent = bob.header("x-emergency-reason", "Unconscious.");
    urgent.get(&path).await;
    let mut table = Vec::new();
    let mut row = |route: &str, reply: &Reply| table.push(reply.cost_row(route));
    row("POST /encounters", &made);
    let keyed = ada.key("k").post("/encounters", &on(1, "p")).await;
    row("POST /encounters with a key", &keyed);
    let replayed = ada.key("k").post("/encounters", &on(1, "p")).await;
    row("POST /encounters, replayed", &replayed);
    row("GET /encounters/{id}", &ada.get(&path).await);
    row("GET /encounters/{id}, in an emergency", &urgent.get(&path).await);
    row("GET /encounters?limit=7", &ada.get("/encounters?limit=7").await);
    let search = json!({"patient_id": "p", "limit": 7});
    row("POST /encounters/search, limit 7", &ada.post("/encounters/search", &search).await);
    row("PATCH /encounters/{id}", &ada.patch(&path, &json!({"clinical_data": 1})).await);
    let retraction = format!("{path}/retraction");
    row("POST .../retraction", &ada.post(&retraction, &json!({"reason": "x"})).await);
    table
}

#[tokio::test]
async fn a_route_costs_what_the_architecture_page_says_however_much_is_stored() {
    for stored in [10, 2_000] {
        assert_in_the_table(&measured(stored).await, &format!("{stored} records stored"));
    }
}
