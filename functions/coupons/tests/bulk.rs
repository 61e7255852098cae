//! Import and export.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use serde_json::{Value, json};
use shared::auth::Scope;
use shared::store::Table;
use shared::testing::{Client, Fault, TestApp};

use common::{app, json_merge, numbered, save10, with};

/// Twenty coupons: three with their dates the wrong way round, several that share a code.
fn twenty() -> Vec<Value> {
    let coupon = |number: usize| {
        let mut coupon = numbered(number);
        let code = format!("CODE{}", number % 6);
        json_merge(&mut coupon, &json!({"couponcode": code}));
        if number % 7 == 3 {
            json_merge(&mut coupon, &json!({"expire_at": "2019-01-01T00:00:00Z"}));
        }
        coupon
    };
    (0..20).map(coupon).collect()
}

async fn import(caller: &Client, items: &[Value]) -> Value {
    let imported = caller.post("/coupons/import", &json!({"items": items})).await;
    assert_eq!(imported.status, 200, "{}", imported.json());
    imported.json()
}

async fn exported(caller: &Client) -> String {
    let mut lines = String::new();
    for page in caller.pages("/coupons/export?limit=7").await {
        assert_eq!(page.header("content-type"), "application/x-ndjson");
        lines += &String::from_utf8_lossy(&page.bytes);
    }
    lines
}

