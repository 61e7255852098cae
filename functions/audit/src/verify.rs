//! The proof that an item's entries are as they were when they were sealed.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use shared::problem::Problem;
use shared::store::{ItemKey, Partitions, Store, Table};

use crate::chain::{Bad, Head, Row, Seal, Walk, entry_key, head_key, place};

/// How many places one part of a verification walks through.
const PART: u64 = 20_000;

/// What a verification, or one part of it, found.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Verified {
    /// Whether every place that was looked at is as it was sealed.
    pub verified: bool,
    pub entries: u64,
    pub sealed: u64,
    /// Entries that have no seal yet.
    pub pending: u64,
    pub head_hash: Option<String>,
    pub first_bad_sequence: Option<u64>,
    /// Where the next part begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_sequence: Option<u64>,
    #[serde(skip)]
    pub bad: Vec<Bad>,
}

/// A row of the seals' table. One that was written by somebody else may be anything: that is a
/// fault of its chain, and no reason to look at no other.
#[derive(Deserialize)]
#[serde(untagged)]
enum Readable<T> {
    As(T),
    Other(IgnoredAny),
}

/// Walks the chain of one item from a place on. None where it never had an entry.
pub async fn verify(store: &Store, pk: &str, from: u64) -> Result<Option<Verified>, Problem> {
    verify_part(store, pk, from, PART).await
}

/// The same in parts of another size.
pub async fn verify_part(
    store: &Store,
    pk: &str,
    from: u64,
    size: u64,
) -> Result<Option<Verified>, Problem> {
    // The head first: what is put meanwhile is pending, never missing.
    let head: Option<Readable<Head>> = store.get(Table::Seals, &head_key(pk)).await?;
    let all = Partitions::of_table(Table::Audit, pk.to_owned());
    let entries = store.count(&all, None).await?;
    let entries = u64::try_from(entries).unwrap_or_default();
    let head = match head {
        Some(Readable::As(head)) => head,
        none => {
            // Seals without a head: somebody took it away, or wrote over it.
            let why = match none {
                Some(_) => "the head of the chain can't be read",
                None => "the chain has no head",
            };
            let first = seals(store, pk, 1, 2).await?.first().map(|seal| seal.sequence);
            let first = first.or(none.map(|_| 1));
            if first.is_none() && entries == 0 {
                return Ok(None);
            }
            let bad = first.map(|sequence| Bad { sequence, entry: None, why });
            return Ok(Some(Verified {
                verified: bad.is_none(),
                entries,
                sealed: 0,
                pending: entries,
                head_hash: None,
                first_bad_sequence: first,
                next_sequence: None,
                bad: bad.into_iter().collect(),
            }));
        }
    };
    // Behind the last place there is nothing to walk through.
    let from = from.min(head.version + 1);
    let end = (from + size).min(head.version + 1);
    let seals = seals_of_part(store, pk, &head, from.saturating_sub(1).max(1), end).await?;
    let (before, seals) = match seals.split_first() {
        Some((first, rest)) if first.sequence < from => (Some(first), rest),
        _ => (None, seals.as_slice()),
    };
    let mut walk = Walk::from(from, before, store.audit_secret());
    let mut last_place = None;
    for seals in seals.chunks(100) {
        let keys: Vec<ItemKey> = seals.iter().map(|seal| entry_key(pk, seal.entry_sk())).collect();
        let rows = store.get_items(Table::Audit, &keys).await?;
        let rows: HashMap<String, Row> = rows
            .into_iter()
            .filter_map(|row| Some((row.get("sk")?.as_s().ok()?.clone(), row.into())))
            .collect();
        for seal in seals {
            walk.step(seal, rows.get(seal.entry_sk()));
            last_place = Some(seal.sequence);
        }
    }
    let is_last = end > head.version;
    if is_last {
        walk.finish(&head);
    } else if last_place.is_none_or(|last| last + 1 < end) {
        let sequence = last_place.map_or(from, |last| last + 1);
        walk.bad.push(Bad { sequence, entry: None, why: "its seal is missing" });
    }
    let there = head.version.saturating_sub(walk.missing);
    Ok(Some(Verified {
        verified: walk.bad.is_empty(),
        entries,
        sealed: head.version,
        pending: entries.saturating_sub(there),
        head_hash: Some(head.hash),
        first_bad_sequence: walk.bad.iter().map(|bad| bad.sequence).min(),
        next_sequence: (!is_last).then_some(end),
        bad: walk.bad,
    }))
}

/// The seals of a part, in their order. Those of a chain that one part walks through are read from
/// the table itself; the index of a longer one may be a moment behind the head, and is waited for.
async fn seals_of_part(
    store: &Store,
    pk: &str,
    head: &Head,
    from: u64,
    end: u64,
) -> Result<Vec<Seal>, Problem> {
    if (from, end) == (1, head.version + 1) {
        let within = place(from)..place(end);
        let all = Partitions::of_table(Table::Seals, pk.to_owned());
        let is_within = |seal: &Seal| within.contains(&seal.place);
        let mut seals = store.all(&all, None, |seal| readable(seal).filter(is_within)).await?;
        seals.sort_by(|a, b| a.place.cmp(&b.place));
        return Ok(seals);
    }
    let mut pause = Duration::from_millis(50);
    loop {
        let seals = seals(store, pk, from, end).await?;
        let complete = u64::try_from(seals.len()).is_ok_and(|count| count >= end - from);
        if complete || pause > Duration::from_secs(2) {
            return Ok(seals);
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

fn readable(seal: Readable<Seal>) -> Option<Seal> {
    match seal {
        Readable::As(seal) => Some(seal),
        Readable::Other(_) => None,
    }
}

/// Seals by their places, from one on and before another.
async fn seals(store: &Store, pk: &str, from: u64, end: u64) -> Result<Vec<Seal>, Problem> {
    let chain = Partitions {
        index: Some("chain"),
        sort: "place",
        until: Some(place(end.saturating_sub(1)) + "~"),
        ..Partitions::of_table(Table::Seals, pk.to_owned())
    };
    store.all(&chain, Some(place(from.saturating_sub(1))), readable).await
}

/// Walks through everything that is there, for a tool: each item's partition and what is bad of it.
pub async fn verify_all(
    store: &Store,
    mut tell: impl FnMut(&str, &Verified),
) -> Result<(), Problem> {
    let mut items: BTreeSet<String> = store.all_partitions(Table::Audit).await?;
    items.extend(store.all_partitions(Table::Seals).await?);
    for pk in items {
        let mut from = 1;
        while let Some(part) = verify(store, &pk, from).await? {
            let next = part.next_sequence;
            tell(&pk, &part);
            match next {
                Some(next) => from = next,
                None => break,
            }
        }
    }
    Ok(())
}
