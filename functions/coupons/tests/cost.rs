//! What each route costs the store, held to the table in ARCHITECTURE.md.

mod common;

use serde_json::json;
use shared::testing::Reply;

use common::{numbered, stored, with};

const ARCHITECTURE: &str = include_str!("../../../ARCHITECTURE.md");

/// `N calls, X RCU, Y WCU` of an answer.
fn cost(reply: &Reply) -> String {
    assert!(reply.status.is_success(), "{}", reply.json());
    let timing = reply.header("server-timing");
    let description = timing.split("desc=\"").nth(1).and_then(|rest| rest.strip_suffix('"'));
    description.unwrap_or_default().to_owned()
}

/// The rows of the table for `count` coupons stored, as the page has them.
async fn measured(count: usize) -> Vec<String> {
    let (app, ada) = stored(count).await;
    let created = ada.post("/coupons", &with("couponcode", json!("ONE"))).await;
    let path = created.header("location").to_owned();
    let anon = app.anon();
    let rows = (0..20).map(|number| numbered(100_000 + number)).collect::<Vec<_>>();
    let mut table = Vec::new();
    let mut row = |route: &str, reply: &Reply| {
        let (calls, units) = cost(reply)
            .split_once(" calls, ")
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap_or_default();
        let (read, write) = units.split_once(" RCU, ").unwrap_or_default();
        let write = write.trim_end_matches(" WCU");
        table.push(format!("| `{route}` | {calls} | {read} | {write} |"));
    };
    row("GET /coupons/{id}", &anon.get(&path).await);
    row("GET /coupons", &anon.get("/coupons").await);
    row("GET /coupons?couponcode=", &anon.get("/coupons?couponcode=ONE").await);
    row("POST /coupons", &created);
    row("POST /coupons with a key", &ada.key("k").post("/coupons", &numbered(200_000)).await);
    row("PUT /coupons/{id}", &ada.put(&path, &numbered(200_001)).await);
    row("PATCH /coupons/{id}", &ada.patch(&path, &json!({"title": "x"})).await);
    row("DELETE /coupons/{id}", &ada.delete(&path).await);
    row(
        "POST /coupons/import, 20 new rows",
        &ada.post("/coupons/import", &json!({"items": rows})).await,
    );
    row(
        "POST /coupons/import, 20 known rows",
        &ada.post("/coupons/import", &json!({"items": rows})).await,
    );
    row("GET /coupons/export?limit=10", &ada.get("/coupons/export?limit=10").await);
    table
}

#[tokio::test]
async fn a_route_costs_what_the_architecture_page_says_however_much_is_stored() {
    for count in [10, 10_000] {
        let table = measured(count).await;
        let differing: Vec<_> =
            table.iter().filter(|row| !ARCHITECTURE.contains(row.as_str())).collect();
        assert!(differing.is_empty(), "with {count} coupons stored:\n{}", table.join("\n"));
    }
}
