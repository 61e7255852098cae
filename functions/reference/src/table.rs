//! Where franchises lie.
//!
//! `franchise#ID` is the franchise, in the index `all` (8 shards), by its own id, which is by age.
//! `word#LETTER` has a row for each word of each franchise that begins with the letter, sorted by
//! word: a search reads those that begin with its longest word and leaves out what its other words
//! don't find. Rows hold the name of their franchise; one whose franchise has another name by now is
//! left out, too.
//! `dataset` says when something was imported last.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use shared::answer::Answer;
use shared::audit::{Access, ItemType, Subject};
use shared::auth::Caller;
use shared::fields::{Members, Object};
use shared::import::{Counts, ITEMS_OF_A_PART, Import, Row};
use shared::list::Paging;
use shared::problem::Problem;
use shared::store::{
    Change, ItemKey, Order, Otherwise, Page, Partitions, Store, Table, shard, shards,
};
use shared::values::Timestamp;
use uuid::Uuid;

use crate::franchise::{Franchise, Listing, MEMBERS, indexed, key, words};
use crate::search::Query;

/// Items of one transaction, one of which is the idempotency record.
const ITEMS: usize = 99;

#[derive(Serialize, Deserialize)]
struct Stored {
    all_shard: String,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    renamed: Option<Renamed>,
    #[serde(flatten)]
    franchise: Franchise,
}

/// When a name was changed last, and from what: some of its words have had their places since.
#[derive(Clone, Serialize, Deserialize)]
struct Renamed {
    at: Timestamp,
    from: String,
    /// When it had been changed before that, to what nobody knows any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Timestamp>,
}

/// A word of a franchise.
#[derive(Serialize, Deserialize)]
struct Word {
    /// The word and the franchise's id.
    sk: String,
    franchise_id: String,
    name: String,
}

/// When something was imported last.
#[derive(Serialize, Deserialize)]
struct Imported {
    at: Timestamp,
}

fn franchise_key(franchise_id: &str) -> ItemKey {
    ItemKey::new(format!("franchise#{franchise_id}"), "franchise")
}

fn dataset_key() -> ItemKey {
    ItemKey::new("dataset".to_owned(), "dataset")
}

/// The partition of a word, by its first letter.
fn partition(word: &str) -> String {
    word.chars().take(1).fold("word#".to_owned(), |pk, letter| pk + letter.encode_utf8(&mut [0; 4]))
}

fn word_key(word: &str, id: Uuid) -> ItemKey {
    ItemKey::new(partition(word), format!("{word}#{id}"))
}

impl Stored {
    fn of(id: Uuid, version: u64, listing: &Listing) -> Self {
        Self {
            all_shard: shard(id).to_string(),
            version,
            renamed: None,
            franchise: Franchise { id, listing: listing.clone() },
        }
    }

    fn subject(&self) -> Subject {
        Subject { item_type: ItemType::Franchises, item_id: self.franchise.id }
    }

    fn put_words(&self, mut change: Change) -> Result<Change, Problem> {
        let listing = &self.franchise.listing;
        for word in indexed(&listing.words()) {
            let key = word_key(&word, self.franchise.id);
            let (franchise_id, name) = (listing.franchise_id.clone(), listing.name.clone());
            let row = Word { sk: key.sk.to_string(), franchise_id, name };
            change = change.put(Table::Franchises, &key, &row)?;
        }
        Ok(change)
    }
}

/// A row says all of the franchise of its id.
impl Import for Listing {
    const MEMBERS: Members = MEMBERS;

    fn read(row: &mut Object) -> Option<Self> {
        Self::read(row)
    }

    fn identity(&self) -> String {
        self.franchise_id.clone()
    }

    fn contradicts(&self, earlier: &Self) -> Option<&'static str> {
        (self != earlier).then_some("franchise_id")
    }

    /// The entry, the franchise, its words.
    fn items(&self) -> usize {
        2 + indexed(&self.words()).len()
    }

    async fn unchanged(store: &Store, rows: &[Row<Self>]) -> Result<usize, Problem> {
        let stored = stored(store, rows).await?;
        Ok(rows.iter().filter(|row| is_unchanged(row, &stored)).count())
    }

    async fn change(
        store: &Store,
        caller: &Caller,
        rows: &[Row<Self>],
        began: Timestamp,
    ) -> Result<Change, Problem> {
        let stored = stored(store, rows).await?;
        let unchanged = rows.iter().filter(|row| is_unchanged(row, &stored)).count();
        let mut change = Change::nothing(Answer::ok(&Counts::of(rows, unchanged))?);
        // What words a franchise had isn't known when the parts are made. Were there no room to
        // take them all away, those that stay would find nothing.
        let mut room = ITEMS - ITEMS_OF_A_PART;
        for row in rows.iter().filter(|row| !is_unchanged(row, &stored)) {
            change = match stored.get(&row.identity) {
                None => insert(change, caller, &Stored::of(row.id(began), 1, &row.value))?,
                Some(old) => replace(change, caller, old, &row.value, &mut room)?,
            };
        }
        Ok(change)
    }

    fn conclude(change: Change, counts: Counts) -> Result<Change, Problem> {
        if counts.imported == 0 {
            return Ok(change);
        }
        change.put(Table::Franchises, &dataset_key(), &Imported { at: Timestamp::now() })
    }
}

fn is_unchanged(row: &Row<Listing>, stored: &HashMap<String, Stored>) -> bool {
    stored.get(&row.identity).is_some_and(|stored| stored.franchise.listing == row.value)
}

