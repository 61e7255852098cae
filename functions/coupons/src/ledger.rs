//! Where redemptions lie, and what is counted of them.
//!
//! | item | what for |
//! | --- | --- |
//! | `redemptions#COUPON#SHARD`, by id | the ledger. While reserved, a row is in the indexes `lapsing` and `lapsing_of`, by the time when it expires |
//! | `order#COUPON#HASH` | the last redemption of an order |
//! | `customer#COUPON#HASH` | `live`: the slots that a customer has |
//! | `totals#COUPON`, `totals` | `live`, `open` (reservations), `redeemed`, `cancelled`, `expired`, and money by currency |
//! | `totals#COUPON`, `day#DATE` | the redeemed of a day |
//! | `totals#COUPON`, `hour#HOUR` | the reservations that end in an hour, `n`, and in each of its minutes |
//!
//! A reservation that expires writes nothing. It goes on counting as `live` and `open` until a new
//! redemption takes its slot over, in one transaction; how many such there are at a time, the hours
//! tell without looking at any of them.

use std::collections::BTreeMap;

use ring::digest::{SHA256, digest};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use shared::answer::Answer;
use shared::audit::{Access, ItemType, Subject};
use shared::auth::Caller;
use shared::problem::Problem;
use shared::store::{Change, Counting, ItemKey, Order, Partitions, Store, Table, shard, shards};
use shared::values::Timestamp;
use uuid::Uuid;

use crate::redemption::{Redemption, State};

fn hash(id: &str) -> String {
    hex::encode(digest(&SHA256, id.as_bytes()))
}

pub fn redemption_key(coupon: Uuid, id: Uuid) -> ItemKey {
    ItemKey::new(format!("redemptions#{coupon}#{}", shard(id)), id.to_string())
}

pub fn order_key(coupon: Uuid, order_id: &str) -> ItemKey {
    ItemKey::new(format!("order#{coupon}#{}", hash(order_id)), "order")
}

pub fn customer_key(coupon: Uuid, customer_id: &str) -> ItemKey {
    ItemKey::new(format!("customer#{coupon}#{}", hash(customer_id)), "customer")
}

pub fn counted(coupon: Uuid, what: String) -> ItemKey {
    ItemKey::new(format!("totals#{coupon}"), what)
}

pub fn totals_key(coupon: Uuid) -> ItemKey {
    counted(coupon, "totals".to_owned())
}

/// `2026-11-22T08:40:51.620Z` cut down to its day, hour or minute.
fn cut(at: Timestamp, to: &str) -> String {
    at.to_string().chars().take(to.len()).collect()
}

fn day(at: Timestamp) -> String {
    cut(at, "2026-11-22")
}

pub fn hour(at: Timestamp) -> String {
    cut(at, "2026-11-22T08")
}

pub fn minute(at: Timestamp) -> String {
    cut(at, "2026-11-22T08:40")
}

/// The counter of a minute in its hour's item.
pub fn minute_counter(at: Timestamp) -> String {
    format!("m{}", minute(at).split_off("2026-11-22T08:".len()))
}

/// A redemption as it is stored.
#[derive(Serialize)]
pub struct Row<'a> {
    #[serde(flatten)]
    redemption: &'a Redemption,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_in: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_of: Option<String>,
    /// When it expires, and its id behind, so that no two are the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    open_until: Option<String>,
}

impl<'a> Row<'a> {
    pub fn of(redemption: &'a Redemption) -> Self {
        let coupon = redemption.coupon_id;
        let until = redemption.expires_at.filter(|_| redemption.state == State::Reserved);
        Self {
            open_in: until.map(|_| coupon),
            open_of: until.map(|_| customer_key(coupon, &redemption.customer_id).pk),
            open_until: until.map(|until| format!("{until}#{}", redemption.id)),
            redemption,
        }
    }
}

/// The last redemption of an order.
#[derive(Serialize, Deserialize)]
pub struct OrderRow {
    pub redemption_id: Uuid,
}

/// What a change adds to each item that counts.
#[derive(Default)]
pub struct Deltas(BTreeMap<ItemKey, Counting>);

impl Deltas {
    pub fn of(&mut self, key: ItemKey) -> &mut Counting {
        self.0.entry(key.clone()).or_insert_with(|| Counting::new(key))
    }

    /// All that a live redemption counts for: `sign` 1 as it comes to be, -1 as it ends.
    pub fn live(&mut self, redemption: &Redemption, sign: i64) {
        let coupon = redemption.coupon_id;
        let one = Decimal::from(sign);
        self.of(customer_key(coupon, &redemption.customer_id)).add("live", one);
        self.of(totals_key(coupon)).add("live", one);
        match (redemption.state, redemption.redeemed_at, redemption.expires_at) {
            (State::Reserved, _, Some(expires_at)) => {
                self.of(totals_key(coupon)).add("open", one);
                let hour = self.of(counted(coupon, format!("hour#{}", hour(expires_at))));
                hour.add("n", one);
                hour.add(&minute_counter(expires_at), one);
            }
            (_, Some(redeemed_at), _) => {
                let code = redemption.currency.code();
                let day = counted(coupon, format!("day#{}", day(redeemed_at)));
                for key in [totals_key(coupon), day] {
                    let counting = self.of(key);
                    counting.add("redeemed", one);
                    counting.add(&format!("count_{code}"), one);
                    counting.add(&format!("discount_{code}"), one * redemption.discount_amount);
                }
            }
            _ => {}
        }
    }

    pub fn ended(&mut self, redemption: &Redemption, how: &'static str) {
        self.live(redemption, -1);
        self.of(totals_key(redemption.coupon_id)).add(how, Decimal::ONE);
    }

    /// Whether it touches an item.
    pub fn has(&self, key: &ItemKey) -> bool {
        self.0.contains_key(key)
    }

    pub fn into_change(self, change: Change) -> Change {
        self.0.into_values().fold(change, |change, counting| change.count(Table::Coupons, counting))
    }
}

pub async fn read(store: &Store, coupon: Uuid, id: Uuid) -> Result<Redemption, Problem> {
    store.get(Table::Coupons, &redemption_key(coupon, id)).await?.ok_or(Problem::NOT_FOUND)
}

pub fn subject(id: Uuid) -> Subject {
    Subject { item_type: ItemType::Redemptions, item_id: id }
}

/// A redemption that is confirmed or cancelled: its counts move, and the order of a cancelled one is
/// free for another at once.
pub fn settle(
    caller: &Caller,
    old: &Redemption,
    new: &Redemption,
    answer: Answer,
) -> Result<Change, Problem> {
    let key = redemption_key(new.coupon_id, new.id);
    let is_cancelled = new.state == State::Cancelled;
    let changed: &[_] = if is_cancelled { &["state"] } else { &["state", "redeemed_at"] };
    let mut change = Change::new(caller, Access::Update, subject(new.id), changed, answer)
        .replace(Table::Coupons, &key, &Row::of(new), old.version)?;
    let mut deltas = Deltas::default();
    if is_cancelled {
        deltas.ended(old, "cancelled");
        change = change.remove(Table::Coupons, &order_key(old.coupon_id, &old.order_id));
    } else {
        deltas.live(old, -1);
        deltas.live(new, 1);
    }
    Ok(deltas.into_change(change))
}

/// The ledger's partitions, newest first.
pub fn list(coupon: Uuid) -> Partitions {
    Partitions {
        table: Table::Coupons,
        index: None,
        attribute: "pk",
        values: shards(|shard| format!("redemptions#{coupon}#{shard}")),
        sort: "sk",
        order: Order::Descending,
        until: None,
    }
}
