//! What coupons say of themselves.
#![allow(
    clippy::indexing_slicing,
    reason = "a test alone runs this; a member of a JSON object is made where it is missing"
)]

mod schemas;

use serde_json::{Value, json};
use shared::auth::Scope;
use shared::openapi::schema::{
    by_default, example, id, in_path, in_query, one_of, paging, pattern, says, text, timestamp,
};
use shared::openapi::{Answer, Body, Content, Description, Header, Operation, Who};

const WRITE: Who = Who::Any(&[Scope::CouponsWrite]);
const REDEEM: Who = Who::Any(&[Scope::CouponsRedeem]);
const STATUSES: [&str; 6] = ["invalid", "disabled", "scheduled", "expired", "exhausted", "active"];

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
        schemas: schemas::all(),
    }
}
