//! Whatever is sent: a clear problem, never a 500, never an echo.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use http::Method;
use serde_json::{Value, json};

use common::{app, save10, with};

#[tokio::test]
async fn every_wrong_field_is_named_at_once_in_the_bodys_order() {
    let (app, ada) = app().await;
    let body = br#"{
        "zz": 1, "title": "", "merchant": 7, "published_at": "yesterday", "expire_at": null,
        "store": {"lat": 91, "long": "0", "town": "x", "city": "a\u0007b"},
        "discount": {"type": "percent", "value": "101", "max_amount": "1.234", "currency": "GBP"},
        "max_redemptions": 0, "max_redemptions_per_customer": 1.5, "disabled": "no"
    }"#;
    let json = ada.header("content-type", "application/json");
    let refused = json.send(Method::POST, "/coupons", Some(body.to_vec())).await;
    assert_eq!(
        refused.wrong(),
        [
            " unknown_field",
            "/title too_short",
            "/merchant wrong_type",
            "/published_at invalid_value",
            "/expire_at required",
            "/store/lat out_of_range",
            "/store/long wrong_type",
            "/store unknown_field",
            "/store/city invalid_value",
            "/discount/value out_of_range",
            "/discount/max_amount invalid_value",
            "/max_redemptions out_of_range",
            "/max_redemptions_per_customer wrong_type",
            "/disabled wrong_type",
            "/couponcode required",
        ]
    );
    let text = String::from_utf8_lossy(&refused.bytes).into_owned();
    for sent in ["zz", "yesterday", "town"] {
        assert!(!text.contains(sent), "{sent} is echoed: {text}");
    }
    assert!(app.audit("coupons").await.is_empty());
}

#[tokio::test]
async fn each_field_has_its_bounds() {
    let (_app, ada) = app().await;
    let discount = |discount: Value| with("discount", discount);
    let text = |n: usize| json!("é".repeat(n));
    for (coupon, wrong) in [
        (with("title", text(256)), None),
        (with("title", text(257)), Some("/title too_long")),
        (with("title", json!("a\nb")), Some("/title invalid_value")),
        (with("description", text(4096)), None),
        (with("description", text(4097)), Some("/description too_long")),
        (with("description", json!("a\r\nb")), None),
        (with("description", json!("a\tb")), Some("/description invalid_value")),
        (with("max_redemptions", json!(9_007_199_254_740_991_i64)), None),
        (
            with("max_redemptions", json!(9_007_199_254_740_992_i64)),
            Some("/max_redemptions out_of_range"),
        ),
        (with("max_redemptions", json!(-1)), Some("/max_redemptions out_of_range")),
        (with("store", json!({"lat": -90, "long": 180})), None),
        (with("store", json!({"lat": -90.1, "long": 180})), Some("/store/lat out_of_range")),
        (with("store", json!({"lat": 1})), Some("/store/long required")),
        (with("min_order_amount", json!("123456789012345.99")), None),
        (
            with("min_order_amount", json!("1234567890123456")),
            Some("/min_order_amount out_of_range"),
        ),
        (with("min_order_amount", json!("1.999")), Some("/min_order_amount invalid_value")),
        (with("min_order_amount", json!(5)), Some("/min_order_amount wrong_type")),
        (with("min_order_amount", json!("-5.00")), Some("/min_order_amount invalid_value")),
        (with("min_order_amount", json!("5e2")), Some("/min_order_amount invalid_value")),
        (with("discount", Value::Null), Some("/discount/currency required")),
        (discount(json!({})), Some("/discount/type required")),
        (
            discount(json!({"type": "half", "value": "1", "currency": "GBP"})),
            Some("/discount/type invalid_value"),
        ),
        (discount(json!({"type": "amount", "value": "1"})), Some("/discount/currency required")),
        (
            discount(json!({"type": "amount", "value": "1", "currency": "GBX"})),
            Some("/discount/currency invalid_value"),
        ),
        (
            discount(json!({"type": "amount", "value": "1", "currency": "gbp"})),
            Some("/discount/currency invalid_value"),
        ),
        (
            discount(json!({"type": "amount", "value": "1", "currency": "HRK"})),
            Some("/discount/currency invalid_value"),
        ),
        (
            discount(json!({"type": "amount", "value": "1", "currency": "XAU"})),
            Some("/discount/currency invalid_value"),
        ),
        (
            discount(json!({"type": "amount", "value": "1.5", "currency": "JPY"})),
            Some("/discount/value invalid_value"),
        ),
        (discount(json!({"type": "amount", "value": "1.555", "currency": "KWD"})), None),
        (discount(json!({"type": "percent", "value": "33.333333", "currency": "GBP"})), None),
        (
            discount(json!({"type": "percent", "value": "33.3333333", "currency": "GBP"})),
            Some("/discount/value invalid_value"),
        ),
    ] {
        let reply = ada.post("/coupons", &coupon).await;
        match wrong {
            None => assert_eq!(reply.status, 201, "{coupon}: {}", reply.json()),
            Some(wrong) => assert!(
                reply.wrong().iter().any(|found| found == wrong),
                "{coupon}: {}",
                reply.json()
            ),
        }
    }
}

