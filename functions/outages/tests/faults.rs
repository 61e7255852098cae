//! An upstream that fails: what is tried again, what isn't, and what is said of it.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::time::{Duration, SystemTime};

use outages::stand_in::Fault;
use serde_json::{Value, json};

use common::{KEY, SITE, app, app_with, device, ended, outage, outages, run};

fn status(status: u16) -> Fault {
    Fault::Status(status, vec![])
}

fn body(body: &str) -> Fault {
    Fault::Body(body.to_owned().into())
}

#[tokio::test]
async fn what_passes_is_tried_again_get_and_post_alike() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_hours(1));
    for line in ["GET /site-info", "GET /outages", "POST /site-outages"] {
        let (app, upstream, _) = app().await;
        let faults = [
            status(500),
            Fault::Status(429, vec![("retry-after", "1".to_owned())]),
            Fault::Status(503, vec![("retry-after", date.clone())]),
            Fault::Reset,
        ];
        for fault in faults {
            upstream.next(line, fault);
        }
        let run = run(&app, json!({})).await;
        let attempts = if line.starts_with("POST") { 5 } else { 1 };
        assert_eq!(ended(&run), format!("posted {attempts}"), "{line}");
        assert_eq!(upstream.unmet(), 0);
        assert_eq!(upstream.posted().len(), 1);
    }
}

#[tokio::test]
async fn a_slow_answer_and_a_cut_body_are_tried_again() {
    for line in ["GET /site-info", "GET /outages"] {
        let (app, upstream, _) = app().await;
        upstream.next(line, Fault::Slow(Duration::from_secs(5)));
        upstream.next(line, Fault::Cut);
        assert_eq!(ended(&run(&app, json!({})).await), "posted 1", "{line}");
        assert_eq!(upstream.unmet(), 0);
    }
}

#[tokio::test]
async fn what_does_not_pass_is_not_tried_again() {
    for (line, code) in [
        ("GET /outages", 403),
        ("GET /outages", 404),
        ("GET /outages", 204),
        ("GET /outages", 302),
        ("GET /site-info/{site}", 400),
        ("POST /site-outages/{site}", 202),
        ("POST /site-outages/{site}", 307),
        ("POST /site-outages/{site}", 403),
        ("POST /site-outages/{site}", 404),
        ("POST /site-outages/{site}", 422),
    ] {
        let (app, upstream, _) = app().await;
        let elsewhere = vec![("location", format!("{}/elsewhere", upstream.url()))];
        upstream.next(line.trim_end_matches("/{site}"), Fault::Status(code, elsewhere));
        let run = run(&app, json!({})).await;
        assert_eq!(ended(&run), format!("failed 1: {line}: answered {code}"));
        assert_eq!(run["state"], "failed");
        assert!(upstream.posted().is_empty());
        assert!(upstream.requests().iter().all(|request| !request.line.contains("elsewhere")));
    }
}

#[tokio::test]
async fn the_tries_end_with_the_attempts() {
    let (app, upstream, _) = app_with(&[("OUTAGES_ATTEMPTS", "3")]).await;
    for _ in 0..4 {
        upstream.next("GET /outages", status(500));
    }
    assert_eq!(ended(&run(&app, json!({})).await), "failed 3: GET /outages: answered 500");
    assert_eq!(upstream.unmet(), 1);
}

#[tokio::test]
async fn where_nobody_listens_it_failed_and_nothing_is_unknown() {
    let settings = [("KRAKEN_API_URL", "http://127.0.0.1:9"), ("OUTAGES_ATTEMPTS", "2")];
    let (app, ..) = app_with(&settings).await;
    let reason = "GET /site-info/{site}: no connection could be made";
    assert_eq!(ended(&run(&app, json!({})).await), format!("failed 2: {reason}"));
}

#[tokio::test]
async fn a_wrong_key_is_a_failure_and_the_key_is_in_no_record() {
    let wrong = "another-key-than-theirs";
    let (app, upstream, _) = app_with(&[("KRAKEN_API_KEY", wrong)]).await;
    let run = run(&app, json!({})).await;
    assert_eq!(ended(&run), "failed 1: GET /site-info/{site}: answered 403");
    for table in [shared::store::Table::Outages, shared::store::Table::Plans] {
        let stored = format!("{:?}", app.items(table).await);
        assert!(!stored.contains(wrong) && !stored.contains(KEY));
    }
    assert!(upstream.posted().is_empty());
}

