//! Where coupons lie.
//!
//! `coupon#ID` is the coupon, in the indexes `all` (8 shards, so that no partition takes every
//! write), `couponcode`, `merchant`, `category` and `content`, each sorted by id, which is by age.
//! `content#HASH` counts the coupons with the same terms, so that an import can tell, exactly and
//! whatever runs beside it, whether a row is there already.

use std::collections::HashMap;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use shared::answer::Answer;
use shared::audit::{Access, Subject};
use shared::auth::Caller;
use shared::problem::Problem;
use shared::store::{Change, ItemKey, Order, Otherwise, Page, Partitions, Store, Table};
use uuid::Uuid;

use crate::coupon::{Coupon, Terms};

const SHARDS: u8 = 8;
const COUNTER: &str = "coupons";

/// A coupon as it is stored, with the attributes that indexes need beside the terms' own.
#[derive(Serialize)]
struct Row<'a> {
    pk: String,
    sk: &'static str,
    all_shard: String,
    content: String,
    #[serde(flatten)]
    coupon: &'a Coupon,
}

impl<'a> Row<'a> {
    fn of(coupon: &'a Coupon) -> Self {
        let ItemKey { pk, sk } = coupon_key(coupon.id);
        // The id's bits behind its time: random, or a row's place in its import.
        let [_, _, _, _, _, _, _, place, ..] = coupon.id.into_bytes();
        Self {
            pk,
            sk,
            all_shard: (place % SHARDS).to_string(),
            content: content(&coupon.terms),
            coupon,
        }
    }
}

fn coupon_key(id: Uuid) -> ItemKey {
    ItemKey { pk: format!("coupon#{id}"), sk: "coupon" }
}

fn content_key(content: &str) -> ItemKey {
    ItemKey { pk: format!("content#{content}"), sk: "content" }
}

/// What equal terms share: the hash of their canonical form.
pub fn content(terms: &Terms) -> String {
    let canonical = serde_json::to_vec(&terms.canonical()).unwrap_or_default();
    hex::encode(digest(&SHA256, &canonical))
}

fn subject(id: Uuid) -> Subject {
    Subject { item_type: "coupons", item_id: id }
}

pub async fn read(store: &Store, id: Uuid) -> Result<Coupon, Problem> {
    store.get(Table::Coupons, &coupon_key(id)).await?.ok_or(Problem::NOT_FOUND)
}

pub fn create(caller: &Caller, coupon: &Coupon, answer: Answer) -> Result<Change, Problem> {
    let changed = coupon.terms.changed(None);
    let row = Row::of(coupon);
    let counter = content_key(&row.content);
    Ok(Change::new(caller, Access::Create, subject(coupon.id), &changed, answer)
        .insert(Table::Coupons, &row, Otherwise::DecideAnew)?
        .add(Table::Coupons, &counter, COUNTER, 1))
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
        .replace(Table::Coupons, &row, old.version)?;
    if row.content != old_content {
        change = change.add(Table::Coupons, &content_key(&old_content), COUNTER, -1).add(
            Table::Coupons,
            &content_key(&row.content),
            COUNTER,
            1,
        );
    }
    Ok(change)
}

pub fn delete(caller: &Caller, old: &Coupon) -> Change {
    Change::new(caller, Access::Delete, subject(old.id), &[], Answer::no_content())
        .delete(Table::Coupons, &coupon_key(old.id), old.version)
        .add(Table::Coupons, &content_key(&content(&old.terms)), COUNTER, -1)
}

/// Creates several coupons, none of which may be equal to one that is there.
pub fn import(caller: &Caller, coupons: &[Coupon], answer: Answer) -> Result<Change, Problem> {
    let mut change = Change::nothing(answer);
    for coupon in coupons {
        let row = Row::of(coupon);
        let counter = content_key(&row.content);
        change = change
            .also(caller, Access::Create, subject(coupon.id), &coupon.terms.changed(None))
            .insert(Table::Coupons, &row, Otherwise::DecideAnew)?
            .add_first(Table::Coupons, &counter, COUNTER);
    }
    Ok(change)
}

/// How many coupons there are of each of these contents; those without one are left out.
pub async fn counts(store: &Store, contents: &[String]) -> Result<HashMap<String, u64>, Problem> {
    #[derive(Deserialize)]
    struct Counter {
        pk: String,
        coupons: u64,
    }
    let keys: Vec<_> = contents.iter().map(|content| content_key(content)).collect();
    let counters: Vec<Counter> = store.get_many(Table::Coupons, &keys).await?;
    let counted = counters.into_iter().filter(|counter| counter.coupons > 0);
    Ok(counted
        .filter_map(|Counter { pk, coupons }| {
            Some((pk.strip_prefix("content#")?.to_owned(), coupons))
        })
        .collect())
}

/// Which index serves a list: the most selective of the filters that have one.
pub enum Source<'a> {
    Couponcode(&'a str),
    Merchant(&'a str),
    Category(&'a str),
    All,
}

impl Source<'_> {
    fn partitions(&self, order: Order) -> Partitions {
        let (index, values) = match self {
            Self::Couponcode(code) => ("couponcode", vec![(*code).to_owned()]),
            Self::Merchant(merchant) => ("merchant", vec![(*merchant).to_owned()]),
            Self::Category(category) => ("category", vec![(*category).to_owned()]),
            Self::All => ("all", (0..SHARDS).map(|shard| shard.to_string()).collect()),
        };
        let attribute = if index == "all" { "all_shard" } else { index };
        Partitions { table: Table::Coupons, index, attribute, values, sort: "id", order }
    }
}

/// A page of coupons that `keep` takes, by age. `selective`: it is expected to leave most out.
pub async fn list<T>(
    store: &Store,
    source: Source<'_>,
    order: Order,
    after: Option<String>,
    limit: usize,
    selective: bool,
    keep: impl Fn(Coupon) -> Option<T>,
) -> Result<Page<T>, Problem> {
    store.page(&source.partitions(order), after, limit, selective, keep).await
}

/// The oldest coupon of a content.
pub async fn oldest(store: &Store, content: String) -> Result<Option<Uuid>, Problem> {
    #[derive(Deserialize)]
    struct IndexRow {
        id: Uuid,
    }
    let partitions = Partitions {
        table: Table::Coupons,
        index: "content",
        attribute: "content",
        values: vec![content],
        sort: "id",
        order: Order::Ascending,
    };
    let page = store.page(&partitions, None, 1, false, |row: IndexRow| Some(row.id)).await?;
    Ok(page.items.into_iter().next())
}
