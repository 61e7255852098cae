//! A file of rows: which of them can be taken, and taking them in parts of one transaction each,
//! so that a retry goes on where the first try stopped.

use std::collections::HashMap;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::answer::Answer;
use crate::auth::Caller;
use crate::body::Body;
use crate::fields::{Errors, FieldError, Fields, Members, Object, Wrong};
use crate::json::Node;
use crate::problem::Problem;
use crate::store::{Begun, Change, IdempotencyKey, Store};
use crate::values::{Timestamp, boolean};

const MOST_ROWS: usize = 1_000;
const MOST_ERRORS: usize = 100;
/// Items that the new rows of one transaction have, of the 100 that it may have, and transactions
/// at a time.
pub const ITEMS_OF_A_PART: usize = 60;
const PARTS_AT_ONCE: usize = 4;

/// What a row says.
pub trait Import: Send + Sync + Sized {
    const MEMBERS: Members;

    fn read(row: &mut Object) -> Option<Self>;

    /// Rows that share it are about the same thing.
    fn identity(&self) -> String;

    /// The member by which a row contradicts an earlier one about the same thing; without one, they
    /// are equal.
    fn contradicts(&self, _earlier: &Self) -> Option<&'static str> {
        None
    }

    /// How many items a transaction has for it, where it is new.
    fn items(&self) -> usize;

    /// How many of these rows say nothing new.
    fn unchanged(
        store: &Store,
        rows: &[Row<Self>],
    ) -> impl Future<Output = Result<usize, Problem>> + Send;

    /// Stores the rows that say something new, all of them or none, and answers with `Counts`.
    fn change(
        store: &Store,
        caller: &Caller,
        rows: &[Row<Self>],
        began: Timestamp,
    ) -> impl Future<Output = Result<Change, Problem>> + Send;

    /// What is to be noted behind all the parts, which is nobody's doing.
    fn conclude(change: Change, _counts: Counts) -> Result<Change, Problem> {
        Ok(change)
    }
}

/// A row that can be imported, and its place in the body.
pub struct Row<T> {
    index: usize,
    pub identity: String,
    pub value: T,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub struct Counts {
    pub imported: usize,
    pub unchanged: usize,
}

/// What a body of rows comes to before the table is asked.
struct Sorted<T> {
    rows: Vec<Row<T>>,
    /// Rows equal to an earlier one.
    repeated: usize,
    failed: Vec<(usize, Errors)>,
    dry_run: bool,
}

#[derive(Serialize)]
struct Imported<'a> {
    #[serde(flatten)]
    counts: Counts,
    failed: Vec<Failed<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    errors_truncated: bool,
}

#[derive(Serialize)]
struct Failed<'a> {
    index: usize,
    errors: &'a [FieldError],
}

/// Imports `{"items": [...], "dry_run": false}`.
pub async fn import<T: Import>(
    store: &Store,
    caller: &Caller,
    body: &Body,
) -> Result<Answer, Problem> {
    let key = body.key(caller);
    let sorted = match Sorted::<T>::read(body) {
        Ok(sorted) => sorted,
        Err(problem) => return store.refuse(key.as_ref(), problem).await,
    };
    if sorted.dry_run {
        let unchanged = T::unchanged(store, &sorted.rows).await?;
        let counts = Counts::of(&sorted.rows, unchanged);
        return sorted.answer(counts);
    }
    let began = match &key {
        None => Timestamp::now(),
        Some(key) => match store.begin(key).await? {
            Begun::Answered(answer) => return Ok(answer),
            Begun::At(began) => began,
        },
    };
    let mut parts = Vec::new();
    for (number, rows) in parts_of(&sorted.rows).into_iter().enumerate() {
        let key = key.as_ref().map(|key| key.part(number));
        parts.push(import_part(store, caller, key, rows, began));
    }
    let parts: Vec<Counts> =
        stream::iter(parts).buffer_unordered(PARTS_AT_ONCE).try_collect().await?;
    let counts = parts.iter().fold(Counts::default(), Counts::plus);
    let answer = &sorted.answer(counts)?;
    let conclude =
        || async move { T::conclude(Change::unaudited().answering(answer.clone()), counts) };
    store.commit(key.as_ref(), conclude).await
}

