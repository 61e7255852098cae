//! A keyed POST happens once, whatever breaks between the client and the table.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use std::time::Duration;

use serde_json::json;
use shared::auth::Scope;
use shared::store::Table;
use shared::testing::{Fault, TestApp};

use common::{app, numbered, save10};

async fn coupons(app: &TestApp) -> usize {
    app.items(Table::Coupons).await.iter().filter(|item| item.contains_key("couponcode")).count()
}

#[tokio::test]
async fn a_retry_gets_the_first_answer_and_writes_once() {
    let (app, ada) = app().await;
    let first = ada.key("k1").post("/coupons", &save10()).await;
    assert_eq!((first.status.as_u16(), first.header("idempotency-replayed")), (201, ""));
    let path = first.header("location");
    // Whatever has changed since.
    ada.patch(path, &json!({"title": "Other"})).await;
    ada.delete(path).await;
    let again = ada.key("k1").post("/coupons", &save10()).await;
    assert_eq!((again.status, again.json()), (first.status, first.json()));
    assert_eq!(again.header("idempotency-replayed"), "true");
    for header in ["location", "etag", "content-type"] {
        assert_eq!(again.header(header), first.header(header), "{header}");
    }
    assert_eq!(coupons(&app).await, 0);
    assert_eq!(app.audit("coupons").await.len(), 3);
}

