//! Coupons near by, against a plain haversine over all of them.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use shared::testing::{Client, Reply, TestApp};

use common::{app, json_merge, numbered};

fn at(number: usize, (lat, long): (f64, f64)) -> Value {
    let mut coupon = numbered(number);
    json_merge(&mut coupon, &json!({"store": {"lat": lat, "long": long}}));
    coupon
}

async fn stored(places: &[(f64, f64)]) -> (TestApp, Client) {
    let (app, ada) = app().await;
    let rows: Vec<_> =
        places.iter().enumerate().map(|(number, place)| at(number, *place)).collect();
    for rows in rows.chunks(1_000) {
        let imported = ada.post("/coupons/import", &json!({"items": rows})).await;
        assert_eq!(imported.json()["imported"], rows.len(), "{}", imported.json());
    }
    (app, ada)
}

/// The haversine formula by the book.
fn distance_km((a, b): (f64, f64), (c, d): (f64, f64)) -> f64 {
    let (dlat, dlong) = ((c - a).to_radians() / 2.0, (d - b).to_radians() / 2.0);
    let h = dlat.sin().powi(2) + a.to_radians().cos() * c.to_radians().cos() * dlong.sin().powi(2);
    2.0 * 6_371.008_8 * h.min(1.0).sqrt().asin()
}

/// Follows the list to its end: each coupon's number and distance, and the pages it took.
async fn near(caller: &Client, (lat, long): (f64, f64), query: &str) -> (Vec<(usize, f64)>, usize) {
    let pages = caller.pages(&format!("/coupons?near={lat},{long}&{query}")).await;
    let found = pages.iter().flat_map(Reply::items).map(|item| {
        let title = item["title"].as_str().and_then(|title| title.strip_prefix("Coupon "));
        let number = title.and_then(|number| number.parse().ok());
        (number.unwrap_or(usize::MAX), item["distance_km"].as_f64().unwrap_or(f64::NAN))
    });
    (found.collect(), pages.len())
}

/// What must be found: all within the radius, nearest first. Distances may be a centimetre off,
/// and places so close to each other or to the edge may come either way.
fn check(places: &[(f64, f64)], from: (f64, f64), radius_km: f64, found: &[(usize, f64)]) {
    for (number, km) in found {
        let exact = distance_km(from, places[*number]);
        assert!((exact - km).abs() < 0.001, "coupon {number}: {km} is {exact}");
    }
    assert!(found.is_sorted_by(|a, b| a.1 <= b.1), "{found:?}");
    let mut numbers: Vec<_> = found.iter().map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    assert!(numbers.is_sorted_by(|a, b| a < b), "one comes twice");
    for (number, place) in places.iter().enumerate() {
        let km = distance_km(from, *place);
        if (km - radius_km).abs() > 0.000_1 {
            assert_eq!(
                numbers.binary_search(&number).is_ok(),
                km < radius_km,
                "{place:?} at {km} km of {radius_km}"
            );
        }
    }
}

#[tokio::test]
async fn the_nearest_come_first_wherever_on_earth() {
    let places = [
        (51.5074, -0.1278),
        (51.51, -0.13),
        (51.6, -0.1278),
        (52.2, -0.1278),
        (0.0, 179.99),
        (0.0, -179.99),
        (0.05, 180.0),
        (0.05, -180.0),
        (89.99, 10.0),
        (89.99, -170.0),
        (90.0, 0.0),
        (-90.0, 0.0),
        (-89.95, 77.0),
        (0.0, 0.0),
    ];
    let (app, _) = stored(&places).await;
    for from in [
        (51.5, -0.12),
        (0.0, 180.0),
        (0.01, -179.999),
        (90.0, 50.0),
        (89.995, 179.0),
        (-90.0, 0.0),
        (-89.9, -120.0),
        (0.0, 0.0),
        (20.0, 20.0),
    ] {
        for radius in [0.5, 10.0, 100.0] {
            for limit in [1, 3, 100] {
                let (found, pages) =
                    near(&app.anon(), from, &format!("radius_km={radius}&limit={limit}")).await;
                check(&places, from, radius, &found);
                assert!(pages <= found.len().div_ceil(limit).max(1) + 1);
            }
        }
    }
}

