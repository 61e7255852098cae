//! The worker that seals entries: called by the audit table's stream, and once a day for what the
//! stream may have lost. Nothing depends on the order of delivery, or on each coming once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lambda_events::event::dynamodb::EventRecord;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::audit::days;
use shared::log;
use shared::problem::Problem;
use shared::store::{Change, ItemKey, Order, Otherwise, Partitions, Store, Table};
use shared::values::{Date, Timestamp};
use shared::worker::{Event, Failed, Handle, done_before, key_of, stream_records};

use crate::chain::{Head, Row, Seal, head_key, is_genuine, seal_key};

/// As many entries as a transaction holds beside a head for each.
const BATCH: usize = 50;
/// What is kept of an invocation's time to end in.
const RESERVE: Duration = Duration::from_secs(5);
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// An entry by its key.
type Entries = BTreeMap<(String, String), Row>;

/// What a sweep is to look through.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sweep {
    /// Days (UTC), both of them too.
    #[serde(default)]
    from: Option<Date>,
    #[serde(default)]
    until: Option<Date>,
    /// Partitions, such as `encounters#ID`.
    #[serde(default)]
    items: Vec<String>,
}

pub fn start(store: Store) -> Handle {
    Arc::new(move |event| {
        let store = store.clone();
        Box::pin(async move { handle(&store, event).await })
    })
}

async fn handle(store: &Store, event: Event) -> Result<Value, Failed> {
    if let Some(records) = stream_records(&event.payload)? {
        // What can't be sealed comes again, with all behind it.
        let sealed = of_stream(store, &records).await;
        return Ok(done_before(records.first().filter(|_| sealed.is_err())));
    }
    let sweep: Sweep = match event.payload.get("sweep") {
        Some(sweep) => serde_json::from_value(sweep.clone())
            .map_err(|_| Failed("sweep: from, until (days) or items is needed"))?,
        // The schedule's event.
        None => Sweep { from: None, until: None, items: Vec::new() },
    };
    let sealed =
        sweep.run(store, event.deadline.checked_sub(RESERVE).unwrap_or(event.deadline)).await?;
    Ok(json!({"sealed": sealed}))
}

async fn of_stream(store: &Store, records: &[EventRecord]) -> Result<usize, Problem> {
    let mut entries = Entries::new();
    for record in records {
        let (pk, sk) = key_of(record);
        // An entry is put once and for all. TTL takes none away: there is none on the table.
        if record.event_name == "INSERT" {
            entries.insert((pk, sk), record.change.new_image.clone());
        } else {
            log::tampered(&pk, &sk, &record.event_name);
        }
    }
    seal(store, &entries).await
}

/// Seals those of the entries that have no seal yet: how many.
async fn seal(store: &Store, entries: &Entries) -> Result<usize, Problem> {
    let mut sealed = 0;
    let entries: Vec<_> = entries.iter().collect();
    for batch in entries.chunks(BATCH) {
        sealed += seal_batch(store, batch).await?;
    }
    Ok(sealed)
}

