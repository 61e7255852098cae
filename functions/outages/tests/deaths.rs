//! A worker that dies between any two of its calls to the storage, and storage that fails: the
//! next run settles what was left, and no site is taken for posted that isn't.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::time::Duration;

use outages::settings::Timing;
use outages::stand_in::{Fault, StandIn};
use serde_json::{Value, json};
use shared::config::BadSetting;
use shared::store::{Store, Table};
use shared::testing::{Client, TestApp};
use shared::worker::{Handle, Worker};

use common::{QUICK, app, check_rest, device, ended, outages};

const SHORT: Timing = Timing {
    connect: Duration::from_millis(50),
    answer: Duration::from_millis(150),
    lease: Duration::from_millis(700),
    renew: Duration::from_millis(100),
    ..QUICK
};

/// A worker whose runs are soon taken for dead.
const SHORT_LIVED: Worker = Worker { start: short_lived, ..outages::WORKER };

fn short_lived(
    store: Store,
    get: &dyn Fn(&'static str) -> Option<String>,
) -> Result<Handle, BadSetting> {
    outages::worker::start(store, get, SHORT)
}

/// One that has the time to say that it is alive, though storage fails again and again.
const STEADY: Worker = Worker { start: steady, ..outages::WORKER };

fn steady(
    store: Store,
    get: &dyn Fn(&'static str) -> Option<String>,
) -> Result<Handle, BadSetting> {
    let lease = Duration::from_millis(2_500);
    outages::worker::start(store, get, Timing { lease, ..SHORT })
}

/// One that doesn't say that it is alive.
const SILENT: Worker = Worker { start: silent, ..outages::WORKER };

fn silent(
    store: Store,
    get: &dyn Fn(&'static str) -> Option<String>,
) -> Result<Handle, BadSetting> {
    let answer = Duration::from_secs(5);
    let (lease, renew) = (Duration::from_millis(300), Duration::from_mins(1));
    outages::worker::start(store, get, Timing { answer, lease, renew, ..QUICK })
}

/// The same, with time to post before it is taken for dead.
const HUSHED: Worker = Worker { start: hushed, ..outages::WORKER };

fn hushed(
    store: Store,
    get: &dyn Fn(&'static str) -> Option<String>,
) -> Result<Handle, BadSetting> {
    let (renew, longest_asked) = (Duration::from_mins(1), Duration::from_secs(2));
    outages::worker::start(store, get, Timing { renew, longest_asked, ..SHORT })
}

const EVENT: &str = r#"{"sites": ["s"]}"#;

fn event() -> Value {
    serde_json::from_str(EVENT).unwrap()
}

/// Calls the worker until it dies with a call to the storage: whether it did.
async fn dies(app: &TestApp, calls: usize, payload: Value) -> bool {
    app.faults.dies_after(calls);
    let died = tokio::select! {
        () = app.faults.died() => true,
        _ = app.call(&SHORT_LIVED, payload) => false,
    };
    app.faults.stop();
    died
}

async fn newest(ada: &Client) -> Value {
    ada.get("/outages/runs?limit=1").await.json()["items"][0].clone()
}

/// What was posted last must be what is taken for accepted.
async fn check_accepted(app: &TestApp, upstream: &StandIn) {
    let item =
        app.items(Table::Outages).await.into_iter().find(|item| {
            item.get("pk").and_then(|pk| pk.as_s().ok()).is_some_and(|pk| pk == "site#s")
        });
    let item = item.unwrap();
    let accepted = item["accepted"].as_m().unwrap()["sha256"].as_s().unwrap().clone();
    let last = upstream.posted().pop().unwrap().1;
    assert_eq!(accepted, hex::encode(ring::digest::digest(&ring::digest::SHA256, &last)));
    assert!(item["pending"].is_null());
}

#[tokio::test]
async fn a_run_that_dies_anywhere_is_settled_by_the_next_which_posts_what_is_due() {
    let (app, upstream, ada) = app().await;
    upstream.set_site("s", &device("a"));
    let mut unknown = 0;
    for calls in 0.. {
        // Each payload is new, so that it has to be posted.
        upstream.set_outages(&outages("a", 10 + calls));
        let died = dies(&app, calls, event()).await;
        let next = app.call(&SHORT_LIVED, event()).await.unwrap();
        assert_eq!(next["state"], "succeeded", "after {calls} calls: {next}");
        // Nothing is running any more, and what the dead one may have posted is not called posted.
        check_rest(&app).await;
        check_accepted(&app, &upstream).await;
        let runs = ada.get("/outages/runs?limit=2").await.json();
        assert_eq!(runs["items"][0], next);
        let dead = &runs["items"][1];
        if dead["sites"][0]["state"] == "unknown" {
            unknown += 1;
            assert_eq!(dead["state"], "failed");
            assert_eq!(ended(&next), "posted 1");
        }
        if !died {
            assert!(calls > 10, "{calls}");
            break;
        }
    }
    assert!(unknown > 0, "none died while it posted");
}

#[tokio::test]
async fn a_run_that_was_asked_for_and_whose_worker_died_ends_when_the_stream_comes_again() {
    let (app, upstream, ada) = app().await;
    upstream.set_site("s", &device("a"));
    for calls in 0.. {
        upstream.set_outages(&outages("a", 10 + calls));
        let before = newest(&ada).await["id"].clone();
        let asked = ada.clone();
        let asked = tokio::spawn(async move { asked.post("/outages/runs", &event()).await });
        while newest(&ada).await["id"] == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // The request waits by the same proxy: it may be the one that dies.
        asked.abort();
        let _ = asked.await;
        let id = newest(&ada).await["id"].clone();
        let record = json!({"Records": [{
            "awsRegion": "local", "eventID": "1", "eventName": "INSERT",
            "dynamodb": {
                "Keys": {}, "SequenceNumber": "1", "SizeBytes": 1, "StreamViewType": "NEW_IMAGE",
                "NewImage": {"id": {"S": id}, "calls": {"S": "outage-sync"}},
            },
        }]});
        let died = dies(&app, calls, record.clone()).await;
        let again = app.call(&SHORT_LIVED, record).await.unwrap();
        assert_eq!(again, json!({"batchItemFailures": []}));
        check_rest(&app).await;
        let run = newest(&ada).await;
        assert_ne!(run["id"], before);
        let state = run["sites"][0]["state"].as_str().unwrap_or("?");
        assert!(["posted", "unknown", "failed"].contains(&state), "{run}");
        if state != "posted" {
            app.call(&SHORT_LIVED, event()).await.unwrap();
        }
        check_accepted(&app, &upstream).await;
        if !died {
            assert_eq!(state, "posted");
            break;
        }
    }
}

#[tokio::test]
async fn storage_that_fails_at_random_loses_nothing() {
    let (app, upstream, ada) = app().await;
    upstream.set_site("s", &device("a"));
    for seed in 0..12 {
        upstream.set_outages(&outages("a", 10 + usize::try_from(seed).unwrap()));
        app.faults.at_random(seed, 0.15);
        let calls = (0..3).map(|_| app.call(&STEADY, event()));
        let runs = futures_util::future::join_all(calls).await;
        app.faults.stop();
        for run in runs.into_iter().flatten() {
            let state = ended(&run);
            assert!(state.starts_with("posted") || state.starts_with("unchanged"), "{seed}: {run}");
        }
        let next = app.call(&STEADY, event()).await.unwrap();
        assert_eq!(next["state"], "succeeded", "{seed}: {next}");
        check_accepted(&app, &upstream).await;
        check_rest(&app).await;
        assert_eq!(newest(&ada).await["state"], "succeeded");
    }
}

#[tokio::test]
async fn a_run_that_lost_its_lease_posts_nothing_more() {
    let (app, upstream, ada) = app().await;
    upstream.set_site("s", &device("a"));
    upstream.set_outages(&outages("a", 10));
    // It gives no sign of life while it waits for an answer, and goes on when that has come.
    upstream.next("GET /outages", Fault::Slow(Duration::from_millis(1_200)));
    let hung = app.call(&SILENT, event());
    let other = async {
        while !upstream.requests().iter().any(|request| request.line == "GET /outages") {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        app.call(&SHORT_LIVED, json!({"sites": ["s"], "force": true})).await
    };
    let (hung, other) = tokio::join!(hung, other);
    assert_eq!(ended(&other.unwrap()), "posted 1");
    // It learns that it isn't its run any more.
    assert_eq!(hung.err().map(|why| why.0), Some("run_lost"));
    assert_eq!(upstream.posted().len(), 1);
    check_rest(&app).await;
    let runs = ada.get("/outages/runs").await.json();
    let settled = &runs["items"][1]["sites"][0];
    assert_eq!(settled["reason"], "the run ended before this site was done");
}

#[tokio::test]
async fn a_run_that_loses_its_lease_between_two_tries_tries_no_more() {
    let (app, upstream, _ada) = app().await;
    upstream.set_site("s", &device("a"));
    upstream.set_outages(&outages("a", 10));
    let wait = vec![("retry-after", "2".to_owned())];
    upstream.next("POST /site-outages/s", Fault::Status(503, wait));
    let posts = || {
        let requests = upstream.requests();
        requests.iter().filter(|request| request.line == "POST /site-outages/s").count()
    };
    let hung = app.call(&HUSHED, event());
    let other = async {
        while posts() == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        app.call(&SHORT_LIVED, json!({"sites": ["s"], "force": true})).await
    };
    let (hung, other) = tokio::join!(hung, other);
    assert_eq!(ended(&other.unwrap()), "posted 1");
    assert_eq!(hung.err().map(|why| why.0), Some("run_lost"));
    assert_eq!(posts(), 1, "the other run's alone, since the first was refused");
    check_rest(&app).await;
}