/// The franchises that rows are about, by their ids.
async fn stored(store: &Store, rows: &[Row<Listing>]) -> Result<HashMap<String, Stored>, Problem> {
    let ids: Vec<_> = rows.iter().map(|row| row.identity.as_str()).collect();
    read_all(store, &ids).await
}

async fn read_all(store: &Store, ids: &[&str]) -> Result<HashMap<String, Stored>, Problem> {
    let keys: Vec<_> = ids.iter().map(|id| franchise_key(id)).collect();
    let stored: Vec<Stored> = store.get_many(Table::Franchises, &keys).await?;
    let by_id = |of: Stored| (of.franchise.listing.franchise_id.clone(), of);
    Ok(stored.into_iter().map(by_id).collect())
}

fn insert(change: Change, caller: &Caller, new: &Stored) -> Result<Change, Problem> {
    let change = change.also(caller, Access::Create, new.subject(), MEMBERS.writable).insert(
        Table::Franchises,
        &franchise_key(&new.franchise.listing.franchise_id),
        new,
        Otherwise::DecideAnew,
    )?;
    new.put_words(change)
}

fn replace(
    change: Change,
    caller: &Caller,
    old: &Stored,
    listing: &Listing,
    room: &mut usize,
) -> Result<Change, Problem> {
    let mut new = Stored::of(old.franchise.id, old.version + 1, listing);
    let stays = listing.name == old.franchise.listing.name;
    let from = &old.franchise.listing.name;
    let before = old.renamed.as_ref().map(|renamed| renamed.at);
    let renamed = || Renamed { at: Timestamp::now(), from: from.clone(), before };
    new.renamed = if stays { old.renamed.clone() } else { Some(renamed()) };
    let changed = listing.changed(&old.franchise.listing);
    let mut change = change.also(caller, Access::Update, new.subject(), &changed).replace(
        Table::Franchises,
        &franchise_key(&listing.franchise_id),
        &new,
        old.version,
    )?;
    if stays {
        return Ok(change);
    }
    let kept: HashSet<_> = indexed(&listing.words()).into_iter().collect();
    let old_words = old.franchise.listing.words();
    for word in indexed(&old_words).iter().filter(|word| !kept.contains(*word)).take(*room) {
        *room -= 1;
        change = change.remove(Table::Franchises, &word_key(word, new.franchise.id));
    }
    new.put_words(change)
}

pub async fn read(store: &Store, franchise_id: &str) -> Result<Franchise, Problem> {
    let stored: Option<Stored> = store.get(Table::Franchises, &franchise_key(franchise_id)).await?;
    Ok(stored.ok_or(Problem::NOT_FOUND)?.franchise)
}

/// When something was imported last, if ever.
pub async fn imported_at(store: &Store) -> Result<Option<Timestamp>, Problem> {
    let imported: Option<Imported> = store.get(Table::Franchises, &dataset_key()).await?;
    Ok(imported.map(|imported| imported.at))
}

/// All franchises, newest first.
pub async fn list(store: &Store, paging: &Paging) -> Result<Page<Franchise>, Problem> {
    let all = Partitions {
        table: Table::Franchises,
        index: Some("all"),
        attribute: "all_shard",
        values: shards(|shard| shard.to_string()),
        sort: "id",
        order: Order::Descending,
        until: None,
    };
    let keep = |stored: Stored| Some(stored.franchise);
    paging.page(store, &all, keep).await
}

/// The franchises that a query finds by the words that its longest one begins: those of one word
/// newest first.
pub async fn search(
    store: &Store,
    query: &Query,
    paging: &Paging,
) -> Result<Page<Franchise>, Problem> {
    let Some(prefix) = query.longest_word().map(key) else {
        return Ok(Page { items: Vec::new(), next: None });
    };
    let begun_so = Partitions {
        table: Table::Franchises,
        index: None,
        attribute: "pk",
        values: vec![partition(&prefix)],
        sort: "sk",
        order: Order::Descending,
        until: Some(prefix.clone()),
    };
    // A franchise of several words that begin so comes once, with the first of them.
    let has_place = |row: &Word, name: &str| {
        let words = indexed(&words(&row.franchise_id, name));
        let first = words.into_iter().find(|word| word.starts_with(&prefix));
        first.is_some_and(|first| row.sk.rsplit_once('#').is_some_and(|(word, _)| word == first))
    };
    let is_found = |row: &Word, name: &str| {
        has_place(row, name) && query.finds(&words(&row.franchise_id, name))
    };
    let keep = |row: Word| is_found(&row, &row.name).then_some(row);
    let after = paging.after.clone().unwrap_or_else(|| format!("{prefix}\u{10ffff}"));
    let page = store.page(&begun_so, Some(after), paging.limit, keep).await?;
    let ids: Vec<_> = page.items.iter().map(|row| row.franchise_id.as_str()).collect();
    let stored = read_all(store, &ids).await?;
    let found = page.items.iter().filter_map(|row| {
        let Stored { franchise, renamed, .. } = stored.get(&row.franchise_id)?;
        let moved = renamed.as_ref().filter(|renamed| !has_place(row, &renamed.from));
        let may_have_come = paging.may_have_had(moved.map(|renamed| renamed.at))
            || paging.may_have_had(renamed.as_ref().and_then(|renamed| renamed.before));
        let is_here = is_found(row, &franchise.listing.name) && !may_have_come;
        is_here.then(|| franchise.clone())
    });
    Ok(Page { items: found.collect(), next: page.next })
}