async fn seal_batch(store: &Store, batch: &[(&(String, String), &Row)]) -> Result<usize, Problem> {
    // Before anything is stored: what breaks off behind it comes again, and is told of again.
    for ((pk, sk), row) in batch {
        if !is_genuine(row, store.audit_secret()) {
            let ItemKey { pk, sk } = seal_key(pk, sk);
            log::forged(&pk, &sk);
        }
    }
    let seals = std::sync::Mutex::new((HashMap::new(), Vec::new()));
    let decide = || async {
        let items: BTreeSet<&String> = batch.iter().map(|((pk, _), _)| pk).collect();
        let heads: Vec<_> = items.iter().map(|pk| head_key(pk)).collect();
        let places: Vec<_> = batch.iter().map(|((pk, sk), _)| seal_key(pk, sk)).collect();
        let keys = [heads, places].concat();
        let known: Vec<Known> = store.get_many(Table::Seals, &keys).await?;
        let (mut heads, mut sealed) = (HashMap::new(), HashMap::new());
        for Known { key, version, sequence, hash } in known {
            match version {
                Some(version) => {
                    heads.insert(key.pk, Head { version, hash });
                }
                None => {
                    sealed.insert(key, (sequence, hash));
                }
            }
        }
        let found = heads.clone();
        let mut new: Vec<Seal> = Vec::new();
        for ((pk, sk), row) in batch {
            if !sealed.contains_key(&seal_key(pk, sk)) {
                let (seal, head) = Head::seal(heads.get(pk), pk, sk, row);
                heads.insert(pk.clone(), head);
                new.push(seal);
            }
        }
        let mut change = Change::unaudited();
        for seal in &new {
            change = change.insert(Table::Seals, &seal.key, seal, Otherwise::DecideAnew)?;
        }
        heads.retain(|pk, head| found.get(pk).is_none_or(|old| old.version < head.version));
        for (pk, head) in &heads {
            let key = head_key(pk);
            change = match found.get(pk) {
                Some(old) => change.replace(Table::Seals, &key, head, old.version)?,
                None => change.insert(Table::Seals, &key, head, Otherwise::DecideAnew)?,
            };
        }
        if let Ok(mut seals) = seals.lock() {
            *seals = (sealed, new);
        }
        Ok(change)
    };
    store.commit(None, decide).await?;
    let (sealed, new) = seals.into_inner().unwrap_or_default();
    // Those too that a call sealed which then broke off: the log must have each.
    for (key, (sequence, hash)) in &sealed {
        log::sealed(&key.pk, *sequence, hash);
    }
    for seal in &new {
        log::sealed(&seal.key.pk, seal.sequence, &seal.hash);
    }
    Ok(new.len())
}

/// A seal, which has a sequence, or a head, which has a version.
#[derive(Deserialize)]
struct Known {
    #[serde(flatten)]
    key: ItemKey,
    version: Option<u64>,
    #[serde(default)]
    sequence: u64,
    hash: String,
}

impl Sweep {
    /// Looks through days, yesterday and today unless others are named, or items.
    async fn run(self, store: &Store, until: Instant) -> Result<usize, Failed> {
        let today = Timestamp::now();
        let yesterday = Timestamp::from_ms(today.ms() - DAY_MS).unwrap_or(today);
        let of_item = |pk| Partitions::of_table(Table::Audit, pk);
        let mut lists: Vec<Partitions> = self.items.into_iter().map(of_item).collect();
        if lists.is_empty() {
            let last = self.until.unwrap_or(today.day());
            let mut day = Some(self.from.unwrap_or(yesterday.day()));
            while let Some(this) = day.filter(|day| *day <= last) {
                lists.push(entries_on(this));
                day = this.day().succ_opt().map(Date::from);
            }
        }
        let mut sealed = 0;
        for list in &lists {
            let mut after = None;
            loop {
                if Instant::now() >= until {
                    return Err(Failed("the time was up before everything was looked through"));
                }
                let page = store.page(list, after, 1_000, Some).await?;
                sealed += seal_missing(store, &page.items).await?;
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(sealed)
    }
}

fn entries_on(day: Date) -> Partitions {
    Partitions {
        table: Table::Audit,
        index: Some("day"),
        attribute: "day",
        values: days(day),
        sort: "sk",
        order: Order::Ascending,
        until: None,
    }
}

/// Seals those of the listed entries that have no seal: how many.
async fn seal_missing(store: &Store, listed: &[ItemKey]) -> Result<usize, Problem> {
    let mut count = 0;
    for listed in listed.chunks(BATCH) {
        let keys: Vec<_> = listed.iter().map(|of| seal_key(&of.pk, &of.sk)).collect();
        let sealed: Vec<ItemKey> = store.get_many(Table::Seals, &keys).await?;
        let missing = listed.iter().filter(|of| !sealed.contains(&seal_key(&of.pk, &of.sk)));
        let keys: Vec<_> = missing.cloned().collect();
        let rows = store.get_items(Table::Audit, &keys).await?;
        let entry = |row: Row| {
            let text = |name: &str| match row.get(name) {
                Some(serde_dynamo::AttributeValue::S(text)) => text.clone(),
                _ => String::new(),
            };
            ((text("pk"), text("sk")), row)
        };
        let entries: Entries = rows.into_iter().map(|row| entry(row.into())).collect();
        count += seal(store, &entries).await?;
    }
    Ok(count)
}
