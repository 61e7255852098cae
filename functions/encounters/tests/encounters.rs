//! One record: made, read, amended, retracted, and kept from others.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use common::{NOBODYS, app, audit, of_other, visit, with};
use http::Method;
use serde_json::json;
use shared::auth::{DEFAULT_LOCATION, Scope};

const MADE: &str =
    "ada create success here [patient_id provider_id encounter_date encounter_type clinical_data]";

#[tokio::test]
async fn a_record_is_made_whole_and_read_as_it_was_made() {
    let (app, ada) = app().await;
    let made = ada.post("/encounters", &visit()).await;
    assert_eq!((made.status.as_u16(), made.header("etag")), (201, "\"1\""));
    let read = ada.get(made.header("location")).await;
    assert_eq!((read.status.as_u16(), read.json()), (200, made.json()));
    let record = read.json();
    for (name, value) in visit().as_object().into_iter().flatten() {
        assert_eq!(record[name], *value, "{name}");
    }
    assert_eq!(record["status"], "final");
    assert_eq!(record["version"], 1);
    assert_eq!(record["metadata"]["created_by"], "ada");
    assert!(record["retraction"].is_null() && record.get("retraction").is_some());
    assert_eq!(audit(&app).await, [MADE, "ada read success here []"]);
}

#[tokio::test]
async fn no_number_of_clinical_data_is_rewritten() {
    let (_app, ada) = app().await;
    let body = r#"{"patient_id": "p", "provider_id": "q", "encounter_date": "2024-01-01",
        "encounter_type": "follow_up", "clinical_data": [2.50, 3e2, 12345678901234567890.1]}"#;
    let json = ada.header("content-type", "application/json");
    let made = json.send(Method::POST, "/encounters", Some(body.into())).await;
    let read = ada.get(made.header("location")).await;
    let text = String::from_utf8_lossy(&read.bytes).into_owned();
    assert!(text.contains(r#""clinical_data":[2.50,3e2,12345678901234567890.1]"#), "{text}");
}

#[tokio::test]
async fn what_was_read_is_known_by_its_tag_and_entered_all_the_same() {
    let (app, ada) = app().await;
    let path = ada.post("/encounters", &visit()).await.header("location").to_owned();
    let again = ada.header("if-none-match", "\"1\"").get(&path).await;
    assert_eq!((again.status.as_u16(), again.bytes.len()), (304, 0));
    assert_eq!(audit(&app).await.len(), 2);
}

#[tokio::test]
async fn every_earlier_version_of_an_amended_record_stays_readable() {
    let (app, ada) = app().await;
    let made = ada.post("/encounters", &visit()).await;
    let path = made.header("location").to_owned();
    let patch = json!({"clinical_data": {"note": null, "scores": [4], "new": {"a": null, "b": 1}}});
    let amended = ada.header("if-match", "\"1\"").patch(&path, &patch).await;
    assert_eq!((amended.status.as_u16(), amended.header("etag")), (200, "\"2\""));
    let data = json!({"scores": [4], "nothing": null, "new": {"b": 1}});
    assert_eq!(amended.json()["clinical_data"], data);
    let late = ada.header("if-match", "\"1\"").patch(&path, &patch).await;
    assert_eq!(late.problem(), "412 version_mismatch");
    for (version, expected) in [(1, &made), (2, &amended)] {
        let read = ada.get(&format!("{path}?version={version}")).await;
        assert_eq!(read.json(), expected.json(), "version {version}");
    }
    assert_eq!(ada.get(&format!("{path}?version=3")).await.problem(), "404 not_found");
    assert_eq!(ada.get(&path).await.json(), amended.json());
    let audit = audit(&app).await;
    assert_eq!(audit[1], "ada update success here [clinical_data]");
    let missing = "ada read not_found here []";
    assert_eq!(audit.iter().filter(|entry| *entry == missing).count(), 1, "{audit:?}");
}

#[tokio::test]
async fn a_patch_can_t_move_a_record_to_another_patient_nor_empty_it() {
    let (_app, ada) = app().await;
    let path = ada.post("/encounters", &visit()).await.header("location").to_owned();
    let patch = |patch| {
        let (ada, path) = (ada.clone(), path.clone());
        async move { ada.patch(&path, &patch).await }
    };
    assert_eq!(patch(json!({"patient_id": "patient-2"})).await.wrong(), ["/patient_id immutable"]);
    assert_eq!(patch(json!({"patient_id": "patient-1"})).await.status, 200);
    let emptied = json!({"patient_id": null, "provider_id": null, "clinical_data": null, "x": 1});
    let wrong = patch(emptied).await.wrong();
    for name in ["patient_id", "provider_id", "clinical_data"] {
        assert!(wrong.contains(&format!("/{name} required")), "{wrong:?}");
    }
    assert!(wrong.contains(&" unknown_field".to_owned()), "{wrong:?}");
    // What was read can be sent back.
    let read = ada.get(&path).await.json();
    let back = ada.patch(&path, &read).await;
    assert_eq!(back.json()["clinical_data"], json!({"note": "Better.", "scores": [1, 2.50, 3e2]}));
}

#[tokio::test]
async fn a_retraction_keeps_everything_and_is_safe_to_repeat() {
    let (app, ada) = app().await;
    let made = ada.post("/encounters", &visit()).await;
    let path = made.header("location").to_owned();
    let retraction = format!("{path}/retraction");
    let done = ada.key("r").post(&retraction, &json!({"reason": "Another patient's."})).await;
    let record = done.json();
    assert_eq!((done.status.as_u16(), &record["status"]), (200, &json!("entered_in_error")));
    assert_eq!(record["retraction"]["reason"], "Another patient's.");
    assert_eq!(record["retraction"]["by"], "ada");
    let again = ada.post(&retraction, &json!({"reason": "Twice."})).await;
    assert_eq!(again.json(), record);
    let replay = ada.key("r").post(&retraction, &json!({"reason": "Another patient's."})).await;
    assert_eq!((replay.json(), replay.header("idempotency-replayed")), (record.clone(), "true"));
    let amended = ada.patch(&path, &json!({"clinical_data": 1})).await;
    assert_eq!(amended.problem(), "409 encounter_retracted");
    assert_eq!(ada.get(&format!("{path}?version=1")).await.json(), made.json());
    let reads = "ada read success here []";
    assert_eq!(
        audit(&app).await[1..],
        ["ada update success here [status retraction]", reads, reads, reads]
    );
}

#[tokio::test]
async fn another_location_s_record_is_not_there_and_the_attempt_is_entered_where_it_is() {
    let (app, ada) = app().await;
    let path = ada.post("/encounters", &visit()).await.header("location").to_owned();
    let bob = of_other(&app, "bob", &[Scope::EncountersRead, Scope::EncountersWrite]).await;
    let retraction = format!("{path}/retraction");
    let replies = [
        bob.get(&path).await,
        bob.get(NOBODYS).await,
        bob.patch(&path, &json!({"clinical_data": 1})).await,
        bob.post(&retraction, &json!({"reason": "x"})).await,
    ];
    for reply in &replies {
        assert_eq!(reply.problem(), "404 not_found");
        assert!(!reply.header("server-timing").contains("db"), "the cost tells what is there");
    }
    assert_eq!(
        audit(&app).await[1..],
        [
            "bob read denied here []",
            "bob read not_found there []",
            "bob update denied here []",
            "bob update denied here []",
        ]
    );
    assert!(bob.get("/encounters").await.json()["items"].as_array().is_some_and(Vec::is_empty));
}

#[tokio::test]
async fn a_caller_without_the_scope_is_refused_and_entered() {
    let (app, ada) = app().await;
    let path = ada.post("/encounters", &visit()).await.header("location").to_owned();
    let eve = app.user("eve", &[Scope::CouponsWrite]).await;
    for reply in [
        eve.get(&path).await,
        eve.get("/encounters").await,
        eve.post("/encounters/search", &json!({"patient_id": "patient-1"})).await,
        eve.post("/encounters", &visit()).await,
        app.admin().get(&path).await,
    ] {
        assert_eq!(reply.problem(), "403 forbidden");
    }
    assert_eq!(eve.get("/encounters/not-a-uuid").await.problem(), "404 not_found");
    assert_eq!(app.anon().get(&path).await.problem(), "401 unauthenticated");
    assert_eq!(
        audit(&app).await[1..],
        [
            "eve read denied here []",
            "eve read denied list here []",
            "eve read denied list here []",
            "eve create denied list here []",
            "admin read denied here []",
        ]
    );
}

#[tokio::test]
async fn a_caller_who_claims_another_s_location_is_refused_and_entered() {
    let (app, ada) = app().await;
    let path = ada.post("/encounters", &visit()).await.header("location").to_owned();
    let scopes = [Scope::EncountersRead, Scope::EncountersWrite, Scope::EncountersEmergency];
    let bob = of_other(&app, "bob", &scopes).await;
    let here = bob.header("x-location-id", &DEFAULT_LOCATION.to_string());
    for reply in [
        here.get(&path).await,
        here.header("x-emergency-reason", "Unconscious at our door.").get(&path).await,
        here.get(NOBODYS).await,
        here.patch(&path, &json!({"clinical_data": 1})).await,
        here.get("/encounters").await,
        here.post("/encounters", &visit()).await,
    ] {
        assert_eq!(reply.problem(), "403 forbidden");
    }
    assert_eq!(
        audit(&app).await[1..],
        [
            "bob read denied here []",
            "bob read denied here []",
            "bob read denied there []",
            "bob update denied here []",
            "bob read denied list there []",
            "bob create denied list there []",
        ]
    );
}

#[tokio::test]
async fn in_an_emergency_another_location_s_record_is_read_with_a_reason() {
    let (app, ada) = app().await;
    let made = ada.post("/encounters", &visit()).await;
    let path = made.header("location").to_owned();
    let scopes = [Scope::EncountersRead, Scope::EncountersEmergency];
    let bob = of_other(&app, "bob", &scopes).await;
    assert_eq!(bob.get(&path).await.status, 404);
    let urgent = bob.header("x-emergency-reason", "Unconscious at our door.");
    assert_eq!(urgent.get(&path).await.json(), made.json());
    assert_eq!(urgent.get(NOBODYS).await.status, 404);
    let eve = of_other(&app, "eve", &[Scope::EncountersRead]).await;
    assert_eq!(eve.header("x-emergency-reason", "Curious.").get(&path).await.status, 404);
    for reason in ["", " ", &"x".repeat(201), "a\tb"] {
        let wrong = bob.header("x-emergency-reason", reason).get(&path).await;
        assert_eq!(wrong.status, 400, "{reason:?}");
    }
    assert_eq!(urgent.patch(&path, &json!({"clinical_data": 1})).await.status, 403);
    let entries = audit(&app).await;
    assert!(entries.contains(&"bob read emergency here []".to_owned()), "{entries:?}");
    assert!(entries.contains(&"eve read denied here []".to_owned()), "{entries:?}");
    let reasons: Vec<_> =
        app.entries().await.into_iter().filter_map(|stored| stored.entry.reason).collect();
    assert_eq!(reasons, ["Unconscious at our door."]);
}

#[tokio::test]
async fn a_null_is_clinical_data_and_nothing_at_all_is_not() {
    let (_app, ada) = app().await;
    let made = ada.post("/encounters", &with("clinical_data", json!(null))).await;
    assert_eq!(made.status, 201);
    assert!(made.json()["clinical_data"].is_null());
    let path = made.header("location");
    let kept = ada.patch(path, &json!({"provider_id": "provider-2"})).await;
    assert!(kept.json()["clinical_data"].is_null());
    let mut without = visit();
    without.as_object_mut().map(|visit| visit.remove("clinical_data"));
    assert_eq!(ada.post("/encounters", &without).await.wrong(), ["/clinical_data required"]);
}
