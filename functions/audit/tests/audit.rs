//! The audit as a reader sees it, and what becomes of it behind the API's back.
#![allow(clippy::indexing_slicing, clippy::expect_used, reason = "a test may fail")]

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::audit::StoredEntry;
use shared::auth::Scope;
use shared::store::{Item, ItemKey, Table};
use shared::testing::{Client, TestApp};
use uuid::Uuid;

const OTHER: Uuid = Uuid::from_u128(0x019b_0000_0000_7000_8000_0000_0000_0099);

async fn app() -> (TestApp, Client) {
    let app = TestApp::start(&[audit::FUNCTION, encounters::FUNCTION, coupons::FUNCTION]).await;
    let scopes =
        [Scope::AuditRead, Scope::EncountersRead, Scope::EncountersWrite, Scope::CouponsWrite];
    let ada = app.user("ada", &scopes).await;
    (app, ada)
}

fn visit(patient: &str) -> Value {
    json!({
        "patient_id": patient, "provider_id": "q", "encounter_date": "2024-02-29",
        "encounter_type": "follow_up", "clinical_data": null,
    })
}

/// A record that was read so many times: its id.
async fn read(ada: &Client, times: usize) -> String {
    let path = ada.post("/encounters", &visit("p")).await.header("location").to_owned();
    for _ in 0..times {
        assert_eq!(ada.get(&path).await.status, 200);
    }
    path.trim_start_matches("/encounters/").to_owned()
}

async fn items(ada: &Client, path: &str) -> Vec<Value> {
    let reply = ada.get(path).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
    reply.json()["items"].as_array().cloned().unwrap_or_default()
}

async fn verification(ada: &Client, id: &str) -> Value {
    let reply = ada.get(&format!("/audit/encounters/{id}/verification")).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
    reply.json()
}

#[tokio::test]
async fn an_entry_is_shown_at_once_and_has_its_place_once_it_is_sealed() {
    let (app, ada) = app().await;
    let id = read(&ada, 2).await;
    let before = items(&ada, &format!("/audit/encounters?item_id={id}")).await;
    assert_eq!(before.len(), 3);
    assert_eq!(before[0].get("sequence"), None);
    let pending = verification(&ada, &id).await;
    assert_eq!((&pending["verified"], &pending["pending"]), (&json!(true), &json!(3)));
    assert!(app.drain(&audit::SEAL).await > 0);
    let after = items(&ada, &format!("/audit/encounters?item_id={id}")).await;
    let sequences: Vec<_> = after.iter().map(|entry| entry["sequence"].clone()).collect();
    assert_eq!(sequences, [1, 2, 3]);
    for pair in after.windows(2) {
        assert_eq!(pair[1]["previous_hash"], pair[0]["hash"]);
    }
    for (shown, sealed) in before.iter().zip(&after) {
        let mut sealed = sealed.clone();
        for name in ["sequence", "previous_hash", "hash"] {
            sealed.as_object_mut().map(|entry| entry.remove(name));
        }
        assert_eq!(*shown, sealed);
    }
    let first = &after[0];
    for (name, value) in [
        ("username", json!("ada")),
        ("service", Value::Null),
        ("item_type", json!("encounters")),
        ("item_id", json!(id)),
        ("access_type", json!("create")),
        ("outcome", json!("success")),
    ] {
        assert_eq!(first[name], value, "{name}");
    }
    let verified = verification(&ada, &id).await;
    assert_eq!(
        verified,
        json!({
            "verified": true, "entries": 3, "sealed": 3, "pending": 0,
            "head_hash": after[2]["hash"], "first_bad_sequence": null,
        })
    );
}

#[tokio::test]
async fn entries_are_found_by_item_patient_user_access_and_time_oldest_first() {
    let (app, ada) = app().await;
    let scopes = [Scope::EncountersRead];
    let bob = app.user("Bob", &scopes).await;
    let one = ada.post("/encounters", &visit("one")).await.header("location").to_owned();
    let two = ada.post("/encounters", &visit("two")).await.header("location").to_owned();
    for path in [&one, &two, &one] {
        bob.get(path).await;
    }
    let all = items(&ada, "/audit/encounters").await;
    let ids: Vec<_> = all.iter().map(|entry| entry["id"].to_string()).collect();
    assert!(ids.is_sorted() && ids.len() == 5, "{ids:?}");
    let time = |at: usize| all[at]["timestamp_epoch_ms"].as_i64().unwrap_or_default();
    for (query, count) in [
        ("username=bob".to_owned(), 3),
        ("access_type=create".to_owned(), 2),
        ("access_type=delete".to_owned(), 0),
        ("patient_id=one".to_owned(), 3),
        ("patient_id=one&username=ada".to_owned(), 1),
        ("patient_id=three".to_owned(), 0),
        (format!("start_ms={}&end_ms={}", time(0), time(4)), 5),
        (format!("start_ms={}", time(4) + 1), 0),
        (format!("end_ms={}", time(0) - 1), 0),
        (format!("item_id={}", one.trim_start_matches("/encounters/")), 3),
    ] {
        let found = items(&ada, &format!("/audit/encounters?{query}")).await;
        assert_eq!(found.len(), count, "{query}");
    }
    let search = json!({"patient_id": "one", "start_ms": time(0), "limit": 2});
    let searched = ada.post("/audit/encounters/search", &search).await.json();
    assert_eq!(searched["items"].as_array().map(Vec::len), Some(2));
    let rest = json!({"patient_id": "one", "start_ms": time(0), "cursor": searched["next_cursor"]});
    let rest = ada.post("/audit/encounters/search", &rest).await.json();
    assert_eq!(rest["items"].as_array().map(Vec::len), Some(1));
    assert!(rest["next_cursor"].is_null());
}

