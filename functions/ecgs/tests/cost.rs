//! What each route costs the store, held to the table in ARCHITECTURE.md: recordings of 10 s of one
//! lead at 250 Hz.

#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use ecgs::analysis::synthetic::{LEAD_II, Model};
use serde_json::json;
use shared::testing::{Client, Reply, TestApp, assert_in_the_table};

use common::{made, recording};

/// The rows of the table.
async fn measured(app: &TestApp, ada: &Client, signal: &[i32]) -> Vec<String> {
    let sent = recording(&[("II", signal)]);
    let mut table = Vec::new();
    let mut row = |route: &str, reply: &Reply| table.push(reply.cost_row(route));
    let created = ada.post("/ecgs", &sent).await;
    row("POST /ecgs", &created);
    let path = created.header("location");
    row("GET /ecgs/{id}", &ada.get(path).await);
    row("GET /ecgs?limit=10", &ada.get("/ecgs?limit=10").await);
    let mut open = recording(&[("II", &[])]);
    open["complete"] = json!(false);
    let long = made(ada, &open).await;
    let segment = json!({"sequence": 1, "leads": [{"name": "II", "signal": signal}]});
    row("POST /ecgs/{id}/segments", &ada.post(&format!("{long}/segments"), &segment).await);
    let complete = json!({"segments": 1});
    row("POST /ecgs/{id}/complete", &ada.post(&format!("{long}/complete"), &complete).await);
    app.drain(&ecgs::INSIGHTS).await;
    row("GET /ecgs/{id}/insights", &ada.get(&format!("{path}/insights")).await);
    row("GET /ecgs/{id}/signal", &ada.get(&format!("{path}/signal?lead=II")).await);
    row("GET /ecgs/{id}/plot.svg", &ada.get(&format!("{path}/plot.svg")).await);
    row("DELETE /ecgs/{id}", &ada.delete(path).await);
    table
}

#[tokio::test]
async fn a_route_costs_what_the_architecture_page_says_however_much_is_stored() {
    let (app, ada) = common::app().await;
    let model = Model { rate_hz: 250.0, duration_s: 10.0, ..Model::default() };
    let signal = model.lead(&LEAD_II, 0);
    let mut there = 0;
    for count in [10, 300] {
        for _ in there..count {
            made(&ada, &recording(&[("II", &signal)])).await;
        }
        there = count;
        app.drain(&ecgs::INSIGHTS).await;
        // A caller is known for 55 s, and on a busy machine all that took longer.
        ada.get("/ecgs?limit=1").await;
        let table = measured(&app, &ada, &signal).await;
        assert_in_the_table(&table, &format!("{count} recordings stored"));
    }
}