#[test]
fn any_places_are_found_as_a_look_at_all_of_them_finds_them() {
    let place = || {
        let close = (51.4..51.6, -0.2..0.1);
        let anywhere = (-90.0..=90.0, -180.0..=180.0);
        let at_the_line = (-1.0..1.0, prop_oneof![179.5..=180.0, -180.0..=-179.5]);
        let at_a_pole = (prop_oneof![89.5..=90.0, -90.0..=-89.5], -180.0..=180.0);
        prop_oneof![4 => close, 1 => anywhere, 2 => at_the_line, 2 => at_a_pole]
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let case = (
        prop::collection::vec(place(), 1..80),
        prop::collection::vec(place(), 3),
        0.1..100.0,
        1..40_usize,
    );
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 12,
        max_shrink_iters: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&case, |(places, from, radius, limit)| {
        runtime.block_on(async {
            let (app, _) = stored(&places).await;
            let radius = format!("{radius:.3}");
            for from in from {
                let (found, _) =
                    near(&app.anon(), from, &format!("radius_km={radius}&limit={limit}")).await;
                check(&places, from, radius.parse().unwrap_or_default(), &found);
            }
        });
        Ok(())
    });
    assert!(outcome.is_ok(), "{}", outcome.err().map(|e| e.to_string()).unwrap_or_default());
}

/// Calls to DynamoDB.
fn calls(reply: &Reply) -> u32 {
    let timing = reply.header("server-timing").split("desc=\"").nth(1).unwrap_or_default();
    timing.split(' ').next().and_then(|calls| calls.parse().ok()).unwrap_or(u32::MAX)
}

#[tokio::test]
async fn more_at_one_place_than_a_page_may_look_at_come_in_full_pages() {
    let shop = (16.5, 26.5);
    let (app, _) = stored(&vec![shop; 1_300]).await;
    let (found, pages) = near(&app.anon(), shop, "limit=100&radius_km=1").await;
    assert_eq!(found.len(), 1_300);
    assert!(pages <= 15, "{pages} pages");
    let none = app.anon().get("/coupons?near=16.5,26.5&limit=100&category=none").await;
    let cursor = none.json()["next_cursor"].as_str().unwrap_or_default().to_owned();
    let path = format!("/coupons?near=16.5,26.5&limit=100&category=none&cursor={cursor}");
    let rest = app.anon().get(&path).await;
    assert_eq!(rest.json(), json!({"items": [], "next_cursor": null}));
}

#[tokio::test]
async fn many_at_one_place_outside_the_circle_are_not_read() {
    let (app, _) = stored(&vec![(51.5, -0.12); 600]).await;
    let page = app.anon().get("/coupons?near=51.5092,-0.12&radius_km=1").await;
    assert_eq!(page.json(), json!({"items": [], "next_cursor": null}));
    assert!(calls(&page) <= 20, "{}", page.header("server-timing"));
}

#[tokio::test]
async fn a_dense_town_and_many_at_one_place_come_whole_in_pages() {
    // A grid of 2,500 within 5 km, and 300 at one counter.
    let grid = (0..2_500_i32)
        .map(|n| (51.5 + f64::from(n / 50) * 0.001, -0.1 + f64::from(n % 50) * 0.001));
    let places: Vec<_> = grid.chain(std::iter::repeat_n((51.52, -0.08), 300)).collect();
    let (app, _) = stored(&places).await;
    let from = (51.521, -0.081);
    let (found, pages) = near(&app.anon(), from, "limit=100&radius_km=3").await;
    check(&places, from, 3.0, &found);
    assert!(found.len() > 1_500, "{}", found.len());
    assert!(pages <= found.len().div_ceil(100) + 2, "{pages} pages for {}", found.len());
    let first = app.anon().get("/coupons?near=51.521,-0.081&limit=20").await;
    assert!(calls(&first) <= 60, "{}", first.header("server-timing"));
    let desert = app.anon().get("/coupons?near=23.0,13.0&radius_km=100").await;
    assert_eq!(desert.json(), json!({"items": [], "next_cursor": null}));
}