#[tokio::test]
async fn a_key_with_other_bytes_is_refused_whatever_they_say() {
    let (app, ada) = app().await;
    ada.key("k1").post("/coupons", &save10()).await;
    for body in [numbered(2), json!({"title": 5}), json!([])] {
        let refused = ada.key("k1").post("/coupons", &body).await;
        assert_eq!(refused.problem(), "422 idempotency_key_reused", "{body}");
    }
    assert_eq!(coupons(&app).await, 1);
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_free() {
    let (_app, ada) = app().await;
    assert_eq!(ada.key("k1").post("/coupons", &json!({})).await.status, 400);
    assert_eq!(ada.key("k1").post("/coupons", &save10()).await.status, 201);
}

#[tokio::test]
async fn a_key_is_its_callers_own() {
    let (app, ada) = app().await;
    let bob = app.user("bob", &[Scope::CouponsWrite]).await;
    let first = ada.key("k1").post("/coupons", &save10()).await;
    let bobs = bob.key("k1").post("/coupons", &numbered(2)).await;
    assert_eq!((bobs.status.as_u16(), bobs.header("idempotency-replayed")), (201, ""));
    assert_ne!(first.json()["id"], bobs.json()["id"]);
    // The same key on another path is another key.
    let imported = ada.key("k1").post("/coupons/import", &json!({"items": []})).await;
    assert_eq!(imported.status, 200, "{}", imported.json());
}

#[tokio::test]
async fn a_key_has_1_to_255_visible_characters() {
    let (_app, ada) = app().await;
    let longest = "k".repeat(255);
    assert_eq!(ada.key(&longest).post("/coupons", &save10()).await.status, 201);
    for key in ["", "a b", "k".repeat(256).as_str()] {
        assert_eq!(
            ada.key(key).post("/coupons", &save10()).await.wrong(),
            ["Idempotency-Key invalid_value"]
        );
    }
    assert_eq!(
        ada.key("a").key("b").post("/coupons", &save10()).await.wrong(),
        ["Idempotency-Key invalid_value"]
    );
}

#[tokio::test]
async fn sixteen_at_once_make_one_coupon() {
    let (app, ada) = app().await;
    let sent: Vec<_> = (0..16)
        .map(|_| {
            let ada = ada.key("k1");
            tokio::spawn(async move { ada.post("/coupons", &save10()).await })
        })
        .collect();
    let mut ids = Vec::new();
    let mut first_answers = 0;
    for sent in sent {
        let Ok(reply) = sent.await else { panic!("a request broke") };
        assert_eq!(reply.status, 201, "{}", reply.json());
        first_answers += usize::from(reply.header("idempotency-replayed").is_empty());
        ids.push(reply.json()["id"].clone());
    }
    ids.dedup();
    assert_eq!((ids.len(), first_answers), (1, 1));
    assert_eq!((coupons(&app).await, app.audit("coupons").await.len()), (1, 1));
}

#[tokio::test]
async fn through_each_fault_a_keyed_post_leaves_one_coupon_one_entry_one_answer() {
    let faults = [
        Fault::Throttle,
        Fault::Conflict,
        Fault::ServerError,
        Fault::Delay(Duration::from_millis(50)),
        Fault::CutBefore,
        Fault::CutAfter,
    ];
    for operation in ["TransactWriteItems", "BatchGetItem"] {
        for fault in faults {
            for times in [1, 3] {
                let (app, ada) = app().await;
                for _ in 0..times {
                    app.faults.next(operation, fault);
                }
                let first = ada.key("k1").post("/coupons", &save10()).await;
                let told = format!("{times} times {fault:?} at {operation}");
                assert_eq!(first.status, 201, "{told}: {}", first.json());
                assert_eq!(first.header("idempotency-replayed"), "", "{told}");
                // A delay is met once, since nothing is tried again.
                let delayed = matches!(fault, Fault::Delay(_));
                assert_eq!(app.faults.unmet(), if delayed { times - 1 } else { 0 }, "{told}");
                app.faults.stop();
                let again = ada.key("k1").post("/coupons", &save10()).await;
                assert_eq!((again.status, again.json()), (first.status, first.json()), "{told}");
                assert_eq!(
                    (coupons(&app).await, app.audit("coupons").await.len()),
                    (1, 1),
                    "{told}"
                );
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_for_good_is_given_to_the_retry() {
    let (app, ada) = app().await;
    for _ in 0..5 {
        app.faults.next("TransactWriteItems", Fault::CutAfter);
    }
    assert_eq!(
        ada.key("k1").post("/coupons", &save10()).await.problem(),
        "503 storage_unavailable"
    );
    app.faults.stop();
    assert_eq!(coupons(&app).await, 1);
    let again = ada.key("k1").post("/coupons", &save10()).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (201, "true"));
    assert_eq!((coupons(&app).await, app.audit("coupons").await.len()), (1, 1));
}

#[tokio::test]
async fn a_change_whose_answer_was_cut_is_no_conflict_with_itself() {
    let (app, ada) = app().await;
    let path = ada.post("/coupons", &save10()).await.header("location").to_owned();
    for fault in [Fault::CutAfter, Fault::Conflict] {
        app.faults.next("TransactWriteItems", fault);
    }
    let put = ada.header("if-match", "\"1\"").put(&path, &numbered(7)).await;
    assert_eq!((put.status.as_u16(), &put.json()["version"]), (200, &json!(2)), "{}", put.json());
    for fault in [Fault::CutAfter, Fault::Conflict, Fault::Conflict] {
        app.faults.next("TransactWriteItems", fault);
    }
    assert_eq!(ada.header("if-match", "\"2\"").delete(&path).await.status, 204);
    assert_eq!((coupons(&app).await, app.audit("coupons").await.len()), (0, 3));
}

#[tokio::test]
async fn a_storage_that_stays_away_is_503_and_nothing_else() {
    let (app, ada) = app().await;
    let path = ada.post("/coupons", &save10()).await.header("location").to_owned();
    app.delete_table(Table::Audit).await;
    let refused = ada.post("/coupons", &numbered(2)).await;
    assert_eq!(refused.problem(), "503 storage_unavailable");
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(ada.patch(&path, &json!({"title": "x"})).await.problem(), "503 storage_unavailable");
    assert_eq!(app.anon().get(&path).await.status, 200);
    app.delete_table(Table::Coupons).await;
    assert_eq!(app.anon().get(&path).await.problem(), "503 storage_unavailable");
    assert_eq!(app.anon().get("/coupons").await.problem(), "503 storage_unavailable");
}

#[tokio::test]
async fn a_key_remembers_an_answer_that_changed_nothing_through_a_cut_as_well() {
    let (app, ada, path) = common::with_coupon(&json!({})).await;
    let redeem = format!("{path}/redemptions");
    let first = ada.post(&redeem, &common::order("c", "o")).await;
    app.faults.next("PutItem", Fault::CutAfter);
    let repeat = ada.key("k").post(&redeem, &common::order("c", "o")).await;
    assert_eq!((repeat.status.as_u16(), repeat.header("idempotency-replayed")), (200, ""));
    assert_eq!(app.faults.unmet(), 0);
    ada.post(&format!("{}/cancel", first.header("location")), &json!({})).await;
    let again = ada.key("k").post(&redeem, &common::order("c", "o")).await;
    assert_eq!((again.json(), again.header("idempotency-replayed")), (first.json(), "true"));
}

#[tokio::test]
async fn a_key_is_forgotten_once_its_day_is_over_whether_or_not_ttl_came_by() {
    let (app, ada) = app().await;
    let first = ada.key("k").post("/coupons", &save10()).await;
    let record = app.items(Table::Idempotency).await.pop().unwrap_or_default();
    let over = aws_sdk_dynamodb::types::AttributeValue::N("1".to_owned());
    let put = app.dynamodb().put_item().table_name("quartet-idempotency").set_item(Some(record));
    assert!(put.item("expires_at", over).send().await.is_ok());
    let again = ada.key("k").post("/coupons", &numbered(2)).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (201, ""));
    assert_ne!(first.json()["id"], again.json()["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_an_import_runs_its_key_waits_with_other_bytes() {
    let (app, ada) = app().await;
    let body = |count: usize| json!({"items": (0..count).map(numbered).collect::<Vec<_>>()});
    app.faults.next("TransactWriteItems", Fault::Delay(Duration::from_millis(600)));
    let running = {
        let ada = ada.key("k");
        tokio::spawn(async move { ada.post("/coupons/import", &body(5)).await })
    };
    while app.faults.unmet() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let other = json!({"items": [numbered(9)]});
    let refused = ada.key("k").post("/coupons/import", &other).await;
    assert_eq!(refused.problem(), "409 idempotency_in_progress");
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(running.await.map(|reply| reply.json()["imported"].clone()).ok(), Some(json!(5)));
    assert_eq!(
        ada.key("k").post("/coupons/import", &other).await.problem(),
        "422 idempotency_key_reused"
    );
    assert_eq!(coupons(&app).await, 5);
}
