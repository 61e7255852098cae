//! The worker: nothing depends on the order of delivery, on each record coming once, or on the
//! stream at all.
#![allow(clippy::indexing_slicing, clippy::expect_used, reason = "a test may fail")]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::auth::Scope;
use shared::store::{Item, Table};
use shared::testing::{Client, Fault, TestApp};
use tracing_subscriber::util::SubscriberInitExt;

async fn app() -> (TestApp, Client) {
    let app = TestApp::start(&[audit::FUNCTION, encounters::FUNCTION]).await;
    let scopes = [Scope::AuditRead, Scope::EncountersRead, Scope::EncountersWrite];
    let ada = app.user("ada", &scopes).await;
    (app, ada)
}

/// So many records, each read so many times.
async fn stored(ada: &Client, records: usize, reads: usize) {
    let visit = json!({
        "patient_id": "p", "provider_id": "q", "encounter_date": "2024-02-29",
        "encounter_type": "follow_up", "clinical_data": null,
    });
    for _ in 0..records {
        let path = ada.post("/encounters", &visit).await.header("location").to_owned();
        let replies = join_all((0..reads).map(|_| ada.get(&path))).await;
        assert!(replies.iter().all(|reply| reply.status == 200));
    }
}

fn text(item: &Item, name: &str) -> String {
    item[name].as_s().cloned().unwrap_or_default()
}

/// Each item's sequences, in their order.
async fn chains(app: &TestApp) -> BTreeMap<String, Vec<u64>> {
    let mut chains: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for item in app.items(Table::Seals).await {
        if let Some(sequence) = item.get("sequence").and_then(|n| n.as_n().ok()) {
            chains.entry(text(&item, "pk")).or_default().push(sequence.parse().expect("a number"));
        }
    }
    for chain in chains.values_mut() {
        chain.sort_unstable();
    }
    chains
}

/// Every entry has one seal, without a gap, and every chain verifies.
async fn assert_all_sealed(app: &TestApp) {
    let mut entries: HashMap<String, u64> = HashMap::new();
    for item in app.items(Table::Audit).await {
        *entries.entry(text(&item, "pk")).or_default() += 1;
    }
    let chains = chains(app).await;
    for (item, count) in &entries {
        let expected: Vec<u64> = (1..=*count).collect();
        assert_eq!(chains.get(item), Some(&expected), "{item}");
    }
    assert_eq!(chains.len(), entries.len());
    audit::verify_all(app.direct().store(), |item, part| {
        assert!(part.verified && part.pending == 0, "{item}: {:?}", part.bad);
    })
    .await
    .expect("a walk");
}

/// The stream's records of the whole audit table, as an event has them, in no order.
async fn records(app: &TestApp) -> Vec<Value> {
    let items = app.items(Table::Audit).await;
    let record = |(at, item): (usize, Item)| {
        let image: serde_dynamo::Item = item.into();
        let keys: HashMap<_, _> = ["pk", "sk"].map(|name| (name, image[name].clone())).into();
        json!({
            "eventID": at.to_string(), "eventName": "INSERT", "awsRegion": "eu-west-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1.0, "Keys": keys, "NewImage": image,
                "SequenceNumber": at.to_string(), "SizeBytes": 1,
            },
        })
    };
    items.into_iter().enumerate().map(record).collect()
}

#[tokio::test]
async fn every_entry_is_sealed_once_and_in_a_chain_without_a_gap() {
    let (app, ada) = app().await;
    stored(&ada, 5, 30).await;
    app.drain(&audit::SEAL).await;
    assert_all_sealed(&app).await;
    stored(&ada, 1, 3).await;
    app.drain(&audit::SEAL).await;
    assert_all_sealed(&app).await;
}

#[tokio::test]
async fn a_part_behind_the_chain_s_end_verifies_and_is_the_last() {
    let (app, ada) = app().await;
    stored(&ada, 1, 2).await;
    app.drain(&audit::SEAL).await;
    let item = chains(&app).await.into_keys().next().expect("a chain");
    let id = item.trim_start_matches("encounters#");
    for from in [4, 5, 20_002, 1_u64 << 53] {
        let path = format!("/audit/encounters/{id}/verification?from_sequence={from}");
        let part = ada.get(&path).await.json();
        assert_eq!((&part["verified"], &part["sealed"]), (&json!(true), &json!(3)), "{from}");
        assert_eq!(part.get("next_sequence"), None, "{from}");
    }
}