#[tokio::test]
async fn a_coupon_whose_store_moves_while_a_list_is_read_does_not_come_again() {
    let places: Vec<_> = (0..6).map(|km| (0.0, 0.009 * f64::from(km))).collect();
    let (app, ada) = stored(&places).await;
    let all = app.anon().get("/coupons?near=0,0").await.json()["items"].clone();
    let path = |place: usize| format!("/coupons/{}", all[place]["id"].as_str().unwrap_or_default());
    let moved = |long: f64| json!({"store": {"lat": 0.0, "long": long}});
    // The third moves before the list begins, and takes part in it.
    assert!(ada.patch(&path(2), &moved(0.07)).await.json().get("moved_at").is_none());
    let first = app.anon().get("/coupons?near=0,0&limit=2").await;
    for (place, patch) in [
        (0, moved(0.06)),
        (3, json!({"title": "Coupon 3", "description": "It keeps its place."})),
        (4, json!({"store": {"city": "Null Island"}})),
    ] {
        assert_eq!(ada.patch(&path(place), &patch).await.status, 200);
    }
    // A later change of something else doesn't make it new to the list.
    ada.patch(&path(0), &json!({"description": "Moved before."})).await;
    let next = first.next_path().expect("a next page");
    let rest = app.anon().get(&next.replace("limit=2", "limit=100")).await.json();
    let titles: Vec<_> =
        rest["items"].as_array().into_iter().flatten().map(|of| of["title"].clone()).collect();
    assert_eq!(titles, ["Coupon 3", "Coupon 4", "Coupon 5", "Coupon 2"]);
}

#[tokio::test]
async fn filters_go_with_it_and_bad_places_are_refused() {
    let (app, ada) = app().await;
    for (number, category) in ["food", "books", "food"].iter().enumerate() {
        let mut coupon =
            at(number, (10.0, 10.0 + 0.01 * f64::from(u32::try_from(number).unwrap_or(0))));
        json_merge(&mut coupon, &json!({"category": category}));
        ada.post("/coupons", &coupon).await;
    }
    ada.post(
        "/coupons",
        &json!({
            "couponcode": "N", "title": "Coupon 9", "merchant": "M",
            "published_at": "2020-01-01T00:00:00Z", "expire_at": "2090-01-01T00:00:00Z",
        }),
    )
    .await;
    let numbers =
        |found: Vec<(usize, f64)>| found.into_iter().map(|(number, _)| number).collect::<Vec<_>>();
    assert_eq!(numbers(near(&app.anon(), (10.0, 9.99), "").await.0), [0, 1, 2]);
    assert_eq!(numbers(near(&app.anon(), (10.0, 10.03), "category=food&limit=1").await.0), [2, 0]);
    assert_eq!(
        numbers(near(&app.anon(), (10.0, 9.99), "status=expired").await.0),
        Vec::<usize>::new()
    );
    for (query, wrong) in [
        ("near=1", "near invalid_value"),
        ("near=91,0", "near out_of_range"),
        ("near=0,-181", "near out_of_range"),
        ("near=1,2,3", "near invalid_value"),
        ("near=inf,0", "near invalid_value"),
        ("near=1,1&radius_km=0", "radius_km out_of_range"),
        ("near=1,1&radius_km=100.1", "radius_km out_of_range"),
        ("near=1,1&radius_km=-1", "radius_km out_of_range"),
        ("near=1,1&radius_km=1e1", "radius_km invalid_value"),
        ("radius_km=5", "near required"),
    ] {
        assert_eq!(app.anon().get(&format!("/coupons?{query}")).await.wrong(), [wrong]);
    }
}
