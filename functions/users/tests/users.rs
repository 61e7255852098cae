//! Registering users, and what they see of themselves.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use serde_json::{Value, json};
use shared::store::Table;

use common::{DEFAULT_LOCATION, app, location, registered};

#[tokio::test]
async fn a_registered_user_can_call_with_the_token_shown_once() {
    let app = app().await;
    let created = app
        .admin()
        .post("/users", &json!({"username": "Ada", "scopes": ["coupons:write", "audit:read"]}))
        .await;
    assert_eq!(created.status, 201, "{}", created.json());
    let user = created.json();
    assert_eq!(user["location_ids"], json!([DEFAULT_LOCATION]));
    assert_eq!(user["scopes"], json!(["coupons:write", "audit:read"]));
    let token = user["token"].as_str().unwrap_or_default();
    let me = app.with_key(token).get("/users/me").await;
    assert_eq!(
        me.json(),
        json!({
            "id": user["id"], "username": "Ada", "service": null, "location_id": DEFAULT_LOCATION,
            "location_ids": [DEFAULT_LOCATION], "scopes": ["coupons:write", "audit:read"],
        })
    );
    let read = app.admin().get(created.header("location")).await;
    assert_eq!((read.status.as_u16(), &read.json()["username"]), (200, &json!("Ada")));
    assert_eq!(read.json().get("token"), None);
    let lines = ["admin create users [username scopes]", "admin read users []"];
    assert_eq!(app.audit("users").await, lines);
    assert_eq!(app.audit("keys").await, ["admin create keys []"]);
}

#[tokio::test]
async fn no_token_lies_in_any_table() {
    let app = app().await;
    let created = app.admin().key("k").post("/users", &json!({"username": "ada"})).await.json();
    let token = created["token"].as_str().unwrap_or_default();
    assert!(token.len() > 40);
    for table in Table::ALL {
        let stored = format!("{:?}", app.items(table).await);
        assert!(!stored.contains(token), "{table:?}");
        assert!(!stored.contains(&token[token.len() - 20..]), "{table:?}");
    }
}

#[tokio::test]
async fn a_replay_does_not_show_the_token_again() {
    let app = app().await;
    let ada = json!({"username": "ada"});
    let first = app.admin().key("k").post("/users", &ada).await.json();
    let again = app.admin().key("k").post("/users", &ada).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (201, "true"));
    assert_eq!(again.json()["token"], Value::Null);
    assert_eq!((&again.json()["id"], &again.json()["key_id"]), (&first["id"], &first["key_id"]));
}

#[tokio::test]
async fn a_name_is_one_user_s_whatever_its_case() {
    let app = app().await;
    app.admin().post("/users", &json!({"username": "ada", "oidc_subject": "s1"})).await;
    let taken = app.admin().post("/users", &json!({"username": "ADA"})).await;
    assert_eq!(taken.problem(), "409 username_taken");
    let taken = app.admin().post("/users", &json!({"username": "bob", "oidc_subject": "s1"})).await;
    assert_eq!(taken.problem(), "409 oidc_subject_taken");
    let free = app.admin().post("/users", &json!({"username": "bob"})).await;
    assert_eq!(free.status, 201, "a refused registration must not keep the name: {}", free.json());
}

