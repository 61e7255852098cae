//! Coupons in bulk: import a file of rows, export them as the same rows.

use std::collections::HashSet;

use axum::extract::State;
use axum::response::Response;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use http::Uri;
use serde::{Deserialize, Serialize};
use shared::answer::Answer;
use shared::app::App;
use shared::auth::permissions::CouponsWrite;
use shared::auth::{Allowed, Caller};
use shared::body::Body;
use shared::fields::{Errors, FieldError, Fields, Members, Wrong};
use shared::json::Node;
use shared::list::Paging;
use shared::params::Params;
use shared::problem::Problem;
use shared::store::{Begun, IdempotencyKey, Looked, Order, Page, Store};
use shared::values::{Timestamp, boolean};
use uuid::Uuid;

use crate::coupon::Coupon;
use crate::table::{self, Source};
use crate::terms::{MEMBERS, Terms};

const MOST_ROWS: usize = 1_000;
/// Rows of one transaction, each with three items of the 100 that it may have, and transactions
/// at a time.
const ROWS_OF_A_PART: usize = 20;
const PARTS_AT_ONCE: usize = 4;
const MOST_ERRORS: usize = 100;

/// A row that can be imported, its place in the body and the hash that equal rows share.
struct Row {
    index: usize,
    terms: Terms,
    content: String,
}

/// What a body of rows comes to before the table is asked.
struct Sorted {
    rows: Vec<Row>,
    /// Rows equal to an earlier one.
    repeated: usize,
    failed: Vec<(usize, Errors)>,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Counts {
    imported: usize,
    unchanged: usize,
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

/// `POST /coupons/import`
pub async fn import(
    store: Store,
    caller: Allowed<CouponsWrite>,
    body: Body,
) -> Result<Answer, Problem> {
    let key = body.key(&caller);
    let (sorted, dry_run) = match sort(&body) {
        Ok(sorted) => sorted,
        Err(problem) => return store.refuse(key.as_ref(), problem).await,
    };
    let key = key.filter(|_| !dry_run);
    let began = match &key {
        None => Timestamp::now(),
        Some(key) => match store.begin(key).await? {
            Begun::Answered(answer) => return Ok(answer),
            Begun::At(began) => began,
        },
    };
    let counts = if dry_run {
        Counts::of(&sorted.rows, &present(&store, &sorted.rows).await?)
    } else {
        let (store, caller, key) = (&store, &*caller, key.as_ref());
        let mut parts = Vec::new();
        for (number, rows) in sorted.rows.chunks(ROWS_OF_A_PART).enumerate() {
            let key = key.map(|key| key.part(number));
            parts.push(import_part(store, caller, key, rows, began));
        }
        let parts: Vec<Counts> =
            stream::iter(parts).buffer_unordered(PARTS_AT_ONCE).try_collect().await?;
        parts.iter().fold(Counts::default(), Counts::plus)
    };
    let answer = sorted.answer(counts)?;
    match &key {
        Some(key) => store.remember(key, answer).await,
        None => Ok(answer),
    }
}

/// Which rows can be imported, as far as the body alone tells.
fn sort(body: &Body) -> Result<(Sorted, bool), Problem> {
    const BODY: Members = Members { writable: &["items", "dry_run"], read_only: &[] };
    let node = body.node()?;
    let (items, dry_run) = Fields::read(&node, BODY, |body| {
        let items = body.list("items", MOST_ROWS, |row: &Node| Ok(row));
        if !body.has("items") {
            body.wrong("items", Wrong::REQUIRED);
        }
        let dry_run = body.optional("dry_run", boolean).unwrap_or(false);
        Some((items?, dry_run))
    })?;
    let mut sorted = Sorted { rows: Vec::new(), repeated: 0, failed: Vec::new() };
    let mut seen = HashSet::new();
    for (index, item) in items.into_iter().enumerate() {
        match Fields::read(item, MEMBERS, Terms::read) {
            Err(errors) => sorted.failed.push((index, errors)),
            Ok(terms) => {
                let content = table::content(&terms);
                if seen.insert(content.clone()) {
                    sorted.rows.push(Row { index, terms, content });
                } else {
                    sorted.repeated += 1;
                }
            }
        }
    }
    Ok((sorted, dry_run))
}

/// The contents of these rows that the table holds already.
async fn present(store: &Store, rows: &[Row]) -> Result<HashSet<String>, Problem> {
    let contents: Vec<_> = rows.iter().map(|row| row.content.clone()).collect();
    Ok(table::counts(store, &contents).await?.into_keys().collect())
}

/// One transaction's rows. With a key its counts are kept, so that a retry of the whole import
/// goes on behind the parts that are done and counts them as they were.
async fn import_part(
    store: &Store,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    rows: &[Row],
    began: Timestamp,
) -> Result<Counts, Problem> {
    let decide = || async move {
        let present = present(store, rows).await?;
        let new = rows.iter().filter(|row| !present.contains(&row.content));
        let coupons: Vec<_> =
            new.map(|row| Coupon::new(row.id(began), row.terms.clone(), began)).collect();
        table::import(caller, &coupons, Answer::ok(&Counts::of(rows, &present))?)
    };
    store.commit(key.as_ref(), decide).await?.body()
}

impl Row {
    /// A `UUIDv7` of the import's beginning whose next bits are the row's place, so that the
    /// coupons are as old as their order in the file, whichever part is stored first.
    fn id(&self, began: Timestamp) -> Uuid {
        let mut random: [u8; 10] = rand::random();
        let place = u16::try_from(self.index).unwrap_or(u16::MAX).to_be_bytes();
        random[..2].copy_from_slice(&place);
        uuid::Builder::from_unix_timestamp_millis(began.ms().unsigned_abs(), &random).into_uuid()
    }
}

impl Counts {
    fn of(rows: &[Row], present: &HashSet<String>) -> Self {
        let unchanged = rows.iter().filter(|row| present.contains(&row.content)).count();
        Self { imported: rows.len() - unchanged, unchanged }
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            imported: self.imported + other.imported,
            unchanged: self.unchanged + other.unchanged,
        }
    }
}

impl Sorted {
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

/// `GET /coupons/export`
pub async fn export(
    State(app): State<App>,
    store: Store,
    caller: Allowed<CouponsWrite>,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::parse(uri.query(), &["limit", "cursor"]);
    let paging = Paging::read(params, &app, &uri, &caller.identity(), 100)?;
    let after = paging.after.clone();
    let oldest_first = Source::All.partitions(Order::Ascending);
    let page: Page<Coupon> =
        store.page(&oldest_first, after, paging.limit, false, &mut Looked::default(), Some).await?;
    let contents: Vec<_> = page.items.iter().map(|coupon| table::content(&coupon.terms)).collect();
    let counts = table::counts(&store, &contents).await?;
    let mut items = Vec::new();
    for (coupon, content) in page.items.into_iter().zip(contents) {
        // Of equal coupons the oldest stands for all.
        let alone = counts.get(&content).is_none_or(|count| *count <= 1);
        if alone || table::oldest(&store, content).await?.is_none_or(|oldest| oldest == coupon.id) {
            items.push(coupon.terms);
        }
    }
    paging.answer_lines(&Page { items, next: page.next })
}
