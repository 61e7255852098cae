//! What must hold at rest, of whatever was sent and whatever failed:
//!
//! - A creation that was answered is there once, under the id that was answered; one that was refused
//!   isn't; one whose answer nobody heard is there once or not at all.
//! - Every item has just the entries that made it what it is, and no entry is without its item.
//! - A change without a key happens at least once for each answer and at most once for each sending,
//!   and each time that it happens is a version and an entry of it. What was changed last is read.
//! - What was deleted stays away.
//! - Every chain is sealed to its end and verifies.
//! - No limit was passed, and stats are what a replay of the redemptions gives.
//! - What succeeded with a key is answered so again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use serde_json::Value;
use shared::app::App;
use shared::audit::{Access, Outcome, StoredEntry};
use shared::store::{Item, Table};
use shared::testing::{Client, items};

use super::{Slot, Told};
use crate::redemptions;

/// Items of one kind: where they lie, and where each has its id and the text that it alone has.
struct Kind {
    item_type: &'static str,
    table: Table,
    /// Their partition keys begin so, and their sort keys.
    keys: (&'static str, &'static str),
    id: &'static str,
    tag: &'static str,
}

const fn kind(
    item_type: &'static str,
    table: Table,
    keys: (&'static str, &'static str),
    id: &'static str,
    tag: &'static str,
) -> Kind {
    Kind { item_type, table, keys, id, tag }
}

const KINDS: [Kind; 10] = [
    kind("coupons", Table::Coupons, ("coupon#", "coupon"), "/id", "/title"),
    kind("redemptions", Table::Coupons, ("redemptions#", ""), "/id", "/order_id"),
    kind("encounters", Table::Encounters, ("encounter#", "head"), "/encounter_id", "/patient_id"),
    kind("ecgs", Table::Ecgs, ("ecg#", "head"), "/id", "/recorded_at"),
    kind("users", Table::Users, ("user#", "user"), "/id", "/username"),
    kind("keys", Table::Users, ("key#", "key"), "/key_id", "/user_id"),
    kind("locations", Table::Users, ("location#", "location"), "/id", "/name"),
    kind("franchises", Table::Franchises, ("franchise#", "franchise"), "/id", "/franchise_id"),
    kind("payoffs", Table::Payoffs, ("payoff#", "payoff"), "/id", "/loan_number"),
    kind("outages", Table::Outages, ("run#", "run"), "/id", "/options/since"),
];

/// How often an item was created, updated and deleted, by its entries.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Entered {
    created: usize,
    updated: usize,
    deleted: usize,
}

type Key = (String, String);

fn has_keys(item: &Item, (pk, sk): (&str, &str)) -> bool {
    let begins = |name: &str, with: &str| {
        item.get(name).and_then(|key| key.as_s().ok()).is_some_and(|key| key.starts_with(with))
    };
    begins("pk", pk) && begins("sk", sk)
}

fn text<'a>(item: &'a Value, at: &str) -> &'a str {
    item.pointer(at).and_then(Value::as_str).unwrap_or_default()
}

/// What is stored of every kind, as JSON.
async fn stored(app: &App) -> Vec<(&'static Kind, Vec<Value>)> {
    let mut tables = HashMap::new();
    for kind in &KINDS {
        let name = app.store().table_name(kind.table);
        if !tables.contains_key(name) {
            tables.insert(name, items(app.dynamodb(), name).await);
        }
    }
    let of_kind = |kind: &Kind| {
        let all = &tables[app.store().table_name(kind.table)];
        let own = all.iter().filter(|item| has_keys(item, kind.keys));
        own.map(|item| serde_dynamo::from_item(item.clone()).expect("an item")).collect()
    };
    KINDS.iter().map(|kind| (kind, of_kind(kind))).collect()
}

/// Holds what is stored to what was told. `caller` has every scope.
pub async fn check(app: &App, caller: &Client, admin: &Client, told: &Told) {
    let stored = stored(app).await;
    made_once(&stored, told);
    entered(app, &stored, told).await;
    verified(app).await;
    within_limits(caller, told).await;
    for (path, (at, said)) in &told.reads {
        let reader = if path.starts_with("/users") { admin } else { caller };
        // A recording is its maker's own.
        if path.starts_with("/ecgs") {
            continue;
        }
        let read = reader.get(path).await.json();
        assert_eq!(read.pointer(at), Some(said), "{path}: {read}");
    }
    for (request, answer) in &told.answered {
        let (again, _) = request.insist().await;
        assert!(again.status.is_success(), "{}: {}", request.path, again.json());
        let (again, first) = (again.json(), answer.clone());
        assert_eq!(super::without_token(again), super::without_token(first), "{}", request.path);
    }
}