#[tokio::test]
async fn bad_questions_are_refused_and_no_other_type_is_known() {
    let (_app, ada) = app().await;
    for (query, wrong) in [
        ("start_ms=x", "start_ms invalid_value"),
        ("end_ms=-1", "end_ms invalid_value"),
        ("start_ms=99999999999999999999", "start_ms out_of_range"),
        ("start_ms=2&end_ms=1", "end_ms invalid_value"),
        ("item_id=1", "item_id invalid_value"),
        ("access_type=write", "access_type invalid_value"),
        ("colour=red", " unknown_parameter"),
    ] {
        assert_eq!(ada.get(&format!("/audit/encounters?{query}")).await.wrong(), [wrong]);
    }
    assert_eq!(ada.get("/audit/coupons?patient_id=x").await.wrong(), [" unknown_parameter"]);
    for path in ["/audit/audits", "/audit/secrets", "/audit/encounters/1/verification"] {
        assert_eq!(ada.get(path).await.problem(), "404 not_found", "{path}");
    }
    let nothing = format!("/audit/coupons/{OTHER}/verification");
    assert_eq!(ada.get(&nothing).await.problem(), "404 not_found");
}

#[tokio::test]
async fn entries_of_encounters_are_their_location_s_and_those_of_coupons_everybody_s() {
    let (app, ada) = app().await;
    let id = read(&ada, 1).await;
    let coupon = json!({
        "couponcode": "A", "title": "A", "merchant": "A",
        "published_at": "2020-01-01T00:00:00Z", "expire_at": "2030-01-01T00:00:00Z",
    });
    ada.post("/coupons", &coupon).await;
    let (key, bob) = app.user_key_and_id("bob", &[Scope::AuditRead]).await;
    app.set(Table::Users, &format!("user#{bob}"), "user", "location_ids", json!([OTHER])).await;
    let bob = app.with_key(&key);
    assert!(items(&bob, "/audit/encounters").await.is_empty());
    assert!(items(&bob, &format!("/audit/encounters?item_id={id}")).await.is_empty());
    assert!(items(&bob, "/audit/encounters?patient_id=p").await.is_empty());
    assert_eq!(items(&bob, "/audit/coupons").await.len(), 1);
    let verification = format!("/audit/encounters/{id}/verification");
    assert_eq!(bob.get(&verification).await.problem(), "404 not_found");
}

#[tokio::test]
async fn every_read_of_the_audit_is_entered_before_it_is_answered() {
    let (app, ada) = app().await;
    let id = read(&ada, 0).await;
    items(&ada, "/audit/encounters").await;
    verification(&ada, &id).await;
    ada.post("/audit/encounters/search", &json!({})).await;
    assert_eq!(app.audit("audits").await, ["ada read audits []"; 3]);
}

/// The rows of an item's entries, oldest first.
async fn rows(app: &TestApp, id: &str) -> Vec<Item> {
    let mut rows = app.items(Table::Audit).await;
    rows.retain(|row| row["pk"].as_s().is_ok_and(|pk| *pk == format!("encounters#{id}")));
    rows.sort_by_key(|row| row["sk"].as_s().cloned().unwrap_or_default());
    rows
}

fn key(row: &Item) -> ItemKey {
    let text = |name: &str| row[name].as_s().cloned().unwrap_or_default();
    ItemKey::new(text("pk"), text("sk"))
}

async fn remove(app: &TestApp, table: Table, key: &ItemKey) {
    let delete = app.dynamodb().delete_item().table_name(app.table(table));
    delete.set_key(Some(key.attributes())).send().await.expect("a deletion");
}

async fn first_bad(ada: &Client, id: &str) -> Value {
    let verified = verification(ada, id).await;
    assert_eq!(verified["verified"], json!(verified["first_bad_sequence"].is_null()));
    verified["first_bad_sequence"].clone()
}

