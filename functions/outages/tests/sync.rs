//! What is fetched, kept, joined and posted, and what isn't posted.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may fail")]

mod common;

use outages::stand_in::Fault;
use serde_json::{Value, json};

use common::{SITE, app, app_with, device, ended, outage, outages, run, site};

fn lines(upstream: &outages::stand_in::StandIn) -> Vec<String> {
    upstream.requests().into_iter().map(|request| request.line).collect()
}

#[tokio::test]
async fn the_outages_of_the_site_are_posted_with_the_devices_names() {
    let (app, upstream, _) = app().await;
    let run = run(&app, json!({})).await;
    assert_eq!((&run["state"], &run["trigger"]), (&json!("succeeded"), &json!("event")));
    let site = site(&run);
    assert_eq!(
        (&site["site_id"], &site["state"], &site["attempts"], &site["reason"]),
        (&json!(SITE), &json!("posted"), &json!(1), &Value::Null)
    );
    assert_eq!([&site["fetched"], &site["kept"], &site["posted"]], [52, 35, 35]);
    let lines = lines(&upstream);
    let expected = [
        "GET /site-info/norwich-pear-tree",
        "GET /outages",
        "POST /site-outages/norwich-pear-tree",
    ];
    assert_eq!(lines, expected);
    let posted = upstream.posted();
    assert_eq!(posted.len(), 1);
    let hash = ring::digest::digest(&ring::digest::SHA256, &posted[0].1);
    assert_eq!(site["payload_sha256"], hex::encode(hash));
    let outages: Vec<Value> = serde_json::from_slice(&posted[0].1).unwrap();
    assert_eq!(outages.len(), 35);
    let members: Vec<_> = outages[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["begin", "end", "id", "name"]);
    assert!(outages.iter().any(|outage| outage["begin"] == "2022-01-01T00:00:00.000Z"));
    assert!(outages.iter().all(|outage| outage["begin"].as_str() >= Some("2022")));
    common::check_rest(&app).await;
}

#[tokio::test]
async fn order_and_times_are_as_received_and_ids_are_exact() {
    let (app, upstream, _) = app().await;
    upstream.set_site(
        "s",
        &json!({"id": "s", "name": "S", "extra": [1], "devices": [
            {"id": "b", "name": "Zwei \"2\"", "extra": null}, {"id": "ab", "name": "Drei"},
        ]}),
    );
    let at = |id: &str, begin: &str| json!({"id": id, "begin": begin, "end": "2022-05-01T12:00:00+02:00", "extra": {"x": [1.5e3]}});
    upstream.set_outages(&json!([
        at("ab", "2022-06-01T00:00:00Z"),
        at("b", "2022-02-01T00:00:00.123456789+01:00"),
        at("a", "2022-02-01T00:00:00Z"),
        at("abc", "2022-02-01T00:00:00Z"),
        at("B", "2022-02-01T00:00:00Z"),
        at("b", "2022-01-01T00:00:00.000+00:01"),
        at("b", "2021-12-31T23:59:59-00:01"),
    ]));
    let run = run(&app, json!({"sites": ["s"]})).await;
    assert_eq!(ended(&run), "posted 1");
    let end = "2022-05-01T12:00:00+02:00";
    assert_eq!(
        String::from_utf8_lossy(&upstream.posted()[0].1),
        format!(
            "[{},{},{}]",
            format_args!(
                r#"{{"id":"ab","name":"Drei","begin":"2022-06-01T00:00:00Z","end":"{end}"}}"#
            ),
            format_args!(
                r#"{{"id":"b","name":"Zwei \"2\"","begin":"2022-02-01T00:00:00.123456789+01:00","end":"{end}"}}"#
            ),
            format_args!(
                r#"{{"id":"b","name":"Zwei \"2\"","begin":"2021-12-31T23:59:59-00:01","end":"{end}"}}"#
            ),
        )
    );
}