/// Recordings are read by those who made them.
pub async fn recordings(clients: &[Client], told: &Told) {
    for (path, (at, said)) in told.reads.iter().filter(|(path, _)| path.starts_with("/ecgs")) {
        let mut found = 0;
        for client in clients {
            let read = client.get(path).await;
            let read = read.json();
            if text(&read, "/code") != "not_found" {
                assert_eq!(read.pointer(at), Some(said), "{path}");
                found += 1;
            }
        }
        assert_eq!(found, usize::from(*at != "/code"), "{path}");
    }
}

fn made_once(stored: &[(&Kind, Vec<Value>)], told: &Told) {
    let mut by_tag: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
    for (kind, items) in stored {
        // A recording that is laid down is nobody's yet: of two tries at once, one is left so.
        for item in items.iter().filter(|item| text(item, "/status") != "uploading") {
            let of_tag = by_tag.entry((kind.item_type, text(item, kind.tag))).or_default();
            of_tag.push(text(item, kind.id));
        }
    }
    let gone: HashSet<(&str, &str)> =
        told.gone.iter().map(|(kind, id)| (*kind, id.as_str())).collect();
    for made in &told.made {
        let of_tag = by_tag.get(&(made.item_type, made.tag.as_str())).cloned().unwrap_or_default();
        // A user's first key came with the user.
        let most = if made.item_type == "keys" { 2 } else { 1 };
        let what = format!("{} {}: {of_tag:?}", made.item_type, made.tag);
        assert!(of_tag.len() <= most, "made twice: {what}");
        assert!(!made.is_refused || of_tag.is_empty(), "refused, and there: {what}");
        if let Some(id) = &made.id
            && !gone.contains(&(made.item_type, id.as_str()))
        {
            // An import tells counts, no ids.
            let is_there = of_tag.iter().any(|there| id.is_empty() || there == id);
            assert!(is_there, "answered with {id}, and not there: {what}");
        }
    }
}

