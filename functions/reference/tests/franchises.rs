//! Franchises: import, search, list.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use std::time::Duration;

use serde_json::{Value, json};
use shared::auth::Scope;
use shared::store::Table;
use shared::testing::{Client, Fault};

use common::{app, column, every_page, franchise, import};

async fn found(caller: &Client, q: &str) -> Vec<String> {
    column(&every_page(caller, &format!("/franchises?q={q}&limit=3")).await, "franchise_id")
}

fn chain() -> Vec<Value> {
    vec![
        franchise("BK-1", "Burger King"),
        franchise("MC-1", "McDonald's"),
        franchise("SE-7", "7-Eleven"),
        franchise("CC-14", "Corner Café & Crêperie"),
        franchise("KB-2", "King of Burgers"),
    ]
}

#[tokio::test]
async fn a_file_goes_in_once_and_each_row_leaves_an_entry() {
    let (app, ada) = app().await;
    assert_eq!(import(&ada, &chain()).await, json!({"imported": 5, "unchanged": 0, "failed": []}));
    assert_eq!(import(&ada, &chain()).await, json!({"imported": 0, "unchanged": 5, "failed": []}));
    assert_eq!(
        app.audit("franchises").await,
        ["ada create franchises [franchise_id name status]"; 5]
    );
    let one = ada.get("/franchises/CC-14").await.json();
    assert_eq!(
        (&one["franchise_id"], &one["name"], &one["status"]),
        (&json!("CC-14"), &json!("Corner Café & Crêperie"), &json!("active"))
    );
    for id in ["cc-14", "CC-15", "C.C", &"x".repeat(33)] {
        assert_eq!(ada.get(&format!("/franchises/{id}")).await.problem(), "404 not_found", "{id}");
    }
    // Newest first: the last of a file is the newest.
    let list = column(&every_page(&ada, "/franchises?limit=2").await, "franchise_id");
    assert_eq!(list, ["KB-2", "CC-14", "SE-7", "MC-1", "BK-1"]);
}

#[tokio::test]
async fn a_franchise_is_found_by_the_beginnings_of_its_words_and_by_its_id() {
    let (_app, ada) = app().await;
    import(&ada, &chain()).await;
    import(&ada, &[franchise("-X-1-", "!")]).await;
    for (q, ids) in [
        ("king", vec!["KB-2", "BK-1"]),
        ("BURG", vec!["KB-2", "BK-1"]),
        ("burger+king", vec!["KB-2", "BK-1"]),
        ("burgers+king", vec!["KB-2"]),
        ("k+b+o", vec!["KB-2"]),
        ("cafe", vec!["CC-14"]),
        ("CR%C3%8APE", vec!["CC-14"]),
        ("mcdonalds", vec!["MC-1"]),
        ("mcdonald%27s", vec!["MC-1"]),
        ("eleven", vec!["SE-7"]),
        ("7-el", vec!["SE-7"]),
        ("cc-14", vec!["CC-14"]),
        ("CC-1", vec!["CC-14"]),
        ("cc", vec!["CC-14"]),
        ("corner+cc-1", vec!["CC-14"]),
        ("-x-1-", vec!["-X-1-"]),
        ("14", vec![]),
        ("onald", vec![]),
        ("burger+queen", vec![]),
        ("%26", vec![]),
    ] {
        assert_eq!(found(&ada, q).await, ids, "{q}");
    }
}

#[tokio::test]
async fn a_franchise_of_several_words_that_begin_alike_comes_once() {
    let (_app, ada) = app().await;
    let rows: Vec<_> = (0..7)
        .map(|number| franchise(&format!("burn-{number}"), &format!("Burger Burrito Bun {number}")))
        .collect();
    import(&ada, &rows).await;
    for q in ["bur", "b", "bu", "burger+burr"] {
        let mut ids = found(&ada, q).await;
        ids.sort();
        assert_eq!(ids, (0..7).map(|number| format!("burn-{number}")).collect::<Vec<_>>(), "{q}");
    }
}

