//! Whatever breaks between a caller and the tables: no record without its entry, no entry without
//! its record, no data without both, and a retry makes nothing twice.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use std::collections::{HashMap, HashSet};

use common::{app, audit, on, visit, with};
use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::audit::{Access, Outcome};
use shared::auth::Scope;
use shared::store::Table;
use shared::testing::{Fault, TestApp};

/// Each record's versions, and how many entries made or changed it.
async fn records(app: &TestApp) -> (HashMap<String, usize>, HashMap<String, usize>) {
    let mut versions = HashMap::new();
    for item in app.items(Table::Encounters).await {
        let text = |name: &str| item[name].as_s().cloned().unwrap_or_default();
        if text("sk").starts_with("v#") {
            *versions.entry(text("pk").replace("encounter#", "")).or_default() += 1;
        }
    }
    let mut changes = HashMap::new();
    for stored in app.entries().await {
        let entry = stored.entry;
        let changed = [Access::Create, Access::Update].contains(&entry.access_type)
            && entry.outcome == Outcome::Success;
        if let (true, "encounters", Some(id)) = (changed, entry.item_type.as_ref(), entry.item_id) {
            *changes.entry(id.to_string()).or_default() += 1;
        }
    }
    (versions, changes)
}

#[tokio::test]
async fn sixteen_at_once_make_one_record_by_header_or_by_field() {
    for by_field in [false, true] {
        let (app, ada) = app().await;
        app.faults.at_random(7, 0.2);
        let body = if by_field { with("idempotence_key", json!("k1")) } else { visit() };
        let caller = if by_field { ada.clone() } else { ada.key("k1") };
        let replies = join_all((0..16).map(|_| async {
            loop {
                let reply = caller.post("/encounters", &body).await;
                if reply.status == 201 {
                    return reply;
                }
                assert!([409, 503].contains(&reply.status.as_u16()), "{}", reply.json());
            }
        }));
        let replies = replies.await;
        app.faults.stop();
        for reply in &replies {
            assert_eq!(reply.json(), replies[0].json());
        }
        let (versions, changes) = records(&app).await;
        assert_eq!(versions.len(), 1);
        assert_eq!(versions, changes);
    }
}

#[tokio::test]
async fn a_key_in_header_and_body_that_differ_is_refused() {
    let (_app, ada) = app().await;
    let body = with("idempotence_key", json!("k1"));
    let refused = ada.key("k2").post("/encounters", &body).await;
    assert_eq!(refused.wrong(), ["/idempotence_key invalid_value"]);
    let made = ada.key("k1").post("/encounters", &body).await;
    let again = ada.post("/encounters", &body).await;
    assert_eq!(again.json(), made.json());
    let other = ada.key("k1").post("/encounters", &visit()).await;
    assert_eq!(other.problem(), "422 idempotency_key_reused");
}

#[tokio::test]
async fn no_record_keeps_patient_data_for_a_replay() {
    let (app, ada) = app().await;
    ada.key("k1").post("/encounters", &with("patient_id", json!("MARKER"))).await;
    for item in app.items(Table::Idempotency).await {
        assert!(!format!("{item:?}").contains("MARKER"), "{item:?}");
    }
    for item in app.items(Table::Audit).await {
        assert!(!format!("{item:?}").contains("MARKER"), "{item:?}");
    }
}

#[tokio::test]
async fn without_its_entry_no_record_is_shown() {
    let (app, ada) = app().await;
    let path = ada.key("k").post("/encounters", &visit()).await.header("location").to_owned();
    let eve = app.user("eve", &[]).await;
    eve.get("/encounters").await;
    app.delete_table(Table::Audit).await;
    let known = ada.header("if-none-match", "\"1\"");
    let fhir = ada.header("accept", "application/fhir+json");
    for (what, reply) in [
        ("a read", ada.get(&path).await),
        ("a list", ada.get("/encounters").await),
        ("a search", ada.post("/encounters/search", &json!({})).await),
        ("a 304", known.get(&path).await),
        ("FHIR", fhir.get(&path).await),
        ("a replay", ada.key("k").post("/encounters", &visit()).await),
        ("a creation", ada.post("/encounters", &visit()).await),
        ("an amendment", ada.patch(&path, &json!({"clinical_data": 1})).await),
        ("a retraction", ada.post(&format!("{path}/retraction"), &json!({"reason": "x"})).await),
        ("a refusal", eve.get(&path).await),
        ("nothing there", ada.get(common::NOBODYS).await),
    ] {
        assert_eq!(reply.status.as_u16(), 503, "{what}");
        let text = String::from_utf8_lossy(&reply.bytes).into_owned();
        assert!(!text.contains("patient-1"), "{what}: {text}");
    }
    assert_eq!(records_alone(&app).await, 1);
}

async fn records_alone(app: &TestApp) -> usize {
    let versions = app.items(Table::Encounters).await;
    versions.iter().filter(|item| item["sk"].as_s().is_ok_and(|sk| sk.starts_with("v#"))).count()
}

#[tokio::test]
async fn a_process_that_dies_between_two_calls_leaves_record_and_entry_or_neither() {
    for operation in ["TransactWriteItems", "GetItem"] {
        for fault in [Fault::CutAfter, Fault::CutBefore] {
            let (app, ada) = app().await;
            let path = ada.post("/encounters", &visit()).await.header("location").to_owned();
            app.faults.next(operation, fault);
            ada.key("a").post("/encounters", &visit()).await;
            app.faults.next(operation, fault);
            ada.patch(&path, &json!({"clinical_data": {"more": 1}})).await;
            app.faults.next(operation, fault);
            ada.post(&format!("{path}/retraction"), &json!({"reason": "x"})).await;
            app.faults.stop();
            let (versions, changes) = records(&app).await;
            assert_eq!(versions, changes, "{operation}");
        }
    }
}

#[tokio::test]
async fn a_hundred_can_open_one_record_at_once() {
    let (app, ada) = app().await;
    let path = ada.post("/encounters", &visit()).await.header("location").to_owned();
    let replies = join_all((0..100).map(|_| ada.get(&path))).await;
    assert!(replies.iter().all(|reply| reply.status == 200));
    for reply in &replies {
        // The head, the version, the entry: none was tried twice.
        assert!(reply.header("server-timing").contains("3 calls"), "{:?}", reply.headers);
    }
    assert_eq!(audit(&app).await.len(), 101);
}

#[tokio::test]
async fn amendments_at_once_happen_one_after_the_other_and_none_is_lost() {
    let (app, ada) = app().await;
    let path = ada.post("/encounters", &on(1, "p")).await.header("location").to_owned();
    let patch = |n: u32| {
        let change = json!({"clinical_data": {format!("k{n}"): n}});
        let (ada, path) = (ada.clone(), path.clone());
        async move { ada.patch(&path, &change).await.status.as_u16() }
    };
    let statuses = join_all((0..8).map(patch)).await;
    assert_eq!(statuses, [200; 8]);
    let read = ada.get(&path).await.json();
    assert_eq!(read["version"], 9);
    let data: HashSet<_> = read["clinical_data"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect();
    assert!((0..8).all(|n| data.contains(&format!("k{n}"))), "{data:?}");
    let (versions, changes) = records(&app).await;
    assert_eq!(versions, changes);
    let bob = app.user("bob", &[Scope::EncountersRead]).await;
    let first: Value = bob.get(&format!("{path}?version=1")).await.json();
    assert_eq!(first["version"], 1);
}
