//! Recordings: registered, read, kept from others, deleted.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use common::{NOBODYS, app, insights, made, recording, signal};
use ecgs::analysis::synthetic::Model;
use serde_json::{Value, json};
use shared::auth::Scope;
use shared::store::Table;
use shared::testing::Reply;

#[tokio::test]
async fn a_recording_comes_back_sample_for_sample() {
    let (_app, ada) = app().await;
    let extremes = [i32::MAX, i32::MIN, 0, -1, 1, i32::MIN, i32::MAX];
    let mut sent = recording(&[("II", &extremes), ("aVR", &[7])]);
    sent["recorded_at"] = json!("2016-08-05T10:40:51.62+02:00");
    let reply = ada.post("/ecgs", &sent).await;
    assert_eq!(reply.status, 201);
    let ecg = reply.json();
    assert_eq!(
        ecg["leads"],
        json!([{"name": "II", "number_of_samples": 7}, {"name": "aVR", "number_of_samples": 1}])
    );
    assert_eq!(
        (&ecg["status"], &ecg["date"]),
        (&json!("in_progress"), &json!("2016-08-05T08:40:51.620Z"))
    );
    let path = reply.header("location").to_owned();
    assert_eq!(ada.get(&path).await.json(), ecg);
    let whole = ada.get(&format!("{path}?include=signal")).await.json();
    assert_eq!(whole["leads"][0]["signal"], json!(extremes));
    assert_eq!(whole["leads"][1]["signal"], json!([7]));
    let part = ada.get(&format!("{path}/signal?lead=II&start_sample=1&sample_count=3")).await;
    assert_eq!(signal(&part), extremes[1..4]);
    assert_eq!(part.json()["number_of_samples"], 7);
    let past = ada.get(&format!("{path}/signal?lead=II&start_sample=99")).await;
    assert!(signal(&past).is_empty());
}

#[tokio::test]
async fn twelve_leads_of_ten_seconds_take_less_than_a_hundred_kilobytes() {
    let (app, ada) = app().await;
    let leads = Model::default().twelve_leads();
    let leads: Vec<(&str, &[i32])> =
        leads.iter().map(|(name, signal)| (*name, signal.as_slice())).collect();
    made(&ada, &recording(&leads)).await;
    let stored: usize = app
        .items(Table::Samples)
        .await
        .iter()
        .map(|item| item["samples"].as_b().map_or(0, |bytes| bytes.as_ref().len()))
        .sum();
    assert!((10_000..100_000).contains(&stored), "{stored} bytes");
}

#[tokio::test]
async fn a_recording_too_big_for_one_transaction_is_there_whole_or_not_at_all() {
    let (app, ada) = app().await;
    // Noise of 32 bits: nothing of it can be packed.
    let noise: Vec<i32> = (0..300_000).map(|_| rand::random()).collect();
    let sent = recording(&[("II", &noise)]);
    let path = made(&ada.key("k"), &sent).await;
    let reply = ada.get(&format!("{path}/signal?lead=II")).await;
    assert!(signal(&reply) == noise, "the samples differ");
    let uploads = app.items(Table::Samples).await.len();
    assert_eq!(made(&ada.key("k"), &sent).await, path, "a replay");
    assert_eq!(app.items(Table::Samples).await.len(), uploads, "a replay laid nothing down");
    // The process dies once the samples lie there, and before they are a recording.
    for _ in 0..5 {
        app.faults.next("TransactWriteItems", shared::testing::Fault::CutBefore);
    }
    ada.post("/ecgs", &sent).await;
    app.faults.stop();
    let listed = ada.get("/ecgs").await.json();
    let count = listed["items"].as_array().map_or(0, Vec::len);
    let created = app.audit("ecgs").await.iter().filter(|line| line.contains("create")).count();
    assert_eq!(count, created);
}