#[tokio::test]
async fn a_changed_name_is_found_and_the_old_one_is_not() {
    let (app, ada) = app().await;
    import(&ada, &chain()).await;
    let words = app.items(Table::Franchises).await.len();
    let mut renamed = franchise("BK-1", "Hungry Jack's");
    assert_eq!(import(&ada, &[renamed.clone()]).await["imported"], 1);
    assert_eq!(found(&ada, "burger").await, ["KB-2"]);
    assert_eq!(found(&ada, "hungry").await, ["BK-1"]);
    renamed["status"] = json!("inactive");
    assert_eq!(import(&ada, &[renamed.clone()]).await["imported"], 1);
    let found = ada.get("/franchises?q=jacks").await.json();
    assert_eq!(found["items"][0]["status"], "inactive");
    renamed["name"] = json!("Burger King");
    renamed["status"] = json!("active");
    import(&ada, &[renamed]).await;
    assert_eq!(app.items(Table::Franchises).await.len(), words, "no word row is left behind");
    assert_eq!(
        app.audit("franchises").await[5..],
        [
            "ada update franchises [name]",
            "ada update franchises [status]",
            "ada update franchises [name status]",
        ]
    );
    let ids: std::collections::HashSet<_> = app
        .entries()
        .await
        .iter()
        .filter_map(|stored| Some(stored.entry.item_id?.to_string()))
        .collect();
    assert_eq!(ids.len(), 5, "the entries of one franchise share its id");
    let id = ada.get("/franchises/BK-1").await.json()["id"].as_str().unwrap_or_default().to_owned();
    assert!(ids.contains(&id));
}

#[tokio::test]
async fn a_franchise_that_is_renamed_while_a_list_is_read_does_not_come_again() {
    let (_app, ada) = app().await;
    let names = ["Batter", "Bakery", "Bazaar", "Bar", "Basket"];
    let rows: Vec<_> =
        names.iter().enumerate().map(|(id, name)| franchise(&id.to_string(), name)).collect();
    import(&ada, &rows).await;
    // The first moves before the list begins, and takes part in it.
    import(&ada, &[franchise("0", "Bagel")]).await;
    let first = ada.get("/franchises?q=ba&limit=2").await;
    let mut closed = franchise("3", "Bar");
    closed["status"] = json!("inactive");
    // One with another name keeps its place where the word that is found is the same.
    import(&ada, &[franchise("2", "Bagpipe"), franchise("1", "Bakery Two"), closed]).await;
    // A later change of something else doesn't make it new to the list, nor does another name.
    import(&ada, &[franchise("2", "Bagpipe Two")]).await;
    let mut closed = franchise("2", "Bagpipe Two");
    closed["status"] = json!("inactive");
    import(&ada, &[closed]).await;
    let next = first.next_path().unwrap_or_default();
    let rest = ada.get(&next.replace("limit=2", "limit=100")).await.json();
    let items = rest["items"].as_array().cloned().unwrap_or_default();
    assert_eq!(column(&items, "franchise_id"), ["3", "1", "0"]);
}

#[tokio::test]
async fn many_renamed_at_once_are_all_found_by_their_new_names_alone() {
    let (_app, ada) = app().await;
    // As many old words as a transaction has no room to take away with all else.
    let wordy = |prefix: &str, count: usize, id: usize| {
        let words: Vec<_> = (0..count).map(|word| format!("{prefix}{word:02}")).collect();
        franchise(&format!("W-{id}"), &words.join(" "))
    };
    let old: Vec<_> = (0..12).map(|id| wordy("old", 38, id)).collect();
    let new: Vec<_> = (0..12).map(|id| franchise(&format!("W-{id}"), "New, once old")).collect();
    assert_eq!(import(&ada, &old).await["imported"], 12);
    assert_eq!(import(&ada, &new).await["imported"], 12);
    assert!(found(&ada, "old0").await.is_empty() && found(&ada, "old37").await.is_empty());
    for q in ["new", "old", "o"] {
        assert_eq!(found(&ada, q).await.len(), 12, "{q}");
    }
}

#[tokio::test]
async fn a_bad_row_stops_no_other_and_every_one_is_named() {
    let (_app, ada) = app().await;
    let with = |name: &str, value: Value| {
        let mut row = franchise("A-1", "A");
        row[name] = value;
        row
    };
    let rows = [
        franchise("A-1", "A"),
        with("franchise_id", json!("a b")),
        with("franchise_id", json!("")),
        with("franchise_id", json!("x".repeat(33))),
        with("franchise_id", json!(7)),
        with("name", json!("x".repeat(257))),
        with("name", json!("a\nb")),
        with("status", json!("closed")),
        with("status", Value::Null),
        with("surprise", json!(1)),
        json!([]),
        franchise("A-1", "A"),
        franchise("A-1", "B"),
        franchise("A-2", &"é".repeat(256)),
    ];
    let imported = import(&ada, &rows).await;
    assert_eq!((&imported["imported"], &imported["unchanged"]), (&json!(2), &json!(1)));
    let failed: Vec<_> = imported["failed"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| {
            let error = &row["errors"][0];
            format!(
                "{} {} {}",
                row["index"],
                error["pointer"].as_str().unwrap_or("?"),
                error["code"].as_str().unwrap_or("?")
            )
        })
        .collect();
    assert_eq!(
        failed,
        [
            "1 /franchise_id invalid_value",
            "2 /franchise_id too_short",
            "3 /franchise_id too_long",
            "4 /franchise_id wrong_type",
            "5 /name too_long",
            "6 /name invalid_value",
            "7 /status invalid_value",
            "8 /status required",
            "9  unknown_field",
            "10  wrong_type",
            "12 /franchise_id invalid_value",
        ]
    );
    assert_eq!(found(&ada, &"e".repeat(100)).await, ["A-2"]);
    // What was read can be sent back.
    let read = ada.get("/franchises/A-1").await.json();
    assert_eq!(import(&ada, &[read]).await["unchanged"], 1);
}

