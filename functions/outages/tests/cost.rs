//! What each route costs the store, held to the table in ARCHITECTURE.md. `POST /outages/runs` isn't
//! in it: how often it looks at its run depends on how long that takes. Pages of three: a larger one
//! needs a second look at a shard where chance has put many of its runs together.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use serde_json::json;
use shared::testing::assert_in_the_table;

use common::{app, run};

#[tokio::test]
async fn a_route_costs_what_the_architecture_page_says_however_much_is_stored() {
    let (app, _upstream, ada) = app().await;
    let mut there = 0;
    for count in [10, 200] {
        for _ in there..count {
            run(&app, json!({"dry_run": true})).await;
        }
        there = count;
        let list = ada.get("/outages/runs?limit=3").await;
        let id = list.json().pointer("/items/0/id").and_then(|id| id.as_str().map(str::to_owned));
        let path = format!("/outages/runs/{}", id.unwrap());
        let table = [
            ada.get("/outages/runs?limit=3").await.cost_row("GET /outages/runs?limit=3"),
            ada.get(&path).await.cost_row("GET /outages/runs/{id}"),
        ];
        assert_in_the_table(&table, &format!("{count} runs stored"));
    }
}
