//! The audit as a reader sees it.
#![allow(clippy::indexing_slicing, clippy::expect_used, reason = "a test may fail")]

mod common;

use serde_json::{Value, json};
use shared::auth::Scope;
use shared::store::Table;
use uuid::Uuid;

use common::{app, items, read, verification, visit};

const OTHER: Uuid = Uuid::from_u128(0x019b_0000_0000_7000_8000_0000_0000_0099);

#[tokio::test]
async fn an_entry_is_shown_at_once_and_has_its_place_once_it_is_sealed() {
    let (app, ada) = app().await;
    let id = read(&ada, 2).await;
    let before = items(&ada, &format!("/audit/encounters?item_id={id}")).await;
    assert_eq!(before.len(), 3);
    assert_eq!(before[0].get("sequence"), None);
    let pending = verification(&ada, &id).await;
    assert_eq!((&pending["verified"], &pending["pending"]), (&json!(true), &json!(3)));
    assert!(app.drain(&audit::SEAL).await > 0);
    let after = items(&ada, &format!("/audit/encounters?item_id={id}")).await;
    let sequences: Vec<_> = after.iter().map(|entry| entry["sequence"].clone()).collect();
    assert_eq!(sequences, [1, 2, 3]);
    for pair in after.windows(2) {
        assert_eq!(pair[1]["previous_hash"], pair[0]["hash"]);
    }
    for (shown, sealed) in before.iter().zip(&after) {
        let mut sealed = sealed.clone();
        for name in ["sequence", "previous_hash", "hash"] {
            sealed.as_object_mut().map(|entry| entry.remove(name));
        }
        assert_eq!(*shown, sealed);
    }
    let first = &after[0];
    for (name, value) in [
        ("username", json!("ada")),
        ("service", Value::Null),
        ("item_type", json!("encounters")),
        ("item_id", json!(id)),
        ("access_type", json!("create")),
        ("outcome", json!("success")),
    ] {
        assert_eq!(first[name], value, "{name}");
    }
    let verified = verification(&ada, &id).await;
    assert_eq!(
        verified,
        json!({
            "verified": true, "entries": 3, "sealed": 3, "pending": 0,
            "head_hash": after[2]["hash"], "first_bad_sequence": null,
        })
    );
}

#[tokio::test]
async fn entries_are_found_by_item_patient_user_access_and_time_oldest_first() {
    let (app, ada) = app().await;
    let scopes = [Scope::EncountersRead];
    let bob = app.user("Bob", &scopes).await;
    let one = ada.post("/encounters", &visit("one")).await.header("location").to_owned();
    let two = ada.post("/encounters", &visit("two")).await.header("location").to_owned();
    for path in [&one, &two, &one] {
        bob.get(path).await;
    }
    let all = items(&ada, "/audit/encounters").await;
    let ids: Vec<_> = all.iter().map(|entry| entry["id"].to_string()).collect();
    assert!(ids.is_sorted() && ids.len() == 5, "{ids:?}");
    let time = |at: usize| all[at]["timestamp_epoch_ms"].as_i64().unwrap_or_default();
    for (query, count) in [
        ("username=bob".to_owned(), 3),
        ("access_type=create".to_owned(), 2),
        ("access_type=delete".to_owned(), 0),
        ("patient_id=one".to_owned(), 3),
        ("patient_id=one&username=ada".to_owned(), 1),
        ("patient_id=three".to_owned(), 0),
        (format!("start_ms={}&end_ms={}", time(0), time(4)), 5),
        (format!("start_ms={}", time(4) + 1), 0),
        (format!("end_ms={}", time(0) - 1), 0),
        (format!("item_id={}", one.trim_start_matches("/encounters/")), 3),
    ] {
        let found = items(&ada, &format!("/audit/encounters?{query}")).await;
        assert_eq!(found.len(), count, "{query}");
    }
    let search = json!({"patient_id": "one", "start_ms": time(0), "limit": 2});
    let searched = ada.post("/audit/encounters/search", &search).await.json();
    assert_eq!(searched["items"].as_array().map(Vec::len), Some(2));
    let rest = json!({"patient_id": "one", "start_ms": time(0), "cursor": searched["next_cursor"]});
    let rest = ada.post("/audit/encounters/search", &rest).await.json();
    assert_eq!(rest["items"].as_array().map(Vec::len), Some(1));
    assert!(rest["next_cursor"].is_null());
}

#[tokio::test]
async fn bad_questions_are_refused_and_no_other_type_is_known() {
    let (_app, ada) = app().await;
    for (query, wrong) in [
        ("start_ms=x", "start_ms invalid_value"),
        ("end_ms=-1", "end_ms out_of_range"),
        ("end_ms=-", "end_ms invalid_value"),
        ("start_ms=99999999999999999999", "start_ms out_of_range"),
        ("start_ms=2&end_ms=1", "end_ms invalid_value"),
        ("item_id=1", "item_id invalid_value"),
        ("access_type=write", "access_type invalid_value"),
        ("colour=red", " unknown_parameter"),
    ] {
        assert_eq!(ada.get(&format!("/audit/encounters?{query}")).await.wrong(), [wrong]);
    }
    assert_eq!(ada.get("/audit/coupons?patient_id=x").await.wrong(), [" unknown_parameter"]);
    for path in ["/audit/audits", "/audit/secrets", "/audit/encounters/1/verification"] {
        assert_eq!(ada.get(path).await.problem(), "404 not_found", "{path}");
    }
    let nothing = format!("/audit/coupons/{OTHER}/verification");
    assert_eq!(ada.get(&nothing).await.problem(), "404 not_found");
}

#[tokio::test]
async fn entries_of_encounters_are_their_location_s_and_those_of_coupons_everybody_s() {
    let (app, ada) = app().await;
    let id = read(&ada, 1).await;
    let coupon = json!({
        "couponcode": "A", "title": "A", "merchant": "A",
        "published_at": "2020-01-01T00:00:00Z", "expire_at": "2030-01-01T00:00:00Z",
    });
    ada.post("/coupons", &coupon).await;
    let (key, bob) = app.user_key_and_id("bob", &[Scope::AuditRead]).await;
    app.set(Table::Users, &format!("user#{bob}"), "user", "location_ids", json!([OTHER])).await;
    let bob = app.with_key(&key);
    assert!(items(&bob, "/audit/encounters").await.is_empty());
    assert!(items(&bob, &format!("/audit/encounters?item_id={id}")).await.is_empty());
    assert!(items(&bob, "/audit/encounters?patient_id=p").await.is_empty());
    assert_eq!(items(&bob, "/audit/coupons").await.len(), 1);
    let verification = format!("/audit/encounters/{id}/verification");
    assert_eq!(bob.get(&verification).await.problem(), "404 not_found");
}

#[tokio::test]
async fn every_read_of_the_audit_is_entered_before_it_is_answered() {
    let (app, ada) = app().await;
    let id = read(&ada, 0).await;
    items(&ada, "/audit/encounters").await;
    verification(&ada, &id).await;
    ada.post("/audit/encounters/search", &json!({})).await;
    assert_eq!(app.audit("audits").await, ["ada read audits []"; 3]);
}
