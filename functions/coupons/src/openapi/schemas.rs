//! What goes in and out, in words and with an example each.

use serde_json::{Value, json};
use shared::openapi::schema::{
    answer, body, boolean, by_default, date, decimal, example, import, imported, integer, lines,
    number, one_of, patch, percentage, says, text, timestamp,
};
use utoipa::openapi::{RefOr, Schema};

use crate::money::Currency;
use crate::redeem::Evaluation;
use crate::redemption::{NewRedemption, Question};
use crate::terms::{MEMBERS, Terms};
use crate::{coupon, redemption, usage};

const RULES: [(&str, &str); 8] = [
    ("valid", "coupon_invalid"),
    ("enabled", "coupon_disabled"),
    ("started", "coupon_not_started"),
    ("not_expired", "coupon_expired"),
    ("currency", "currency_mismatch"),
    ("minimum", "minimum_not_met"),
    ("available", "coupon_exhausted"),
    ("customer_limit", "customer_limit_reached"),
];

impl utoipa::PartialSchema for Currency {
    fn schema() -> RefOr<Schema> {
        utoipa::openapi::Ref::from_schema_name("Currency").into()
    }
}

impl utoipa::ToSchema for Currency {}

fn currency() -> Value {
    json!({"$ref": "#/components/schemas/Currency"})
}

/// Every code that is parsed.
fn currencies() -> Value {
    let letters = || 'A'..='Z';
    let codes =
        letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])));
    let codes = codes.map(String::from_iter).filter(|code| Currency::parse(code).is_ok());
    let codes: Vec<_> = codes.collect();
    example(json!({"type": "string", "enum": codes, "description": "ISO 4217."}), json!("USD"))
}

/// Digits as many as any currency's.
fn amount() -> Value {
    says(decimal(15, 6), "At most the currency's decimals.")
}

fn most() -> Value {
    integer(1, 9_007_199_254_740_991)
}

fn venue() -> Vec<(&'static str, Value)> {
    let texts = ["city", "phone", "state", "street", "zip"].map(|name| (name, text(256)));
    let degrees = [("lat", number(-90.0, 90.0)), ("long", number(-180.0, 180.0))];
    degrees.into_iter().chain(texts).collect()
}

fn discount() -> Vec<(&'static str, Value)> {
    vec![
        ("type", one_of(&["percent", "amount"])),
        (
            "value",
            says(decimal(15, 6), "Percent of the order, 0 to 100, or an amount in `currency`."),
        ),
        ("currency", currency()),
        ("max_amount", amount()),
    ]
}

fn terms() -> Vec<(&'static str, Value)> {
    let needs_currency = "Needs `discount.currency`.";
    let mut store = body(crate::terms::STORE, &[], &venue());
    store["dependentRequired"] = json!({"lat": ["long"], "long": ["lat"]});
    let mut off = body(crate::terms::DISCOUNT, &["type", "value"], &discount());
    off["oneOf"] = json!([
        {"properties": {"type": {"const": "percent"}, "value": percentage(6)}},
        {"properties": {"type": {"const": "amount"}}, "required": ["currency"]},
    ]);
    off["dependentRequired"] = json!({"max_amount": ["currency"]});
    vec![
        ("category", text(256)),
        ("couponcode", text(256)),
        ("description", lines(4_096)),
        ("merchant", text(256)),
        ("title", text(256)),
        ("store", store),
        ("published_at", timestamp()),
        ("expire_at", timestamp()),
        ("discount", off),
        ("min_order_amount", says(amount(), needs_currency)),
        ("max_redemptions", most()),
        ("max_redemptions_per_customer", most()),
        ("disabled", by_default(boolean(), false)),
    ]
}

/// What is known of the same members in an answer.
fn terms_shown() -> Vec<(&'static str, Value)> {
    let within = |name: &'static str| ["store", "discount"].contains(&name);
    let mut shown: Vec<_> = terms().into_iter().filter(|(name, _)| !within(name)).collect();
    shown.extend([
        ("store/lat", number(-90.0, 90.0)),
        ("store/long", number(-180.0, 180.0)),
        ("discount/value", decimal(15, 6)),
        ("discount/max_amount", decimal(15, 6)),
        ("min_order_amount", decimal(15, 6)),
    ]);
    shown
}

fn order() -> Vec<(&'static str, Value)> {
    vec![("customer_id", text(128)), ("order_amount", amount()), ("currency", currency())]
}