/// One transaction's rows. With a key its counts are kept, so that a retry of the whole import
/// goes on behind the parts that are done and counts them as they were.
async fn import_part<T: Import>(
    store: &Store,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    rows: &[Row<T>],
    began: Timestamp,
) -> Result<Counts, Problem> {
    store.commit(key.as_ref(), || T::change(store, caller, rows, began)).await?.body()
}

/// Rows in a row whose items fit in one transaction. They follow from the body alone, so that a
/// retry has the same parts.
fn parts_of<T: Import>(rows: &[Row<T>]) -> Vec<&[Row<T>]> {
    let mut parts = Vec::new();
    let mut rest = rows;
    while !rest.is_empty() {
        let mut items = 0;
        let fits = |row: &&Row<T>| {
            items += row.value.items();
            items <= ITEMS_OF_A_PART
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (part, behind) = rest.split_at(count);
        parts.push(part);
        rest = behind;
    }
    parts
}

impl<T: Import> Sorted<T> {
    /// Which rows can be imported, as far as the body alone tells.
    fn read(body: &Body) -> Result<Self, Problem> {
        const BODY: Members = Members { writable: &["items", "dry_run"], read_only: &[] };
        const CONTRADICTION: Wrong = Wrong::invalid("An earlier row says otherwise of the same.");
        let node = body.node()?;
        let (items, dry_run) = Fields::read(&node, BODY, |body| {
            let items = body.list("items", MOST_ROWS, |row: &Node| Ok(row));
            if !body.has("items") {
                body.wrong("items", Wrong::REQUIRED);
            }
            let dry_run = body.optional("dry_run", boolean).unwrap_or(false);
            Some((items?, dry_run))
        })?;
        let mut sorted = Self { rows: Vec::new(), repeated: 0, failed: Vec::new(), dry_run };
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (index, item) in items.into_iter().enumerate() {
            let value = match Fields::read(item, T::MEMBERS, T::read) {
                Ok(value) => value,
                Err(errors) => {
                    sorted.failed.push((index, errors));
                    continue;
                }
            };
            let identity = value.identity();
            let earlier = seen.get(&identity).and_then(|at| sorted.rows.get(*at));
            match earlier.map(|earlier| value.contradicts(&earlier.value)) {
                None => {
                    seen.insert(identity.clone(), sorted.rows.len());
                    sorted.rows.push(Row { index, identity, value });
                }
                Some(None) => sorted.repeated += 1,
                Some(Some(member)) => {
                    sorted.failed.push((index, Errors::of_member(member, CONTRADICTION)));
                }
            }
        }
        Ok(sorted)
    }

    /// Names every row that failed; the errors of all rows together have one limit.
    fn answer(mut self, counts: Counts) -> Result<Answer, Problem> {
        let mut left = MOST_ERRORS;
        for (_, errors) in &mut self.failed {
            errors.truncate(left);
            left -= errors.listed().len();
        }
        let failed = self.failed.iter();
        Answer::ok(&Imported {
            counts: Counts { unchanged: counts.unchanged + self.repeated, ..counts },
            errors_truncated: self.failed.iter().any(|(_, errors)| errors.truncated()),
            failed: failed
                .map(|(index, errors)| Failed { index: *index, errors: errors.listed() })
                .collect(),
        })
    }
}

impl<T> Row<T> {
    /// A `UUIDv7` of the import's beginning whose next bits are the row's place, so that what is
    /// imported is as old as its order in the file, whichever part is stored first.
    pub fn id(&self, began: Timestamp) -> Uuid {
        let mut random: [u8; 10] = rand::random();
        let place = u16::try_from(self.index).unwrap_or(u16::MAX).to_be_bytes();
        random[..2].copy_from_slice(&place);
        uuid::Builder::from_unix_timestamp_millis(began.ms().unsigned_abs(), &random).into_uuid()
    }
}

impl Counts {
    pub fn of<T>(rows: &[Row<T>], unchanged: usize) -> Self {
        Self { imported: rows.len() - unchanged, unchanged }
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            imported: self.imported + other.imported,
            unchanged: self.unchanged + other.unchanged,
        }
    }
}