#[tokio::test]
async fn an_outage_that_begins_exactly_then_is_kept_unless_the_rule_drops_it() {
    for (rule, since, kept) in [
        (None, None, 2),
        (Some("keep"), None, 2),
        (Some("drop"), None, 1),
        (Some("drop"), Some("2022-01-01T01:00:00+01:00"), 1),
        (Some("keep"), Some("2022-01-01T00:00:00.0005Z"), 1),
        (Some("drop"), Some("2022-01-01T00:00:00.0005Z"), 0),
    ] {
        let settings: Vec<_> = rule.map(|rule| ("OUTAGES_SINCE_RULE", rule)).into_iter().collect();
        let (app, upstream, _) = app_with(&settings).await;
        upstream.set_site("s", &device("a"));
        upstream.set_outages(&json!([
            outage("a", "2021-12-31T23:59:59.999999Z"),
            outage("a", "2022-01-01T00:00:00.000Z"),
            outage("a", "2022-01-01T00:00:00.0005Z"),
        ]));
        let mut event = json!({"sites": ["s"], "force": true});
        if let Some(since) = since {
            event["since"] = json!(since);
        }
        assert_eq!(site(&run(&app, event).await)["kept"], kept, "{rule:?} {since:?}");
    }
}

#[tokio::test]
async fn the_same_payload_is_not_posted_again_unless_forced() {
    let (app, upstream, _) = app().await;
    let first = run(&app, json!({})).await;
    let again = run(&app, json!({})).await;
    assert_eq!((ended(&again), &again["state"]), ("unchanged 0".to_owned(), &json!("succeeded")));
    assert_eq!(site(&again)["payload_sha256"], site(&first)["payload_sha256"]);
    assert_eq!((&site(&again)["kept"], &site(&again)["posted"]), (&json!(35), &json!(0)));
    assert_eq!(upstream.posted().len(), 1);
    assert_eq!(ended(&run(&app, json!({"force": true})).await), "posted 1");
    assert_eq!(upstream.posted().len(), 2);
    // The same content by another site is that site's first.
    upstream.set_site("s", &device("a"));
    upstream.set_outages(&outages("a", 3));
    assert_eq!(ended(&run(&app, json!({"sites": ["s"]})).await), "posted 1");
}

#[tokio::test]
async fn what_is_suspiciously_little_is_held_unless_forced() {
    let (app, upstream, _) = app().await;
    upstream.set_site("s", &device("a"));
    let event = json!({"sites": ["s"]});
    for (count, outcome) in [
        (0, "held 0: nothing is left to post"),
        (10, "posted 1"),
        (5, "posted 1"),
        (2, "held 0: under half of what was accepted last is left"),
        (0, "held 0: nothing is left to post"),
        (3, "posted 1"),
    ] {
        upstream.set_outages(&outages("a", count));
        let run = run(&app, event.clone()).await;
        assert_eq!(ended(&run), outcome, "{count}");
        assert_eq!(run["state"] == "succeeded", outcome == "posted 1");
    }
    upstream.set_outages(&json!([]));
    let forced = run(&app, json!({"sites": ["s"], "force": true})).await;
    assert_eq!(ended(&forced), "posted 1");
    assert_eq!(upstream.posted().last().map(|(_, body)| body.as_ref()), Some(b"[]".as_slice()));
    assert_eq!(ended(&run(&app, event).await), "unchanged 0");
}

#[tokio::test]
async fn a_dry_run_posts_nothing_and_changes_nothing_of_what_is_known() {
    let (app, upstream, _) = app().await;
    let run = run(&app, json!({"dry_run": true})).await;
    assert_eq!((ended(&run), &run["state"]), ("dry_run 0".to_owned(), &json!("succeeded")));
    assert_eq!(run["dry_run"], true);
    assert_eq!((&site(&run)["kept"], &site(&run)["posted"]), (&json!(35), &json!(0)));
    assert!(site(&run)["payload_sha256"].is_string());
    assert_eq!(upstream.posted().len(), 0);
    assert_eq!(ended(&common::run(&app, json!({})).await), "posted 1");
}