#[tokio::test]
async fn whatever_is_done_to_an_entry_behind_the_api_s_back_is_found() {
    for attribute in ["username", "access_type", "outcome", "hmac", "sneaked_in", "listed_in"] {
        let (app, ada) = app().await;
        let id = read(&ada, 4).await;
        app.drain(&audit::SEAL).await;
        assert!(first_bad(&ada, &id).await.is_null());
        let ItemKey { pk, sk } = key(&rows(&app, &id).await[2]);
        app.set(Table::Audit, &pk, &sk, attribute, "x").await;
        assert_eq!(first_bad(&ada, &id).await, 3, "{attribute}");
        // The worker is told, and goes on sealing.
        app.drain(&audit::SEAL).await;
        assert_eq!(first_bad(&ada, &id).await, 3, "{attribute}");
    }
}

#[tokio::test]
async fn a_removed_entry_is_missed_wherever_it_stood() {
    for (at, bad) in [(0, 1), (2, 3), (4, 5)] {
        let (app, ada) = app().await;
        let id = read(&ada, 4).await;
        app.drain(&audit::SEAL).await;
        remove(&app, Table::Audit, &key(&rows(&app, &id).await[at])).await;
        assert_eq!(first_bad(&ada, &id).await, bad);
        let verified = verification(&ada, &id).await;
        assert_eq!((&verified["entries"], &verified["sealed"]), (&json!(4), &json!(5)));
        assert_eq!(verified["pending"], 0);
    }
}

#[tokio::test]
async fn an_entry_put_by_someone_without_the_secret_is_listed_sealed_and_bad() {
    let (app, ada) = app().await;
    let id = read(&ada, 2).await;
    app.drain(&audit::SEAL).await;
    let genuine = rows(&app, &id).await.remove(1);
    let mut forged: StoredEntry = serde_dynamo::from_item(genuine).expect("an entry");
    forged.entry.id = Uuid::now_v7();
    forged.sk = forged.entry.id.to_string();
    "mallory".clone_into(&mut forged.entry.username);
    let item: Item = serde_dynamo::to_item(&forged).expect("an item");
    app.put(Table::Audit, Item::new(), item).await;
    read(&ada, 0).await;
    app.drain(&audit::SEAL).await;
    let listed = items(&ada, &format!("/audit/encounters?item_id={id}")).await;
    assert_eq!((&listed[3]["username"], &listed[3]["sequence"]), (&json!("mallory"), &json!(4)));
    assert_eq!(first_bad(&ada, &id).await, 4);
}

