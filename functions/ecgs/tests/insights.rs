//! The worker and what it finds.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use common::{app, insights, made, recording};
use ecgs::analysis::insights::ALGORITHM_VERSION;
use ecgs::analysis::synthetic::{LEAD_II, Model};
use serde_json::{Value, json};
use shared::store::Table;
use shared::testing::Fault;

#[tokio::test]
async fn insights_say_what_was_measured_and_what_can_t_be() {
    let (app, ada) = app().await;
    let sent = json!({"leads": [{"name": "II", "signal": [1, -2, 0, 3, -4, 0, 0, 5, 6, -7]}]});
    let path = made(&ada, &sent).await;
    let waiting = ada.get(&format!("{path}/insights")).await;
    assert_eq!((waiting.status.as_u16(), waiting.header("retry-after")), (202, "1"));
    assert_eq!(waiting.json()["status"], "in_progress");
    let found = insights(&app, &ada, &path).await;
    let lead = &found["leads"][0];
    assert_eq!(
        (&lead["number_of_zero_crossings"], &lead["number_of_zero_touches"]),
        (&json!(5), &json!(0))
    );
    assert_eq!((&lead["minimum"], &lead["maximum"]), (&json!(-7), &json!(6)));
    assert_eq!(lead["mean"], json!(0.2));
    assert_eq!(found["algorithm_version"], ALGORITHM_VERSION);
    assert_eq!((&found["status"], &found["ecg_id"]), (&json!("done"), &json!(path[6..])));
    assert!(found["rhythm"].is_null());
    let missing: Vec<_> = found["not_computable"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|m| m["what"].clone())
        .collect();
    assert!(missing.contains(&json!("rhythm")), "{missing:?}");
    assert!(found["disclaimer"].as_str().is_some_and(|text| text.contains("diagnosis")));
}

#[tokio::test]
async fn known_beats_are_found() {
    let (app, ada) = app().await;
    let model = Model { rate_hz: 250.0, duration_s: 30.0, ..Model::default() };
    let leads = model.twelve_leads();
    let leads: Vec<(&str, &[i32])> = leads.iter().map(|(name, s)| (*name, s.as_slice())).collect();
    let path = made(&ada, &recording(&leads)).await;
    let rhythm = insights(&app, &ada, &path).await["rhythm"].clone();
    assert_eq!((&rhythm["lead"], &rhythm["beats"]), (&json!("II"), &json!(model.beats().len())));
    let found = rhythm["beat_samples"].as_array().cloned().unwrap_or_default();
    for (found, known) in found.iter().zip(model.r_waves()) {
        let apart = found.as_u64().map_or(u64::MAX, |found| found.abs_diff(known as u64));
        assert!(apart <= 3, "{found} for {known}");
    }
    let mean = rhythm["heart_rate_bpm"]["mean"].as_f64().unwrap_or_default();
    assert!((mean - 68.0).abs() < 3.0, "{mean}");
    assert_eq!(rhythm["flags"], json!([]));
    assert!(rhythm["hrv"]["sdnn_ms"].as_f64().is_some_and(|sdnn| sdnn > 5.0));
}

#[tokio::test]
async fn odd_signals_give_honest_insights() {
    let (app, ada) = app().await;
    let extremes: Vec<i32> = [i32::MIN, i32::MAX].repeat(2_000);
    let cases: [(&str, &[i32]); 5] = [
        ("one", &[7]),
        ("equal", &[5; 3_000]),
        ("zero", &[0; 3_000]),
        ("extremes", &extremes),
        ("two", &[i32::MAX, i32::MAX]),
    ];
    for rate in [json!(1), json!(250), json!(100_000), Value::Null] {
        for (name, signal) in cases {
            let mut sent = recording(&[(name, signal)]);
            sent["sampling_rate_hz"] = rate.clone();
            let path = made(&ada, &sent).await;
            let found = insights(&app, &ada, &path).await;
            assert_eq!(found["status"], "done", "{name} at {rate}");
            assert!(found["rhythm"].is_null() || name == "extremes", "{name} at {rate}: {found}");
        }
    }
}