#[tokio::test]
async fn many_sites_share_one_fetch_of_the_outages_and_fail_alone() {
    let (app, upstream, _) = app().await;
    let mut all = Vec::new();
    let names: Vec<_> = (0..20).map(|number| format!("site-{number}")).collect();
    for name in &names {
        upstream.set_site(name, &device(name));
        all.push(outage(name, "2022-03-01T00:00:00Z"));
    }
    upstream.set_outages(&Value::Array(all));
    upstream.next("GET /site-info/site-3", Fault::Status(404, vec![]));
    upstream.next("POST /site-outages/site-5", Fault::Status(403, vec![]));
    upstream.next("GET /site-info/site-7", Fault::Body(r#"{"id": "x", "name": "X"}"#.into()));
    let run = run(&app, json!({"sites": names})).await;
    assert_eq!(run["state"], "failed");
    let sites = run["sites"].as_array().unwrap();
    for (number, site) in sites.iter().enumerate() {
        assert_eq!(site["site_id"], names[number]);
        let reason = match number {
            3 => "GET /site-info/{site}: answered 404",
            5 => "POST /site-outages/{site}: answered 403",
            7 => "GET /site-info/{site}: /devices is missing",
            _ => {
                assert_eq!(site["state"], "posted");
                continue;
            }
        };
        assert_eq!((&site["state"], &site["reason"]), (&json!("failed"), &json!(reason)));
    }
    let lines = lines(&upstream);
    assert_eq!(lines.iter().filter(|line| *line == "GET /outages").count(), 1);
    assert_eq!(upstream.posted().len(), 17);
    common::check_rest(&app).await;
}

#[tokio::test]
async fn a_payload_of_more_than_five_mebibytes_fails_its_site_alone() {
    let (app, upstream, _) = app().await;
    let long =
        json!({"id": "l", "name": "L", "devices": [{"id": "a", "name": "n".repeat(60_000)}]});
    upstream.set_site("long", &long);
    upstream.set_site("s", &device("a"));
    upstream.set_outages(&outages("a", 100));
    let run = run(&app, json!({"sites": ["long", "s"]})).await;
    assert_eq!(run["sites"][0]["state"], "failed");
    assert_eq!(run["sites"][0]["reason"], "the payload is longer than 5 MiB");
    assert_eq!(run["sites"][1]["state"], "posted");
}

#[tokio::test]
async fn a_payload_that_hardly_compresses_is_kept_in_many_chunks_and_posted() {
    let (app, upstream, _) = app().await;
    let mut random = 88_172_645_463_325_252_u64;
    let mut letter = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        char::from(b'!' + u8::try_from(random % 90).unwrap_or(0))
            .to_string()
            .replace(['"', '\\'], "~")
    };
    let devices: Vec<_> = (0..40)
        .map(|id| json!({"id": format!("{id}"), "name": (0..100_000).map(|_| letter()).collect::<String>()}))
        .collect();
    upstream.set_site("s", &json!({"id": "s", "name": "S", "devices": devices}));
    let at = |id: i32| outage(&id.to_string(), "2022-03-01T00:00:00Z");
    upstream.set_outages(&(0..40).map(at).collect());
    for outcome in ["posted 1", "unchanged 0"] {
        assert_eq!(ended(&run(&app, json!({"sites": ["s"]})).await), outcome);
    }
    let chunks = app.items(shared::store::Table::Plans).await.len();
    assert!(chunks > 8, "{chunks}");
    // A new payload takes the old one's chunks away.
    upstream.set_outages(&(0..20).map(at).collect());
    assert_eq!(ended(&run(&app, json!({"sites": ["s"]})).await), "posted 1");
    assert!(app.items(shared::store::Table::Plans).await.len() < chunks);
}