#[tokio::test]
async fn a_retry_gets_the_first_answer_by_header_or_by_field() {
    let (_app, ada) = app().await;
    let mut sent = recording(&[("II", &[1, 2, 3])]);
    sent["idempotence_key"] = json!("k1");
    let first = ada.post("/ecgs", &sent).await;
    let again = ada.key("k1").post("/ecgs", &sent).await;
    assert_eq!((again.json(), again.header("idempotency-replayed")), (first.json(), "true"));
    assert_eq!(
        ada.key("k2").post("/ecgs", &sent).await.wrong(),
        ["/idempotence_key invalid_value"]
    );
    assert_eq!(ada.get("/ecgs").await.json()["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn users_see_their_own_alone_and_every_access_is_entered() {
    let (app, ada) = app().await;
    let path = made(&ada, &recording(&[("II", &[1, 2, 3])])).await;
    insights(&app, &ada, &path).await;
    let bob = app.user("bob", &[Scope::EcgsRead, Scope::EcgsWrite]).await;
    for path in [&path, NOBODYS] {
        for view in ["", "/signal", "/insights", "/plot.svg"] {
            assert_eq!(bob.get(&format!("{path}{view}")).await.problem(), "404 not_found");
        }
        assert_eq!(bob.delete(path).await.problem(), "404 not_found");
        let segment = json!({"sequence": 1, "leads": [{"name": "II", "signal": [1]}]});
        let refused = bob.post(&format!("{path}/segments"), &segment).await;
        assert_eq!(refused.problem(), "404 not_found");
    }
    assert_eq!(app.admin().get(&path).await.problem(), "403 forbidden");
    assert_eq!(app.admin().get("/ecgs").await.problem(), "403 forbidden");
    let eve = app.user("eve", &[Scope::EcgsRead]).await;
    assert_eq!(eve.delete(&path).await.problem(), "403 forbidden");
    assert_eq!(ada.get("/ecgs").await.json()["items"].as_array().map(Vec::len), Some(1));
    let elsewhere = ada.header("x-location-id", "019b0000-0000-7000-8000-000000000001");
    for path in [path.as_str(), "/ecgs"] {
        assert_eq!(elsewhere.get(path).await.problem(), "403 forbidden");
    }
    let lines: Vec<String> = app
        .entries()
        .await
        .iter()
        .map(|stored| format!("{} {}", stored.entry.username, json!(stored.entry.outcome)))
        .collect();
    let count = |line: &str| lines.iter().filter(|other| *other == line).count();
    assert_eq!(count("bob \"denied\""), 6);
    assert_eq!(count("bob \"not_found\""), 6);
    assert_eq!(count("admin \"denied\""), 2);
    assert_eq!(count("eve \"denied\""), 1);
    assert_eq!(count("ada \"denied\""), 2);
    // The creation, the insights, the list.
    assert_eq!(count("ada \"success\""), 3);
}

#[tokio::test]
async fn a_deleted_recording_is_gone_at_once_and_its_samples_soon() {
    let (app, ada) = app().await;
    let path = made(&ada, &recording(&[("II", &[1, 2, 3])])).await;
    insights(&app, &ada, &path).await;
    assert_eq!(ada.delete(&path).await.status, 204);
    assert_eq!(ada.get(&path).await.problem(), "404 not_found");
    assert_eq!(ada.delete(&path).await.problem(), "404 not_found");
    assert!(ada.get("/ecgs").await.json()["items"].as_array().is_some_and(Vec::is_empty));
    app.drain(&ecgs::INSIGHTS).await;
    assert!(app.items(Table::Samples).await.is_empty() && app.items(Table::Ecgs).await.is_empty());
}

#[tokio::test]
async fn a_list_is_by_the_date_of_the_recording_the_newest_first() {
    let (_app, ada) = app().await;
    for day in [3, 1, 2] {
        let mut sent = recording(&[("II", &[1])]);
        sent["recorded_at"] = json!(format!("2020-01-0{day}T00:00:00Z"));
        made(&ada, &sent).await;
    }
    let pages = ada.pages("/ecgs?limit=2").await;
    let items = pages.iter().flat_map(Reply::items);
    let dates: Vec<_> =
        items.map(|ecg| ecg["date"].as_str().unwrap_or("?")[..10].to_owned()).collect();
    assert_eq!(dates, ["2020-01-03", "2020-01-02", "2020-01-01"]);
}

#[tokio::test]
async fn a_picture_shows_the_window_that_is_asked_for() {
    let (app, ada) = app().await;
    let leads = Model { rate_hz: 250.0, ..Model::default() }.twelve_leads();
    let leads: Vec<(&str, &[i32])> =
        leads.iter().map(|(name, signal)| (*name, signal.as_slice())).collect();
    let path = made(&ada, &recording(&leads)).await;
    let before = ada.get(&format!("{path}/plot.svg")).await;
    assert_eq!((before.status.as_u16(), before.header("content-type")), (200, "image/svg+xml"));
    assert!(before.header("content-security-policy").contains("default-src 'none'"));
    insights(&app, &ada, &path).await;
    let marked = ada.get(&format!("{path}/plot.svg")).await;
    assert!(marked.bytes.len() > before.bytes.len(), "beats are marked once they are known");
    let one = ada.get(&format!("{path}/plot.svg?lead=aVF&start_s=2.5&duration_s=2")).await;
    let text = String::from_utf8_lossy(&one.bytes).into_owned();
    assert!(text.contains("aVF") && !text.contains("V6"));
    for (query, wrong) in [
        ("lead=V9", "lead invalid_value"),
        ("start_s=-1", "start_s out_of_range"),
        ("start_s=NaN", "start_s invalid_value"),
        ("duration_s=0", "duration_s out_of_range"),
        ("duration_s=3601", "duration_s out_of_range"),
        ("duration_s=1e3", "duration_s invalid_value"),
    ] {
        assert_eq!(ada.get(&format!("{path}/plot.svg?{query}")).await.wrong(), [wrong], "{query}");
    }
    let mut without = recording(&[("II", &[1, 2, 3])]);
    without.as_object_mut().map(|sent| sent.remove("sampling_rate_hz"));
    let path = made(&ada, &without).await;
    assert_eq!(ada.get(&format!("{path}/plot.svg")).await.wrong(), ["duration_s invalid_value"]);
}

#[tokio::test]
async fn whatever_is_sent_is_a_clear_problem_or_honest() {
    let (_app, ada) = app().await;
    let lead = |name: Value, signal: Value| json!({"leads": [{"name": name, "signal": signal}]});
    for (sent, wrong) in [
        (json!({}), vec!["/leads required"]),
        (json!({"leads": []}), vec!["/leads too_short"]),
        (json!({"leads": {}}), vec!["/leads wrong_type"]),
        (json!({"leads": [{}]}), vec!["/leads/0/name required", "/leads/0/signal required"]),
        (lead(json!("II"), json!([])), vec!["/leads/0/signal too_short"]),
        (lead(json!(""), json!([1])), vec!["/leads/0/name too_short"]),
        (lead(json!("a b"), json!([1])), vec!["/leads/0/name invalid_value"]),
        (lead(json!("x".repeat(17)), json!([1])), vec!["/leads/0/name too_long"]),
        (lead(json!("II"), json!("NaN")), vec!["/leads/0/signal wrong_type"]),
        (
            lead(json!("II"), json!([1, "NaN", 1.5, null, 2_147_483_648_i64])),
            vec![
                "/leads/0/signal/1 wrong_type",
                "/leads/0/signal/2 wrong_type",
                "/leads/0/signal/3 wrong_type",
                "/leads/0/signal/4 out_of_range",
            ],
        ),
        (
            json!({"leads": [{"name": "II", "signal": [1, 2], "number_of_samples": 3}]}),
            vec!["/leads/0/number_of_samples invalid_value"],
        ),
        (
            json!({"leads": [{"name": "II", "signal": [1]}, {"name": "II", "signal": [1]}]}),
            vec!["/leads/1/name invalid_value"],
        ),
        (
            json!({
                "leads": [{"name": "II", "signal": [1], "x": 1}], "sampling_rate_hz": 0.5,
                "adc_gain": 0, "adc_zero": 1.5, "recorded_at": "yesterday", "y": 1,
            }),
            vec![
                " unknown_field",
                "/adc_gain out_of_range",
                "/adc_zero wrong_type",
                "/leads/0 unknown_field",
                "/recorded_at invalid_value",
                "/sampling_rate_hz out_of_range",
            ],
        ),
        (
            json!({"leads": [{"name": "II", "signal": [1]}], "sampling_rate_hz": 100_001}),
            vec!["/sampling_rate_hz out_of_range"],
        ),
    ] {
        let mut found = ada.post("/ecgs", &sent).await.wrong();
        found.sort();
        assert_eq!(found, wrong, "{sent}");
    }
    let many = vec!["x"; 1_000];
    let refused = ada.post("/ecgs", &lead(json!("II"), json!(many))).await;
    assert_eq!(refused.wrong().len(), 10);
    assert_eq!(refused.json()["errors_truncated"], true);
    let huge = vec![0; 2_700_000];
    let refused = ada.post("/ecgs", &lead(json!("II"), json!(huge))).await;
    assert_eq!(refused.problem(), "413 payload_too_large");
}