#[tokio::test]
async fn sixteen_at_once_with_one_name_make_one_user() {
    let app = app().await;
    let sent: Vec<_> = (0..16)
        .map(|_| {
            let admin = app.admin();
            tokio::spawn(async move {
                admin.post("/users", &json!({"username": "ada"})).await.status.as_u16()
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for sent in sent {
        statuses.push(sent.await.unwrap_or_default());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![201], vec![409; 15]].concat());
}

#[tokio::test]
async fn without_scopes_and_locations_a_user_has_the_usual_ones() {
    let app = app().await;
    let user = app.admin().post("/users", &json!({"username": "ada"})).await.json();
    assert_eq!(user["scopes"], json!(["ecgs:read", "ecgs:write"]));
    let none = app
        .admin()
        .post("/users", &json!({"username": "bob", "scopes": [], "location_ids": []}))
        .await
        .json();
    assert_eq!((&none["scopes"], &none["location_ids"]), (&json!([]), &json!([DEFAULT_LOCATION])));
}

#[tokio::test]
async fn bad_users_are_refused_with_every_wrong_field() {
    let app = app().await;
    let other = "019b0000-0000-7000-8000-000000000001";
    let long = "a".repeat(65);
    for (user, wrong) in [
        (json!({}), vec!["/username required"]),
        (json!({"username": ""}), vec!["/username too_short"]),
        (json!({"username": long}), vec!["/username too_long"]),
        (json!({"username": "é".repeat(40)}), vec!["/username invalid_value"]),
        (json!({"username": "a b"}), vec!["/username invalid_value"]),
        (json!({"username": "Admin"}), vec!["/username invalid_value"]),
        (json!({"username": "a", "disabled": true}), vec![" unknown_field"]),
        (json!({"username": "a", "rate_limit_per_minute": 5}), vec![" unknown_field"]),
        (
            json!({"username": 1, "scopes": ["coupons:write", "root", 7], "location_ids": [other, "x", DEFAULT_LOCATION]}),
            vec![
                "/username wrong_type",
                "/scopes/1 invalid_value",
                "/scopes/2 wrong_type",
                "/location_ids/0 invalid_value",
                "/location_ids/1 invalid_value",
            ],
        ),
        (json!({"username": "a", "scopes": "coupons:write"}), vec!["/scopes wrong_type"]),
        (json!({"username": "a", "scopes": vec!["coupons:write"; 101]}), vec!["/scopes too_long"]),
        (json!({"username": "a", "oidc_subject": "s".repeat(129)}), vec!["/oidc_subject too_long"]),
    ] {
        let mut found = app.admin().post("/users", &user).await.wrong();
        let mut wrong = wrong;
        found.sort();
        wrong.sort_unstable();
        assert_eq!(found, wrong, "{user}");
    }
    assert!(app.audit("users").await.is_empty());
}

#[tokio::test]
async fn at_most_ten_errors_of_one_array_are_listed() {
    let app = app().await;
    let reply = app
        .admin()
        .post("/users", &json!({"username": "a", "scopes": vec!["root"; 50], "location_ids": [1]}))
        .await;
    assert_eq!(reply.wrong().len(), 11);
    assert_eq!(reply.json()["errors_truncated"], true);
}

#[tokio::test]
async fn users_are_the_administrator_s_to_make() {
    let app = app().await;
    let ada = app.user("ada", &shared::auth::Scope::ALL).await;
    assert_eq!(ada.post("/users", &json!({"username": "bob"})).await.problem(), "403 forbidden");
    assert_eq!(
        app.anon().post("/users", &json!({"username": "bob"})).await.problem(),
        "401 unauthenticated"
    );
    assert_eq!(app.admin().get("/users/me").await.problem(), "403 forbidden");
    assert_eq!(
        app.admin().get("/users/019b0000-0000-7000-8000-000000000001").await.problem(),
        "404 not_found"
    );
    assert_eq!(app.admin().get("/users/x").await.problem(), "404 not_found");
}

#[tokio::test]
async fn a_version_that_the_caller_has_is_not_sent_again() {
    let app = app().await;
    let created =
        app.admin().post("/users", &json!({"username": "ada", "id": "x", "token": "x"})).await;
    let path = created.header("location");
    for tag in ["\"1\"", "W/\"1\"", "*"] {
        let known = app.admin().header("if-none-match", tag).get(path).await;
        assert_eq!(
            (known.status.as_u16(), known.bytes.len(), known.header("etag")),
            (304, 0, "\"1\""),
            "{tag}"
        );
    }
    assert_eq!(app.admin().header("if-none-match", "\"2\"").get(path).await.status, 200);
    assert_eq!(
        app.admin().header("if-none-match", "1").get(path).await.wrong(),
        ["If-None-Match invalid_value"]
    );
    assert_eq!(app.audit("users").await.len(), 5);
}

#[tokio::test]
async fn a_disabled_user_is_nobody() {
    let app = app().await;
    let created = app.admin().post("/users", &json!({"username": "ada"})).await.json();
    let id = created["id"].as_str().unwrap_or_default();
    let ada = app.with_key(created["token"].as_str().unwrap_or_default());
    assert_eq!(ada.get("/users/me").await.status, 200);
    let path = format!("/users/{id}");
    assert_eq!(app.admin().patch(&path, &json!({"disabled": true})).await.json()["disabled"], true);
    assert_eq!(ada.get("/users/me").await.status, 200, "known for up to a minute");
    let token = created["token"].as_str().unwrap_or_default();
    let elsewhere = app.another_instance().await;
    assert_eq!(elsewhere.with_key(token).get("/users/me").await.problem(), "401 unauthenticated");
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_takes_effect() {
    let app = app().await;
    let north = location(&app, "North").await;
    let ada = registered(&app, "ada", &[], &["coupons:write"]).await;
    let path = format!("/users/{}", ada["id"].as_str().unwrap_or_default());
    let change = json!({
        "scopes": ["audit:read"], "location_ids": [north], "oidc_subject": "sub-1",
        "rate_limit_per_minute": 50, "username": "ignored",
    });
    let changed = app.admin().header("if-match", "\"1\"").patch(&path, &change).await;
    assert_eq!(
        (changed.status.as_u16(), changed.header("etag")),
        (200, "\"2\""),
        "{}",
        changed.json()
    );
    for (name, value) in
        change.as_object().into_iter().flatten().filter(|(name, _)| *name != "username")
    {
        assert_eq!(&changed.json()[name], value, "{name}");
    }
    let me = app.with_key(ada["token"].as_str().unwrap_or_default()).get("/users/me").await.json();
    assert_eq!((&me["scopes"], &me["location_id"]), (&json!(["audit:read"]), &json!(north)));
    let none = app
        .admin()
        .patch(
            &path,
            &json!({"oidc_subject": null, "rate_limit_per_minute": null, "location_ids": null}),
        )
        .await
        .json();
    assert_eq!(
        (&none["oidc_subject"], &none["rate_limit_per_minute"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(none["location_ids"], json!([DEFAULT_LOCATION]));
    // The subject is free again.
    assert_eq!(
        app.admin()
            .post("/users", &json!({"username": "bob", "oidc_subject": "sub-1"}))
            .await
            .status,
        201
    );
    assert_eq!(
        app.admin().patch(&path, &json!({"oidc_subject": "sub-1"})).await.problem(),
        "409 oidc_subject_taken"
    );
    assert_eq!(
        app.admin().header("if-match", "\"1\"").patch(&path, &json!({})).await.problem(),
        "412 version_mismatch"
    );
    for (change, wrong) in [
        (json!({"scopes": ["root"]}), "/scopes/0 invalid_value"),
        (json!({"disabled": "yes"}), "/disabled wrong_type"),
        (json!({"rate_limit_per_minute": 0}), "/rate_limit_per_minute out_of_range"),
        (
            json!({"location_ids": ["019b0000-0000-7000-8000-000000000001"]}),
            "/location_ids/0 invalid_value",
        ),
        (json!({"name": 1}), " unknown_field"),
    ] {
        assert_eq!(app.admin().patch(&path, &change).await.wrong(), [wrong]);
    }
    let lines = app.audit("users").await;
    assert!(
        lines.contains(
            &"admin update users [scopes location_ids oidc_subject rate_limit_per_minute]"
                .to_owned()
        ),
        "{lines:?}"
    );
}

#[tokio::test]
async fn keys_rotate_with_overlap() {
    let app = app().await;
    let ada = registered(&app, "ada", &[], &[]).await;
    let keys = format!("/users/{}/keys", ada["id"].as_str().unwrap_or_default());
    let created = app.admin().key("k").post(&keys, &json!({})).await;
    assert_eq!(created.status, 201, "{}", created.json());
    let key = created.json();
    assert_eq!(app.admin().key("k").post(&keys, &json!({})).await.json()["token"], Value::Null);
    let (old, new) =
        (ada["token"].as_str().unwrap_or_default(), key["token"].as_str().unwrap_or_default());
    for token in [old, new] {
        assert_eq!(app.with_key(token).get("/users/me").await.json()["username"], "ada");
    }
    let read = app.admin().get(created.header("location")).await;
    assert_eq!(
        read.json(),
        json!({"id": key["id"], "user_id": ada["id"], "created_at": key["created_at"]})
    );
    let listed = app.admin().get(&keys).await.json();
    let ids: Vec<_> =
        listed["items"].as_array().into_iter().flatten().map(|key| key["id"].clone()).collect();
    assert_eq!(ids, [key["id"].clone(), ada["key_id"].clone()]);
    let old_path = format!("{keys}/{}", ada["key_id"].as_str().unwrap_or_default());
    assert_eq!(app.admin().delete(&old_path).await.status, 204);
    assert_eq!(app.admin().delete(&old_path).await.problem(), "404 not_found");
    let elsewhere = app.another_instance().await;
    assert_eq!(elsewhere.with_key(old).get("/users/me").await.problem(), "401 unauthenticated");
    assert_eq!(elsewhere.with_key(new).get("/users/me").await.status, 200);
    let bob = registered(&app, "bob", &[], &[]).await;
    let others = format!(
        "/users/{}/keys/{}",
        bob["id"].as_str().unwrap_or_default(),
        key["id"].as_str().unwrap_or_default()
    );
    assert_eq!(app.admin().get(&others).await.problem(), "404 not_found");
    let me = app.with_key(new);
    assert_eq!(me.post(&keys, &json!({})).await.problem(), "403 forbidden");
    assert_eq!(
        app.audit("keys").await.iter().filter(|line| *line == "admin delete keys []").count(),
        1
    );
}