#[tokio::test]
async fn the_same_comes_out_when_it_runs_twice_and_through_faults() {
    let (app, ada) = app().await;
    let signal = Model { rate_hz: 250.0, ..Model::default() }.lead(&LEAD_II, 0);
    let path = made(&ada, &recording(&[("II", &signal)])).await;
    app.faults.next("BatchGetItem", Fault::CutBefore);
    app.faults.next("PutItem", Fault::CutAfter);
    app.faults.next("TransactWriteItems", Fault::CutAfter);
    let first = insights(&app, &ada, &path).await;
    let stream = json!({"Records": [{
        "eventID": "1", "eventName": "MODIFY", "awsRegion": "eu-west-1",
        "dynamodb": {
            "Keys": {"pk": {"S": format!("ecg#{}", &path[6..])}, "sk": {"S": "head"}},
            "SequenceNumber": "1", "SizeBytes": 1,
        },
    }]});
    let again = app.call(&ecgs::INSIGHTS, stream).await.unwrap_or_default();
    assert_eq!(again, json!({"batchItemFailures": []}));
    assert_eq!(insights(&app, &ada, &path).await, first);
}

#[tokio::test]
async fn samples_that_can_t_be_read_fail_one_recording_and_hold_up_no_other() {
    let (app, ada) = app().await;
    let broken = made(&ada, &recording(&[("II", &[1, 2, 3])])).await;
    for item in app.items(Table::Samples).await {
        let pk = item["pk"].as_s().cloned().unwrap_or_default();
        let rubbish = aws_sdk_dynamodb::types::AttributeValue::B(vec![255; 9].into());
        let mut item = item.clone();
        item.insert("samples".to_owned(), rubbish);
        assert!(pk.starts_with("chunk#"));
        app.put(Table::Samples, shared::store::Item::new(), item).await;
    }
    let fine = made(&ada, &recording(&[("II", &[1, 2, 3])])).await;
    let failed = insights(&app, &ada, &broken).await;
    assert_eq!(failed["status"], "failed");
    assert!(failed["reason"].is_string(), "{failed}");
    assert_eq!(insights(&app, &ada, &fine).await["status"], "done");
}

#[tokio::test]
async fn insights_of_an_older_version_are_made_again_when_they_are_asked_for() {
    let (app, ada) = app().await;
    let path = made(&ada, &recording(&[("II", &[1, 2, 3])])).await;
    insights(&app, &ada, &path).await;
    let pk = format!("ecg#{}", &path[6..]);
    app.set(Table::Ecgs, &pk, "head", "algorithm_version", "0").await;
    let asked = ada.get(&format!("{path}/insights")).await;
    assert_eq!((asked.status.as_u16(), &asked.json()["status"]), (202, &json!("in_progress")));
    assert_eq!(insights(&app, &ada, &path).await["algorithm_version"], ALGORITHM_VERSION);
}

#[tokio::test]
async fn an_analysis_that_others_are_in_the_way_of_is_not_lost() {
    let (app, ada) = app().await;
    let path = made(&ada, &recording(&[("II", &[1, 2, 3])])).await;
    app.faults.next("TransactWriteItems", Fault::Conflict);
    app.faults.next("TransactWriteItems", Fault::Throttle);
    assert_eq!(insights(&app, &ada, &path).await["status"], "done");
    assert_eq!(app.faults.unmet(), 0);
}

#[tokio::test]
async fn analyses_at_once_leave_the_insights_of_one() {
    let (app, ada) = app().await;
    let path = made(&ada, &recording(&[("II", &[1, 2, 3])])).await;
    let (one, other) = tokio::join!(app.drain(&ecgs::INSIGHTS), app.drain(&ecgs::INSIGHTS));
    assert!(one > 0 && other > 0, "both had the recording");
    assert_eq!(insights(&app, &ada, &path).await["status"], "done");
    let items = app.items(Table::Samples).await;
    let pieces =
        items.iter().filter(|item| item["pk"].as_s().is_ok_and(|pk| pk.starts_with("insights#")));
    assert_eq!(pieces.count(), 1);
}