/// How often each stored item was changed, as it tells itself. None: more than one can know.
async fn versions(
    app: &App,
    stored: &[(&'static Kind, Vec<Value>)],
) -> HashMap<Key, Option<usize>> {
    let mut segments: HashMap<String, usize> = HashMap::new();
    for part in items(app.dynamodb(), app.store().table_name(Table::Samples)).await {
        let of = |name: &str| part.get(name).and_then(|key| key.as_s().ok()).cloned();
        let (pk, sk) = (of("pk").unwrap_or_default(), of("sk").unwrap_or_default());
        // 00000 is what the recording began with; one that is on its way has more in its name.
        if let Some(id) = pk.strip_prefix("parts#").filter(|_| sk.len() == 5 && sk != "00000") {
            *segments.entry(id.to_owned()).or_default() += 1;
        }
    }
    let mut versions = HashMap::new();
    for (kind, items) in stored {
        for item in items {
            let id = text(item, kind.id).to_owned();
            let version =
                item["version"].as_u64().and_then(|version| usize::try_from(version).ok());
            let later = version.map_or(0, |version| version - 1);
            let updates = match kind.item_type {
                // One whose slot was taken over has a version more, which is nobody's doing.
                "redemptions" => Some(later - usize::from(item["state"] == "expired")),
                "ecgs" => {
                    let status = text(item, "/status");
                    if ["uploading", "deleted"].contains(&status) {
                        continue;
                    }
                    let complete = item["segments"].as_u64().is_some_and(|count| count > 0);
                    let segments = segments.get(&id).copied().unwrap_or_default();
                    Some(segments + usize::from(complete))
                }
                "outages" => None,
                _ => Some(later),
            };
            versions.insert((kind.item_type.to_owned(), id), updates);
        }
    }
    versions
}

async fn entered(app: &App, stored: &[(&'static Kind, Vec<Value>)], told: &Told) {
    let mut entries: BTreeMap<Key, Entered> = BTreeMap::new();
    for item in items(app.dynamodb(), app.store().table_name(Table::Audit)).await {
        let StoredEntry { entry, .. } = serde_dynamo::from_item(item).expect("an entry");
        let Some(id) = entry.item_id.filter(|_| entry.outcome == Outcome::Success) else {
            continue;
        };
        let of_item = match entry.access_type {
            Access::Read => continue,
            _ => entries.entry((entry.item_type.into_owned(), id.to_string())).or_default(),
        };
        match entry.access_type {
            Access::Create => of_item.created += 1,
            Access::Update => of_item.updated += 1,
            Access::Delete => of_item.deleted += 1,
            Access::Read => {}
        }
    }
    let versions = versions(app, stored).await;
    for key in versions.keys() {
        assert!(entries.contains_key(key), "no entry: {key:?}");
    }
    for (key, entered) in &entries {
        let Entered { created, updated, deleted } = *entered;
        match versions.get(key) {
            Some(updates) => {
                assert_eq!((created, deleted), (1, 0), "{key:?} {entered:?}");
                assert!(
                    updates.is_none_or(|updates| updates == updated),
                    "{key:?}: {updates:?} changes, {entered:?}"
                );
            }
            None => assert_eq!((created, deleted), (1, 1), "not there: {key:?} {entered:?}"),
        }
    }
    for ((item_type, id), changes) in &told.changes {
        let updated = entries
            .get(&((*item_type).to_owned(), id.clone()))
            .map_or(0, |entered| entered.updated);
        // A repeated confirmation or cancellation changes nothing.
        let least = if *item_type == "redemptions" { 0 } else { changes.answered };
        let fits = (least..=changes.sent).contains(&updated);
        assert!(fits, "{item_type} {id}: {updated} of {changes:?}");
    }
    for (item_type, id) in &told.gone {
        let entered = entries.get(&((*item_type).to_owned(), id.clone()));
        assert_eq!(entered.map(|entered| entered.deleted), Some(1), "{item_type} {id}");
    }
}

/// What is wrong with the chains, and which of them aren't sealed to their end.
async fn walked(app: &App) -> (Vec<String>, Vec<String>) {
    let (mut bad, mut open) = (Vec::new(), Vec::new());
    let walked = audit::verify_all(app.store(), |item, part| {
        bad.extend(part.bad.iter().map(|bad| format!("{item} {}: {}", bad.sequence, bad.why)));
        if part.pending > 0 || part.sealed != part.entries {
            open.push(format!("{item}: {} of {}", part.sealed, part.entries));
        }
    });
    walked.await.expect("a walk");
    (bad, open)
}

async fn verified(app: &App) {
    let (bad, open) = walked(app).await;
    assert!(bad.is_empty(), "{bad:?}");
    assert!(open.is_empty(), "not sealed: {open:?}");
}

/// Waits until another process has sealed everything.
pub async fn sealed(app: &App) {
    for _ in 0..60 {
        if walked(app).await.1.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The most slots that were held at once.
fn most_held<'a>(slots: impl Iterator<Item = &'a Slot>) -> usize {
    let mut steps = Vec::new();
    for slot in slots.filter(|slot| slot.from < slot.until) {
        steps.extend([(slot.from, 1), (slot.until, -1)]);
    }
    // Within one millisecond nobody knows which was first: slots are given back before.
    steps.sort_unstable();
    let mut held = 0_i32;
    let held = steps.iter().map(|(_, step)| {
        held += step;
        held
    });
    usize::try_from(held.max().unwrap_or_default()).unwrap_or_default()
}

async fn within_limits(caller: &Client, told: &Told) {
    for coupon in &told.shared {
        let path = format!("/coupons/{}", coupon.id);
        let ledger = loop {
            let before = redemptions::ledger(caller, &path).await;
            let stats = caller.get(&format!("{path}/stats")).await.json();
            // A reservation may end meanwhile.
            if before == redemptions::ledger(caller, &path).await {
                assert_eq!(stats, redemptions::replay(&before), "{path}");
                break before;
            }
        };
        let live = |of: &&Value| ["reserved", "redeemed"].contains(&text(of, "/state"));
        let customers: HashSet<&str> = ledger.iter().map(|of| text(of, "/customer_id")).collect();
        let of_coupon = || told.slots.iter().filter(|slot| slot.coupon == coupon.id);
        if let Some(most) = coupon.most {
            let (left, held) = (ledger.iter().filter(live).count(), most_held(of_coupon()));
            assert!(left <= most && held <= most, "{left} and {held} of {most}");
        }
        for customer in customers {
            let Some(most) = coupon.most_of_customer else { break };
            let left = ledger.iter().filter(live).filter(|of| text(of, "/customer_id") == customer);
            let held = most_held(of_coupon().filter(|slot| slot.customer == customer));
            let left = left.count();
            assert!(left <= most && held <= most, "{customer}: {left} and {held} of {most}");
        }
    }
}