#[tokio::test]
async fn a_forged_entry_holds_up_no_sealing_whatever_its_key() {
    let (app, ada) = app().await;
    let id = read(&ada, 1).await;
    app.drain(&audit::SEAL).await;
    let pk = format!("encounters#{id}");
    for sk in ["HEAD".to_owned(), "forged#HEAD".to_owned(), "x".repeat(1_024)] {
        let key = ItemKey::new(pk.clone(), sk);
        let forged = Item::from([
            ("pk".to_owned(), AttributeValue::S(key.pk)),
            ("sk".to_owned(), AttributeValue::S(key.sk.into_owned())),
        ]);
        app.put(Table::Audit, Item::new(), forged).await;
    }
    let other = read(&ada, 1).await;
    app.drain(&audit::SEAL).await;
    assert_eq!(first_bad(&ada, &id).await, 3);
    let verified = verification(&ada, &id).await;
    assert_eq!((&verified["sealed"], &verified["pending"]), (&json!(5), &json!(0)));
    assert!(first_bad(&ada, &other).await.is_null());
    let listed = items(&ada, &format!("/audit/encounters?item_id={id}")).await;
    let mut sequences: Vec<_> = listed.iter().filter_map(|of| of["sequence"].as_u64()).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn seals_that_are_taken_away_or_changed_are_found() {
    let (app, ada) = app().await;
    let id = read(&ada, 4).await;
    app.drain(&audit::SEAL).await;
    let second = key(&rows(&app, &id).await[1]);
    let hash = items(&ada, &format!("/audit/encounters?item_id={id}")).await[1]["hash"].clone();
    app.set(Table::Seals, &second.pk, &second.sk, "hash", "0".repeat(64)).await;
    assert_eq!(first_bad(&ada, &id).await, 2);
    app.set(Table::Seals, &second.pk, &second.sk, "hash", hash).await;
    assert!(first_bad(&ada, &id).await.is_null());
    remove(&app, Table::Seals, &second).await;
    assert_eq!(first_bad(&ada, &id).await, 2);
    let (app, ada) = self::app().await;
    let id = read(&ada, 4).await;
    app.drain(&audit::SEAL).await;
    remove(&app, Table::Seals, &ItemKey::new(format!("encounters#{id}"), "HEAD")).await;
    assert_eq!(first_bad(&ada, &id).await, 1);
}

#[tokio::test]
async fn a_row_of_the_seals_that_cannot_be_read_is_a_fault_of_its_chain_alone() {
    let (app, ada) = app().await;
    let (id, other) = (read(&ada, 2).await, read(&ada, 2).await);
    app.drain(&audit::SEAL).await;
    let third = key(&rows(&app, &id).await[2]);
    app.set(Table::Seals, &third.pk, &third.sk, "sequence", "three").await;
    assert_eq!(first_bad(&ada, &id).await, 3);
    app.set(Table::Seals, &third.pk, "HEAD", "version", "three").await;
    assert_eq!(first_bad(&ada, &id).await, 1);
    let mut items = Vec::new();
    audit::verify_all(app.direct().store(), |item, part| {
        items.push((item.to_owned(), part.verified));
    })
    .await
    .expect("a walk");
    assert!(items.contains(&(format!("encounters#{id}"), false)), "{items:?}");
    assert!(items.contains(&(format!("encounters#{other}"), true)), "{items:?}");
}

#[tokio::test]
async fn a_row_that_says_nothing_of_itself_is_listed_with_its_item() {
    let (app, ada) = app().await;
    let id = read(&ada, 0).await;
    let texts = [("pk", format!("encounters#{id}")), ("sk", "zzz".to_owned())];
    let row = texts.map(|(name, text)| (name.to_owned(), AttributeValue::S(text)));
    app.put(Table::Audit, Item::new(), row.into()).await;
    app.drain(&audit::SEAL).await;
    let listed = items(&ada, &format!("/audit/encounters?item_id={id}")).await;
    assert_eq!((listed.len(), &listed[1]["sequence"]), (2, &json!(2)));
    assert_eq!(first_bad(&ada, &id).await, 2);
}

#[tokio::test]
async fn when_everything_of_an_item_is_removed_its_seals_still_tell() {
    let (app, ada) = app().await;
    let id = read(&ada, 2).await;
    app.drain(&audit::SEAL).await;
    for row in rows(&app, &id).await {
        remove(&app, Table::Audit, &key(&row)).await;
    }
    assert_eq!(first_bad(&ada, &id).await, 1);
    let mut bad = Vec::new();
    audit::verify_all(app.direct().store(), |item, part| {
        bad.extend(part.bad.iter().map(|fault| (item.to_owned(), fault.sequence)));
    })
    .await
    .expect("a walk");
    let item = format!("encounters#{id}");
    assert_eq!(bad, [(item.clone(), 1), (item.clone(), 2), (item, 3)]);
}

#[tokio::test]
async fn nothing_is_found_where_nothing_was_done() {
    let (app, ada) = app().await;
    read(&ada, 7).await;
    app.drain(&audit::SEAL).await;
    read(&ada, 3).await;
    let (mut entries, mut pending) = (0, 0);
    audit::verify_all(app.direct().store(), |item, part| {
        assert!(part.verified, "{item}: {:?}", part.bad);
        entries += part.entries;
        pending += part.pending;
    })
    .await
    .expect("a walk");
    assert_eq!((entries, pending), (12, 4));
}

#[tokio::test]
async fn a_long_chain_is_verified_in_parts_that_fit_together() {
    let (app, ada) = app().await;
    let id = read(&ada, 11).await;
    app.drain(&audit::SEAL).await;
    let pk = format!("encounters#{id}");
    let parts = async || {
        let (mut from, mut found) = (1, Vec::new());
        loop {
            let part = audit::verify_part(app.direct().store(), &pk, from, 5).await;
            let part = part.expect("a walk").expect("a chain");
            found.push((from, part.first_bad_sequence));
            match part.next_sequence {
                Some(next) => from = next,
                None => return found,
            }
        }
    };
    assert_eq!(parts().await, [(1, None), (6, None), (11, None)]);
    let seventh = key(&rows(&app, &id).await[6]);
    app.set(Table::Seals, &seventh.pk, &seventh.sk, "hash", "another").await;
    assert_eq!(parts().await, [(1, None), (6, Some(7)), (11, None)]);
}

#[tokio::test]
async fn an_attribute_of_any_kind_hinders_no_list() {
    let (app, ada) = app().await;
    let id = read(&ada, 0).await;
    let mut row = rows(&app, &id).await.remove(0);
    row.insert("sk".to_owned(), AttributeValue::S(Uuid::now_v7().to_string()));
    row.insert("username".to_owned(), AttributeValue::B(b"\xff".to_vec().into()));
    row.insert("timestamp_epoch_ms".to_owned(), AttributeValue::N("1e125".to_owned()));
    app.put(Table::Audit, Item::new(), row).await;
    app.drain(&audit::SEAL).await;
    assert_eq!(items(&ada, "/audit/encounters").await.len(), 2);
    assert_eq!(first_bad(&ada, &id).await, 2);
}
