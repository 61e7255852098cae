//! Lists and searches, as JSON and as FHIR.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use std::collections::HashSet;

use common::{app, audit, of_other, on, visit, with};
use serde_json::{Value, json};
use shared::auth::Scope;
use shared::store::Table;
use shared::testing::{Client, Reply};

fn dates(reply: &Reply) -> Vec<String> {
    let items = reply.json()["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|of| of["encounter_date"].as_str().unwrap_or("?").to_owned()).collect()
}

/// Ten visits of two patients, with two providers.
async fn stored(ada: &Client) {
    for day in 1..=10 {
        let mut visit = on(day, if day % 2 == 0 { "even" } else { "odd" });
        visit["provider_id"] = json!(if day <= 5 { "early" } else { "late" });
        visit["encounter_type"] = json!(if day == 3 { "treatment_session" } else { "follow_up" });
        assert_eq!(ada.post("/encounters", &visit).await.status, 201);
    }
}

#[tokio::test]
async fn a_list_is_newest_first_and_filtered_by_all_that_is_asked() {
    let (_app, ada) = app().await;
    stored(&ada).await;
    for (query, days) in [
        ("", vec![10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ("start_date=2024-03-04&end_date=2024-03-06", vec![6, 5, 4]),
        ("start_date=2024-03-10", vec![10]),
        ("end_date=2024-03-01", vec![1]),
        ("patient_id=odd", vec![9, 7, 5, 3, 1]),
        ("patient_id=odd&end_date=2024-03-05", vec![5, 3, 1]),
        ("patient_id=odd&start_date=2024-03-03&provider_id=early", vec![5, 3]),
        ("provider_id=late&limit=2", vec![10, 9]),
        ("encounter_type=treatment_session", vec![3]),
        ("patient_id=even&encounter_type=treatment_session", vec![]),
        ("patient_id=nobody", vec![]),
    ] {
        let expected: Vec<_> = days.iter().map(|day| format!("2024-03-{day:02}")).collect();
        assert_eq!(dates(&ada.get(&format!("/encounters?{query}")).await), expected, "{query}");
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let body: serde_json::Map<String, Value> = pairs
            .map(|(name, value)| {
                (name.to_owned(), value.parse::<u32>().map_or(json!(value), |limit| json!(limit)))
            })
            .collect();
        let searched = ada.post("/encounters/search", &Value::Object(body)).await;
        assert_eq!(dates(&searched), expected, "{query}");
        assert_eq!(searched.header("link"), "");
    }
}

#[tokio::test]
async fn every_record_comes_once_while_others_are_written() {
    let (_app, ada) = app().await;
    stored(&ada).await;
    for (filter, expected) in
        [("", 10), ("&start_date=2024-03-02", 9), ("&patient_id=even&start_date=2024-03-02", 5)]
    {
        let (mut seen, mut ids) = (0, HashSet::new());
        let mut next = Some(format!("/encounters?limit=2{filter}"));
        while let Some(path) = next {
            let page = ada.get(&path).await;
            for item in page.json()["items"].as_array().into_iter().flatten() {
                assert!(ids.insert(item["encounter_id"].to_string()), "twice, with {filter}");
                seen += usize::from(item["encounter_date"] != "2024-03-28");
            }
            ada.post("/encounters", &on(28, "even")).await;
            next = page.next_path();
        }
        assert_eq!(seen, expected, "{filter}");
    }
}

#[tokio::test]
async fn a_record_whose_day_is_changed_while_a_list_is_read_does_not_come_again() {
    let (_app, ada) = app().await;
    stored(&ada).await;
    let all = ada.get("/encounters?limit=100").await.json()["items"].clone();
    let path = |place: usize| {
        format!("/encounters/{}", all[place]["encounter_id"].as_str().unwrap_or_default())
    };
    // The fifth moves before the list begins, and takes part in it.
    ada.patch(&path(4), &json!({"encounter_date": "2024-02-05"})).await;
    let first = ada.post("/encounters/search", &json!({"limit": 3})).await.json();
    for (place, patch) in [
        (0, json!({"encounter_date": "2024-02-10"})),
        (5, json!({"clinical_data": "It keeps its place."})),
        (8, json!({"provider_id": "another"})),
    ] {
        assert_eq!(ada.patch(&path(place), &patch).await.status, 200);
    }
    // A later change of something else doesn't make it new to the list.
    ada.patch(&path(0), &json!({"clinical_data": "Moved before."})).await;
    let rest = json!({"limit": 100, "cursor": first["next_cursor"]});
    let rest = ada.post("/encounters/search", &rest).await;
    let days = ["03-07", "03-05", "03-04", "03-03", "03-02", "03-01", "02-05"];
    assert_eq!(dates(&rest), days.map(|day| format!("2024-{day}")));
}

#[tokio::test]
async fn a_search_goes_on_by_its_cursor_and_a_cursor_is_its_caller_s_own() {
    let (app, ada) = app().await;
    stored(&ada).await;
    let first = ada.post("/encounters/search", &json!({"patient_id": "odd", "limit": 3})).await;
    let cursor = first.json()["next_cursor"].clone();
    let rest = json!({"patient_id": "odd", "limit": 100, "cursor": cursor});
    assert_eq!(dates(&ada.post("/encounters/search", &rest).await).len(), 2);
    let other = json!({"patient_id": "even", "cursor": cursor});
    let refused = ada.post("/encounters/search", &other).await;
    assert_eq!(refused.problem(), "400 invalid_cursor");
    let bob = app.user("bob", &[Scope::EncountersRead]).await;
    assert_eq!(bob.post("/encounters/search", &rest).await.problem(), "400 invalid_cursor");
}

#[tokio::test]
async fn a_list_leaves_an_entry_for_each_record_and_an_empty_one_leaves_none() {
    let (app, ada) = app().await;
    stored(&ada).await;
    ada.get("/encounters?limit=7").await;
    ada.get("/encounters?patient_id=nobody").await;
    let read = "ada read success here []".to_owned();
    let entries = audit(&app).await;
    assert_eq!(entries.iter().filter(|entry| **entry == read).count(), 7);
}

#[tokio::test]
async fn a_list_is_of_the_caller_s_location_alone_and_has_what_was_retracted() {
    let (app, ada) = app().await;
    let made = ada.post("/encounters", &visit()).await;
    let scopes = [Scope::EncountersRead, Scope::EncountersWrite];
    let bob = of_other(&app, "bob", &scopes).await;
    bob.post("/encounters", &visit()).await;
    ada.post(&format!("{}/retraction", made.header("location")), &json!({"reason": "x"})).await;
    let list = ada.get("/encounters?patient_id=patient-1").await.json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(list["items"][0]["status"], "entered_in_error");
}

#[tokio::test]
async fn a_cursor_is_of_its_location_alone() {
    let (app, _) = app().await;
    let (key, id) =
        app.user_key_and_id("eve", &[Scope::EncountersRead, Scope::EncountersWrite]).await;
    let both = json!([common::OTHER, shared::auth::DEFAULT_LOCATION]);
    app.set(Table::Users, &format!("user#{id}"), "user", "location_ids", both).await;
    let eve = app.with_key(&key);
    for day in 1..=2 {
        eve.post("/encounters", &on(day, "p")).await;
    }
    let first = eve.post("/encounters/search", &json!({"limit": 1})).await.json();
    let rest = json!({"limit": 1, "cursor": first["next_cursor"]});
    let here = eve.header("x-location-id", &shared::auth::DEFAULT_LOCATION.to_string());
    assert_eq!(here.post("/encounters/search", &rest).await.problem(), "400 invalid_cursor");
    assert_eq!(dates(&eve.post("/encounters/search", &rest).await), ["2024-03-01"]);
}

#[tokio::test]
async fn a_page_of_big_records_ends_before_it_is_too_much_for_an_answer() {
    let (_app, ada) = app().await;
    for day in 1..=20 {
        let mut visit = on(day, "big");
        visit["clinical_data"] = json!("x".repeat(256 * 1024 - 2));
        assert_eq!(ada.post("/encounters", &visit).await.status, 201);
    }
    let mut seen = 0;
    for page in ada.pages("/encounters?limit=100").await {
        assert!(page.bytes.len() < 5 * 1024 * 1024, "{} bytes", page.bytes.len());
        seen += dates(&page).len();
    }
    assert_eq!(seen, 20);
}

#[tokio::test]
async fn in_fhir_a_record_is_an_encounter_and_a_list_a_searchset() {
    let (_app, ada) = app().await;
    let made = ada.post("/encounters", &visit()).await;
    let path = made.header("location").to_owned();
    ada.post(&format!("{path}/retraction"), &json!({"reason": "x"})).await;
    ada.post("/encounters", &with("patient_id", json!("patient-2"))).await;
    let fhir = ada.header("accept", "application/fhir+json");
    let one = fhir.get(&format!("{path}?version=1")).await;
    assert_eq!(
        (one.header("content-type"), one.header("etag"), one.header("vary")),
        ("application/fhir+json", "W/\"1\"", "Accept")
    );
    let record = made.json();
    assert_eq!(
        one.json(),
        json!({
            "resourceType": "Encounter",
            "id": record["encounter_id"],
            "meta": {"versionId": "1", "lastUpdated": record["metadata"]["updated_at"]},
            "status": "finished",
            "class": {
                "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                "code": "AMB",
                "display": "ambulatory",
            },
            "type": [{
                "coding": [{"system": "urn:quartet:encounter-type", "code": "follow_up"}],
                "text": "follow up",
            }],
            "subject": {"type": "Patient", "identifier": {"value": "patient-1"}},
            "participant": [
                {"individual": {"type": "Practitioner", "identifier": {"value": "provider-1"}}},
            ],
            "period": {"start": "2024-02-29", "end": "2024-02-29"},
        })
    );
    let list = fhir.get("/encounters?limit=1").await;
    let link = list.next_path().unwrap_or_default();
    let list = list.json();
    assert_eq!((&list["resourceType"], &list["type"]), (&json!("Bundle"), &json!("searchset")));
    assert_eq!(list["link"][0], json!({"relation": "self", "url": "/encounters?limit=1"}));
    let next = list["link"][1]["url"].as_str().unwrap_or_default().to_owned();
    assert_eq!(link, next);
    let rest = fhir.get(&next).await.json();
    let mut statuses = vec![
        list["entry"][0]["resource"]["status"].clone(),
        rest["entry"][0]["resource"]["status"].clone(),
    ];
    statuses.sort_by_key(Value::to_string);
    assert_eq!(statuses, ["entered-in-error", "finished"]);
    let empty = fhir.get("/encounters?patient_id=nobody").await.json();
    assert!(empty.get("entry").is_none(), "an empty array is no FHIR: {empty}");
    let known = fhir.header("if-none-match", "W/\"2\"").get(&path).await;
    assert_eq!((known.status.as_u16(), known.bytes.len()), (304, 0));
    // A search is the same list, whose cursor goes on in the body.
    let found = fhir.post("/encounters/search", &json!({"limit": 1})).await;
    assert_eq!((found.header("content-type"), found.header("link")), ("application/fhir+json", ""));
    let found = found.json();
    assert_eq!(found["entry"], list["entry"]);
    let next = found["link"][1]["url"].as_str().unwrap_or_default();
    let cursor = next.strip_prefix("/encounters/search#cursor=").unwrap_or_default();
    let behind = fhir.post("/encounters/search", &json!({"limit": 1, "cursor": cursor})).await;
    assert_eq!(behind.json()["entry"], rest["entry"]);
}

#[tokio::test]
async fn in_fhir_a_refusal_is_an_operation_outcome() {
    let (app, ada) = app().await;
    let accepts = |client: &Client| client.header("accept", "application/fhir+json");
    for (reply, status, code) in [
        (accepts(&ada).get(common::NOBODYS).await, 404, "not-found"),
        (accepts(&app.anon()).get(common::NOBODYS).await, 401, "login"),
        (accepts(&app.user("eve", &[]).await).get("/encounters").await, 403, "forbidden"),
        (accepts(&ada).get("/encounters?start_date=x").await, 400, "invalid"),
    ] {
        let outcome = reply.json();
        assert_eq!(reply.status.as_u16(), status);
        assert_eq!(reply.header("content-type"), "application/fhir+json");
        assert_eq!(outcome["resourceType"], "OperationOutcome");
        assert_eq!(outcome["issue"][0]["code"], code);
    }
    for accept in ["application/json", "*/*", "text/html", "application/fhir+json;q=0"] {
        let reply = ada.header("accept", accept).get("/encounters").await;
        assert_eq!(reply.header("content-type"), "application/json", "{accept}");
    }
    let both = ada.header("accept", "application/json;q=0.5, application/fhir+json");
    assert_eq!(both.get("/encounters").await.header("content-type"), "application/fhir+json");
}
