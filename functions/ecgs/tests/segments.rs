//! Recordings that are longer than a request.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use common::{app, insights, made, recording, signal};
use ecgs::analysis::synthetic::{LEAD_II, Model};
use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::store::Table;
use shared::testing::{Client, Reply};

fn segment(sequence: u32, leads: &[(&str, &[i32])]) -> Value {
    let lead = |(name, signal): &(&str, &[i32])| json!({"name": name, "signal": signal});
    json!({"sequence": sequence, "leads": leads.iter().map(lead).collect::<Vec<_>>()})
}

/// A recording that is open, with nothing in its two leads.
async fn open(ada: &Client) -> String {
    let mut sent = recording(&[("II", &[]), ("V1", &[])]);
    sent["complete"] = json!(false);
    made(ada, &sent).await
}

async fn add(ada: &Client, path: &str, sent: &Value) -> Reply {
    ada.post(&format!("{path}/segments"), sent).await
}

async fn complete(ada: &Client, path: &str, segments: u32) -> Reply {
    ada.post(&format!("{path}/complete"), &json!({"segments": segments})).await
}

#[tokio::test]
async fn segments_in_any_order_make_one_recording() {
    let (app, ada) = app().await;
    let signal_of = Model { rate_hz: 250.0, duration_s: 60.0, ..Model::default() };
    let whole = signal_of.lead(&LEAD_II, 0);
    let pieces: Vec<&[i32]> = whole.chunks(1_000).collect();
    let mut sent = recording(&[("II", pieces[0]), ("V1", &[5])]);
    sent["complete"] = json!(false);
    let path = made(&ada, &sent).await;
    let standing = ada.get(&format!("{path}/insights")).await;
    assert_eq!((standing.status.as_u16(), standing.header("retry-after")), (202, "1"));
    assert_eq!(standing.json()["status"], "receiving");
    for number in (1..pieces.len()).rev() {
        let sequence = u32::try_from(number).unwrap_or_default();
        let reply = add(&ada, &path, &segment(sequence, &[("II", pieces[number])])).await;
        assert_eq!(reply.status, 201, "{}", reply.json());
    }
    let segments = u32::try_from(pieces.len() - 1).unwrap_or_default();
    let done = complete(&ada, &path, segments).await;
    assert_eq!(done.status, 200, "{}", done.json());
    assert_eq!(done.json()["leads"][0]["number_of_samples"], whole.len());
    assert_eq!(done.json()["status"], "in_progress");
    assert_eq!(complete(&ada, &path, segments).await.json(), done.json());
    let entries = app.audit("ecgs").await;
    assert_eq!(entries[entries.len() - 2..], ["ada update ecgs [segments]", "ada read ecgs []"]);
    let read = ada.get(&format!("{path}/signal?lead=II")).await;
    assert!(signal(&read) == whole, "the samples differ");
    let part = ada.get(&format!("{path}/signal?lead=II&start_sample=990&sample_count=1020")).await;
    assert_eq!(signal(&part), whole[990..2_010]);
    let found = insights(&app, &ada, &path).await;
    assert_eq!(found["leads"][0]["number_of_samples"], whole.len());
    assert_eq!(found["rhythm"]["beats"], signal_of.beats().len());
    assert_eq!(complete(&ada, &path, segments).await.status, 200);
    assert_eq!(complete(&ada, &path, 1).await.problem(), "409 segments_differ");
    let late = add(&ada, &path, &segment(99, &[("II", &[1])])).await;
    assert_eq!(late.problem(), "409 recording_complete");
    assert_eq!(ada.delete(&path).await.status, 204);
    app.drain(&ecgs::INSIGHTS).await;
    let left: Vec<_> = app.items(Table::Samples).await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_segment_is_safe_to_repeat_and_not_to_change() {
    let (_app, ada) = app().await;
    let path = open(&ada).await;
    let sent = segment(1, &[("II", &[1, 2])]);
    assert_eq!(add(&ada, &path, &sent).await.status, 201);
    assert_eq!(add(&ada, &path, &sent).await.status, 200);
    let other = segment(1, &[("II", &[1, 3])]);
    assert_eq!(add(&ada, &path, &other).await.problem(), "409 segment_differs");
    assert_eq!(complete(&ada, &path, 1).await.status, 200);
    for late in [sent, other] {
        assert_eq!(add(&ada, &path, &late).await.problem(), "409 recording_complete");
    }
}

#[tokio::test]
async fn what_succeeded_under_a_key_is_answered_so_though_the_recording_is_gone() {
    let (_app, ada) = app().await;
    let path = open(&ada).await;
    let first = add(&ada.key("s"), &path, &segment(1, &[("II", &[1, 2])])).await;
    let done = complete(&ada.key("c"), &path, 1).await;
    assert_eq!(ada.delete(&path).await.status, 204);
    let again = add(&ada.key("s"), &path, &segment(1, &[("II", &[1, 2])])).await;
    assert_eq!((again.status, again.json()), (first.status, first.json()));
    assert_eq!(complete(&ada.key("c"), &path, 1).await.json(), done.json());
    assert_eq!(add(&ada.key("new"), &path, &segment(2, &[])).await.problem(), "404 not_found");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let (_app, ada) = app().await;
    let path = open(&ada).await;
    for sequence in [2, 5] {
        add(&ada, &path, &segment(sequence, &[("II", &[1])])).await;
    }
    let missing = complete(&ada, &path, 6).await;
    assert_eq!(missing.problem(), "409 segments_missing");
    assert_eq!(missing.json()["missing"], json!([1, 3, 4, 6]));
    assert_eq!(complete(&ada, &path, 4).await.problem(), "409 segments_differ");
    let many = complete(&ada, &path, 10_000).await.json();
    assert_eq!(many["missing"].as_array().map(Vec::len), Some(100));
}

#[tokio::test]
async fn bad_segments_are_refused() {
    let (_app, ada) = app().await;
    let path = open(&ada).await;
    let mut counted = segment(1, &[("II", &[1])]);
    counted["leads"][0]["number_of_samples"] = json!(2);
    for (sent, wrong) in [
        (json!({}), vec!["/leads required", "/sequence required"]),
        (segment(0, &[("II", &[1])]), vec!["/sequence out_of_range"]),
        (segment(10_001, &[("II", &[1])]), vec!["/sequence out_of_range"]),
        (segment(1, &[("V9", &[1])]), vec!["/leads/0/name invalid_value"]),
        (segment(1, &[("II", &[])]), vec!["/leads/0/signal too_short"]),
        (segment(1, &[]), vec!["/leads too_short"]),
        (counted, vec!["/leads/0 unknown_field"]),
    ] {
        let mut found = add(&ada, &path, &sent).await.wrong();
        found.sort();
        assert_eq!(found, wrong, "{sent}");
    }
    for (segments, code) in
        [(json!(-1), "out_of_range"), (json!(10_001), "out_of_range"), (json!("1"), "wrong_type")]
    {
        let refused = ada.post(&format!("{path}/complete"), &json!({"segments": segments})).await;
        assert_eq!(refused.wrong(), [format!("/segments {code}")]);
    }
}

#[tokio::test]
async fn segments_at_once_with_faults_all_arrive_once() {
    let (app, ada) = app().await;
    let path = open(&ada).await;
    app.faults.at_random(5, 0.1);
    let send = |sequence: u32| {
        let (ada, path) = (ada.clone(), path.clone());
        async move {
            let samples = vec![i32::try_from(sequence).unwrap_or_default(); 50];
            loop {
                let reply = add(&ada, &path, &segment(sequence, &[("II", &samples)])).await;
                if reply.status.is_success() {
                    return;
                }
                assert_eq!(reply.status, 503, "{}", reply.json());
            }
        }
    };
    join_all((1..=20).map(send)).await;
    app.faults.stop();
    assert_eq!(complete(&ada, &path, 20).await.status, 200);
    let read = signal(&ada.get(&format!("{path}/signal?lead=II")).await);
    let expected: Vec<i32> = (1..=20).flat_map(|n| vec![n; 50]).collect();
    assert_eq!(read, expected);
}

#[tokio::test]
async fn a_segment_and_the_end_at_once_never_lose_it() {
    let (_app, ada) = app().await;
    let mut ends = std::collections::BTreeMap::new();
    for _ in 0..40 {
        let path = open(&ada).await;
        assert_eq!(add(&ada, &path, &segment(1, &[("II", &[1, 2])])).await.status, 201);
        let late = segment(2, &[("II", &[3])]);
        let (added, ended) = tokio::join!(add(&ada, &path, &late), complete(&ada, &path, 1));
        let end = (added.status.as_u16(), ended.status.as_u16());
        let kept = match end {
            (201, 409) => {
                assert_eq!(complete(&ada, &path, 2).await.status, 200);
                vec![1, 2, 3]
            }
            (409, 200) => vec![1, 2],
            other => panic!("{other:?}: {} {}", added.json(), ended.json()),
        };
        assert_eq!(signal(&ada.get(&format!("{path}/signal?lead=II")).await), kept);
        *ends.entry(end).or_insert(0) += 1;
    }
    println!("{ends:?}");
}

#[tokio::test]
async fn a_recording_that_is_never_completed_has_failed_after_seven_days() {
    let (app, ada) = app().await;
    let path = open(&ada).await;
    let id = path.trim_start_matches("/ecgs/");
    let long_ago = "2020-01-01T00:00:00.000Z";
    app.set(Table::Ecgs, &format!("ecg#{id}"), "head", "created_at", long_ago).await;
    let since = format!("{long_ago}#{id}");
    app.set(Table::Ecgs, &format!("ecg#{id}"), "head", "open_since", since).await;
    let ecg = ada.get(&path).await.json();
    assert_eq!(ecg["status"], "failed");
    assert!(ecg["reason"].as_str().is_some_and(|reason| reason.contains("7 days")));
    let late = add(&ada, &path, &segment(1, &[("II", &[1])])).await;
    assert_eq!(late.problem(), "409 recording_complete");
    let found = app.call(&ecgs::INSIGHTS, json!({"sweep": {}})).await.unwrap_or_default();
    assert_eq!(found, json!({"found": 1}));
    let found = app.call(&ecgs::INSIGHTS, json!({"sweep": {}})).await.unwrap_or_default();
    assert_eq!(found, json!({"found": 0}));
    assert_eq!(ada.get(&format!("{path}/insights")).await.json()["status"], "failed");
}