fn row() -> Value {
    json!({
        "couponcode": "SAVE10",
        "title": "Ten percent off",
        "merchant": "Corner Café",
        "published_at": "2026-01-01T00:00:00.000Z",
        "expire_at": "2036-12-31T23:59:59.000Z",
        "discount": {"type": "percent", "value": "10", "currency": "GBP", "max_amount": "12.50"},
        "max_redemptions": 1_000,
    })
}

#[expect(clippy::too_many_lines, reason = "a list of the schemas")]
pub fn all() -> Vec<(&'static str, Value)> {
    let mut shown = row();
    for (name, value) in [
        ("id", json!("01a20257-4f12-7000-8abb-10196065276f")),
        ("disabled", json!(false)),
        ("version", json!(1)),
        ("created_at", json!("2026-11-22T08:20:06.034Z")),
        ("updated_at", json!("2026-11-22T08:20:06.034Z")),
        ("valid", json!(true)),
        ("status", json!("active")),
        ("times_redeemed", json!(3)),
        ("times_reserved", json!(1)),
    ] {
        shown[name] = value;
    }
    let mut known = terms_shown();
    known.push((
        "distance_km",
        says(json!({"type": "number", "minimum": 0}), "Where `near` asks for it."),
    ));
    let needed = ["couponcode", "merchant", "title", "published_at", "expire_at"];
    let mut with_order = order();
    with_order.push(("order_id", text(128)));
    with_order.push(("reserve_for_s", says(integer(1, 604_800), "Absent: redeemed at once.")));
    let mut question = order();
    question.push(("at", says(timestamp(), "Now, where it is absent.")));
    let code = one_of(&RULES.map(|(_, code)| code));
    let used = json!({"customer_id": "c-17", "order_id": "o-4711", "order_amount": "80.00", "currency": "GBP"});
    let mut redeemed = used.clone();
    for (name, value) in [
        ("id", json!("01a20257-6a40-7000-9f10-3c2f1d6b7a01")),
        ("coupon_id", json!("01a20257-4f12-7000-8abb-10196065276f")),
        ("discount_amount", json!("8.00")),
        ("state", json!("reserved")),
        ("expires_at", json!("2026-11-22T08:35:06.034Z")),
        ("redeemed_at", json!(null)),
        ("created_at", json!("2026-11-22T08:20:06.034Z")),
    ] {
        redeemed[name] = value;
    }
    let mut reserve = used.clone();
    reserve["reserve_for_s"] = json!(900);
    let rules: Vec<_> = RULES
        .iter()
        .take(7)
        .map(|(rule, _)| json!({"rule": rule, "passed": true, "code": null}))
        .collect();
    vec![
        ("Currency", currencies()),
        ("NewCoupon", example(body(MEMBERS, &needed, &terms()), row())),
        (
            "CouponPatch",
            example(
                patch(MEMBERS, &needed, &terms()),
                json!({"title": "Ten percent off everything", "description": null}),
            ),
        ),
        ("Coupon", example(answer::<coupon::Seen>(&known), shown)),
        ("CouponImport", example(import("NewCoupon"), json!({"items": [row()], "dry_run": true}))),
        ("Imported", imported()),
        ("CouponRow", example(answer::<Terms>(&terms_shown()), row())),
        (
            "Question",
            example(
                body(Question::MEMBERS, &["order_amount", "currency"], &question),
                json!({"order_amount": "80.00", "currency": "GBP"}),
            ),
        ),
        (
            "Evaluation",
            example(
                answer::<Evaluation>(&[
                    ("code", code.clone()),
                    ("discount_amount", decimal(15, 6)),
                    ("rules/rule", one_of(&RULES.map(|(rule, _)| rule))),
                    ("rules/code", code),
                ]),
                json!({"applicable": true, "code": null, "discount_amount": "8.00", "currency": "GBP", "rules": rules}),
            ),
        ),
        (
            "NewRedemption",
            example(
                body(
                    NewRedemption::MEMBERS,
                    &["customer_id", "order_id", "order_amount", "currency"],
                    &with_order,
                ),
                reserve,
            ),
        ),
        (
            "Redemption",
            example(
                answer::<redemption::Seen>(&[
                    ("order_amount", decimal(15, 6)),
                    ("discount_amount", decimal(15, 6)),
                ]),
                redeemed,
            ),
        ),
        (
            "Stats",
            example(
                answer::<usage::Stats>(&[("by_day/date", date())]),
                json!({"reserved": 1, "redeemed": 2, "cancelled": 0, "expired": 0, "discount_total": {"GBP": "16.00"},
                       "by_day": [{"date": "2026-11-22", "redeemed": 2, "discount_total": {"GBP": "16.00"}}]}),
            ),
        ),
    ]
}
