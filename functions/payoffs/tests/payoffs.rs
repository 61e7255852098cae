//! Payoffs, as callers see them.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use std::time::Duration;

use serde_json::{Value, json};
use shared::auth::{DEFAULT_LOCATION, Scope};
use shared::store::Table;
use shared::testing::{Client, Fault, TestApp};

use common::{BOTH, ELSEWHERE, app, question};

fn with(name: &str, value: Value) -> Value {
    let mut question = question();
    question[name] = value;
    question
}

/// A user of another location alone.
async fn elsewhere(app: &TestApp) -> Client {
    let (key, id) = app.user_key_and_id("eve", &BOTH).await;
    app.set(Table::Users, &format!("user#{id}"), "user", "location_ids", [ELSEWHERE]).await;
    app.with_key(&key)
}

#[tokio::test]
async fn a_payoff_is_computed_kept_and_read() {
    let (app, ada) = app().await;
    let created = ada.post("/payoffs", &question()).await;
    let payoff = created.json();
    assert_eq!(created.status, 201, "{payoff}");
    let mut expected = question();
    for (name, value) in [
        ("id", payoff["id"].clone()),
        ("location_id", json!(DEFAULT_LOCATION)),
        // Independence Day is a Saturday, off on Friday the 3rd.
        ("good_through", json!("2026-07-06")),
        ("accrued_days", json!(5)),
        ("per_diem", json!("1.00")),
        ("accrued_interest", json!("5.00")),
        ("fees_total", json!("35.50")),
        ("total_due", json!("36540.50")),
        ("created_at", payoff["created_at"].clone()),
    ] {
        expected[name] = value;
    }
    assert_eq!(payoff, expected);
    let location = created.header("location").to_owned();
    assert_eq!(location, format!("/payoffs/{}", payoff["id"].as_str().unwrap_or_default()));
    assert_eq!(ada.get(&location).await.json(), payoff);
    // What was read can be sent back.
    assert_eq!(ada.post("/payoffs", &payoff).await.status, 201);
    let asked = "loan_number payoff_date principal_balance annual_rate_percent interest_paid_through day_count fees";
    let create = format!("ada create payoffs [{asked}]");
    assert_eq!(
        app.audit("payoffs").await,
        [create.as_str(), "ada read payoffs []", create.as_str()]
    );
}

#[tokio::test]
async fn without_fees_there_are_none() {
    let (_app, ada) = app().await;
    for fees in [Value::Null, json!([])] {
        let payoff = ada.post("/payoffs", &with("fees", fees)).await.json();
        assert_eq!(
            (&payoff["fees"], &payoff["fees_total"], &payoff["total_due"]),
            (&json!([]), &json!("0.00"), &json!("36505.00"))
        );
    }
}

#[tokio::test]
async fn each_day_count_counts_its_own_days() {
    let (_app, ada) = app().await;
    for (day_count, days, interest) in
        [("actual/365", 366, "366.00"), ("actual/360", 366, "371.08"), ("30/360", 360, "365.00")]
    {
        let mut question = with("day_count", json!(day_count));
        question["interest_paid_through"] = json!("2024-01-02");
        question["payoff_date"] = json!("2025-01-02");
        let payoff = ada.post("/payoffs", &question).await.json();
        assert_eq!(
            (&payoff["accrued_days"], &payoff["accrued_interest"]),
            (&json!(days), &json!(interest)),
            "{day_count}"
        );
    }
}