#[tokio::test]
async fn numbers_beyond_any_machine_are_out_of_range_where_they_stand() {
    let (_app, ada) = app().await;
    let json = ada.header("content-type", "application/json");
    let huge = [("1e400", "lat"), ("-1e400", "lat"), ("1e99999999999999999999", "lat")];
    for (number, field) in huge {
        let body = save10().to_string().replace("51.5074", number);
        let refused = json.send(Method::POST, "/coupons", Some(body.into_bytes())).await;
        assert_eq!(refused.wrong(), [format!("/store/{field} out_of_range")], "{number}");
    }
    for number in ["1e-131", "-5e-324", "1e-400", "-0"] {
        let body = save10().to_string().replace("51.5074", number);
        let created = json.send(Method::POST, "/coupons", Some(body.into_bytes())).await;
        assert_eq!(
            (created.status.as_u16(), created.json()["store"]["lat"].as_f64()),
            (201, Some(0.0)),
            "{number}"
        );
    }
    let body = with("max_redemptions", json!(77)).to_string().replace("77", &"9".repeat(400));
    let refused = json.send(Method::POST, "/coupons", Some(body.into_bytes())).await;
    assert_eq!(refused.wrong(), ["/max_redemptions out_of_range"]);
}

#[tokio::test]
async fn what_is_no_json_is_malformed() {
    let (_app, ada) = app().await;
    let json = ada.header("content-type", "application/json");
    let nested =
        |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels)).into_bytes();
    assert!(
        ada.send(Method::POST, "/coupons", None)
            .await
            .wrong()
            .contains(&"/title required".to_owned())
    );
    for body in [
        b"".to_vec(),
        b"{".to_vec(),
        b"{\"title\": \"\xff\"}".to_vec(),
        br#"{"title": "a", "title": "a"}"#.to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        br#"{"title": NaN}"#.to_vec(),
        nested(129),
        nested(10_000),
    ] {
        let refused = json.send(Method::POST, "/coupons", Some(body)).await;
        assert_eq!(refused.problem(), "400 malformed_json");
    }
    let refused = json.send(Method::POST, "/coupons", Some(nested(128))).await;
    assert_eq!(refused.wrong(), [" wrong_type"]);
}

#[tokio::test]
async fn a_body_has_a_json_type_and_at_most_5_mib() {
    let (_app, ada) = app().await;
    let body = || Some(save10().to_string().into_bytes());
    for kind in
        ["text/plain", "application/jsonx", "application/merge-patch+json", "", "application"]
    {
        let refused = ada.header("content-type", kind).send(Method::POST, "/coupons", body()).await;
        assert_eq!(refused.problem(), "415 unsupported_media_type", "{kind:?}");
    }
    assert_eq!(
        ada.send(Method::POST, "/coupons", body()).await.problem(),
        "415 unsupported_media_type"
    );
    for kind in ["application/json; charset=utf-8", "Application/JSON"] {
        assert_eq!(
            ada.header("content-type", kind).send(Method::POST, "/coupons", body()).await.status,
            201
        );
    }
    let json = ada.header("content-type", "application/json");
    let sized = |size: usize| {
        let mut body = save10().to_string().into_bytes();
        body.resize(size, b' ');
        Some(body)
    };
    assert_eq!(json.send(Method::POST, "/coupons", sized(5 * 1024 * 1024)).await.status, 201);
    let refused = json.send(Method::POST, "/coupons", sized(5 * 1024 * 1024 + 1)).await;
    assert_eq!(refused.problem(), "413 payload_too_large");
}

#[tokio::test]
async fn a_query_has_known_parameters_once_each() {
    let (app, ada) = app().await;
    let path = ada.post("/coupons", &save10()).await.header("location").to_owned();
    for (path, wrong) in [
        ("/coupons?limit=0", vec!["limit out_of_range"]),
        ("/coupons?limit=101", vec!["limit out_of_range"]),
        ("/coupons?limit=99999999999999999999999", vec!["limit out_of_range"]),
        ("/coupons?limit=ten", vec!["limit invalid_value"]),
        ("/coupons?limit=", vec!["limit invalid_value"]),
        ("/coupons?limit=1&limit=1", vec!["limit repeated_parameter"]),
        ("/coupons?secret=1&status=nope", vec![" unknown_parameter", "status invalid_value"]),
        ("/coupons?category=%ff", vec!["category invalid_value"]),
        ("/coupons?merchant=", vec!["merchant too_short"]),
        ("/coupons?at=2023-02-29T00:00:00Z", vec!["at invalid_value"]),
        (&format!("{path}?limit=1"), vec![" unknown_parameter"]),
    ] {
        let refused = app.anon().get(path).await;
        assert_eq!(refused.wrong(), wrong, "{path}");
        assert!(!String::from_utf8_lossy(&refused.bytes).contains("secret"), "{path}");
    }
    for refused in [
        ada.post("/coupons?x=1", &save10()).await,
        ada.put(&format!("{path}?x=1"), &save10()).await,
        ada.delete(&format!("{path}?x=1")).await,
    ] {
        assert_eq!(refused.wrong(), [" unknown_parameter"]);
    }
}

#[tokio::test]
async fn what_is_no_id_is_not_found() {
    let (app, ada) = app().await;
    for id in [
        "1",
        "x",
        "019b0000-0000-7000-8000-00000000000",
        "019b0000-0000-7000-8000-000000000001",
        "%3Fstatus=x",
        "a%2Fb",
    ] {
        assert_eq!(
            app.anon().get(&format!("/coupons/{id}")).await.problem(),
            "404 not_found",
            "{id}"
        );
        assert_eq!(ada.delete(&format!("/coupons/{id}")).await.problem(), "404 not_found", "{id}");
    }
}
