//! Deletions that meet something else: what is stored goes all the same, and who comes late is told.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use std::time::Duration;

use serde_json::json;
use shared::store::Table;
use shared::testing::{Client, Fault, TestApp};

use common::{app, made, recording};

/// How many entries say `not_found`.
async fn not_found(app: &TestApp) -> usize {
    let entries = app.entries().await;
    entries.iter().filter(|stored| json!(stored.entry.outcome) == "not_found").count()
}

/// A recording in several parts, one of them too big for a transaction.
async fn in_parts(ada: &Client) -> String {
    let mut first = recording(&[("II", &[1, 2, 3])]);
    first["complete"] = json!(false);
    let path = made(ada, &first).await;
    let noise: Vec<i32> = (0..150_000).map(|_| rand::random()).collect();
    for (sequence, signal) in [(1, noise.as_slice()), (2, &[4, 5, 6])] {
        let segment = json!({"sequence": sequence, "leads": [{"name": "II", "signal": signal}]});
        let added = ada.post(&format!("{path}/segments"), &segment).await;
        assert_eq!(added.status, 201, "{}", added.json());
    }
    let completed = ada.post(&format!("{path}/complete"), &json!({"segments": 2})).await;
    assert_eq!(completed.status, 200, "{}", completed.json());
    path
}

#[tokio::test]
async fn of_a_deleted_recording_nothing_is_left_whatever_fails() {
    let (app, ada) = app().await;
    let paths = [in_parts(&ada).await, in_parts(&ada).await];
    app.drain(&ecgs::INSIGHTS).await;
    for path in &paths {
        assert_eq!(ada.delete(path).await.status, 204);
    }
    // So much fails that the worker breaks off again and again.
    for seed in 0..8 {
        app.faults.at_random(seed, 0.7);
        let _ = app.call(&ecgs::INSIGHTS, deleted(&paths)).await;
    }
    app.faults.stop();
    app.drain(&ecgs::INSIGHTS).await;
    for table in [Table::Samples, Table::Ecgs] {
        let left = app.items(table).await;
        assert!(left.is_empty(), "{} left, such as {:?}", left.len(), left.first());
    }
}

/// The stream's records of deletions.
fn deleted(paths: &[String]) -> serde_json::Value {
    let record = |path: &String| {
        let key =
            json!({"pk": {"S": format!("ecg#{}", &path["/ecgs/".len()..])}, "sk": {"S": "head"}});
        json!({
            "awsRegion": "eu-west-1", "eventID": "1", "eventName": "MODIFY",
            "eventSource": "aws:dynamodb", "eventVersion": "1.1",
            "dynamodb": {
                "Keys": key, "NewImage": key, "OldImage": key,
                "SequenceNumber": "1", "SizeBytes": 1,
            },
        })
    };
    json!({"Records": paths.iter().map(record).collect::<Vec<_>>()})
}

#[tokio::test]
async fn of_two_deletions_at_once_one_finds_nothing_and_is_entered() {
    let (app, ada) = app().await;
    let path = made(&ada, &recording(&[("II", &[1, 2, 3])])).await;
    for _ in 0..2 {
        let slow = Fault::Delay(Duration::from_millis(200));
        app.faults.next("TransactWriteItems", slow);
    }
    let (one, other) = tokio::join!(ada.delete(&path), ada.delete(&path));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 404]);
    assert_eq!(not_found(&app).await, 1);
}

#[tokio::test]
async fn samples_that_are_taken_away_while_they_are_read_are_not_found() {
    let (app, ada) = app().await;
    let path = in_parts(&ada).await;
    app.drain(&ecgs::INSIGHTS).await;
    let views = ["/signal?lead=II", "/plot.svg", "/insights", "?include=signal"];
    let paths = [path, in_parts(&ada).await, in_parts(&ada).await, in_parts(&ada).await];
    app.drain(&ecgs::INSIGHTS).await;
    for (path, view) in paths.iter().zip(views) {
        let reader = ada.clone();
        let wanted = format!("{path}{view}");
        app.faults.next("BatchGetItem", Fault::Delay(Duration::from_millis(400)));
        app.faults.next("BatchGetItem", Fault::Delay(Duration::from_millis(400)));
        let gone = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(ada.delete(path).await.status, 204);
            app.drain(&ecgs::INSIGHTS).await;
        };
        let (read, ()) = tokio::join!(reader.get(&wanted), gone);
        assert_eq!(read.problem(), "404 not_found", "{view}");
        app.faults.stop();
    }
    assert_eq!(not_found(&app).await, views.len());
}
