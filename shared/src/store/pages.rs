//! Lists over an index: one partition, or several that all writes share, merged by their sort key.

use std::collections::VecDeque;
use std::ops::AddAssign;
use std::time::Instant;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity, Select};
use futures_util::future::try_join_all;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{Item, Store, Table, failed, parsed};
use crate::problem::Problem;

/// A page ends after so many stored items looked at, or so many bytes of them.
const MOST_LOOKED_AT: usize = 1_000;
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// What one page has looked at, in however many reads.
#[derive(Debug, Clone, Copy, Default)]
pub struct Looked {
    at: usize,
    bytes: usize,
}

impl Looked {
    pub fn is_nothing(self) -> bool {
        self.at == 0
    }

    pub fn is_enough(self) -> bool {
        self.at >= MOST_LOOKED_AT || self.bytes >= MOST_BYTES
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Ascending,
    Descending,
}

impl AddAssign for Looked {
    fn add_assign(&mut self, other: Self) {
        self.at += other.at;
        self.bytes += other.bytes;
    }
}

/// What every write would put under one key of an index is spread over so many, which a list merges.
const SHARDS: u8 = 8;

/// The shard of an id: by the bits behind its time, which are random, or a row's place in its import.
pub fn shard(id: Uuid) -> u8 {
    let [_, _, _, _, _, _, _, place, ..] = id.into_bytes();
    place % SHARDS
}

/// The partition keys of all shards.
pub fn shards(name: impl Fn(u8) -> String) -> Vec<String> {
    (0..SHARDS).map(name).collect()
}

/// Where a list's items lie: partitions of an index, or of the table itself, each sorted by
/// `sort`, whose values are unique over all of them, or come one behind the other. The table is read
/// strongly consistent, which an index can't be.
pub struct Partitions {
    pub table: Table,
    pub index: Option<&'static str>,
    pub attribute: &'static str,
    pub values: Vec<String>,
    pub sort: &'static str,
    pub order: Order,
    /// The last sort key that belongs to the list: the greatest of an ascending one, the least of
    /// one that descends.
    pub until: Option<String>,
}

impl Partitions {
    /// All items of a table under one partition key.
    pub fn of_table(table: Table, pk: String) -> Self {
        Self {
            table,
            index: None,
            attribute: "pk",
            values: vec![pk],
            sort: "sk",
            order: Order::Ascending,
            until: None,
        }
    }
}

/// A page, and the sort key of the last item looked at where there is more behind it.
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

/// One partition that is being read.
struct Run {
    value: String,
    read: VecDeque<(String, Item)>,
    after: Option<String>,
    ended: bool,
}

impl Store {
    /// Up to `limit` items behind `after` that `keep` takes, which is expected to be most of them.
    pub async fn page<T: DeserializeOwned, U>(
        &self,
        partitions: &Partitions,
        after: Option<String>,
        limit: usize,
        keep: impl Fn(T) -> Option<U>,
    ) -> Result<Page<U>, Problem> {
        self.search(partitions, after, limit, false, &mut Looked::default(), keep).await
    }

    /// The same by a search that adds to what its page has looked at. `selective`: most items are
    /// expected to be left out, so more is read at once.
    pub async fn search<T: DeserializeOwned, U>(
        &self,
        partitions: &Partitions,
        after: Option<String>,
        limit: usize,
        selective: bool,
        looked: &mut Looked,
        keep: impl Fn(T) -> Option<U>,
    ) -> Result<Page<U>, Problem> {
        let count = partitions.values.len().max(1);
        // Behind the merge each partition gives about its share; a few more spare a second call.
        let spare = if count > 1 { 4 } else { 1 };
        let at_once = if selective { MOST_LOOKED_AT / count } else { limit / count + spare };
        let begin = |value: &String| Run {
            value: value.clone(),
            read: VecDeque::new(),
            after: after.clone(),
            ended: false,
        };
        let mut runs: Vec<Run> = partitions.values.iter().map(begin).collect();
        let mut page = Page { items: Vec::new(), next: None };
        let mut last = after;
        loop {
            let dry = runs.iter_mut().filter(|run| run.read.is_empty() && !run.ended);
            try_join_all(dry.map(|run| self.read_on(partitions, run, at_once))).await?;
            let ahead = runs.iter_mut().filter(|run| !run.read.is_empty());
            let first = match partitions.order {
                Order::Ascending => ahead.min_by(|a, b| head(a).cmp(&head(b))),
                Order::Descending => ahead.max_by(|a, b| head(a).cmp(&head(b))),
            };
            let Some(first) = first else {
                return Ok(page);
            };
            if page.items.len() == limit || looked.is_enough() {
                page.next = last;
                return Ok(page);
            }
            let Some((key, item)) = first.read.pop_front() else {
                continue;
            };
            looked.at += 1;
            looked.bytes += size(&item);
            last = Some(key);
            page.items.extend(keep(parsed(item)?));
        }
    }

