//! What becomes of entries and seals behind the API's back.
#![allow(clippy::indexing_slicing, clippy::expect_used, reason = "a test may fail")]

mod common;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::audit::StoredEntry;
use shared::store::{Item, ItemKey, Table};
use shared::testing::{Client, TestApp};
use uuid::Uuid;

use common::{app, items, read, verification};

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
