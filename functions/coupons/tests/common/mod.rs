//! What the tests of coupons share.

#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

use serde_json::{Value, json};
use shared::auth::Scope;
use shared::testing::{Client, TestApp};

/// An empty store and a user who may write coupons.
pub async fn app() -> (TestApp, Client) {
    let app = TestApp::start(&[coupons::FUNCTION]).await;
    let ada = app.user("ada", &[Scope::CouponsWrite]).await;
    (app, ada)
}

pub fn save10() -> Value {
    json!({
        "category": "food",
        "couponcode": "SAVE10",
        "merchant": "Corner Café",
        "title": "Ten percent off",
        "store": {
            "lat": 51.5074, "long": -0.1278, "city": "London", "phone": "+44 20 7946 0000",
            "state": "England", "street": "1 High Street", "zip": "WC2N 5DU"
        },
        "published_at": "2020-01-01T00:00:00.000Z",
        "expire_at": "2099-12-31T23:59:59.999Z",
        "discount": {"type": "percent", "value": "10", "currency": "GBP", "max_amount": "12.50"},
        "min_order_amount": "5.00",
    })
}

/// `save10` with one member set, or taken away by a null.
pub fn with(name: &str, value: Value) -> Value {
    let mut coupon = save10();
    if value.is_null() {
        coupon.as_object_mut().map(|members| members.remove(name));
    } else {
        coupon[name] = value;
    }
    coupon
}

/// Sets the members of `change` in `coupon`.
pub fn json_merge(coupon: &mut Value, change: &Value) {
    for (name, value) in change.as_object().into_iter().flatten() {
        coupon[name] = value.clone();
    }
}

/// A coupon of its own: no other number's is equal to it.
pub fn numbered(number: usize) -> Value {
    with("title", json!(format!("Coupon {number}")))
}

/// A store of `count` numbered coupons.
pub async fn stored(count: usize) -> (TestApp, Client) {
    let (app, ada) = app().await;
    for chunk in (0..count).collect::<Vec<_>>().chunks(1_000) {
        let rows: Vec<_> = chunk.iter().map(|number| numbered(*number)).collect();
        let imported = ada.post("/coupons/import", &json!({"items": rows})).await;
        assert_eq!(imported.json(), json!({"imported": chunk.len(), "unchanged": 0, "failed": []}));
    }
    (app, ada)
}
