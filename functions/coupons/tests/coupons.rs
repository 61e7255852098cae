//! The resource: create, read, replace, patch, delete.

mod common;

use serde_json::json;

use common::{app, save10};

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
    let changed = "[category couponcode merchant title store published_at expire_at discount min_order_amount disabled]";
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
