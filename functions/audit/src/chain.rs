//! The chain of one item's entries. Each link's hash is over the entry and the hash before it, so
//! that no entry can be changed, removed, added or moved without every later hash being another.

use std::collections::BTreeMap;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use shared::audit::StoredEntry;
use shared::config::RotatingSecret;
use shared::store::ItemKey;
use uuid::Uuid;

/// The hash before the first.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A stored entry as DynamoDB has it, whatever is in it.
pub type Row = serde_dynamo::Item;

/// One link: the place of an entry in its item's chain.
#[derive(Clone, Serialize, Deserialize)]
pub struct Seal {
    /// Its sort key is the entry's id, so that none is sealed twice.
    #[serde(flatten)]
    pub key: ItemKey,
    /// The sort key of a forged entry that has no id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forged_sk: Option<String>,
    /// The sequence with all its digits, so that the index is in its order.
    pub place: String,
    pub sequence: u64,
    pub previous_hash: String,
    pub hash: String,
}

impl Seal {
    /// The sort key of its entry.
    pub fn entry_sk(&self) -> &str {
        self.forged_sk.as_deref().unwrap_or(&self.key.sk)
    }
}

/// The last link of a chain. `version` is its sequence, on which the next one is conditional.
#[derive(Clone, Serialize, Deserialize)]
pub struct Head {
    pub version: u64,
    pub hash: String,
}

pub fn head_key(pk: &str) -> ItemKey {
    ItemKey::new(pk.to_owned(), "HEAD")
}

/// Where an entry lies in the audit table.
pub fn entry_key(pk: &str, sk: &str) -> ItemKey {
    ItemKey::new(pk.to_owned(), sk.to_owned())
}

/// Where an entry's seal lies: beside it in the other table. Only a forged entry has no id for a sort
/// key; its seal must not lie where a head or another seal does, whatever was made up.
pub fn seal_key(pk: &str, sk: &str) -> ItemKey {
    if Uuid::try_parse(sk).is_ok() {
        return entry_key(pk, sk);
    }
    let digest = hex::encode(digest(&SHA256, sk.as_bytes()));
    ItemKey::new(pk.to_owned(), format!("forged#{digest}"))
}

pub fn place(sequence: u64) -> String {
    format!("{sequence:020}")
}

/// SHA-256 in hex over the hash before, a line break, and the row as DynamoDB JSON: its attributes
/// in the order of their names, without spaces.
pub fn hash(previous_hash: &str, row: &Row) -> String {
    let attributes: BTreeMap<_, _> = row.iter().collect();
    // A map of texts to JSON values can be written.
    let json = serde_json::to_string(&attributes).unwrap_or_default();
    hex::encode(digest(&SHA256, format!("{previous_hash}\n{json}").as_bytes()))
}

impl Head {
    /// The next link, and the head that it makes.
    pub fn seal(head: Option<&Self>, pk: &str, sk: &str, row: &Row) -> (Seal, Self) {
        let (last, before) = head.map_or((0, GENESIS), |head| (head.version, head.hash.as_str()));
        let (sequence, hash) = (last + 1, hash(before, row));
        let key = seal_key(pk, sk);
        let seal = Seal {
            forged_sk: (key.sk != sk).then(|| sk.to_owned()),
            key,
            place: place(sequence),
            sequence,
            previous_hash: before.to_owned(),
            hash: hash.clone(),
        };
        (seal, Self { version: sequence, hash })
    }
}

/// What is wrong with one place of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    pub sequence: u64,
    /// None where not even its seal is there.
    pub entry: Option<Uuid>,
    pub why: &'static str,
}

/// Walks a chain from one place on.
pub struct Walk<'a> {
    secret: &'a RotatingSecret,
    /// The hash before the next place; None where it isn't known.
    previous: Option<String>,
    next: u64,
    pub missing: u64,
    pub bad: Vec<Bad>,
}

impl<'a> Walk<'a> {
    /// `before`: the seal before `from`, where that isn't the first.
    pub fn from(from: u64, before: Option<&Seal>, secret: &'a RotatingSecret) -> Self {
        let previous = match before {
            None if from == 1 => Some(GENESIS.to_owned()),
            before => before.map(|seal| seal.hash.clone()),
        };
        Self { secret, previous, next: from, missing: 0, bad: Vec::new() }
    }

    /// One seal, in the order of their sequences, with the entry that it seals.
    pub fn step(&mut self, seal: &Seal, row: Option<&Row>) {
        self.gap(seal.sequence);
        if let Some(why) = self.fault(seal, row) {
            let entry = Uuid::try_parse(&seal.key.sk).ok();
            self.bad.push(Bad { sequence: seal.sequence, entry, why });
        }
        self.missing += u64::from(row.is_none());
        self.previous = Some(seal.hash.clone());
        self.next = seal.sequence + 1;
    }

    /// Places up to `sequence` that have no seal.
    fn gap(&mut self, sequence: u64) {
        // One line for a gap of any length: its first place.
        if self.next < sequence {
            let why = "its seal is missing";
            self.bad.push(Bad { sequence: self.next, entry: None, why });
            self.previous = None;
        }
    }

    /// Ends at the head of the chain.
    pub fn finish(&mut self, head: &Head) {
        self.gap(head.version + 1);
        if self.next == head.version + 1 && self.previous.as_ref().is_some_and(|p| *p != head.hash)
        {
            let why = "the head of the chain is another";
            self.bad.push(Bad { sequence: head.version, entry: None, why });
        }
    }

    fn fault(&self, seal: &Seal, row: Option<&Row>) -> Option<&'static str> {
        if seal.sequence < self.next {
            return Some("two entries have this place");
        }
        let Some(row) = row else { return Some("its entry was removed") };
        if self.previous.as_ref().is_some_and(|previous| *previous != seal.previous_hash) {
            return Some("the chain is broken before it");
        }
        if hash(&seal.previous_hash, row) != seal.hash {
            return Some("it was altered");
        }
        if !is_genuine(row, self.secret) {
            return Some("nobody with the secret wrote it");
        }
        None
    }
}

/// Whether somebody with the secret wrote this row as it stands.
pub fn is_genuine(row: &Row, secret: &RotatingSecret) -> bool {
    let entry: Option<StoredEntry> = serde_dynamo::from_item(row.clone()).ok();
    entry.is_some_and(|entry| entry.is_genuine(secret))
}
