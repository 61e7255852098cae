//! Whatever is sent: a clear problem, never a 500, never an echo.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use common::{app, audit, visit, with};
use serde_json::{Value, json};

#[tokio::test]
async fn a_date_is_a_real_day_and_a_type_one_of_three() {
    let (_app, ada) = app().await;
    for date in [
        "2024-02-30",
        "2024-99-99",
        "2023-02-29",
        "2024-01-01Tgarbage",
        "2024-01-01T00:00:00Z",
        "01/02/2024",
        "",
    ] {
        let refused = ada.post("/encounters", &with("encounter_date", json!(date))).await;
        assert_eq!(refused.wrong(), ["/encounter_date invalid_value"], "{date:?}");
        let listed = ada.get(&format!("/encounters?start_date={date}")).await;
        assert_eq!(listed.wrong(), ["start_date invalid_value"], "{date:?}");
    }
    let refused = ada.post("/encounters", &with("encounter_type", json!("Follow_Up"))).await;
    assert_eq!(refused.wrong(), ["/encounter_type invalid_value"]);
    let wrong = ada.get("/encounters?start_date=2024-03-02&end_date=2024-03-01").await.wrong();
    assert_eq!(wrong, ["end_date invalid_value"]);
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once_and_none_is_repeated() {
    let (app, ada) = app().await;
    let refused = ada
        .post(
            "/encounters",
            &json!({
                "patient_id": "", "provider_id": 7, "encounter_date": null, "ssn": "078-05-1120",
                "clinical_data": "ok", "idempotence_key": "with space",
            }),
        )
        .await;
    let mut wrong = refused.wrong();
    wrong.sort();
    assert_eq!(
        wrong,
        [
            " unknown_field",
            "/encounter_date required",
            "/encounter_type required",
            "/idempotence_key invalid_value",
            "/patient_id too_short",
            "/provider_id wrong_type",
        ]
    );
    let text = String::from_utf8_lossy(&refused.bytes).into_owned();
    assert!(!text.contains("078-05") && !text.contains("ssn") && !text.contains("with space"));
    assert!(audit(&app).await.is_empty());
}

#[tokio::test]
async fn clinical_data_has_up_to_256_kib_and_64_levels() {
    let (_app, ada) = app().await;
    let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let long = |bytes: usize| json!("x".repeat(bytes - 2));
    for (data, wrong) in [
        (long(256 * 1024), None),
        (long(256 * 1024 + 1), Some("/clinical_data too_long")),
        (nested(64), None),
        (nested(65), Some("/clinical_data too_deep")),
        (json!(0), None),
        (json!(""), None),
        (json!([]), None),
        (json!(false), None),
    ] {
        let reply = ada.post("/encounters", &with("clinical_data", data)).await;
        match wrong {
            None => {
                assert_eq!(reply.status, 201);
                let read = ada.get(reply.header("location")).await;
                assert_eq!(read.json(), reply.json());
            }
            Some(wrong) => assert_eq!(reply.wrong(), [wrong]),
        }
    }
    let path = ada.post("/encounters", &visit()).await.header("location").to_owned();
    let grown = ada.patch(&path, &json!({"clinical_data": {"more": "x".repeat(256 * 1024)}})).await;
    assert_eq!(grown.wrong(), ["/clinical_data too_long"]);
}

#[tokio::test]
async fn what_a_search_says_in_its_body_is_judged_as_in_a_query() {
    let (_app, ada) = app().await;
    let search = |body: Value| {
        let ada = ada.clone();
        async move { ada.post("/encounters/search", &body).await }
    };
    assert_eq!(search(json!({})).await.status, 200);
    assert_eq!(search(json!({"limit": null})).await.status, 200);
    let wrong = search(json!({"limit": "20", "patient_id": 5, "start_date": "x", "y": 1})).await;
    let mut wrong = wrong.wrong();
    wrong.sort();
    assert_eq!(
        wrong,
        [
            " unknown_field",
            "/limit wrong_type",
            "/patient_id wrong_type",
            "/start_date invalid_value"
        ]
    );
    assert_eq!(search(json!({"limit": 0})).await.wrong(), ["/limit out_of_range"]);
    assert_eq!(search(json!({"limit": 101})).await.wrong(), ["/limit out_of_range"]);
    assert_eq!(search(json!({"cursor": "abc"})).await.problem(), "400 invalid_cursor");
    assert_eq!(search(json!([])).await.wrong(), [" wrong_type"]);
}

#[tokio::test]
async fn versions_and_ids_that_are_none_are_refused() {
    let (_app, ada) = app().await;
    let path = ada.post("/encounters", &visit()).await.header("location").to_owned();
    for (version, code) in [
        ("0", "out_of_range"),
        ("-1", "out_of_range"),
        ("x", "invalid_value"),
        ("", "invalid_value"),
    ] {
        let wrong = ada.get(&format!("{path}?version={version}")).await.wrong();
        assert_eq!(wrong, [format!("version {code}")]);
    }
    let huge = ada.get(&format!("{path}?version=99999999999999999999999")).await;
    assert_eq!(huge.wrong(), ["version out_of_range"]);
    assert_eq!(ada.get("/encounters/1").await.problem(), "404 not_found");
    let retraction = format!("{path}/retraction");
    for (body, wrong) in [
        (json!({}), "/reason required"),
        (json!({"reason": ""}), "/reason too_short"),
        (json!({"reason": "x".repeat(1_001)}), "/reason too_long"),
        (json!({"reason": "two\nlines"}), "/reason invalid_value"),
    ] {
        assert_eq!(ada.post(&retraction, &body).await.wrong(), [wrong]);
    }
}