#[tokio::test]
async fn everything_wrong_is_named_at_once() {
    let (_app, ada) = app().await;
    assert_eq!(
        ada.post("/payoffs", &json!({})).await.wrong(),
        [
            "/loan_number required",
            "/payoff_date required",
            "/principal_balance required",
            "/annual_rate_percent required",
            "/interest_paid_through required",
            "/day_count required",
        ]
    );
    let fee =
        |amount: Value| json!([{"name": "a", "amount": "1"}, {"name": "b", "amount": amount}]);
    for (name, value, wrong) in [
        ("loan_number", json!("x".repeat(129)), "/loan_number too_long"),
        ("loan_number", json!(""), "/loan_number too_short"),
        ("loan_number", json!(17), "/loan_number wrong_type"),
        ("payoff_date", json!("2024-02-30"), "/payoff_date invalid_value"),
        ("payoff_date", json!("2026-07-03T00:00:00Z"), "/payoff_date invalid_value"),
        ("payoff_date", json!("1970-12-31"), "/payoff_date out_of_range"),
        ("payoff_date", json!("2200-01-01"), "/payoff_date out_of_range"),
        ("payoff_date", json!("2026-06-30"), "/payoff_date invalid_value"),
        ("payoff_date", json!(20_260_703), "/payoff_date wrong_type"),
        ("interest_paid_through", json!("1900-01-01"), "/interest_paid_through out_of_range"),
        ("interest_paid_through", json!("2023-02-29"), "/interest_paid_through invalid_value"),
        ("principal_balance", json!("0"), "/principal_balance out_of_range"),
        ("principal_balance", json!("0.00"), "/principal_balance out_of_range"),
        ("principal_balance", json!("-1.00"), "/principal_balance invalid_value"),
        ("principal_balance", json!("+1.00"), "/principal_balance invalid_value"),
        ("principal_balance", json!("1e5"), "/principal_balance invalid_value"),
        ("principal_balance", json!("1.001"), "/principal_balance invalid_value"),
        ("principal_balance", json!("1234567890123456"), "/principal_balance out_of_range"),
        ("principal_balance", json!("9".repeat(10_000)), "/principal_balance out_of_range"),
        ("principal_balance", json!("1,000"), "/principal_balance invalid_value"),
        ("principal_balance", json!("NaN"), "/principal_balance invalid_value"),
        ("principal_balance", json!(""), "/principal_balance invalid_value"),
        ("principal_balance", json!(36_500.0), "/principal_balance wrong_type"),
        ("annual_rate_percent", json!("100.000001"), "/annual_rate_percent out_of_range"),
        ("annual_rate_percent", json!("101"), "/annual_rate_percent out_of_range"),
        ("annual_rate_percent", json!("-1"), "/annual_rate_percent invalid_value"),
        ("annual_rate_percent", json!("1.0000001"), "/annual_rate_percent invalid_value"),
        ("annual_rate_percent", json!(5), "/annual_rate_percent wrong_type"),
        ("day_count", json!("30e/360"), "/day_count invalid_value"),
        ("day_count", json!("actual"), "/day_count invalid_value"),
        ("fees", json!({}), "/fees wrong_type"),
        ("fees", json!(vec![json!({"name": "a", "amount": "1"}); 101]), "/fees too_long"),
        ("fees", json!(["25.00"]), "/fees/0 wrong_type"),
        ("fees", json!([{"name": "a"}]), "/fees/0/amount required"),
        ("fees", json!([{"name": "", "amount": "1"}]), "/fees/0/name too_short"),
        ("fees", json!([{"name": "a", "amount": "1", "tax": "1"}]), "/fees/0 unknown_field"),
        ("fees", fee(json!("-1")), "/fees/1/amount invalid_value"),
        ("fees", fee(json!(1)), "/fees/1/amount wrong_type"),
        ("fees", fee(json!("0.001")), "/fees/1/amount invalid_value"),
        ("surprise", json!(1), " unknown_field"),
    ] {
        let refused = ada.post("/payoffs", &with(name, value.clone())).await;
        assert_eq!(
            refused.wrong(),
            [wrong],
            "{}",
            value.to_string().chars().take(60).collect::<String>()
        );
    }
    let many = ada.post("/payoffs", &with("fees", json!(vec![json!({}); 100]))).await;
    assert_eq!((many.wrong().len(), &many.json()["errors_truncated"]), (10, &json!(true)));
}

#[tokio::test]
async fn the_bounds_themselves_are_allowed() {
    let (_app, ada) = app().await;
    for (name, value) in [
        ("loan_number", json!("é".repeat(128))),
        ("principal_balance", json!("999999999999999.99")),
        ("principal_balance", json!("0.01")),
        ("annual_rate_percent", json!("0")),
        ("annual_rate_percent", json!("100.000000")),
        ("interest_paid_through", json!("1971-01-01")),
        ("interest_paid_through", json!("2026-07-03")),
        ("payoff_date", json!("2199-12-31")),
        ("fees", json!(vec![json!({"name": "a", "amount": "999999999999999.99"}); 100])),
    ] {
        let created = ada.post("/payoffs", &with(name, value)).await;
        assert_eq!(created.status, 201, "{name}: {}", created.json());
    }
}

