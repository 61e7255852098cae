//! What each route costs the store, held to the table in ARCHITECTURE.md. Pages of three: a larger
//! one needs a second look at a shard where chance has put many of its entries together.

use serde_json::json;
use shared::auth::Scope;
use shared::testing::{Client, Reply, TestApp, assert_in_the_table};

/// A record that was read nine times: its id.
async fn read(ada: &Client, patient: &str) -> String {
    let visit = json!({
        "patient_id": patient, "provider_id": "q", "encounter_date": "2024-02-29",
        "encounter_type": "follow_up", "clinical_data": null,
    });
    let path = ada.post("/encounters", &visit).await.header("location").to_owned();
    for _ in 0..9 {
        assert_eq!(ada.get(&path).await.status, 200);
    }
    path.trim_start_matches("/encounters/").to_owned()
}

/// The rows of the table, of a record with ten entries that are sealed.
async fn measured(ada: &Client, patient: &str, id: &str) -> Vec<String> {
    let mut table = Vec::new();
    let mut row = |route: &str, reply: &Reply| table.push(reply.cost_row(route));
    // Before the questions themselves are entered under it.
    let verification = format!("/audit/encounters/{id}/verification");
    row("GET /audit/{type}/{id}/verification, of 10", &ada.get(&verification).await);
    let item = format!("/audit/encounters?item_id={id}&limit=3");
    row("GET /audit/{type}?item_id=&limit=3", &ada.get(&item).await);
    row("GET /audit/{type}?limit=3", &ada.get("/audit/encounters?limit=3").await);
    let search = json!({"patient_id": patient, "limit": 3});
    row(
        "POST /audit/encounters/search, limit 3",
        &ada.post("/audit/encounters/search", &search).await,
    );
    table
}

#[tokio::test]
async fn a_route_costs_what_the_architecture_page_says_however_much_is_stored() {
    let app = TestApp::start(&[audit::FUNCTION, encounters::FUNCTION]).await;
    let scopes = [Scope::AuditRead, Scope::EncountersRead, Scope::EncountersWrite];
    let ada = app.user("ada", &scopes).await;
    let mut there = 0;
    for records in [40, 200] {
        for number in there..records {
            read(&ada, &format!("p{number}")).await;
        }
        there = records;
        let patient = format!("of {records}");
        let id = read(&ada, &patient).await;
        app.drain(&audit::SEAL).await;
        // A caller is known for 55 s, and on a busy machine all that took longer.
        ada.get("/audit/coupons?limit=1").await;
        let table = measured(&ada, &patient, &id).await;
        assert_in_the_table(&table, &format!("{} entries stored", 10 * records));
    }
}
