//! What coupons say of themselves.
#![allow(
    clippy::indexing_slicing,
    reason = "a test alone runs this; a member of a JSON object is made where it is missing"
)]

use serde_json::{Value, json};
use shared::auth::Scope;
use shared::openapi::schema::{
    answer, body, boolean, by_default, date, decimal, example, id, import, imported, in_path,
    in_query, integer, lines, number, one_of, paging, patch, pattern, percentage, says, text,
    timestamp,
};
use shared::openapi::{Answer, Body, Content, Description, Header, Operation, Who};
use utoipa::openapi::{RefOr, Schema};

use crate::money::Currency;
use crate::redeem::Evaluation;
use crate::redemption::{NewRedemption, Question};
use crate::terms::{MEMBERS, Terms};
use crate::{coupon, redemption, usage};

const WRITE: Who = Who::Any(&[Scope::CouponsWrite]);
const REDEEM: Who = Who::Any(&[Scope::CouponsRedeem]);
const STATUSES: [&str; 6] = ["invalid", "disabled", "scheduled", "expired", "exhausted", "active"];
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
fn schemas() -> Vec<(&'static str, Value)> {
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

fn coupon_id() -> Value {
    in_path("id", &id())
}

fn redemption_id() -> Vec<Value> {
    vec![coupon_id(), in_path("rid", &id())]
}

#[expect(clippy::too_many_lines, reason = "a list of the operations")]
pub fn description() -> Description {
    use Header::{IdempotencyKey, IfMatch};
    let at =
        || in_query("at", &says(timestamp(), "The time to judge by; now, where it is absent."));
    let mut filters = vec![
        in_query("status", &one_of(&[&STATUSES[..], &["valid"]].concat())),
        in_query("category", &text(256)),
        in_query("merchant", &text(256)),
        in_query("couponcode", &text(256)),
        at(),
        in_query(
            "near",
            &says(
                example(
                    pattern(r"^-?[0-9]{1,2}(\.[0-9]{1,6})?,-?[0-9]{1,2}(\.[0-9]{1,6})?$"),
                    json!("51.5,-0.12"),
                ),
                "`lat,long` in degrees: nearest first.",
            ),
        ),
        in_query(
            "radius_km",
            &by_default(
                says(
                    pattern(r"^(100(\.0{1,6})?|[1-9][0-9]?(\.[0-9]{1,6})?)$"),
                    "Above 0, up to 100; needs `near`.",
                ),
                "10",
            ),
        ),
    ];
    filters.extend(paging(20));
    let versioned = &["ETag"];
    let created: &[&str] = &["Location", "ETag", "Idempotency-Replayed"];
    let operations = vec![
        Operation {
            parameters: filters,
            answers: vec![Answer::page("Coupon")],
            ..Operation::new(
                "GET",
                "/coupons",
                "Lists coupons, newest or nearest first.",
                Who::Anyone,
            )
        },
        Operation {
            headers: &[IdempotencyKey],
            body: Body::of("NewCoupon"),
            answers: vec![Answer::created("Coupon").with(created)],
            ..Operation::new("POST", "/coupons", "Creates a coupon.", WRITE)
        },
        Operation {
            more: "A bad row stops no other.",
            headers: &[IdempotencyKey],
            body: Body::of("CouponImport"),
            answers: vec![Answer::done("Imported")],
            ..Operation::new("POST", "/coupons/import", "Imports up to 1,000 coupons.", WRITE)
        },
        Operation {
            more: "Each line of JSON is a row as the import takes it; equal rows come once.",
            parameters: paging(100).into(),
            answers: vec![Answer::file("application/x-ndjson").with(&["Link"])],
            ..Operation::new("GET", "/coupons/export", "Exports coupons, oldest first.", WRITE)
        },
        Operation {
            parameters: vec![coupon_id(), at()],
            answers: vec![Answer::ok("Coupon").with(versioned)],
            ..Operation::new("GET", "/coupons/{id}", "Reads a coupon.", Who::Anyone)
        },
        Operation {
            parameters: vec![coupon_id()],
            headers: &[IfMatch],
            body: Body::of("NewCoupon"),
            answers: vec![Answer::ok("Coupon").with(versioned)],
            ..Operation::new("PUT", "/coupons/{id}", "Replaces a coupon.", WRITE)
        },
        Operation {
            more: "RFC 7396: a null takes a member away.",
            parameters: vec![coupon_id()],
            headers: &[IfMatch],
            body: Body::optional("CouponPatch"),
            answers: vec![Answer::ok("Coupon").with(versioned)],
            ..Operation::new("PATCH", "/coupons/{id}", "Changes a coupon.", WRITE)
        },
        Operation {
            more: "No redemption begins any more; those that were reserved can still be settled.",
            parameters: vec![coupon_id()],
            headers: &[IfMatch],
            answers: vec![Answer::no_content()],
            ..Operation::new("DELETE", "/coupons/{id}", "Deletes a coupon.", WRITE)
        },
        Operation {
            more: "Writes nothing. The customer's limit is judged for callers with `coupons:redeem` alone.",
            parameters: vec![coupon_id()],
            body: Body::of("Question"),
            answers: vec![Answer::ok("Evaluation")],
            ..Operation::new(
                "POST",
                "/coupons/{id}/evaluations",
                "Says what an order would get.",
                Who::Anyone,
            )
        },
        Operation {
            parameters: vec![coupon_id()],
            headers: &[IdempotencyKey],
            body: Body::of("NewRedemption"),
            answers: vec![
                Answer::created("Redemption"),
                Answer::new(200, "The order has it already.", Content::One("Redemption"))
                    .with(&["Idempotency-Replayed"]),
            ],
            refusals: &[
                (409, "order_conflict"),
                (409, "coupon_invalid"),
                (409, "coupon_disabled"),
                (409, "coupon_not_started"),
                (409, "coupon_expired"),
                (409, "currency_mismatch"),
                (409, "minimum_not_met"),
                (409, "coupon_exhausted"),
                (409, "customer_limit_reached"),
            ],
            ..Operation::new(
                "POST",
                "/coupons/{id}/redemptions",
                "Redeems or reserves a coupon.",
                REDEEM,
            )
        },
        Operation {
            parameters: [vec![coupon_id()], paging(20).into()].concat(),
            answers: vec![Answer::page("Redemption")],
            ..Operation::new(
                "GET",
                "/coupons/{id}/redemptions",
                "Lists the redemptions of a coupon.",
                WRITE,
            )
        },
        Operation {
            parameters: redemption_id(),
            answers: vec![Answer::ok("Redemption")],
            ..Operation::new(
                "GET",
                "/coupons/{id}/redemptions/{rid}",
                "Reads a redemption.",
                Who::Any(&[Scope::CouponsWrite, Scope::CouponsRedeem]),
            )
        },
        Operation {
            parameters: redemption_id(),
            headers: &[IdempotencyKey],
            body: Body::optional("Nothing"),
            answers: vec![Answer::done("Redemption")],
            refusals: &[(409, "reservation_expired"), (409, "redemption_cancelled")],
            ..Operation::new(
                "POST",
                "/coupons/{id}/redemptions/{rid}/confirm",
                "Confirms a reservation.",
                REDEEM,
            )
        },
        Operation {
            more: "The slot is free at once, that of a redeemed one too.",
            parameters: redemption_id(),
            headers: &[IdempotencyKey],
            body: Body::optional("Nothing"),
            answers: vec![Answer::done("Redemption")],
            ..Operation::new(
                "POST",
                "/coupons/{id}/redemptions/{rid}/cancel",
                "Cancels a redemption.",
                REDEEM,
            )
        },
        Operation {
            parameters: vec![coupon_id()],
            answers: vec![Answer::ok("Stats")],
            ..Operation::new(
                "GET",
                "/coupons/{id}/stats",
                "Sums up the redemptions of a coupon.",
                WRITE,
            )
        },
    ];
    Description {
        name: "coupons",
        says: "Discounts, redeemed within limits that hold exactly.",
        operations,
        schemas: schemas(),
    }
}
