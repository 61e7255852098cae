//! Redemptions, reservations and the ledger, one caller at a time.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use std::time::Duration;

use serde_json::{Value, json};
use shared::auth::Scope;
use shared::testing::Fault;

use common::{ledger, order, replay, reserving, with_coupon};

#[tokio::test]
async fn an_order_redeems_a_coupon_once_and_a_repeat_gets_the_same() {
    let (app, ada, path) = with_coupon(&json!({})).await;
    let redeemed = ada.post(&format!("{path}/redemptions"), &order("c1", "o1")).await;
    assert_eq!(redeemed.status, 201, "{}", redeemed.json());
    let redemption = redeemed.json();
    assert_eq!(
        (&redemption["discount_amount"], &redemption["state"]),
        (&json!("10.00"), &json!("redeemed"))
    );
    assert_eq!(
        (&redemption["expires_at"], &redemption["redeemed_at"]),
        (&Value::Null, &redemption["created_at"])
    );
    assert_eq!(path, format!("/coupons/{}", redemption["coupon_id"].as_str().unwrap_or_default()));
    assert_eq!(ada.get(redeemed.header("location")).await.json(), redemption);
    let repeat = ada.post(&format!("{path}/redemptions"), &order("c1", "o1")).await;
    assert_eq!((repeat.status.as_u16(), repeat.json()), (200, redemption.clone()));
    for (name, value) in [
        ("customer_id", json!("c2")),
        ("order_amount", json!("99")),
        ("currency", json!("USD")),
        ("reserve_for_s", json!(5)),
    ] {
        let mut other = order("c1", "o1");
        other[name] = value;
        assert_eq!(
            ada.post(&format!("{path}/redemptions"), &other).await.problem(),
            "409 order_conflict",
            "{name}"
        );
    }
    let coupon = app.anon().get(&path).await;
    assert_eq!(
        (&coupon.json()["times_redeemed"], &coupon.json()["times_reserved"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(coupon.header("etag"), "\"1\"", "a redemption does not raise the version");
    assert_eq!(
        app.audit("redemptions").await,
        ["ada create redemptions [customer_id order_id order_amount currency]"]
    );
}

#[tokio::test]
async fn a_reservation_is_confirmed_or_cancelled_and_either_is_safe_to_repeat() {
    let (app, ada, path) = with_coupon(&json!({"max_redemptions": 2})).await;
    let reserve = async |order: &str| {
        ada.post(&format!("{path}/redemptions"), &reserving("c1", order, 60)).await
    };
    let (first, second) = (reserve("o1").await, reserve("o2").await);
    assert_eq!(first.json()["state"], "reserved");
    assert_eq!(reserve("o3").await.problem(), "409 coupon_exhausted");
    let of = |path: &str, what: &str| format!("{path}/{what}");
    let confirm = of(first.header("location"), "confirm");
    let confirmed = ada.post(&confirm, &json!({})).await;
    assert_eq!((confirmed.status.as_u16(), &confirmed.json()["state"]), (200, &json!("redeemed")));
    assert_eq!(ada.send(http::Method::POST, &confirm, None).await.json(), confirmed.json());
    let cancel = of(second.header("location"), "cancel");
    let cancelled = ada.post(&cancel, &json!({})).await;
    assert_eq!((cancelled.status.as_u16(), &cancelled.json()["state"]), (200, &json!("cancelled")));
    assert_eq!(ada.send(http::Method::POST, &cancel, None).await.json(), cancelled.json());
    assert_eq!(
        ada.post(&of(second.header("location"), "confirm"), &json!({})).await.problem(),
        "409 redemption_cancelled"
    );
    // One slot came back, once; the order is free again.
    assert_eq!(reserve("o2").await.status, 201);
    assert_eq!(reserve("o4").await.problem(), "409 coupon_exhausted");
    // A redeemed one's slot comes back as well.
    assert_eq!(
        ada.post(&of(first.header("location"), "cancel"), &json!({})).await.json()["state"],
        "cancelled"
    );
    assert_eq!(reserve("o5").await.status, 201);
    assert_eq!(ada.get(&format!("{path}/stats")).await.json(), replay(&ledger(&ada, &path).await));
    let lines: Vec<_> = app.audit("redemptions").await.into_iter().skip(2).collect();
    let created =
        "ada create redemptions [customer_id order_id order_amount currency reserve_for_s]";
    assert_eq!(
        lines,
        [
            "ada update redemptions [state redeemed_at]",
            "ada update redemptions [state]",
            created,
            "ada update redemptions [state]",
            created
        ]
    );
}

#[tokio::test]
async fn an_expired_reservation_frees_its_slot_by_itself_and_stays_expired() {
    let (app, ada, path) =
        with_coupon(&json!({"max_redemptions": 1, "max_redemptions_per_customer": 1})).await;
    let redemptions = format!("{path}/redemptions");
    let reserved = ada.post(&redemptions, &reserving("c1", "o1", 1)).await;
    assert_eq!(reserved.status, 201);
    assert_eq!(ada.post(&redemptions, &order("c2", "o2")).await.problem(), "409 coupon_exhausted");
    assert_eq!(app.anon().get(&path).await.json()["status"], "exhausted");
    assert_eq!(
        app.anon().get("/coupons?status=exhausted").await.json()["items"].as_array().map(Vec::len),
        Some(1)
    );
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    let seen = app.anon().get(&path).await.json();
    assert_eq!((&seen["status"], &seen["times_reserved"]), (&json!("active"), &json!(0)));
    assert_eq!(app.anon().get("/coupons?status=exhausted").await.json()["items"], json!([]));
    assert_eq!(ada.get(&format!("{path}/stats")).await.json()["expired"], 1);
    let location = reserved.header("location");
    assert_eq!(ada.get(location).await.json()["state"], "expired");
    assert_eq!(
        ada.post(&format!("{location}/confirm"), &json!({})).await.problem(),
        "409 reservation_expired"
    );
    assert_eq!(
        ada.post(&format!("{location}/cancel"), &json!({})).await.json()["state"],
        "expired"
    );
    // The same customer, the same order: both limits are free.
    let again = ada.post(&redemptions, &order("c1", "o1")).await;
    assert_eq!(again.status, 201, "{}", again.json());
    assert_eq!(ada.post(&redemptions, &order("c2", "o2")).await.problem(), "409 coupon_exhausted");
    assert_eq!(ada.get(location).await.json()["state"], "expired");
    assert_eq!(ada.get(&format!("{path}/stats")).await.json(), replay(&ledger(&ada, &path).await));
    assert_eq!(app.audit("redemptions").await.len(), 2, "an expiry is no change");
}

#[tokio::test]
async fn figures_that_are_read_while_an_expired_slot_is_taken_over_are_of_one_time() {
    let (app, ada, path) = with_coupon(&json!({"max_redemptions": 1})).await;
    let redemptions = format!("{path}/redemptions");
    ada.post(&redemptions, &reserving("c1", "o1", 1)).await;
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    // After the counters were read, and before the index of what expired is.
    for delay_ms in [0, 300] {
        app.faults.next("Query", Fault::Delay(Duration::from_millis(delay_ms)));
    }
    let stats = format!("{path}/stats");
    let take_over = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        ada.post(&redemptions, &order("c2", "o2")).await
    };
    let (figures, taken) = tokio::join!(ada.get(&stats), take_over);
    assert_eq!(taken.status, 201, "{}", taken.json());
    assert_eq!(figures.json(), replay(&ledger(&ada, &path).await));
}

#[tokio::test]
async fn a_time_asked_for_moves_the_expiry_of_reservations_and_not_the_counts() {
    let (app, ada, path) = with_coupon(&json!({"max_redemptions": 1})).await;
    ada.post(&format!("{path}/redemptions"), &reserving("c1", "o1", 3_600)).await;
    let at = |at: &str| format!("{path}?at={at}");
    for (time, status, reserved) in
        [("2026-01-01T00:00:00Z", "exhausted", 1), ("2098-01-01T00:00:00Z", "active", 0)]
    {
        let seen = app.anon().get(&at(time)).await.json();
        assert_eq!(
            (&seen["status"], &seen["times_reserved"]),
            (&json!(status), &json!(reserved)),
            "{time}"
        );
        let question = json!({"order_amount": "1", "currency": "GBP", "at": time});
        let evaluation = app.anon().post(&format!("{path}/evaluations"), &question).await.json();
        assert_eq!(evaluation["applicable"], status == "active", "{time}");
    }
}

#[tokio::test]
async fn a_lowered_limit_counts_expired_reservations_for_nothing_however_many() {
    for limit in ["max_redemptions", "max_redemptions_per_customer"] {
        let (_app, ada, path) = with_coupon(&json!({})).await;
        let redemptions = format!("{path}/redemptions");
        for number in 0..40 {
            ada.post(&redemptions, &reserving("c", &format!("o{number}"), 1)).await;
        }
        ada.patch(&path, &json!({limit: 2})).await;
        tokio::time::sleep(Duration::from_millis(1_050)).await;
        for number in 39..41 {
            let redeemed = ada.post(&redemptions, &order("c", &format!("o{number}"))).await;
            assert_eq!(redeemed.status, 201, "{}", redeemed.json());
        }
        assert_eq!(ada.post(&redemptions, &order("c", "o50")).await.status, 409);
        assert_eq!(
            ada.get(&format!("{path}/stats")).await.json(),
            replay(&ledger(&ada, &path).await)
        );
    }
}

#[tokio::test]
async fn each_refusal_says_which_rule_failed_first() {
    let past = json!({"published_at": "2020-01-01T00:00:00Z", "expire_at": "2021-01-01T00:00:00Z"});
    let future = json!({"published_at": "2090-01-01T00:00:00Z"});
    let usd = json!({"discount": {"type": "amount", "value": "5", "currency": "USD"}});
    let dear = json!({"discount": {"type": "amount", "value": "5", "currency": "GBP"}, "min_order_amount": "100.01"});
    for (terms, code) in [
        (json!({"expire_at": "2019-01-01T00:00:00Z", "disabled": true}), "coupon_invalid"),
        (json!({"disabled": true}), "coupon_disabled"),
        (future, "coupon_not_started"),
        (past, "coupon_expired"),
        (usd, "currency_mismatch"),
        (dear, "minimum_not_met"),
    ] {
        let (app, ada, path) = with_coupon(&terms).await;
        assert_eq!(
            ada.post(&format!("{path}/redemptions"), &order("c", "o")).await.problem(),
            format!("409 {code}")
        );
        let question = json!({"customer_id": "c", "order_amount": "100.00", "currency": "GBP"});
        let evaluation = app.anon().post(&format!("{path}/evaluations"), &question).await.json();
        assert_eq!((&evaluation["applicable"], &evaluation["code"]), (&json!(false), &json!(code)));
        assert_eq!(evaluation["discount_amount"], Value::Null);
        assert!(app.audit("redemptions").await.is_empty());
    }
}

#[tokio::test]
async fn an_evaluation_names_every_rule_and_judges_the_customer_for_shops_alone() {
    let (app, ada, path) =
        with_coupon(&json!({"max_redemptions": 5, "max_redemptions_per_customer": 1})).await;
    let question = json!({"customer_id": "c1", "order_amount": "100.00", "currency": "GBP"});
    let evaluate = format!("{path}/evaluations");
    let open = ada.post(&evaluate, &question).await.json();
    assert_eq!(
        (&open["applicable"], &open["code"], &open["discount_amount"]),
        (&json!(true), &Value::Null, &json!("10.00"))
    );
    assert_eq!(open["currency"], "GBP");
    ada.post(&format!("{path}/redemptions"), &order("c1", "o1")).await;
    let mine = ada.post(&evaluate, &question).await.json();
    assert_eq!(mine["code"], "customer_limit_reached");
    let rules: Vec<_> = mine["rules"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|rule| (rule["passed"].clone(), rule["code"].clone()))
        .collect();
    assert_eq!(rules.len(), 8);
    assert_eq!(rules[7], (json!(false), json!("customer_limit_reached")));
    assert!(rules[..7].iter().all(|(passed, code)| *passed == true && code.is_null()));
    let anyones = app.anon().post(&evaluate, &question).await.json();
    assert_eq!(
        (anyones["rules"].as_array().map(Vec::len), &anyones["applicable"]),
        (Some(7), &json!(true))
    );
    let then = app
        .anon()
        .post(
            &evaluate,
            &json!({"order_amount": "1", "currency": "GBP", "at": "2100-01-01T00:00:00Z"}),
        )
        .await;
    assert_eq!(then.json()["code"], "coupon_expired");
    assert_eq!(app.audit("redemptions").await.len(), 1);
}

#[tokio::test]
async fn after_its_deletion_a_coupon_s_reservations_live_on_and_none_begins() {
    let (_app, ada, path) = with_coupon(&json!({})).await;
    let redemptions = format!("{path}/redemptions");
    let first =
        ada.post(&redemptions, &reserving("c", "o1", 60)).await.header("location").to_owned();
    let second =
        ada.post(&redemptions, &reserving("c", "o2", 60)).await.header("location").to_owned();
    assert_eq!(ada.delete(&path).await.status, 204);
    assert_eq!(ada.post(&redemptions, &order("c", "o3")).await.problem(), "404 not_found");
    assert_eq!(ada.post(&redemptions, &reserving("c", "o1", 60)).await.problem(), "404 not_found");
    let question = json!({"order_amount": "1", "currency": "GBP"});
    assert_eq!(
        ada.post(&format!("{path}/evaluations"), &question).await.problem(),
        "404 not_found"
    );
    assert_eq!(ada.post(&format!("{first}/confirm"), &json!({})).await.status, 200);
    assert_eq!(ada.post(&format!("{second}/cancel"), &json!({})).await.status, 200);
    assert_eq!(ledger(&ada, &path).await.len(), 2);
    assert_eq!(ada.get(&format!("{path}/stats")).await.json(), replay(&ledger(&ada, &path).await));
    let nowhere = "/coupons/019b0000-0000-7000-8000-000000000001";
    assert_eq!(ada.get(&format!("{nowhere}/redemptions")).await.problem(), "404 not_found");
    assert_eq!(ada.get(&format!("{nowhere}/stats")).await.problem(), "404 not_found");
}

#[tokio::test]
async fn bad_orders_are_400_with_the_pointer() {
    let (_app, ada, path) = with_coupon(&json!({})).await;
    let with = |name: &str, value: Value| {
        let mut order = order("c", "o");
        order[name] = value;
        order
    };
    for (body, wrong) in [
        (
            json!({}),
            vec![
                "/currency required",
                "/customer_id required",
                "/order_amount required",
                "/order_id required",
            ],
        ),
        (with("order_amount", json!("-1")), vec!["/order_amount invalid_value"]),
        (with("order_amount", json!("+1")), vec!["/order_amount invalid_value"]),
        (with("order_amount", json!("1e2")), vec!["/order_amount invalid_value"]),
        (with("order_amount", json!(100)), vec!["/order_amount wrong_type"]),
        (with("order_amount", json!("1.234")), vec!["/order_amount invalid_value"]),
        (with("order_amount", json!("1234567890123456")), vec!["/order_amount out_of_range"]),
        (with("currency", json!("ZZZ")), vec!["/currency invalid_value"]),
        (with("customer_id", json!("x".repeat(129))), vec!["/customer_id too_long"]),
        (with("order_id", json!("")), vec!["/order_id too_short"]),
        (with("reserve_for_s", json!(0)), vec!["/reserve_for_s out_of_range"]),
        (with("reserve_for_s", json!(605_000)), vec!["/reserve_for_s out_of_range"]),
        (with("reserve_for_s", json!("60")), vec!["/reserve_for_s wrong_type"]),
        (with("coupon", json!("x")), vec![" unknown_field"]),
    ] {
        let mut found = ada.post(&format!("{path}/redemptions"), &body).await.wrong();
        found.sort();
        assert_eq!(found, wrong, "{body}");
    }
    let yen =
        json!({"customer_id": "c", "order_id": "o", "order_amount": "1.5", "currency": "JPY"});
    assert_eq!(
        ada.post(&format!("{path}/redemptions"), &yen).await.wrong(),
        ["/order_amount invalid_value"]
    );
}

#[tokio::test]
async fn who_may_redeem_and_who_may_read_the_ledger() {
    let (app, ada, path) = with_coupon(&json!({})).await;
    let till = app.user("till", &[Scope::CouponsRedeem]).await;
    let editor = app.user("editor", &[Scope::CouponsWrite]).await;
    let location = till
        .post(&format!("{path}/redemptions"), &reserving("c", "o", 60))
        .await
        .header("location")
        .to_owned();
    assert_eq!(
        editor.post(&format!("{path}/redemptions"), &order("c", "o2")).await.problem(),
        "403 forbidden"
    );
    assert_eq!(
        editor.post(&format!("{location}/cancel"), &json!({})).await.problem(),
        "403 forbidden"
    );
    for path in [format!("{path}/redemptions"), format!("{path}/stats")] {
        assert_eq!(till.get(&path).await.problem(), "403 forbidden");
        assert_eq!(editor.get(&path).await.status, 200);
    }
    for caller in [&till, &editor, &ada] {
        assert_eq!(caller.get(&location).await.status, 200);
    }
    assert_eq!(app.anon().get(&location).await.problem(), "401 unauthenticated");
    for wrong in [
        format!("{path}/redemptions/x"),
        format!("{path}/redemptions/019b0000-0000-7000-8000-000000000001"),
        "/coupons/x/redemptions".into(),
    ] {
        assert_eq!(editor.get(&wrong).await.problem(), "404 not_found", "{wrong}");
    }
}
