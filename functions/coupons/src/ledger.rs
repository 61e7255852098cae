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

use rand::seq::SliceRandom;
use ring::digest::{SHA256, digest};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use shared::answer::Answer;
use shared::audit::{Access, Subject};
use shared::auth::Caller;
use shared::problem::Problem;
use shared::store::{
    Change, Counters, Counting, ItemKey, Looked, Order, Otherwise, Partitions, Store, Table,
};
use shared::values::Timestamp;
use uuid::Uuid;

use crate::coupon::{Coupon, Usage};
use crate::redemption::{Redemption, State};
use crate::table::{SHARDS, coupon_key, shard};

/// How many of the reservations that expired first one is chosen from, so that callers at the same
/// time seldom choose the same.
const CANDIDATES: usize = 25;
/// How many slots one redemption takes over: as many as a lowered limit asks for, within what one
/// transaction holds.
const MOST_RECLAIMED: usize = 15;
/// Empty hours that one redemption clears away.
const HOURS_CLEARED: usize = 2;

fn hash(id: &str) -> String {
    hex::encode(digest(&SHA256, id.as_bytes()))
}

fn redemption_key(coupon: Uuid, id: Uuid) -> ItemKey {
    ItemKey::new(format!("redemptions#{coupon}#{}", shard(id)), id.to_string())
}

fn order_key(coupon: Uuid, order_id: &str) -> ItemKey {
    ItemKey::new(format!("order#{coupon}#{}", hash(order_id)), "order")
}

fn customer_key(coupon: Uuid, customer_id: &str) -> ItemKey {
    ItemKey::new(format!("customer#{coupon}#{}", hash(customer_id)), "customer")
}

fn counted(coupon: Uuid, what: String) -> ItemKey {
    ItemKey::new(format!("totals#{coupon}"), what)
}

pub fn totals_key(coupon: Uuid) -> ItemKey {
    counted(coupon, "totals".to_owned())
}

/// `2026-11-22T08:40:51.620Z` cut down to its hour, minute or day.
fn cut(at: Timestamp, length: usize) -> String {
    at.to_string().chars().take(length).collect()
}

const DAY: usize = "2026-11-22".len();
const HOUR: usize = "2026-11-22T08".len();
const MINUTE: usize = "2026-11-22T08:40".len();

/// The counter of the minute in its hour's item.
fn minute(at: Timestamp) -> String {
    format!("m{}", cut(at, MINUTE).split_off(HOUR + 1))
}

/// A redemption as it is stored.
#[derive(Serialize, Deserialize)]
struct Row {
    pk: String,
    sk: String,
    #[serde(flatten)]
    redemption: Redemption,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_in: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_of: Option<String>,
    /// When it expires, and its id behind, so that no two are the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    open_until: Option<String>,
}

impl Row {
    fn of(redemption: &Redemption) -> Self {
        let coupon = redemption.coupon_id;
        let ItemKey { pk, sk } = redemption_key(coupon, redemption.id);
        let until = redemption.expires_at.filter(|_| redemption.state == State::Reserved);
        Self {
            pk,
            sk: sk.into_owned(),
            open_in: until.map(|_| coupon),
            open_of: until.map(|_| customer_key(coupon, &redemption.customer_id).pk),
            open_until: until.map(|until| format!("{until}#{}", redemption.id)),
            redemption: redemption.clone(),
        }
    }
}

/// The last redemption of an order.
#[derive(Serialize, Deserialize)]
struct OrderRow {
    pk: String,
    sk: String,
    redemption_id: Uuid,
}

/// What a change adds to each item that counts.
#[derive(Default)]
struct Deltas(BTreeMap<ItemKey, Counting>);

impl Deltas {
    fn of(&mut self, key: ItemKey) -> &mut Counting {
        self.0.entry(key.clone()).or_insert_with(|| Counting::new(key))
    }