#[tokio::test]
async fn an_answer_that_does_not_match_fails_every_site_that_needs_it_by_its_pointer() {
    let good = r#"{"id": "a", "begin": "2022-01-01T00:00:00Z", "end": "2022-01-01T00:00:00Z"}"#;
    for (answer, reason) in [
        (String::new(), "the body ends too early"),
        ("oops".to_owned(), "the body is not JSON"),
        ("{}".to_owned(), "the body must be an array"),
        ("[".to_owned(), "the body ends too early"),
        (format!("[{good}"), "the body ends too early"),
        (format!("[{good},"), "the body ends too early"),
        (format!("[{good},]"), "/1 is not JSON"),
        (format!("[{good}] x"), "the body is not JSON"),
        (format!("[{good} {good}]"), "the body is not JSON"),
        (format!("[{good}, 7]"), "/1 must be an object"),
        (format!("[{good}, {{\"id\": \"a\""), "/1 is not JSON"),
        (format!("[{good}, {{\"id\": \"a\"}}]"), "/1/begin is missing"),
        ("[{}]".to_owned(), "/0/id is missing"),
        (good.replace("\"a\"", "7"), "the body must be an array"),
        (format!("[{}]", good.replace("\"a\"", "7")), "/0/id must be a string"),
        (format!("[{}]", good.replace("\"a\"", "null")), "/0/id must be a string"),
        (format!("[{}]", good.replace("\"a\"", "\"\"")), "/0/id must not be empty"),
        (format!("[{good},{}]", good.replace("\"id\"", "\"begin\"")), "/1/begin is given twice"),
        (
            format!("[{good},{}]", good.replacen("2022-01-01T00:00:00Z", "2022-01-01", 1)),
            "/1/begin must be an RFC 3339 time with an offset",
        ),
        (
            format!("[{good},{}]", good.replace("2022-01-01T00:00:00Z\"}", "yesterday\"}")),
            "/1/end must be an RFC 3339 time with an offset",
        ),
    ] {
        let (app, upstream, _) = app().await;
        upstream.set_site("s", &device("a"));
        upstream.next("GET /outages", body(&answer));
        let run = run(&app, json!({"sites": [SITE, "s"]})).await;
        for site in [&run["sites"][0], &run["sites"][1]] {
            assert_eq!(site["state"], "failed", "{answer}");
            assert_eq!(site["reason"], format!("GET /outages: {reason}"), "{answer}");
        }
        let posted = upstream.requests().iter().any(|request| request.line.starts_with("POST"));
        assert!(!posted, "{answer}");
    }
}

