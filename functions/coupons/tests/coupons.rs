//! The resource: create, read, replace, patch, delete.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use serde_json::json;

use common::{app, json_merge, save10, with};
use shared::auth::Scope;

#[tokio::test]
async fn what_is_created_can_be_read_and_leaves_one_entry() {
    let (app, ada) = app().await;
    let created = ada.post("/coupons", &save10()).await;
    assert_eq!(created.status, 201, "{}", created.json());
    assert_eq!(created.header("etag"), "\"1\"");
    let coupon = created.json();
    for (name, value) in save10().as_object().into_iter().flatten() {
        assert_eq!(&coupon[name], value, "{name}");
    }
    assert_eq!(coupon["valid"], true);
    assert_eq!(coupon["status"], "active");
    assert_eq!(coupon["version"], 1);
    assert_eq!(coupon["disabled"], false);
    assert_eq!(coupon["created_at"], coupon["updated_at"]);
    let read = app.anon().get(created.header("location")).await;
    assert_eq!((read.status.as_u16(), read.json()), (200, coupon));
    assert_eq!(read.header("etag"), "\"1\"");
    let changed = "[category couponcode merchant title store published_at expire_at discount min_order_amount]";
    assert_eq!(app.audit("coupons").await, [format!("ada create coupons {changed}")]);
}