fn rows(export: &str) -> Vec<Value> {
    export.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

async fn listed(app: &TestApp, query: &str) -> usize {
    let list = app.anon().get(&format!("/coupons?limit=100&{query}")).await;
    list.json()["items"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn a_file_goes_in_once_and_comes_out_the_same() {
    let (app, ada) = app().await;
    assert_eq!(
        import(&ada, &twenty()).await,
        json!({"imported": 20, "unchanged": 0, "failed": []})
    );
    assert_eq!((listed(&app, "status=valid").await, listed(&app, "status=invalid").await), (17, 3));
    assert_eq!(app.audit("coupons").await.len(), 20);
    assert_eq!(
        import(&ada, &twenty()).await,
        json!({"imported": 0, "unchanged": 20, "failed": []})
    );
    assert_eq!(app.audit("coupons").await.len(), 20);
    let export = exported(&ada).await;
    let titles: Vec<_> = rows(&export).iter().map(|row| row["title"].clone()).collect();
    assert_eq!(titles, (0..20).map(|number| json!(format!("Coupon {number}"))).collect::<Vec<_>>());

    let (other, bob) = common::app().await;
    assert_eq!(import(&bob, &rows(&export)).await["imported"], 20);
    assert_eq!(exported(&bob).await, export);
    assert_eq!(
        import(&ada, &rows(&export)).await,
        json!({"imported": 0, "unchanged": 20, "failed": []})
    );
    drop(other);
}

#[tokio::test]
async fn a_dry_run_counts_and_writes_nothing() {
    let (app, ada) = app().await;
    ada.post("/coupons", &numbered(3)).await;
    let body = json!({"items": (0..5).map(numbered).collect::<Vec<_>>(), "dry_run": true});
    let counted = json!({"imported": 4, "unchanged": 1, "failed": []});
    assert_eq!(ada.key("k").post("/coupons/import", &body).await.json(), counted);
    assert_eq!(ada.key("k").post("/coupons/import", &body).await.json(), counted);
    assert_eq!((listed(&app, "").await, app.audit("coupons").await.len()), (1, 1));
}

#[tokio::test]
async fn a_bad_row_stops_no_other_and_every_one_is_named() {
    let (app, ada) = app().await;
    let items = json!([
        numbered(0),
        with("title", json!(7)),
        "no object",
        numbered(1),
        with("store", json!({"lat": 100, "long": 200})),
        with("surprise", json!(1)),
        numbered(0),
    ]);
    let imported = ada.post("/coupons/import", &json!({"items": items})).await.json();
    assert_eq!((&imported["imported"], &imported["unchanged"]), (&json!(2), &json!(1)));
    let failed: Vec<_> = imported["failed"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| {
            let pointers = row["errors"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|error| error["pointer"].clone());
            (row["index"].clone(), pointers.collect::<Vec<_>>())
        })
        .collect();
    let expected = [
        (json!(1), vec![json!("/title")]),
        (json!(2), vec![json!("")]),
        (json!(4), vec![json!("/store/lat"), json!("/store/long")]),
        (json!(5), vec![json!("")]),
    ];
    assert_eq!(failed, expected);
    assert_eq!(listed(&app, "").await, 2);
}

#[tokio::test]
async fn a_hundred_errors_are_listed_and_every_failed_row_is_named() {
    let (_app, ada) = app().await;
    let items = vec![json!({"couponcode": 1}); 150];
    let imported = import(&ada, &items).await;
    let failed = imported["failed"].as_array().cloned().unwrap_or_default();
    let errors: usize =
        failed.iter().filter_map(|row| row["errors"].as_array().map(Vec::len)).sum();
    assert_eq!((failed.len(), errors, &imported["errors_truncated"]), (150, 100, &json!(true)));
}

#[tokio::test]
async fn what_is_no_import_is_refused_whole() {
    let (_app, ada) = app().await;
    for (body, wrong) in [
        (json!({}), "/items required"),
        (json!({"items": {}}), "/items wrong_type"),
        (json!({"items": vec![json!({}); 1_001]}), "/items too_long"),
        (json!({"items": [], "dry_run": 1}), "/dry_run wrong_type"),
        (json!({"items": [], "force": true}), " unknown_field"),
        (json!([]), " wrong_type"),
    ] {
        assert_eq!(ada.post("/coupons/import", &body).await.wrong(), [wrong]);
    }
    assert_eq!(import(&ada, &[]).await, json!({"imported": 0, "unchanged": 0, "failed": []}));
}

#[tokio::test]
async fn equal_rows_are_equal_however_they_are_written() {
    let (_app, ada) = app().await;
    let same = |amount: &str, at: &str| {
        let mut coupon = save10();
        json_merge(&mut coupon, &json!({"min_order_amount": amount, "published_at": at}));
        coupon
    };
    let items = [
        same("5.00", "2020-01-01T00:00:00.000Z"),
        same("5", "2020-01-01T00:00:00Z"),
        same("5.0", "2020-01-01T01:00:00+01:00"),
    ];
    assert_eq!(import(&ada, &items).await, json!({"imported": 1, "unchanged": 2, "failed": []}));
    assert_eq!(import(&ada, &items[1..]).await["unchanged"], 2);
}

#[tokio::test]
async fn of_equal_coupons_the_oldest_is_exported_once() {
    let (_app, ada) = app().await;
    for _ in 0..3 {
        ada.post("/coupons", &numbered(1)).await;
    }
    let other = ada.post("/coupons", &numbered(2)).await;
    assert_eq!(rows(&exported(&ada).await).len(), 2);
    // What was unlike becomes equal, and what is deleted no longer counts.
    ada.put(other.header("location"), &numbered(1)).await;
    assert_eq!(rows(&exported(&ada).await).len(), 1);
    for coupon in ada.get("/coupons").await.json()["items"].as_array().into_iter().flatten() {
        ada.delete(&format!("/coupons/{}", coupon["id"].as_str().unwrap_or_default())).await;
    }
    assert_eq!(exported(&ada).await, "");
    assert_eq!(import(&ada, &[numbered(1)]).await["imported"], 1);
}

#[tokio::test]
async fn two_imports_at_once_import_each_row_once() {
    let (app, ada) = app().await;
    let rows: Vec<_> = (0..90).map(numbered).collect();
    let twice = [ada.clone(), ada.clone()].map(|ada| {
        let rows = rows.clone();
        tokio::spawn(async move { import(&ada, &rows).await })
    });
    let mut imported = 0;
    for answer in twice {
        let answer = answer.await.unwrap_or_default();
        assert_eq!(
            answer["imported"].as_u64().zip(answer["unchanged"].as_u64()).map(|(i, u)| i + u),
            Some(90)
        );
        imported += answer["imported"].as_u64().unwrap_or_default();
    }
    assert_eq!((imported, listed(&app, "").await), (90, 90));
    assert_eq!(app.audit("coupons").await.len(), 90);
}

#[tokio::test]
async fn a_keyed_import_that_broke_off_goes_on_and_counts_as_if_it_had_not() {
    let (app, ada) = app().await;
    let body = json!({"items": (0..90).map(numbered).collect::<Vec<_>>()});
    let ada = ada.key("import-1");
    // The third transaction and every one after it fail for good.
    for _ in 0..2 {
        app.faults.next("TransactWriteItems", Fault::Delay(std::time::Duration::ZERO));
    }
    for _ in 0..40 {
        app.faults.next("TransactWriteItems", Fault::ServerError);
    }
    assert_eq!(ada.post("/coupons/import", &body).await.problem(), "503 storage_unavailable");
    app.faults.stop();
    let begun = listed(&app, "").await;
    assert!((20..90).contains(&begun), "{begun}");
    let whole = json!({"imported": 90, "unchanged": 0, "failed": []});
    let done = ada.post("/coupons/import", &body).await;
    assert_eq!((done.json(), done.header("idempotency-replayed")), (whole.clone(), ""));
    let again = ada.post("/coupons/import", &body).await;
    assert_eq!((again.json(), again.header("idempotency-replayed")), (whole, "true"));
    assert_eq!(
        ada.post("/coupons/import", &json!({"items": []})).await.problem(),
        "422 idempotency_key_reused"
    );
    assert_eq!(app.audit("coupons").await.len(), 90);
    let order: Vec<_> = rows(&exported(&app.user("eve", &[Scope::CouponsWrite]).await).await);
    assert_eq!(order.first().map(|row| row["title"].clone()), Some(json!("Coupon 0")));
    assert_eq!(order.last().map(|row| row["title"].clone()), Some(json!("Coupon 89")));
}

#[tokio::test]
async fn no_row_is_there_without_its_entry_whatever_breaks() {
    let (app, ada) = app().await;
    app.faults.at_random(11, 0.3);
    for _ in 0..6 {
        let rows: Vec<_> = (0..60).map(numbered).collect();
        ada.post("/coupons/import", &json!({"items": rows})).await;
    }
    app.faults.stop();
    let coupons = app.items(Table::Coupons).await;
    let coupons = coupons.iter().filter(|item| item.contains_key("couponcode")).count();
    assert_eq!(coupons, app.audit("coupons").await.len());
    assert!(coupons > 0);
}
