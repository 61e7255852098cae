//! What the tests of coupons share.

#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

use std::collections::HashSet;

use serde_json::{Value, json};
use shared::auth::Scope;
use shared::testing::{Client, Reply, TestApp};

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

/// A store with one coupon, a user who may write and redeem, and the coupon's path.
pub async fn with_coupon(change: &Value) -> (TestApp, Client, String) {
    let app = TestApp::start(&[coupons::FUNCTION]).await;
    let ada = app.user("ada", &[Scope::CouponsWrite, Scope::CouponsRedeem]).await;
    let mut coupon = with("min_order_amount", Value::Null);
    coupon["discount"] = json!({"type": "percent", "value": "10"});
    json_merge(&mut coupon, change);
    let created = ada.post("/coupons", &coupon).await;
    assert_eq!(created.status, 201, "{}", created.json());
    let path = created.header("location").to_owned();
    (app, ada, path)
}

/// An order of 100 GBP.
pub fn order(customer: &str, order: &str) -> Value {
    json!({"customer_id": customer, "order_id": order, "order_amount": "100.00", "currency": "GBP"})
}

/// The same, reserved for some seconds.
pub fn reserving(customer: &str, order_id: &str, seconds: i64) -> Value {
    let mut order = order(customer, order_id);
    order["reserve_for_s"] = json!(seconds);
    order
}

/// Every redemption of a coupon, by its pages.
pub async fn ledger(caller: &Client, path: &str) -> Vec<Value> {
    let pages = caller.pages(&format!("{path}/redemptions?limit=7")).await;
    pages.iter().flat_map(Reply::items).collect()
}

/// What the stats of a ledger must be, by replaying it. Amounts have two decimals here.
pub fn replay(ledger: &[Value]) -> Value {
    let count =
        |state: &str| ledger.iter().filter(|redemption| redemption["state"] == state).count();
    let redeemed: Vec<_> =
        ledger.iter().filter(|redemption| redemption["state"] == "redeemed").collect();
    let total = |redemptions: &[&Value]| {
        let mut totals = std::collections::BTreeMap::<String, u64>::new();
        for redemption in redemptions {
            let pence = redemption["discount_amount"].as_str().unwrap_or("?").replace('.', "");
            let currency = redemption["currency"].as_str().unwrap_or("?").to_owned();
            *totals.entry(currency).or_default() += pence.parse::<u64>().unwrap_or_default();
        }
        let text = |pence: u64| format!("{}.{:02}", pence / 100, pence % 100);
        totals
            .into_iter()
            .map(|(code, pence)| (code, json!(text(pence))))
            .collect::<serde_json::Map<_, _>>()
    };
    let day =
        |redemption: &Value| redemption["redeemed_at"].as_str().unwrap_or("?")[..10].to_owned();
    let mut days: Vec<_> = redeemed.iter().map(|redemption| day(redemption)).collect();
    days.sort();
    days.dedup();
    let by_day: Vec<_> = days
        .iter()
        .map(|date| {
            let of_day: Vec<_> =
                redeemed.iter().copied().filter(|redemption| day(redemption) == *date).collect();
            json!({"date": date, "redeemed": of_day.len(), "discount_total": total(&of_day)})
        })
        .collect();
    json!({
        "reserved": count("reserved"), "redeemed": count("redeemed"), "cancelled": count("cancelled"),
        "expired": count("expired"), "discount_total": total(&redeemed), "by_day": by_day,
    })
}

/// What must hold of a ledger at any rest: its stats, its entries, its limits.
pub async fn check(app: &TestApp, caller: &Client, path: &str, most: Option<usize>) -> Vec<Value> {
    // Time goes on: stats are held to a ledger that was the same before and after.
    let ledger = loop {
        let before = ledger(caller, path).await;
        let stats = caller.get(&format!("{path}/stats")).await.json();
        if before == ledger(caller, path).await {
            assert_eq!(stats, replay(&before));
            break before;
        }
    };
    let live = |redemption: &&Value| {
        ["reserved", "redeemed"].contains(&redemption["state"].as_str().unwrap_or("?"))
    };
    let orders: Vec<_> =
        ledger.iter().filter(live).map(|redemption| redemption["order_id"].to_string()).collect();
    assert!(most.is_none_or(|most| orders.len() <= most), "{} of {most:?}", orders.len());
    assert_eq!(
        orders.iter().collect::<HashSet<_>>().len(),
        orders.len(),
        "an order has two live redemptions"
    );
    let created: Vec<_> = app.entries().await;
    let created = created.iter().filter(|stored| stored.entry.item_type == "redemptions");
    let created =
        created.filter(|stored| stored.entry.access_type == shared::audit::Access::Create);
    let created: HashSet<_> =
        created.filter_map(|stored| stored.entry.item_id.map(|id| id.to_string())).collect();
    let ids: HashSet<_> = ledger
        .iter()
        .map(|redemption| redemption["id"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(created, ids, "each redemption has its entry, and each entry its redemption");
    ledger
}
