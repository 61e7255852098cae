//! Where coupons lie.
//!
//! `coupon#ID` is the coupon, in the indexes `all` (8 shards, so that no partition takes every
//! write), `couponcode`, `merchant`, `category` and `content`, each sorted by id, which is by age, and
//! `place`, along a curve over the Earth.
//! `content#HASH` counts the coupons with the same terms, so that an import can tell, exactly and
//! whatever runs beside it, whether a row is there already.

use std::collections::HashMap;

use ring::digest::{SHA256, digest};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::answer::Answer;
use shared::audit::{Access, ItemType, Subject};
use shared::auth::Caller;
use shared::problem::Problem;
use shared::store::{
    Change, Counters, Counting, ItemKey, Order, Otherwise, Partitions, Store, Table, shard, shards,
};
use shared::values::Timestamp;
use uuid::Uuid;

use crate::coupon::Coupon;
use crate::place::{Cell, Place};
use crate::terms::Terms;

const COUNTER: &str = "coupons";

/// A coupon as it is stored, with the attributes that indexes need beside the terms' own.
#[derive(Serialize)]
struct Row<'a> {
    all_shard: String,
    content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    place_cell: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moved_at: Option<Timestamp>,
    #[serde(flatten)]
    coupon: &'a Coupon,
}

impl<'a> Row<'a> {
    fn of(coupon: &'a Coupon) -> Self {
        let cell = coupon.terms.place().map(Place::cell);
        Self {
            all_shard: shard(coupon.id).to_string(),
            content: content(&coupon.terms),
            place_cell: cell.map(Cell::partition),
            place: cell.map(|cell| format!("{}#{}", cell.keys().0, coupon.id)),
            moved_at: coupon.moved_at,
            coupon,
        }
    }
}

pub fn coupon_key(id: Uuid) -> ItemKey {
    ItemKey::new(format!("coupon#{id}"), "coupon")
}

/// What is left of a deleted coupon.
fn tombstone_key(id: Uuid) -> ItemKey {
    ItemKey::new(format!("coupon#{id}"), "deleted")
}

fn content_key(content: &str) -> ItemKey {
    ItemKey::new(format!("content#{content}"), "content")
}

/// What equal terms share: the hash of their canonical form.
pub fn content(terms: &Terms) -> String {
    let canonical = serde_json::to_vec(&terms.canonical()).unwrap_or_default();
    hex::encode(digest(&SHA256, &canonical))
}

fn counting(content: &str, amount: i64) -> Counting {
    Counting::one(content_key(content), COUNTER, amount)
}

fn subject(id: Uuid) -> Subject {
    Subject { item_type: ItemType::Coupons, item_id: id }
}

pub async fn read(store: &Store, id: Uuid) -> Result<Coupon, Problem> {
    store.get(Table::Coupons, &coupon_key(id)).await?.ok_or(Problem::NOT_FOUND)
}

pub fn create(caller: &Caller, coupon: &Coupon, answer: Answer) -> Result<Change, Problem> {
    let changed = coupon.terms.changed(None);
    let row = Row::of(coupon);
    Ok(Change::new(caller, Access::Create, subject(coupon.id), &changed, answer)
        .insert(Table::Coupons, &coupon_key(coupon.id), &row, Otherwise::DecideAnew)?
        .count(Table::Coupons, counting(&row.content, 1)))
}

pub fn replace(
    caller: &Caller,
    old: &Coupon,
    new: &Coupon,
    answer: Answer,
) -> Result<Change, Problem> {
    let changed = new.terms.changed(Some(&old.terms));
    let (old_content, row) = (content(&old.terms), Row::of(new));
    let mut change = Change::new(caller, Access::Update, subject(new.id), &changed, answer)
        .replace(Table::Coupons, &coupon_key(new.id), &row, old.version)?;
    if row.content != old_content {
        change = change
            .count(Table::Coupons, counting(&old_content, -1))
            .count(Table::Coupons, counting(&row.content, 1));
    }
    Ok(change)
}

pub fn delete(caller: &Caller, old: &Coupon) -> Result<Change, Problem> {
    Ok(Change::new(caller, Access::Delete, subject(old.id), &[], Answer::no_content())
        .delete(Table::Coupons, &coupon_key(old.id), old.version)
        .put(Table::Coupons, &tombstone_key(old.id), &json!({}))?
        .count(Table::Coupons, counting(&content(&old.terms), -1)))
}

/// Creates several coupons, none of which may be equal to one that is there.
pub fn import(caller: &Caller, coupons: &[Coupon], answer: Answer) -> Result<Change, Problem> {
    let mut change = Change::nothing(answer);
    for coupon in coupons {
        let row = Row::of(coupon);
        let first = Counting { below: Some((COUNTER, 1)), ..counting(&row.content, 1) };
        change = change
            .also(caller, Access::Create, subject(coupon.id), &coupon.terms.changed(None))
            .insert(Table::Coupons, &coupon_key(coupon.id), &row, Otherwise::DecideAnew)?
            .count(Table::Coupons, first);
    }
    Ok(change)
}

/// How many coupons there are of each of these contents; those without one are left out.
pub async fn counts(store: &Store, contents: &[String]) -> Result<HashMap<String, i64>, Problem> {
    let keys: Vec<_> = contents.iter().map(|content| content_key(content)).collect();
    let counters = store.counters(Table::Coupons, &keys).await?;
    let content = |counters: &Counters| counters.key.pk.strip_prefix("content#").map(str::to_owned);
    let counted = counters.iter().map(|counters| (content(counters), counters.count(COUNTER)));
    Ok(counted
        .filter(|(_, count)| *count > 0)
        .filter_map(|(content, count)| Some((content?, count)))
        .collect())
}

/// Whether there is, or ever was, a coupon of this id: its ledger can be read on.
pub async fn existed(store: &Store, id: Uuid) -> Result<(), Problem> {
    let keys = [coupon_key(id), tombstone_key(id)];
    let found: Vec<IgnoredAny> = store.get_many(Table::Coupons, &keys).await?;
    if found.is_empty() { Err(Problem::NOT_FOUND) } else { Ok(()) }
}

/// Which index serves a list: the most selective of the filters that have one.
pub enum Source<'a> {
    Couponcode(&'a str),
    Merchant(&'a str),
    Category(&'a str),
    All,
}

impl Source<'_> {
    pub fn partitions(&self, order: Order) -> Partitions {
        let (index, values) = match self {
            Self::Couponcode(code) => ("couponcode", vec![(*code).to_owned()]),
            Self::Merchant(merchant) => ("merchant", vec![(*merchant).to_owned()]),
            Self::Category(category) => ("category", vec![(*category).to_owned()]),
            Self::All => ("all", shards(|shard| shard.to_string())),
        };
        let attribute = if index == "all" { "all_shard" } else { index };
        let index = Some(index);
        Partitions {
            table: Table::Coupons,
            index,
            attribute,
            values,
            sort: "id",
            order,
            until: None,
        }
    }
}

/// The oldest coupon of a content.
pub async fn oldest(store: &Store, content: String) -> Result<Option<Uuid>, Problem> {
    #[derive(Deserialize)]
    struct IndexRow {
        id: Uuid,
    }
    let partitions = Partitions {
        table: Table::Coupons,
        index: Some("content"),
        attribute: "content",
        values: vec![content],
        sort: "id",
        order: Order::Ascending,
        until: None,
    };
    let page = store.page(&partitions, None, 1, |row: IndexRow| Some(row.id)).await?;
    Ok(page.items.into_iter().next())
}
