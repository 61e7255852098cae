//! Runs by the API: asked for, waited for, listed and read; and what else sets one off.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::time::Duration;

use outages::stand_in::Fault;
use serde_json::{Value, json};
use shared::auth::Scope;

use common::{SITE, WORKER, app, device, ended, outages, post, run};

fn scheduled() -> Value {
    json!({"version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.scheduler", "detail": "{}"})
}

#[tokio::test]
async fn a_run_that_is_asked_for_is_answered_when_it_is_done() {
    let (app, upstream, ada) = app().await;
    let created = post(&app, &ada, &json!({})).await;
    assert_eq!(created.status, 201, "{}", created.json());
    let run = created.json();
    assert_eq!((&run["trigger"], &run["state"]), (&json!("request"), &json!("succeeded")));
    let mut members: Vec<_> = run.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    let expected = ["dry_run", "finished_at", "id", "sites", "started_at", "state", "trigger"];
    assert_eq!(members, expected);
    let mut members: Vec<_> =
        run["sites"][0].as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    let expected =
        ["attempts", "fetched", "kept", "payload_sha256", "posted", "reason", "site_id", "state"];
    assert_eq!(members, expected);
    assert_eq!(upstream.posted().len(), 1);
    assert_eq!(ada.get(created.header("location")).await.json(), run);
    assert_eq!(ada.get("/outages/runs").await.json()["items"], json!([run]));
    assert_eq!(
        app.audit("outages").await,
        [
            "ada create outages []",
            "quartet:outage-sync update outages [sites]",
            "quartet:outage-sync update outages [state finished_at sites]",
        ]
    );
    // The stream comes again; the run is over.
    app.drain(&WORKER).await;
    assert_eq!(upstream.posted().len(), 1);
    common::check_rest(&app).await;
}

#[tokio::test]
async fn the_list_is_newest_first_and_has_pages() {
    let (app, _, ada) = app().await;
    for _ in 0..5 {
        run(&app, json!({"dry_run": true})).await;
    }
    let all = ada.get("/outages/runs").await.json()["items"].as_array().cloned().unwrap();
    let begun: Vec<_> = all.iter().map(|run| run["id"].as_str().unwrap_or("?")).collect();
    assert!(begun.is_sorted_by(|a, b| a > b));
    let first = ada.get("/outages/runs?limit=3").await.json();
    let rest = format!("/outages/runs?limit=3&cursor={}", first["next_cursor"].as_str().unwrap());
    let rest = ada.get(&rest).await.json();
    assert_eq!((&first["items"], &rest["items"]), (&json!(all[..3]), &json!(all[3..])));
    assert_eq!(ada.get("/outages/runs?state=failed").await.wrong(), [" unknown_parameter"]);
}

#[tokio::test]
async fn a_bad_request_names_every_wrong_field() {
    let (app, _, ada) = app().await;
    let many: Vec<_> = (0..101).map(|number| number.to_string()).collect();
    for (body, wrong) in [
        (
            json!({"sites": [], "since": "2022-01-01", "dry_run": 1, "force": "no"}),
            vec![
                "/dry_run wrong_type",
                "/force wrong_type",
                "/since invalid_value",
                "/sites too_short",
            ],
        ),
        (
            json!({"sites": ["a/b", "..", "", "x".repeat(65), 7, "ok"]}),
            vec![
                "/sites/0 invalid_value",
                "/sites/1 invalid_value",
                "/sites/2 too_short",
                "/sites/3 too_long",
                "/sites/4 wrong_type",
            ],
        ),
        (json!({"sites": many}), vec!["/sites too_long"]),
        (json!({"sites": SITE}), vec!["/sites wrong_type"]),
        (json!({"site": SITE}), vec![" unknown_field"]),
    ] {
        let mut listed = ada.post("/outages/runs", &body).await.wrong();
        listed.sort();
        assert_eq!(listed, wrong, "{body}");
    }
    let reader = app.user("reader", &[Scope::OutagesRead]).await;
    assert_eq!(reader.post("/outages/runs", &json!({})).await.problem(), "403 forbidden");
    let runner = app.user("runner", &[Scope::OutagesRun]).await;
    assert_eq!(runner.get("/outages/runs").await.problem(), "403 forbidden");
    let none = "/outages/runs/019b0000-0000-7000-8000-000000000001";
    assert_eq!(ada.get(none).await.problem(), "404 not_found");
    assert_eq!(
        app.call(&WORKER, json!({"sites": [".."]}))
            .await
            .err()
            .map(|why| why.0.starts_with("the event")),
        Some(true)
    );
}

