//! Where headers lie: `ecg#ID`, in the index `user` by the date of the recording, and in the index
//! `open` while they aren't at their end. The table's stream calls the worker; big items lie
//! elsewhere.

use serde::Serialize;
use shared::answer::Answer;
use shared::audit::{Access, Entry, ItemType, Subject};
use shared::auth::Caller;
use shared::problem::Problem;
use shared::store::{Change, ItemKey, Order, Otherwise, Partitions, Store, Table, shard, shards};
use shared::values::Timestamp;
use uuid::Uuid;

use crate::recording::{Header, Status};
use crate::samples::Chunk;

#[derive(Serialize)]
struct HeaderRow<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Uuid>,
    by_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<String>,
    open_since: String,
    #[serde(flatten)]
    header: &'a Header,
}

impl<'a> HeaderRow<'a> {
    fn of(header: &'a Header) -> Self {
        let is_open = ![Status::Done, Status::Failed].contains(&header.status);
        Self {
            user: header.is_visible().then_some(header.user_id),
            by_date: sort_key(header),
            open: is_open.then(|| open_in(shard(header.id))),
            open_since: format!("{}#{}", header.created_at, header.id),
            header,
        }
    }
}

fn open_in(shard: u8) -> String {
    format!("open#{shard}")
}

fn header_key(id: Uuid) -> ItemKey {
    ItemKey::new(format!("ecg#{id}"), "head")
}

/// The id in a header's key.
pub fn id_of(pk: &str) -> Option<Uuid> {
    Uuid::try_parse(pk.strip_prefix("ecg#")?).ok()
}

pub fn sort_key(header: &Header) -> String {
    format!("{}#{}", header.date(), header.id)
}

pub fn subject(id: Uuid) -> Subject {
    Subject { item_type: ItemType::Ecgs, item_id: id }
}

/// A header, visible or not, as it is now.
pub async fn header(store: &Store, id: Uuid) -> Result<Option<Header>, Problem> {
    let header: Option<Header> = store.get(Table::Ecgs, &header_key(id)).await?;
    Ok(header.map(|header| header.at(Timestamp::now())))
}

pub fn of_user(user: Uuid) -> Partitions {
    Partitions {
        table: Table::Ecgs,
        index: Some("user"),
        attribute: "user",
        values: vec![user.to_string()],
        sort: "by_date",
        order: Order::Descending,
        until: None,
    }
}

/// What isn't at its end and was made before a time.
pub fn open_before(time: Timestamp) -> Partitions {
    Partitions {
        table: Table::Ecgs,
        index: Some("open"),
        attribute: "open",
        values: shards(open_in),
        sort: "open_since",
        order: Order::Ascending,
        until: Some(time.to_string()),
    }
}

/// An id is made once for all tries of a request: to decide anew would find it taken again.
const TAKEN: Otherwise = Otherwise::Bug("a new recording's id is taken");

/// A recording whose samples are about to be laid down. Nobody sees it, so nobody's doing is
/// entered.
pub fn begin(header: &Header) -> Result<Change, Problem> {
    let header = Header { status: Status::Uploading, ..header.clone() };
    Change::unaudited().insert(Table::Ecgs, &header_key(header.id), &HeaderRow::of(&header), TAKEN)
}

/// A recording with its samples, or in place of what was begun.
pub fn create(
    caller: &Caller,
    header: &Header,
    given: &[&'static str],
    chunks: Option<&[Chunk]>,
    answer: Answer,
) -> Result<Change, Problem> {
    let entry = Entry::new(caller, Access::Create, subject(header.id), given);
    let change = Change::entered(entry, answer);
    let Some(chunks) = chunks else { return replace(change, header) };
    let key = header_key(header.id);
    let change = change.insert(Table::Ecgs, &key, &HeaderRow::of(header), TAKEN)?;
    chunks.iter().try_fold(change, |change, chunk| change.put(Table::Samples, &chunk.key, chunk))
}

/// The next version of a header.
pub fn replace(change: Change, header: &Header) -> Result<Change, Problem> {
    let next = Header { version: header.version + 1, ..header.clone() };
    change.replace(Table::Ecgs, &header_key(next.id), &HeaderRow::of(&next), header.version)
}

/// The same, on the condition that it is as it was read.
pub fn check(change: Change, header: &Header) -> Change {
    change.check(Table::Ecgs, &header_key(header.id), header.version)
}

/// Notes where a recording stands, which is nobody's doing: false where it has another version by
/// now, and whoever made that goes on from there.
pub async fn note(store: &Store, header: &Header) -> Result<bool, Problem> {
    store.attempt(&replace(Change::unaudited(), header)?).await
}

/// Takes a header away for good, once its samples are gone.
pub fn remove(header: &Header) -> Change {
    Change::unaudited().delete(Table::Ecgs, &header_key(header.id), header.version)
}