#[tokio::test]
async fn a_site_that_does_not_match_fails_alone_by_its_pointer() {
    for (answer, reason) in [
        ("", "the body is not JSON"),
        ("[]", "the body must be an object"),
        (r#"{"id": "s", "name": "S", "devices": []"#, "the body is not JSON"),
        (r#"{"id": "s", "name": "S", "devices": []} x"#, "the body is not JSON"),
        (r#"{"name": "S", "devices": []}"#, "/id is missing"),
        (r#"{"id": "s", "name": 7, "devices": []}"#, "/name must be a string"),
        (r#"{"id": "s", "name": "S"}"#, "/devices is missing"),
        (r#"{"id": "s", "name": "S", "devices": {}}"#, "/devices must be an array"),
        (r#"{"id": "s", "name": "S", "devices": [], "devices": []}"#, "/devices is given twice"),
        (r#"{"id": "s", "name": "S", "devices": [7]}"#, "/devices/0 must be an object"),
        (
            r#"{"id": "s", "name": "S", "devices": [{"id": "a", "name": "A"}, {"id": "b"}]}"#,
            "/devices/1/name is missing",
        ),
        (r#"{"id": "s", "name": "S", "devices": [{"id": 1}]}"#, "/devices/0/id must be a string"),
        (
            r#"{"id": "s", "name": "S", "devices": [{"id": "a", "name": "A"}, {"id": "a", "name": "B"}]}"#,
            "/devices has one device with two names",
        ),
    ] {
        let (app, upstream, _) = app().await;
        upstream.next("GET /site-info/s", body(answer));
        let run = run(&app, json!({"sites": ["s", SITE]})).await;
        assert_eq!(run["sites"][0]["reason"], format!("GET /site-info/{{site}}: {reason}"));
        assert_eq!(run["sites"][1]["state"], "posted");
    }
}

#[tokio::test]
async fn a_post_whose_answer_is_lost_is_unknown_and_posted_again_equal_or_not() {
    let (app, upstream, _) = app_with(&[("OUTAGES_ATTEMPTS", "1")]).await;
    upstream.set_site("s", &device("a"));
    upstream.set_outages(&outages("a", 10));
    let event = json!({"sites": ["s"]});
    assert_eq!(ended(&run(&app, event.clone()).await), "posted 1");
    upstream.set_outages(&outages("a", 11));
    upstream.next("POST", Fault::Lost);
    let lost = run(&app, event.clone()).await;
    let reason = "POST /site-outages/{site}: the connection broke";
    assert_eq!((ended(&lost), &lost["state"]), (format!("unknown 1: {reason}"), &json!("failed")));
    assert_eq!(upstream.posted().len(), 2);
    // What was accepted before that would be unchanged, if only it were known.
    upstream.set_outages(&outages("a", 10));
    assert_eq!(ended(&run(&app, event.clone()).await), "posted 1");
    assert_eq!(ended(&run(&app, event.clone()).await), "unchanged 0");
    let faults = [Fault::Lost, Fault::Slow(Duration::from_secs(5)), Fault::Reset];
    for (number, fault) in faults.into_iter().enumerate() {
        upstream.set_outages(&outages("a", 12 + number));
        upstream.next("POST", fault);
        assert!(ended(&run(&app, event.clone()).await).starts_with("unknown 1"));
        assert_eq!(ended(&run(&app, event.clone()).await), "posted 1");
    }
    common::check_rest(&app).await;
}

#[tokio::test]
async fn a_post_whose_answer_is_lost_once_is_posted_again_within_the_run() {
    let (app, upstream, _) = app().await;
    upstream.next("POST", Fault::Lost);
    assert_eq!(ended(&run(&app, json!({})).await), "posted 2");
    let posted = upstream.posted();
    assert_eq!((posted.len(), &posted[0].1), (2, &posted[1].1));
    assert_eq!(ended(&run(&app, json!({})).await), "unchanged 0");
}

#[tokio::test]
async fn a_refusal_behind_a_lost_answer_is_a_failure_that_leaves_the_site_in_doubt() {
    let (app, upstream, _) = app().await;
    upstream.set_site("s", &device("a"));
    upstream.set_outages(&outages("a", 10));
    let event = json!({"sites": ["s"]});
    run(&app, event.clone()).await;
    upstream.set_outages(&outages("a", 11));
    upstream.next("POST", Fault::Lost);
    upstream.next("POST", status(400));
    assert!(ended(&run(&app, event.clone()).await).starts_with("failed 2"));
    upstream.set_outages(&outages("a", 10));
    assert_eq!(ended(&run(&app, event.clone()).await), "posted 1");
    // Nor does a refusal in a later run take the doubt away.
    upstream.set_outages(&outages("a", 12));
    upstream.next("POST", Fault::Lost);
    upstream.next("POST", status(400));
    assert!(ended(&run(&app, event.clone()).await).starts_with("failed 2"));
    upstream.set_outages(&outages("a", 10));
    upstream.next("POST", status(400));
    assert!(ended(&run(&app, event.clone()).await).starts_with("failed 1"));
    assert_eq!(ended(&run(&app, event.clone()).await), "posted 1");
    // A refusal alone leaves no doubt: what was accepted is what it was.
    upstream.set_outages(&outages("a", 11));
    upstream.next("POST", status(400));
    assert!(ended(&run(&app, event.clone()).await).starts_with("failed 1"));
    upstream.set_outages(&outages("a", 10));
    assert_eq!(ended(&run(&app, event).await), "unchanged 0");
}

#[tokio::test]
async fn a_list_that_comes_late_and_long_is_filtered_as_it_comes() {
    let (app, upstream, _) = app().await;
    upstream.set_site("s", &device("a"));
    let mut all: Vec<Value> = (0..30_000)
        .map(|number| outage(&format!("other-{number}"), "2022-03-01T00:00:00Z"))
        .collect();
    all.push(outage("a", "2022-03-01T00:00:00Z"));
    upstream.set_outages(&Value::Array(all));
    let run = run(&app, json!({"sites": ["s"]})).await;
    assert_eq!(ended(&run), "posted 1");
    assert_eq!(run["sites"][0]["fetched"], 30_001);
    assert_eq!(run["sites"][0]["kept"], 1);
}