#[tokio::test]
async fn an_equal_run_under_way_is_answered_in_place_of_another() {
    let (app, upstream, ada) = app().await;
    // Nobody calls the worker yet.
    let first = tokio::spawn({
        let ada = ada.clone();
        async move { ada.post("/outages/runs", &json!({})).await }
    });
    let running = loop {
        let items = ada.get("/outages/runs").await.json()["items"].clone();
        if let Some(run) = items.get(0) {
            break run.clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(
        (&running["state"], &running["sites"][0]["state"]),
        (&json!("running"), &Value::Null)
    );
    for equal in [
        json!({}),
        json!({"sites": [SITE, SITE], "since": "2022-01-01T01:00:00+01:00", "force": false}),
    ] {
        let second = ada.post("/outages/runs", &equal).await;
        assert_eq!((second.status.as_u16(), second.json()), (202, running.clone()));
        let location = format!("/outages/runs/{}", running["id"].as_str().unwrap());
        assert_eq!(second.header("location"), location);
    }
    app.drain(&WORKER).await;
    let first = first.await.unwrap();
    assert_eq!((first.status.as_u16(), &first.json()["id"]), (201, &running["id"]));
    assert_eq!(upstream.posted().len(), 1);
    // It is over: the next is another.
    let next = post(&app, &ada, &json!({})).await;
    assert_eq!((next.status.as_u16(), ended(&next.json())), (201, "unchanged 0".to_owned()));
    assert_ne!(next.json()["id"], running["id"]);
}

#[tokio::test]
async fn a_retry_by_its_key_gets_the_first_answer_and_runs_once() {
    let (app, upstream, ada) = app().await;
    let keyed = ada.key("k1");
    let first = post(&app, &keyed, &json!({"sites": [SITE]})).await;
    assert_eq!(first.status, 201);
    let again = keyed.post("/outages/runs", &json!({"sites": [SITE]})).await;
    assert_eq!((again.status.as_u16(), again.json()), (201, first.json()));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(
        keyed.post("/outages/runs", &json!({})).await.problem(),
        "422 idempotency_key_reused"
    );
    assert_eq!(
        keyed.post("/outages/runs", &json!({"sites": []})).await.problem(),
        "422 idempotency_key_reused"
    );
    assert_eq!(ada.get("/outages/runs").await.json()["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(upstream.posted().len(), 1);
    // Twins at once get the same run.
    let keyed = ada.key("k2");
    let twin = keyed.clone();
    let twin =
        tokio::spawn(async move { twin.post("/outages/runs", &json!({"force": true})).await });
    let one = post(&app, &keyed, &json!({"force": true})).await;
    let two = twin.await.unwrap();
    assert_eq!((one.status, one.json()), (two.status, two.json()));
    assert_eq!(upstream.posted().len(), 2);
}

#[tokio::test]
async fn a_scheduled_run_that_fails_ends_in_an_error() {
    let (app, upstream, ada) = app().await;
    upstream.next("POST", Fault::Status(403, vec![]));
    let failed = app.call(&WORKER, scheduled()).await;
    assert!(failed.is_err());
    let run = app.call(&WORKER, scheduled()).await.unwrap();
    assert_eq!((&run["trigger"], &run["state"]), (&json!("schedule"), &json!("succeeded")));
    let runs = ada.get("/outages/runs").await.json();
    assert_eq!((&runs["items"][0], &runs["items"][1]["state"]), (&run, &json!("failed")));
    // By hand, the record is the answer.
    upstream.next("GET /outages", Fault::Status(403, vec![]));
    assert_eq!(common::run(&app, json!({})).await["state"], "failed");
}

#[tokio::test]
async fn equal_triggers_at_once_make_one_run() {
    let (app, upstream, ada) = app().await;
    upstream.next("GET /outages", Fault::Slow(Duration::from_millis(300)));
    let nothing = json!({});
    let request = post(&app, &ada, &nothing);
    let calls = (0..4).map(|number| {
        let event = if number % 2 == 0 { scheduled() } else { json!({"sites": [SITE]}) };
        app.call(&WORKER, event)
    });
    let (answer, runs) = tokio::join!(request, futures_util::future::join_all(calls));
    let runs: Vec<Value> = runs.into_iter().map(Result::unwrap).collect();
    assert!(runs.iter().all(|run| *run == runs[0]), "{runs:?}");
    assert!([201, 202].contains(&answer.status.as_u16()));
    assert_eq!(answer.json()["id"], runs[0]["id"]);
    assert_eq!(upstream.posted().len(), 1);
    common::check_rest(&app).await;
}

#[tokio::test]
async fn other_runs_wait_for_their_turn_and_a_dry_run_for_nothing() {
    let (app, upstream, _) = app().await;
    for site in ["a", "b", "c"] {
        upstream.set_site(site, &device(site));
    }
    upstream.set_outages(
        &outages("a", 3)
            .as_array()
            .into_iter()
            .chain(outages("b", 3).as_array())
            .flatten()
            .cloned()
            .collect(),
    );
    upstream.next("POST /site-outages/a", Fault::Slow(Duration::from_millis(600)));
    let first = run(&app, json!({"sites": ["a"]}));
    let others = async {
        while !upstream.requests().iter().any(|request| request.line.starts_with("POST")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let dry = run(&app, json!({"sites": ["a"], "dry_run": true})).await;
        assert_eq!(ended(&dry), "dry_run 0");
        let unfinished = run(&app, json!({"sites": ["c"], "dry_run": true})).await;
        let waits = run(&app, json!({"sites": ["b"]})).await;
        (dry, unfinished, waits)
    };
    let (first, (dry, _, waits)) = tokio::join!(first, others);
    assert_eq!((ended(&first), ended(&waits)), ("posted 1".to_owned(), "posted 1".to_owned()));
    let at = |run: &Value, name: &str| run[name].as_str().unwrap_or_default().to_owned();
    assert!(at(&dry, "finished_at") < at(&first, "finished_at"));
    let posts: Vec<_> = upstream.posted().into_iter().map(|(site, _)| site).collect();
    assert_eq!(posts, ["a", "b"]);
    common::check_rest(&app).await;
}
