//! Lists: filters, pages and cursors.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use std::collections::HashSet;

use serde_json::{Value, json};
use shared::testing::{Client, Reply};

use common::{app, numbered, stored, with};

/// Follows a list to its end: every item, and how many pages it took.
async fn all(caller: &Client, path: &str) -> (Vec<Value>, usize) {
    let pages = caller.pages(path).await;
    for page in &pages {
        assert_eq!(page.header("link").is_empty(), page.json()["next_cursor"].is_null());
    }
    (pages.iter().flat_map(Reply::items).collect(), pages.len())
}

#[tokio::test]
async fn every_coupon_comes_once_newest_first_whatever_the_pages_size() {
    let (app, _) = stored(130).await;
    for limit in [1, 7, 20, 100] {
        let (items, pages) = all(&app.anon(), &format!("/coupons?limit={limit}")).await;
        let ids: Vec<_> =
            items.iter().map(|item| item["id"].as_str().unwrap_or_default()).collect();
        assert_eq!(ids.len(), 130, "limit {limit}");
        assert!(ids.is_sorted_by(|a, b| a > b), "limit {limit}");
        assert_eq!(pages, 130_usize.div_ceil(limit), "limit {limit}");
    }
    assert_eq!(app.anon().get("/coupons").await.json()["items"].as_array().map(Vec::len), Some(20));
}

#[tokio::test]
async fn the_limit_may_change_from_page_to_page() {
    let (app, _) = stored(30).await;
    let first = app.anon().get("/coupons?limit=5").await.json();
    let cursor = first["next_cursor"].as_str().unwrap_or_default();
    let second = app.anon().get(&format!("/coupons?limit=100&cursor={cursor}")).await.json();
    assert_eq!(second["items"].as_array().map(Vec::len), Some(25));
    assert!(second["next_cursor"].is_null());
}

#[tokio::test]
async fn what_is_there_from_the_first_page_to_the_last_comes_once_while_others_are_written() {
    let (app, ada) = stored(60).await;
    let before: HashSet<_> = all(&app.anon(), "/coupons?limit=100")
        .await
        .0
        .iter()
        .map(|item| item["id"].to_string())
        .collect();
    let mut seen = Vec::new();
    let mut next = "/coupons?limit=7".to_owned();
    for number in 1_000.. {
        let page = app.anon().get(&next).await.json();
        seen.extend(
            page["items"].as_array().into_iter().flatten().map(|item| item["id"].to_string()),
        );
        ada.post("/coupons", &numbered(number)).await;
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("/coupons?limit=7&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 60);
    assert_eq!(seen.into_iter().collect::<HashSet<_>>(), before);
}

#[tokio::test]
async fn filters_take_what_fits_all_of_them() {
    let (app, ada) = app().await;
    for (code, merchant, category, title) in [
        ("A", "Ann & Bob", "food", "1"),
        ("A", "Ann & Bob", "books", "2"),
        ("A", "Zoë", "food", "3"),
        ("B", "Zoë", "food", "4"),
        ("a", "Zoë", "books", "5"),
    ] {
        let mut coupon = with("couponcode", json!(code));
        common::json_merge(
            &mut coupon,
            &json!({"merchant": merchant, "category": category, "title": title}),
        );
        ada.post("/coupons", &coupon).await;
    }
    ada.post("/coupons", &with("category", Value::Null)).await;
    for (query, titles) in [
        ("couponcode=A", "321"),
        ("couponcode=A&category=food", "31"),
        ("couponcode=A&category=food&merchant=Zo%C3%AB", "3"),
        ("merchant=Ann+%26+Bob", "21"),
        ("merchant=Zo%C3%AB&category=food", "43"),
        ("category=books", "52"),
        ("category=food&status=active", "431"),
        ("category=food&status=expired", ""),
        ("couponcode=C", ""),
    ] {
        let (items, _) = all(&app.anon(), &format!("/coupons?{query}&limit=1")).await;
        let found: String = items.iter().filter_map(|item| item["title"].as_str()).collect();
        assert_eq!(found, titles, "{query}");
    }
}

#[tokio::test]
async fn a_page_ends_after_a_thousand_coupons_looked_at() {
    let (app, ada) = stored(1_050).await;
    let all_expired = "/coupons?status=expired";
    let page = app.anon().get(all_expired).await.json();
    assert_eq!(page["items"], json!([]));
    assert!(page["next_cursor"].is_string());
    let (items, pages) = all(&app.anon(), all_expired).await;
    assert_eq!((items.len(), pages), (0, 2));
    let expired = with("expire_at", json!("2021-01-01T00:00:00Z"));
    ada.post("/coupons", &expired).await;
    assert_eq!(all(&app.anon(), all_expired).await.0.len(), 1);
}

#[tokio::test]
async fn a_cursor_is_good_for_its_caller_its_path_and_its_filters_alone() {
    let (app, ada) = stored(10).await;
    let page = app.anon().get("/coupons?limit=2&status=valid").await.json();
    let cursor = page["next_cursor"].as_str().unwrap_or_default();
    assert_eq!(app.anon().get(&format!("/coupons?cursor={cursor}&status=valid")).await.status, 200);
    let (start, end) = cursor.split_at(cursor.len() / 2);
    for path in [
        format!("/coupons?cursor={cursor}"),
        format!("/coupons?cursor={cursor}&status=active"),
        format!("/coupons?cursor={cursor}&status=valid&category=food"),
        format!("/coupons?cursor={start}&status=valid"),
        format!("/coupons?cursor={start}A{end}&status=valid"),
        "/coupons?cursor=&status=valid".to_owned(),
        "/coupons?cursor=x&status=valid".to_owned(),
    ] {
        assert_eq!(app.anon().get(&path).await.problem(), "400 invalid_cursor", "{path}");
    }
    let adas = ada.get(&format!("/coupons?cursor={cursor}&status=valid")).await;
    assert_eq!(adas.problem(), "400 invalid_cursor");
    assert_eq!(
        ada.get(&format!("/coupons/export?cursor={cursor}")).await.problem(),
        "400 invalid_cursor"
    );
    for item in page["items"].as_array().into_iter().flatten() {
        assert!(!cursor.contains(item["id"].as_str().unwrap_or("?")));
    }
}