    /// All that a live redemption counts for: `sign` 1 as it comes to be, -1 as it ends.
    fn live(&mut self, redemption: &Redemption, sign: i64) {
        let coupon = redemption.coupon_id;
        let one = Decimal::from(sign);
        self.of(customer_key(coupon, &redemption.customer_id)).add("live", one);
        self.of(totals_key(coupon)).add("live", one);
        match (redemption.state, redemption.redeemed_at, redemption.expires_at) {
            (State::Reserved, _, Some(expires_at)) => {
                self.of(totals_key(coupon)).add("open", one);
                let hour = self.of(counted(coupon, format!("hour#{}", cut(expires_at, HOUR))));
                hour.add("n", one);
                hour.add(&minute(expires_at), one);
            }
            (_, Some(redeemed_at), _) => {
                let code = redemption.currency.code();
                let day = counted(coupon, format!("day#{}", cut(redeemed_at, DAY)));
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

    fn ended(&mut self, redemption: &Redemption, how: &'static str) {
        self.live(redemption, -1);
        self.of(totals_key(redemption.coupon_id)).add(how, Decimal::ONE);
    }

    fn into_change(self, change: Change) -> Change {
        self.0.into_values().fold(change, |change, counting| change.count(Table::Coupons, counting))
    }
}

/// What the ledger says of a coupon, an order and a customer before one more redemption.
pub struct Standing {
    hours: Vec<Counters>,
    totals: Option<Counters>,
    customer_live: i64,
    /// What is used at the time, were all taken over that has expired.
    used: Usage,
    /// The order's last redemption.
    pub last: Option<Redemption>,
    /// More reservations of the customer expired than are taken over.
    more_of_customer: bool,
    /// Expired reservations whose slots the new one takes over.
    reclaimed: Vec<Redemption>,
}

/// How often a coupon is used at a time: totals and hours as one read gives them.
async fn used(
    store: &Store,
    coupon: Uuid,
    at: Timestamp,
) -> Result<(Usage, Vec<Counters>, Option<Counters>), Problem> {
    let mut hours =
        store.counters_from(Table::Coupons, &counted(coupon, "hour#".to_owned())).await?;
    let totals = hours.pop_if(|counters| counters.key.sk == "totals");
    let mut usage = Usage::default();
    if let Some(totals) = &totals {
        let open = totals.count("open");
        let lapsed = if open > 0 { lapsed(store, coupon, &hours, at).await? } else { 0 };
        // The index may be a moment behind the counters.
        usage = Usage { redeemed: totals.count("redeemed"), reserved: (open - lapsed).max(0) };
    }
    Ok((usage, hours, totals))
}

/// How many open reservations have expired at a time.
async fn lapsed(
    store: &Store,
    coupon: Uuid,
    hours: &[Counters],
    at: Timestamp,
) -> Result<i64, Problem> {
    let (this_hour, this_minute) = (format!("hour#{}", cut(at, HOUR)), minute(at));
    let mut lapsed = 0;
    for hour in hours {
        match (*hour.key.sk).cmp(this_hour.as_str()) {
            std::cmp::Ordering::Less => lapsed += hour.count("n"),
            std::cmp::Ordering::Greater => {}
            std::cmp::Ordering::Equal => {
                let minutes =
                    hour.iter().filter(|(name, _)| name.starts_with('m') && **name < *this_minute);
                lapsed += minutes.map(|(name, _)| hour.count(name)).sum::<i64>();
                if hour.count(&this_minute) > 0 {
                    let this_minute = lapsing("lapsing", "open_in", coupon.to_string(), at);
                    lapsed += store.count(&this_minute, Some(cut(at, MINUTE))).await?;
                }
            }
        }
    }
    Ok(lapsed)
}

/// The reservations of an index partition that have expired at a time, the first ones first.
fn lapsing(
    index: &'static str,
    attribute: &'static str,
    value: String,
    at: Timestamp,
) -> Partitions {
    Partitions {
        table: Table::Coupons,
        index: Some(index),
        attribute,
        values: vec![value],
        sort: "open_until",
        order: Order::Ascending,
        // Behind every id.
        until: Some(format!("{at}#~")),
    }
}

pub async fn usage(store: &Store, coupon: Uuid, at: Timestamp) -> Result<Usage, Problem> {
    Ok(used(store, coupon, at).await?.0)
}

/// How often each of these coupons is used: the totals in one call, and the hours of those alone
/// that have reservations.
pub async fn usages(store: &Store, coupons: &[Uuid], at: Timestamp) -> Result<Vec<Usage>, Problem> {
    let keys: Vec<_> = coupons.iter().map(|id| totals_key(*id)).collect();
    let totals = store.glance_at_counters(Table::Coupons, &keys).await?;
    let totals: BTreeMap<_, _> = totals.iter().map(|totals| (&totals.key, totals)).collect();
    let usage = keys.iter().zip(coupons).map(async |(key, id)| match totals.get(key) {
        None => Ok(Usage::default()),
        Some(totals) if totals.count("open") == 0 => {
            Ok(Usage { redeemed: totals.count("redeemed"), reserved: 0 })
        }
        Some(_) => usage(store, *id, at).await,
    });
    futures_util::future::try_join_all(usage).await
}

/// The slots that a customer has at a time.
pub async fn customer_usage(
    store: &Store,
    coupon: Uuid,
    customer_id: &str,
    at: Timestamp,
) -> Result<i64, Problem> {
    let key = customer_key(coupon, customer_id);
    let lapsing = lapsing("lapsing_of", "open_of", key.pk.clone(), at);
    let (live, lapsed) = futures_util::try_join!(
        store.counters(Table::Coupons, std::slice::from_ref(&key)),
        store.count(&lapsing, None),
    )?;
    let live = live.first().map_or(0, |customer| customer.count("live"));
    Ok((live - lapsed).max(0))
}

pub async fn read(store: &Store, coupon: Uuid, id: Uuid) -> Result<Redemption, Problem> {
    let row: Option<Row> = store.get(Table::Coupons, &redemption_key(coupon, id)).await?;
    Ok(row.ok_or(Problem::NOT_FOUND)?.redemption)
}

impl Standing {
    /// Reads it, and chooses whose slots could be taken over.
    pub async fn read(
        store: &Store,
        coupon: &Coupon,
        order_id: &str,
        customer_id: &str,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let (order_key, customer_key) =
            (order_key(coupon.id, order_id), customer_key(coupon.id, customer_id));
        let ((usage, hours, totals), order, customer) = futures_util::try_join!(
            used(store, coupon.id, now),
            store.get::<OrderRow>(Table::Coupons, &order_key),
            store.counters(Table::Coupons, std::slice::from_ref(&customer_key)),
        )?;
        let last = match order {
            Some(order) => Some(read(store, coupon.id, order.redemption_id).await?),
            None => None,
        };
        let customer_live = customer.first().map_or(0, |customer| customer.count("live"));
        let mut standing = Self {
            hours,
            totals,
            customer_live,
            used: usage,
            last,
            more_of_customer: false,
            reclaimed: Vec::new(),
        };
        if standing.last.as_ref().is_some_and(|last| last.is_live(now)) {
            return Ok(standing);
        }
        // The order's own reservation that expired has to give way to the new one.
        standing.reclaimed.extend(standing.lapsed_of_order());
        let most = coupon.terms.max_redemptions_per_customer;
        let missing = most.map_or(0, |most| standing.customer_slots(customer_id) - most + 1);
        if missing > 0 {
            let of_customer = lapsing("lapsing_of", "open_of", customer_key.pk, now);
            standing.more_of_customer = standing.reclaim(store, of_customer, missing).await?;
        }
        // One is taken over even where no slot is missing, so that they don't pile up.
        let Usage { redeemed, reserved } = standing.usage();
        let missing = coupon.terms.max_redemptions.map_or(0, |most| redeemed + reserved - most + 1);
        if usage.reserved < reserved && (missing > 0 || standing.reclaimed.is_empty()) {
            let of_coupon = lapsing("lapsing", "open_in", coupon.id.to_string(), now);
            standing.reclaim(store, of_coupon, missing).await?;
        }
        Ok(standing)
    }

    /// The order's last redemption, where it is a reservation that expired with its slot.
    fn lapsed_of_order(&self) -> Option<Redemption> {
        self.last.clone().filter(|last| last.state == State::Reserved)
    }

    /// Chooses among the reservations that expired first, as many as are missing and one transaction
    /// holds. No order twice: an index that is behind may still have its former reservation. Gives
    /// whether there are more.
    async fn reclaim(
        &mut self,
        store: &Store,
        lapsing: Partitions,
        missing: i64,
    ) -> Result<bool, Problem> {
        let mut looked = Looked::default();
        let page = store
            .page(&lapsing, None, CANDIDATES, false, &mut looked, |row: Row| Some(row.redemption));
        let mut candidates = page.await?.items;
        candidates.shuffle(&mut rand::rng());
        candidates.retain(|new| self.reclaimed.iter().all(|known| known.order_id != new.order_id));
        let room = MOST_RECLAIMED.saturating_sub(self.reclaimed.len());
        let taken = usize::try_from(missing).unwrap_or(0).max(1).min(room).min(candidates.len());
        let more = candidates.split_off(taken);
        self.reclaimed.extend(candidates);
        Ok(!more.is_empty())
    }

    /// Whether the limits refuse only because more has expired than one transaction can take over,
    /// or than the indexes show yet.
    pub fn is_behind(&self, coupon: &Coupon, customer_id: &str) -> bool {
        let most = coupon.terms.max_redemptions_per_customer;
        let refuses_customer = most.is_some_and(|most| self.customer_slots(customer_id) >= most);
        let exhausted = self.usage().exhausts(&coupon.terms);
        (exhausted && !self.used.exhausts(&coupon.terms))
            || (refuses_customer && self.more_of_customer)
    }

    /// Takes over what one transaction holds, for no redemption yet.
    pub fn catch_up(&self) -> Result<Change, Problem> {
        let mut deltas = Deltas::default();
        let change = self.take_over(Change::step(), &mut deltas, None)?;
        Ok(deltas.into_change(change))
    }

    fn take_over(
        &self,
        mut change: Change,
        deltas: &mut Deltas,
        order_id: Option<&str>,
    ) -> Result<Change, Problem> {
        for lapsed in &self.reclaimed {
            deltas.ended(lapsed, "expired");
            change =
                change.replace(Table::Coupons, &Row::of(&lapsed.reclaimed()), lapsed.version)?;
            if order_id != Some(&lapsed.order_id) {
                change =
                    change.remove(Table::Coupons, &order_key(lapsed.coupon_id, &lapsed.order_id));
            }
        }
        Ok(change)
    }

    /// How often the coupon is used once what can be taken over is. Reservations that expired and
    /// aren't taken over keep their slots that long.
    pub fn usage(&self) -> Usage {
        let count = |name| self.totals.as_ref().map_or(0, |totals| totals.count(name));
        Usage { redeemed: count("redeemed"), reserved: count("open") - self.taken_over(|_| true) }
    }

    /// The slots that the customer has, in the same way.
    pub fn customer_slots(&self, customer_id: &str) -> i64 {
        self.customer_live - self.taken_over(|lapsed| lapsed.customer_id == customer_id)
    }

    fn taken_over(&self, which: impl Fn(&&Redemption) -> bool) -> i64 {
        i64::try_from(self.reclaimed.iter().filter(which).count()).unwrap_or(i64::MAX)
    }

    /// One more redemption, its limits conditions of the transaction itself.
    pub fn redeem(
        &self,
        caller: &Caller,
        coupon: &Coupon,
        new: &Redemption,
        answer: Answer,
        now: Timestamp,
    ) -> Result<Change, Problem> {
        let row = OrderRow::of(new);
        let mut changed = vec!["customer_id", "order_id", "order_amount", "currency"];
        changed.extend(new.expires_at.map(|_| "reserve_for_s"));
        let mut change = Change::new(caller, Access::Create, subject(new.id), &changed, answer)
            .check(Table::Coupons, &coupon_key(coupon.id), coupon.version)
            .insert(Table::Coupons, &Row::of(new), Otherwise::DecideAnew)?;
        let mut deltas = Deltas::default();
        deltas.live(new, 1);
        change = self.take_over(change, &mut deltas, Some(&new.order_id))?;
        // The order's row goes with its reservation that expired, which guards it; else there is none.
        change = match self.lapsed_of_order() {
            Some(_) => change.put(Table::Coupons, &row)?,
            None => change.insert(Table::Coupons, &row, Otherwise::DecideAnew)?,
        };
        // Counters still hold what is taken over at this very moment.
        deltas.of(totals_key(coupon.id)).below =
            coupon.terms.max_redemptions.map(|most| ("live", most + self.taken_over(|_| true)));
        let of_customer = self.taken_over(|lapsed| lapsed.customer_id == new.customer_id);
        deltas.of(customer_key(coupon.id, &new.customer_id)).below =
            coupon.terms.max_redemptions_per_customer.map(|most| ("live", most + of_customer));
        let this_hour = format!("hour#{}", cut(now, HOUR));
        let empty = self.hours.iter().filter(|hour| {
            *hour.key.sk < *this_hour && hour.count("n") == 0 && !deltas.0.contains_key(&hour.key)
        });
        for hour in empty.take(HOURS_CLEARED) {
            change = change.clear(Table::Coupons, &hour.key, "n");
        }
        Ok(deltas.into_change(change))
    }
}

impl OrderRow {
    fn of(redemption: &Redemption) -> Self {
        let ItemKey { pk, sk } = order_key(redemption.coupon_id, &redemption.order_id);
        Self { pk, sk: sk.into_owned(), redemption_id: redemption.id }
    }
}

fn subject(id: Uuid) -> Subject {
    Subject { item_type: "redemptions", item_id: id }
}

pub fn confirm(
    caller: &Caller,
    old: &Redemption,
    new: &Redemption,
    answer: Answer,
) -> Result<Change, Problem> {
    let mut deltas = Deltas::default();
    deltas.live(old, -1);
    deltas.live(new, 1);
    let change =
        Change::new(caller, Access::Update, subject(new.id), &["state", "redeemed_at"], answer)
            .replace(Table::Coupons, &Row::of(new), old.version)?;
    Ok(deltas.into_change(change))
}

/// The order is free for another redemption at once.
pub fn cancel(
    caller: &Caller,
    old: &Redemption,
    new: &Redemption,
    answer: Answer,
) -> Result<Change, Problem> {
    let mut deltas = Deltas::default();
    deltas.ended(old, "cancelled");
    let change = Change::new(caller, Access::Update, subject(new.id), &["state"], answer)
        .replace(Table::Coupons, &Row::of(new), old.version)?
        .remove(Table::Coupons, &order_key(old.coupon_id, &old.order_id));
    Ok(deltas.into_change(change))
}

/// The ledger's partitions, newest first.
pub fn list(coupon: Uuid) -> Partitions {
    Partitions {
        table: Table::Coupons,
        index: None,
        attribute: "pk",
        values: (0..SHARDS).map(|shard| format!("redemptions#{coupon}#{shard}")).collect(),
        sort: "sk",
        order: Order::Descending,
        until: None,
    }
}

/// A row of `list`.
#[derive(Deserialize)]
pub struct Listed {
    #[serde(flatten)]
    pub redemption: Redemption,
}

/// What `GET /coupons/{id}/stats` says.
#[derive(Serialize)]
pub struct Stats {
    reserved: i64,
    redeemed: i64,
    cancelled: i64,
    expired: i64,
    discount_total: BTreeMap<String, Decimal>,
    by_day: Vec<Day>,
}

#[derive(Serialize)]
struct Day {
    date: String,
    redeemed: i64,
    discount_total: BTreeMap<String, Decimal>,
}

/// The sums of the ledger at a time, without a look at it.
pub async fn stats(store: &Store, coupon: Uuid, at: Timestamp) -> Result<Stats, Problem> {
    let counters = store.counters_from(Table::Coupons, &counted(coupon, "day#".to_owned())).await?;
    let (mut days, mut hours, mut totals) = (Vec::new(), Vec::new(), None);
    for counters in counters {
        match counters.key.sk.split_once('#') {
            Some(("day", date)) if counters.count("redeemed") > 0 => days.push(Day {
                date: date.to_owned(),
                redeemed: counters.count("redeemed"),
                discount_total: discounts(&counters),
            }),
            Some(("hour", _)) => hours.push(counters),
            None => totals = Some(counters),
            Some(_) => {}
        }
    }
    let count = |name| totals.as_ref().map_or(0, |totals| totals.count(name));
    let lapsed = if count("open") > 0 { lapsed(store, coupon, &hours, at).await? } else { 0 };
    Ok(Stats {
        reserved: (count("open") - lapsed).max(0),
        redeemed: count("redeemed"),
        cancelled: count("cancelled"),
        expired: count("expired") + lapsed,
        discount_total: totals.as_ref().map(discounts).unwrap_or_default(),
        by_day: days,
    })
}

/// By currency, of those that something is redeemed in.
fn discounts(counters: &Counters) -> BTreeMap<String, Decimal> {
    let codes = counters.iter().filter_map(|(name, _)| name.strip_prefix("count_"));
    let used = codes.filter(|code| counters.count(&format!("count_{code}")) > 0);
    used.filter_map(|code| {
        let currency = crate::money::Currency::parse(code).ok()?;
        Some((code.to_owned(), currency.round(counters.amount(&format!("discount_{code}")))))
    })
    .collect()
}