#[tokio::test]
async fn what_was_read_can_be_put_back_with_one_change() {
    let (app, ada) = app().await;
    let created = ada.post("/coupons", &save10()).await;
    let path = created.header("location");
    let mut coupon = created.json();
    coupon["title"] = json!("Fifteen off");
    let put = ada.header("if-match", "\"1\"").put(path, &coupon).await;
    assert_eq!(put.status, 200, "{}", put.json());
    assert_eq!(put.header("etag"), "\"2\"");
    assert_eq!((&put.json()["title"], &put.json()["version"]), (&json!("Fifteen off"), &json!(2)));
    assert_eq!(app.anon().get(path).await.json(), put.json());
    assert_eq!(app.audit("coupons").await.pop().as_deref(), Some("ada update coupons [title]"));
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_a_null_takes_away() {
    let (app, ada) = app().await;
    let created = ada.post("/coupons", &save10()).await;
    let path = created.header("location");
    let patch = json!({"title": "New", "category": null, "store": {"city": "Leeds", "zip": null}, "id": "ignored"});
    let patched = ada.patch(path, &patch).await;
    assert_eq!(patched.status, 200, "{}", patched.json());
    let coupon = patched.json();
    assert_eq!((&coupon["title"], &coupon["version"]), (&json!("New"), &json!(2)));
    assert_eq!(coupon.get("category"), None);
    assert_eq!(coupon["store"]["city"], "Leeds");
    assert_eq!(coupon["store"].get("zip"), None);
    assert_eq!(coupon["store"]["street"], "1 High Street");
    assert_eq!(
        app.audit("coupons").await.pop().as_deref(),
        Some("ada update coupons [category title store]")
    );
    assert_eq!(app.anon().get(path).await.json(), coupon);
}

#[tokio::test]
async fn a_patch_is_validated_as_what_it_leads_to() {
    let (_app, ada) = app().await;
    let created = ada.post("/coupons", &save10()).await;
    let path = created.header("location");
    for (patch, wrong) in [
        (json!({"title": null}), vec!["/title required"]),
        (json!({"discount": {"currency": null}}), vec!["/discount/currency required"]),
        (
            json!({"discount": {"currency": "JPY"}}),
            vec!["/discount/max_amount invalid_value", "/min_order_amount invalid_value"],
        ),
        (
            json!({"store": {"lat": 91}, "nope": null}),
            vec!["/store/lat out_of_range", " unknown_field"],
        ),
        (json!({"store": "x"}), vec!["/store wrong_type"]),
        (json!([1]), vec![" wrong_type"]),
        (json!(null), vec![" wrong_type"]),
    ] {
        let mut found = ada.patch(path, &patch).await.wrong();
        found.sort();
        let mut wrong = wrong;
        wrong.sort_unstable();
        assert_eq!(found, wrong, "{patch}");
    }
}

#[tokio::test]
async fn a_deleted_coupon_is_gone_and_its_deletion_is_entered() {
    let (app, ada) = app().await;
    let created = ada.post("/coupons", &save10()).await;
    let path = created.header("location");
    let deleted = ada.delete(path).await;
    assert_eq!((deleted.status.as_u16(), deleted.bytes.len()), (204, 0));
    assert_eq!(app.anon().get(path).await.problem(), "404 not_found");
    assert_eq!(ada.delete(path).await.problem(), "404 not_found");
    assert_eq!(ada.put(path, &save10()).await.problem(), "404 not_found");
    assert_eq!(ada.patch(path, &json!({})).await.problem(), "404 not_found");
    assert_eq!(app.anon().get("/coupons").await.json()["items"], json!([]));
    assert_eq!(app.audit("coupons").await.pop().as_deref(), Some("ada delete coupons []"));
}

#[tokio::test]
async fn another_version_than_if_match_asks_for_is_left_alone() {
    let (app, ada) = app().await;
    let created = ada.post("/coupons", &save10()).await;
    let path = created.header("location");
    for tag in ["\"2\"", "W/\"1\"", "\"x\""] {
        let caller = ada.header("if-match", tag);
        for refused in [
            caller.put(path, &save10()).await,
            caller.patch(path, &json!({"title": "x"})).await,
            caller.delete(path).await,
        ] {
            assert_eq!(refused.problem(), "412 version_mismatch", "{tag}");
        }
    }
    assert_eq!(ada.header("if-match", "1").delete(path).await.wrong(), ["If-Match invalid_value"]);
    assert_eq!(app.anon().get(path).await.json(), created.json());
    assert_eq!(ada.header("if-match", "\"9\", \"1\"").delete(path).await.status, 204);
}

#[tokio::test]
async fn concurrent_patches_of_different_members_all_last() {
    let (app, ada) = app().await;
    let created = ada.post("/coupons", &save10()).await;
    let path = created.header("location").to_owned();
    let patches = ["title", "merchant", "couponcode", "category", "description"];
    let sent = patches.map(|name| {
        let (ada, path) = (ada.clone(), path.clone());
        tokio::spawn(
            async move { ada.patch(&path, &json!({name: "changed"})).await.status.as_u16() },
        )
    });
    for sent in sent {
        assert_eq!(sent.await.ok(), Some(200));
    }
    let coupon = app.anon().get(&path).await.json();
    for name in patches {
        assert_eq!(coupon[name], "changed", "{name}");
    }
    assert_eq!(coupon["version"], 6);
    assert_eq!(app.audit("coupons").await.len(), 6);
}

#[tokio::test]
async fn a_coupon_with_its_dates_the_wrong_way_round_is_kept_as_invalid() {
    let (app, ada) = app().await;
    let created = ada.post("/coupons", &with("expire_at", json!("2019-12-31T23:59:59.999Z"))).await;
    assert_eq!(created.status, 201);
    assert_eq!(
        (&created.json()["valid"], &created.json()["status"]),
        (&json!(false), &json!("invalid"))
    );
    let list = app.anon().get("/coupons?status=invalid").await.json();
    assert_eq!(list["items"][0], created.json());
}

#[tokio::test]
async fn the_status_is_that_of_the_time_asked_for() {
    let (app, ada) = app().await;
    let period =
        json!({"published_at": "2026-03-01T00:00:00Z", "expire_at": "2026-03-31T00:00:00Z"});
    let mut coupon = save10();
    json_merge(&mut coupon, &period);
    let path = ada.post("/coupons", &coupon).await.header("location").to_owned();
    for (at, status) in [
        ("2026-02-28T23:59:59.999Z", "scheduled"),
        ("2026-03-01T01:00:00%2B01:00", "active"),
        ("2026-03-31T00:00:00Z", "active"),
        ("2026-03-31T00:00:00.001Z", "expired"),
    ] {
        assert_eq!(
            app.anon().get(&format!("{path}?at={at}")).await.json()["status"],
            status,
            "{at}"
        );
        let list = app.anon().get(&format!("/coupons?status={status}&at={at}")).await.json();
        assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{at}");
    }
    ada.patch(&path, &json!({"disabled": true})).await;
    assert_eq!(app.anon().get(&path).await.json()["status"], "disabled");
    assert_eq!(app.anon().get(&format!("{path}?at=now")).await.wrong(), ["at invalid_value"]);
}

#[tokio::test]
async fn only_a_user_with_the_scope_may_change_coupons() {
    let (app, ada) = app().await;
    let path = ada.post("/coupons", &save10()).await.header("location").to_owned();
    let bob = app.user("bob", &[Scope::CouponsRedeem]).await;
    let nobody = app.with_key("qk_nobodys");
    for (caller, problem) in [
        (app.anon(), "401 unauthenticated"),
        (nobody, "401 unauthenticated"),
        (bob, "403 forbidden"),
        (app.admin(), "403 forbidden"),
        (ada.header("x-admin-token", "local-admin-token"), "400 ambiguous_credentials"),
    ] {
        for refused in [
            caller.post("/coupons", &save10()).await,
            caller.put(&path, &save10()).await,
            caller.patch(&path, &json!({})).await,
            caller.delete(&path).await,
            caller.post("/coupons/import", &json!({"items": []})).await,
            caller.get("/coupons/export").await,
        ] {
            assert_eq!(refused.problem(), problem);
        }
    }
    assert_eq!(app.with_key("qk_nobodys").get("/coupons").await.problem(), "401 unauthenticated");
    assert_eq!(app.audit("coupons").await.len(), 1);
}