    /// All behind `after` that `keep` takes, for lists that fit into memory.
    pub async fn all<T: DeserializeOwned, U>(
        &self,
        partitions: &Partitions,
        mut after: Option<String>,
        keep: impl Fn(T) -> Option<U>,
    ) -> Result<Vec<U>, Problem> {
        let mut all = Vec::new();
        loop {
            let page = self.page(partitions, after, MOST_LOOKED_AT, &keep).await?;
            all.extend(page.items);
            after = page.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// How many items an ascending list has up to its end. DynamoDB counts them, a megabyte of them
    /// a call.
    pub async fn count(
        &self,
        partitions: &Partitions,
        after: Option<String>,
    ) -> Result<i64, Problem> {
        let mut count = 0;
        for value in &partitions.values {
            let mut start = None;
            loop {
                let began = Instant::now();
                let query = self.query(partitions, value, after.as_deref()).select(Select::Count);
                let got = query.set_exclusive_start_key(start).send().await;
                self.meter.read(began, got.iter().filter_map(|out| out.consumed_capacity()));
                let got = got.map_err(|error| failed("Query", &error))?;
                count += i64::from(got.count);
                start = got.last_evaluated_key;
                if start.is_none() {
                    break;
                }
            }
        }
        Ok(count)
    }

    async fn read_on(
        &self,
        partitions: &Partitions,
        run: &mut Run,
        limit: usize,
    ) -> Result<(), Problem> {
        let began = Instant::now();
        let query = self.query(partitions, &run.value, run.after.as_deref());
        let again = usize::from(partitions.order == Order::Descending && run.after.is_some());
        let query = query.limit(i32::try_from(limit + again).unwrap_or(i32::MAX));
        let got = query.send().await;
        self.meter.read(began, got.iter().filter_map(|out| out.consumed_capacity()));
        let got = got.map_err(|error| failed("Query", &error))?;
        run.ended = got.last_evaluated_key.is_none();
        for item in got.items.into_iter().flatten() {
            let key = item.get(partitions.sort).and_then(|key| key.as_s().ok()).cloned();
            let key = key.ok_or_else(|| Problem::bug("an index row without its sort key"))?;
            if run.after.as_ref() != Some(&key) {
                run.read.push_back((key.clone(), item));
            }
            run.after = Some(key);
        }
        Ok(())
    }

    /// One partition behind a sort key, as far as the list goes.
    fn query(
        &self,
        partitions: &Partitions,
        value: &str,
        after: Option<&str>,
    ) -> QueryFluentBuilder {
        let query = self
            .client
            .query()
            .table_name(self.tables.name(partitions.table))
            .set_index_name(partitions.index.map(str::to_owned))
            .consistent_read(partitions.index.is_none())
            .expression_attribute_names("#partition", partitions.attribute)
            .expression_attribute_values(":partition", AttributeValue::S(value.to_owned()))
            .scan_index_forward(partitions.order == Order::Ascending)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let bound = |text: &str| AttributeValue::S(text.to_owned());
        match (after, &partitions.until) {
            (None, None) => query.key_condition_expression("#partition = :partition"),
            (Some(after), None) => query
                .key_condition_expression(match partitions.order {
                    Order::Ascending => "#partition = :partition AND #sort > :after",
                    Order::Descending => "#partition = :partition AND #sort < :after",
                })
                .expression_attribute_names("#sort", partitions.sort)
                .expression_attribute_values(":after", bound(after)),
            (after, Some(until)) => {
                let (least, greatest) = match partitions.order {
                    // The least text behind `after`; and one before every key.
                    Order::Ascending => {
                        let from = after.map_or(" ".to_owned(), |after| format!("{after}\0"));
                        (from, until.clone())
                    }
                    // No text is the greatest before another: `after` itself is skipped.
                    Order::Descending => {
                        (until.clone(), after.map_or("~".to_owned(), str::to_owned))
                    }
                };
                query
                    .key_condition_expression(
                        "#partition = :partition AND #sort BETWEEN :least AND :greatest",
                    )
                    .expression_attribute_names("#sort", partitions.sort)
                    .expression_attribute_values(":least", bound(&least))
                    .expression_attribute_values(":greatest", bound(&greatest))
            }
        }
    }
}

fn head(run: &Run) -> Option<&String> {
    run.read.front().map(|(key, _)| key)
}

/// About the size that DynamoDB counts: names and values.
fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + size_of_value(value)).sum()
}

fn size_of_value(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
        AttributeValue::B(blob) => blob.as_ref().len(),
        AttributeValue::L(list) => list.iter().map(size_of_value).sum(),
        AttributeValue::M(map) => size(map),
        _ => 1,
    }
}
