//! How often a coupon is used at a time, and what its ledger sums up to: read from counters, never
//! from the ledger itself.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use rust_decimal::Decimal;
use serde::Serialize;
use shared::problem::Problem;
use shared::store::{Counters, Order, Partitions, Store, Table};
use shared::values::Timestamp;
use uuid::Uuid;

use crate::coupon::Usage;
use crate::ledger::{counted, customer_key, hour, minute, minute_counter, totals_key};
use crate::money::Currency;

/// How often a coupon is used at a time: totals and hours as one read gives them.
pub async fn used(
    store: &Store,
    coupon: Uuid,
    at: Timestamp,
) -> Result<(Usage, Vec<Counters>, Option<Counters>), Problem> {
    let (mut hours, lapsed) = counted_at(store, coupon, "hour#", at).await?;
    let totals = hours.pop_if(|counters| counters.key.sk == "totals");
    let usage = totals.as_ref().map(|totals| Usage {
        redeemed: totals.count("redeemed"),
        reserved: (totals.count("open") - lapsed).max(0),
    });
    Ok((usage.unwrap_or_default(), hours, totals))
}

/// A coupon's counters from one on, and how many open reservations have expired at a time. For the
/// minute under way those are counted by an index, which is to agree with the counters: it is
/// waited for, 70 ms at the most.
async fn counted_at(
    store: &Store,
    coupon: Uuid,
    from: &str,
    at: Timestamp,
) -> Result<(Vec<Counters>, i64), Problem> {
    let from = counted(coupon, from.to_owned());
    let mut pause = Duration::from_millis(10);
    loop {
        let counters = store.counters_from(Table::Coupons, &from).await?;
        let totals = counters.last().filter(|counters| counters.key.sk == "totals");
        if totals.is_none_or(|totals| totals.count("open") == 0) {
            return Ok((counters, 0));
        }
        let (before, counted) = lapsed(&counters, at);
        if counted == 0 {
            return Ok((counters, before));
        }
        // What is expired first: whatever happens to it meanwhile is missed by the second count.
        let mut of_minute = lapsing("lapsing", "open_in", coupon.to_string(), at);
        let expired = store.count(&of_minute, Some(minute(at))).await?;
        of_minute.until = Some(minute(at) + "~");
        let all = store.count(&of_minute, Some(minute(at))).await?;
        if all == counted || pause > Duration::from_millis(40) {
            return Ok((counters, before + expired));
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

/// How many open reservations have expired before the minute of a time, and how many end in it.
fn lapsed(counters: &[Counters], at: Timestamp) -> (i64, i64) {
    let (this_hour, this_minute) = (format!("hour#{}", hour(at)), minute_counter(at));
    let mut lapsed = 0;
    for hour in counters.iter().filter(|counters| counters.key.sk.starts_with("hour#")) {
        match (*hour.key.sk).cmp(this_hour.as_str()) {
            Ordering::Less => lapsed += hour.count("n"),
            Ordering::Greater => {}
            Ordering::Equal => {
                let minutes =
                    hour.iter().filter(|(name, _)| name.starts_with('m') && **name < *this_minute);
                lapsed += minutes.map(|(name, _)| hour.count(name)).sum::<i64>();
                return (lapsed, hour.count(&this_minute));
            }
        }
    }
    (lapsed, 0)
}

/// The reservations of an index partition that have expired at a time, the first ones first.
pub fn lapsing(
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

/// What `GET /coupons/{id}/stats` says.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Stats {
    reserved: i64,
    redeemed: i64,
    cancelled: i64,
    expired: i64,
    discount_total: BTreeMap<String, Decimal>,
    by_day: Vec<Day>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
struct Day {
    date: String,
    redeemed: i64,
    discount_total: BTreeMap<String, Decimal>,
}

/// The sums of the ledger at a time, without a look at it.
pub async fn stats(store: &Store, coupon: Uuid, at: Timestamp) -> Result<Stats, Problem> {
    let (counters, lapsed) = counted_at(store, coupon, "day#", at).await?;
    let (mut days, mut totals) = (Vec::new(), None);
    for counters in counters {
        match counters.key.sk.split_once('#') {
            Some(("day", date)) if counters.count("redeemed") > 0 => days.push(Day {
                date: date.to_owned(),
                redeemed: counters.count("redeemed"),
                discount_total: discounts(&counters),
            }),
            None => totals = Some(counters),
            Some(_) => {}
        }
    }
    let count = |name| totals.as_ref().map_or(0, |totals| totals.count(name));
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
        let currency = Currency::parse(code).ok()?;
        Some((code.to_owned(), currency.round(counters.amount(&format!("discount_{code}")))))
    })
    .collect()
}
