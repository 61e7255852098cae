//! What each route costs the store, held to the table in ARCHITECTURE.md.

mod common;

use serde_json::json;
use shared::auth::Scope;
use shared::testing::{Reply, assert_in_the_table};

use common::{numbered, stored, with};

/// The rows of the table for so many coupons stored, and redemptions of one, as the page has them.
async fn measured(count: usize, stored_redemptions: usize) -> Vec<String> {
    let (app, ada) = stored(count).await;
    let till = app.user("till", &[Scope::CouponsRedeem]).await;
    // Known to the process from here on.
    till.get("/coupons").await;
    let created = ada.post("/coupons", &with("couponcode", json!("ONE"))).await;
    let path = created.header("location").to_owned();
    let anon = app.anon();
    let rows = (0..20).map(|number| numbered(100_000 + number)).collect::<Vec<_>>();
    let mut table = Vec::new();
    let mut row = |route: &str, reply: &Reply| table.push(reply.cost_row(route));
    row("GET /coupons/{id}", &anon.get(&path).await);
    row("GET /coupons?limit=3", &anon.get("/coupons?limit=3").await);
    row("GET /coupons?couponcode=", &anon.get("/coupons?couponcode=ONE").await);
    row("POST /coupons", &created);
    row("POST /coupons with a key", &ada.key("k").post("/coupons", &numbered(200_000)).await);
    row("PUT /coupons/{id}", &ada.put(&path, &numbered(200_001)).await);
    row("PATCH /coupons/{id}", &ada.patch(&path, &json!({"title": "x"})).await);
    let redemptions = format!("{path}/redemptions");
    let reserving = |number: usize| common::reserving("c", &format!("o{number}"), 60);
    let question = json!({"order_amount": "80", "currency": "GBP"});
    row(
        "POST /coupons/{id}/evaluations",
        &anon.post(&format!("{path}/evaluations"), &question).await,
    );
    let redeemed = till.post(&redemptions, &common::order("c", "o")).await;
    row("POST /coupons/{id}/redemptions", &redeemed);
    for number in 0..stored_redemptions {
        till.post(&redemptions, &common::order(&format!("c{number}"), &format!("p{number}"))).await;
    }
    row(
        "POST /coupons/{id}/redemptions, again",
        &till.post(&redemptions, &common::order("c", "o")).await,
    );
    let reserved = till.key("k").post(&redemptions, &reserving(1)).await;
    row("POST /coupons/{id}/redemptions, reserving, with a key", &reserved);
    row(
        "POST .../confirm",
        &till.post(&format!("{}/confirm", reserved.header("location")), &json!({})).await,
    );
    row(
        "POST .../cancel",
        &till.post(&format!("{}/cancel", redeemed.header("location")), &json!({})).await,
    );
    // A caller is known for 55 s, and on a busy machine all that took longer.
    ada.get("/coupons?limit=1").await;
    row("GET /coupons/{id}/redemptions/{rid}", &ada.get(redeemed.header("location")).await);
    row("GET /coupons/{id}/redemptions?limit=3", &ada.get(&format!("{redemptions}?limit=3")).await);
    row("GET /coupons/{id}/stats", &ada.get(&format!("{path}/stats")).await);
    row("GET /coupons/{id}, once redeemed", &anon.get(&path).await);
    row("DELETE /coupons/{id}", &ada.delete(&path).await);
    row(
        "POST /coupons/import, 20 new rows",
        &ada.post("/coupons/import", &json!({"items": rows})).await,
    );
    row(
        "POST /coupons/import, 20 known rows",
        &ada.post("/coupons/import", &json!({"items": rows})).await,
    );
    row("GET /coupons/export?limit=3", &ada.get("/coupons/export?limit=3").await);
    table
}

#[tokio::test]
async fn a_route_costs_what_the_architecture_page_says_however_much_is_stored() {
    for (count, redemptions) in [(10, 10), (10_000, 1_000)] {
        let table = measured(count, redemptions).await;
        let stored = format!("{count} coupons and {redemptions} redemptions stored");
        assert_in_the_table(&table, &stored);
    }
}
