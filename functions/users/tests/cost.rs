//! What each route costs the store, held to the table in ARCHITECTURE.md.

mod common;

use serde_json::json;
use shared::auth::Scope;
use shared::testing::{Reply, TestApp, assert_in_the_table};

use common::{app, location, registered};

/// The rows of the table.
async fn measured(app: &TestApp, number: usize) -> Vec<String> {
    let admin = app.admin();
    let ada = app.user("ada", &[Scope::UsersRead]).await;
    // Known to the process from here on.
    ada.get("/users/me").await;
    let mut table = Vec::new();
    let mut row = |route: &str, reply: &Reply| table.push(reply.cost_row(route));
    let place = admin.post("/locations", &json!({"name": format!("place {number}")})).await;
    row("POST /locations", &place);
    row("GET /locations/{id}", &admin.get(place.header("location")).await);
    row("GET /locations?limit=10", &admin.get("/locations?limit=10").await);
    let user = json!({
        "username": format!("grace{number}"), "scopes": ["users:read"],
        "location_ids": [common::DEFAULT_LOCATION],
    });
    let created = admin.post("/users", &user).await;
    row("POST /users", &created);
    let path = created.header("location");
    row("GET /users/me", &ada.get("/users/me").await);
    row("GET /users/{id}", &ada.get(path).await);
    let of_location = format!("/users?location_id={}&limit=10", common::DEFAULT_LOCATION);
    row("GET /users?location_id=&limit=10", &admin.get(&of_location).await);
    row("PATCH /users/{id}", &admin.patch(path, &json!({"disabled": true})).await);
    let keys = format!("{path}/keys");
    let key = admin.post(&keys, &json!({})).await;
    row("POST /users/{id}/keys", &key);
    row("GET /users/{id}/keys", &admin.get(&keys).await);
    row("GET /users/{id}/keys/{key_id}", &admin.get(key.header("location")).await);
    row("DELETE /users/{id}/keys/{key_id}", &admin.delete(key.header("location")).await);
    table
}

#[tokio::test]
async fn a_route_costs_what_the_architecture_page_says_however_much_is_stored() {
    let app = app().await;
    let mut there = 0;
    for count in [10, 1_000] {
        for number in there..count {
            location(&app, &format!("l{number}")).await;
            registered(&app, &format!("u{number}"), &[common::DEFAULT_LOCATION], &[]).await;
        }
        there = count;
        assert_in_the_table(&measured(&app, count).await, &format!("{count} users stored"));
    }
}