#[tokio::test]
async fn a_list_is_newest_first_and_by_loan() {
    let (app, ada) = app().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        let question = with("loan_number", json!(format!("L-{}", number % 2)));
        ids.push(ada.post("/payoffs", &question).await.json()["id"].clone());
    }
    ids.reverse();
    let listed = async |query: &str| {
        let page = ada.get(&format!("/payoffs?{query}")).await;
        assert_eq!(page.status, 200, "{}", page.json());
        let items = page.json()["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(listed("").await, ids);
    assert_eq!(listed("loan_number=L-1").await, [ids[1].clone(), ids[3].clone()]);
    assert_eq!(listed("loan_number=L-0&limit=2").await, [ids[0].clone(), ids[2].clone()]);
    assert!(listed("loan_number=L-").await.is_empty());
    let first = ada.get("/payoffs?loan_number=L-0&limit=2").await;
    let last = ada.get(&first.next_path().unwrap_or_default()).await.json();
    assert_eq!((&last["items"][0]["id"], &last["next_cursor"]), (&ids[4], &Value::Null));
    // One entry for each item that was answered.
    let reads = app.audit("payoffs").await.iter().filter(|entry| entry.contains("read")).count();
    assert_eq!(reads, 5 + 2 + 2 + 2 + 1);
    for (query, wrong) in [
        (format!("loan_number={}", "x".repeat(129)), "loan_number too_long"),
        ("loan_number=".to_owned(), "loan_number too_short"),
        ("loan=1".to_owned(), " unknown_parameter"),
        ("limit=0".to_owned(), "limit out_of_range"),
    ] {
        assert_eq!(ada.get(&format!("/payoffs?{query}")).await.wrong(), [wrong]);
    }
}

#[tokio::test]
async fn another_location_s_payoffs_are_not_there() {
    let (app, ada) = app().await;
    let eve = elsewhere(&app).await;
    let path = ada.post("/payoffs", &question()).await.header("location").to_owned();
    assert_eq!(eve.get(&path).await.problem(), "404 not_found");
    for query in ["", "?loan_number=504-0017"] {
        assert_eq!(eve.get(&format!("/payoffs{query}")).await.json()["items"], json!([]));
    }
    let hers = eve.post("/payoffs", &question()).await;
    assert_eq!((hers.status.as_u16(), &hers.json()["location_id"]), (201, &json!(ELSEWHERE)));
    assert_eq!(ada.get(hers.header("location")).await.problem(), "404 not_found");
    for id in ["x", "019b0000-0000-7000-8000-000000000001"] {
        assert_eq!(ada.get(&format!("/payoffs/{id}")).await.problem(), "404 not_found");
    }
    let entries = app.entries().await;
    let locations: Vec<_> = entries
        .iter()
        .map(|stored| stored.entry.location_id.map(|id| id.to_string()).unwrap_or_default())
        .collect();
    assert_eq!(locations.len(), 2);
    assert!(
        locations.contains(&ELSEWHERE.to_owned())
            && locations.contains(&DEFAULT_LOCATION.to_string())
    );
}

#[tokio::test]
async fn a_user_of_two_locations_sees_those_of_the_one_that_it_names() {
    let (app, _) = app().await;
    let (key, id) = app.user_key_and_id("bob", &BOTH).await;
    let both = [DEFAULT_LOCATION.to_string(), ELSEWHERE.to_owned()];
    app.set(Table::Users, &format!("user#{id}"), "user", "location_ids", both).await;
    let bob = app.with_key(&key);
    let there = bob.header("x-location-id", ELSEWHERE);
    for _ in 0..2 {
        assert_eq!(bob.key("k").post("/payoffs", &question()).await.status, 201);
        assert_eq!(there.key("k").post("/payoffs", &question()).await.status, 201);
        there.post("/payoffs", &question()).await;
    }
    let list = there.get("/payoffs?limit=1").await.json();
    let cursor = list["next_cursor"].as_str().unwrap_or_default();
    assert_eq!(
        bob.get(&format!("/payoffs?limit=1&cursor={cursor}")).await.problem(),
        "400 invalid_cursor"
    );
    assert_eq!(there.get("/payoffs").await.json()["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(bob.get("/payoffs").await.json()["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_keyed_post_happens_once_through_every_fault() {
    for fault in
        [Fault::Conflict, Fault::Throttle, Fault::ServerError, Fault::CutBefore, Fault::CutAfter]
    {
        let (app, ada) = app().await;
        let ada = ada.key("k1");
        app.faults.next("TransactWriteItems", fault);
        let first = ada.post("/payoffs", &question()).await;
        let again = ada.post("/payoffs", &question()).await;
        assert_eq!((again.status.as_u16(), again.json()), (201, first.json()), "{fault:?}");
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(app.items(Table::Payoffs).await.len(), 1, "{fault:?}");
        assert_eq!(app.audit("payoffs").await.len(), 1, "{fault:?}");
        let other = ada.post("/payoffs", &with("loan_number", json!("other"))).await;
        assert_eq!(other.problem(), "422 idempotency_key_reused");
    }
}

#[tokio::test]
async fn what_can_t_be_audited_isn_t_shown() {
    let (app, ada) = app().await;
    let path = ada.post("/payoffs", &question()).await.header("location").to_owned();
    app.delete_table(Table::Audit).await;
    for path in [path.as_str(), "/payoffs"] {
        let refused = tokio::time::timeout(Duration::from_secs(25), ada.get(path)).await;
        assert_eq!(
            refused.map(|reply| reply.problem()),
            Ok("503 storage_unavailable".to_owned()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn each_scope_allows_its_own() {
    let (app, ada) = app().await;
    let path = ada.post("/payoffs", &question()).await.header("location").to_owned();
    let reader = app.user("reader", &[Scope::PayoffsRead]).await;
    let writer = app.user("writer", &[Scope::PayoffsWrite]).await;
    assert_eq!(reader.get(&path).await.status, 200);
    assert_eq!(reader.post("/payoffs", &question()).await.problem(), "403 forbidden");
    assert_eq!(writer.post("/payoffs", &question()).await.status, 201);
    assert_eq!(writer.get(&path).await.problem(), "403 forbidden");
    assert_eq!(app.admin().get("/payoffs").await.problem(), "403 forbidden");
}