#[tokio::test]
async fn records_that_come_twice_late_or_in_another_order_are_sealed_once() {
    let (app, ada) = app().await;
    stored(&ada, 3, 20).await;
    let mut records = records(&app).await;
    records.reverse();
    for batch in records.chunks(7) {
        for _ in 0..2 {
            let answer = app.call(&audit::SEAL, json!({"Records": batch})).await.expect("a batch");
            assert_eq!(answer, json!({"batchItemFailures": []}));
        }
    }
    assert_all_sealed(&app).await;
    assert!(app.drain(&audit::SEAL).await > 0, "the stream has them all once more");
    assert_all_sealed(&app).await;
}

/// A call that broke off behind its transaction has logged nothing.
#[tokio::test]
async fn a_batch_that_comes_again_logs_its_seals_again() {
    let (app, ada) = app().await;
    stored(&ada, 1, 4).await;
    let event = json!({"Records": records(&app).await});
    let file = tempfile::NamedTempFile::new().expect("a file");
    app.call(&audit::SEAL, event.clone()).await.expect("a batch");
    let lines = Arc::new(file.reopen().expect("the file"));
    let log = tracing_subscriber::fmt().with_writer(lines).finish().set_default();
    app.call(&audit::SEAL, event).await.expect("a batch");
    drop(log);
    let logged = std::fs::read_to_string(file.path()).expect("text");
    let seals = app.items(Table::Seals).await;
    let hashes: Vec<_> = seals.iter().filter(|item| item.contains_key("sequence")).collect();
    assert_eq!(hashes.len(), 5);
    assert!(hashes.iter().all(|seal| logged.contains(&text(seal, "hash"))), "{logged}");
}

#[tokio::test]
async fn an_event_of_the_stream_that_can_t_be_read_is_not_taken_for_done() {
    let (app, _) = app().await;
    let event = json!({"Records": [{"eventName": 7}]});
    assert!(app.call(&audit::SEAL, event).await.is_err());
}

#[tokio::test]
async fn workers_at_once_make_one_chain() {
    let (app, ada) = app().await;
    stored(&ada, 1, 40).await;
    let records = records(&app).await;
    let batches = records.chunks(5).map(|batch| app.call(&audit::SEAL, json!({"Records": batch})));
    for answer in join_all(batches).await {
        assert_eq!(answer.expect("a batch"), json!({"batchItemFailures": []}));
    }
    assert_all_sealed(&app).await;
}

#[tokio::test]
async fn a_batch_that_can_t_be_sealed_comes_again_as_a_whole() {
    let (app, ada) = app().await;
    stored(&ada, 2, 10).await;
    let records = records(&app).await;
    app.faults.next("BatchGetItem", Fault::ServerError);
    for _ in 0..5 {
        app.faults.next("TransactWriteItems", Fault::ServerError);
    }
    let answer = app.call(&audit::SEAL, json!({"Records": records[..10]})).await.expect("a batch");
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "0"}]}));
    app.faults.stop();
    app.faults.at_random(11, 0.2);
    app.drain(&audit::SEAL).await;
    app.faults.stop();
    assert_all_sealed(&app).await;
}

#[tokio::test]
async fn a_worker_that_dies_after_it_wrote_leaves_no_double() {
    let (app, ada) = app().await;
    stored(&ada, 2, 10).await;
    for _ in 0..3 {
        app.faults.next("TransactWriteItems", Fault::CutAfter);
    }
    app.drain(&audit::SEAL).await;
    assert_all_sealed(&app).await;
}

#[tokio::test]
async fn what_the_stream_lost_is_found_by_the_sweep_or_by_name() {
    let (app, ada) = app().await;
    stored(&ada, 3, 40).await;
    // The daily schedule names nothing.
    let swept = app.call(&audit::SEAL, json!({"sweep": {}})).await.expect("a sweep");
    assert_eq!(swept, json!({"sealed": 123}));
    assert_all_sealed(&app).await;
    stored(&ada, 1, 2).await;
    let mut items: Vec<String> =
        app.items(Table::Audit).await.iter().map(|item| text(item, "pk")).collect();
    items.sort_unstable();
    items.dedup();
    let sweep = json!({"sweep": {"items": items}});
    assert_eq!(app.call(&audit::SEAL, sweep).await.expect("a sweep"), json!({"sealed": 3}));
    assert_all_sealed(&app).await;
    let old = json!({"sweep": {"from": "2020-01-01", "until": "2020-01-31"}});
    assert_eq!(app.call(&audit::SEAL, old).await.expect("a sweep"), json!({"sealed": 0}));
    for wrong in [json!({"sweep": {"from": "x"}}), json!({"sweep": {"colour": 1}})] {
        assert!(app.call(&audit::SEAL, wrong).await.is_err());
    }
}