#[tokio::test]
async fn a_dry_run_counts_and_writes_nothing() {
    let (app, ada) = app().await;
    import(&ada, &chain()[..2]).await;
    let stored = app.items(Table::Franchises).await.len();
    let body = json!({"items": chain(), "dry_run": true});
    let counted = ada.post("/franchises/import", &body).await.json();
    assert_eq!(counted, json!({"imported": 3, "unchanged": 2, "failed": []}));
    assert_eq!(app.items(Table::Franchises).await.len(), stored);
}

#[tokio::test]
async fn a_keyed_import_that_broke_off_goes_on_and_counts_as_if_it_had_not() {
    let (app, ada) = app().await;
    let rows: Vec<_> = (0..90)
        .map(|number| franchise(&format!("F-{number}"), &format!("Franchise {number}")))
        .collect();
    let body = json!({"items": rows});
    let ada = ada.key("import-1");
    // The third transaction and every one after it fail for good.
    for _ in 0..2 {
        app.faults.next("TransactWriteItems", Fault::Delay(Duration::ZERO));
    }
    for _ in 0..40 {
        app.faults.next("TransactWriteItems", Fault::ServerError);
    }
    assert_eq!(ada.post("/franchises/import", &body).await.problem(), "503 storage_unavailable");
    app.faults.stop();
    let begun = app.audit("franchises").await.len();
    assert!((1..90).contains(&begun), "{begun}");
    let whole = json!({"imported": 90, "unchanged": 0, "failed": []});
    let done = ada.post("/franchises/import", &body).await;
    assert_eq!((done.json(), done.header("idempotency-replayed")), (whole.clone(), ""));
    let again = ada.post("/franchises/import", &body).await;
    assert_eq!((again.json(), again.header("idempotency-replayed")), (whole, "true"));
    assert_eq!(
        ada.post("/franchises/import", &json!({"items": []})).await.problem(),
        "422 idempotency_key_reused"
    );
    assert_eq!(app.audit("franchises").await.len(), 90);
}

#[tokio::test]
async fn two_imports_at_once_make_each_franchise_once() {
    let (app, ada) = app().await;
    let rows: Vec<_> = (0..60)
        .map(|number| franchise(&format!("F-{number}"), &format!("Franchise {number}")))
        .collect();
    let twice = [ada.clone(), ada.clone()].map(|ada| {
        let rows = rows.clone();
        tokio::spawn(async move { import(&ada, &rows).await })
    });
    let mut imported = 0;
    for answer in twice {
        let answer = answer.await.unwrap_or_default();
        imported += answer["imported"].as_u64().unwrap_or_default();
    }
    assert_eq!((imported, app.audit("franchises").await.len()), (60, 60));
    assert_eq!(every_page(&ada, "/franchises?limit=100").await.len(), 60);
    assert_eq!(every_page(&ada, "/franchises?q=franchise&limit=100").await.len(), 60);
}

#[tokio::test]
async fn the_dataset_s_version_and_tags_change_with_an_import() {
    let (_app, ada) = app().await;
    let empty = ada.get("/franchises").await;
    assert_eq!(empty.json()["dataset"]["version"], "empty");
    import(&ada, &chain()).await;
    let full = ada.header("if-none-match", empty.header("etag")).get("/franchises").await;
    assert_eq!(
        (full.status.as_u16(), full.json()["items"].as_array().map(Vec::len)),
        (200, Some(5))
    );
    assert_ne!(full.json()["dataset"]["version"], "empty");
    // An import of nothing new changes nothing.
    import(&ada, &chain()).await;
    let same = ada.header("if-none-match", full.header("etag")).get("/franchises").await;
    assert_eq!(same.status, 304);
}

#[tokio::test]
async fn reading_needs_a_credential_and_importing_its_scope() {
    let (app, _) = app().await;
    let eve = app.user("eve", &[Scope::PayoffsRead]).await;
    assert_eq!(eve.get("/franchises").await.status, 200);
    assert_eq!(
        eve.post("/franchises/import", &json!({"items": []})).await.problem(),
        "403 forbidden"
    );
    assert_eq!(app.anon().get("/franchises").await.problem(), "401 unauthenticated");
}
