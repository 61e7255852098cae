//! The only way to the tables. Reads here; every write in `commit`, with its audit entry.

mod change;
mod commit;
mod counters;
mod idempotency;
mod laid;
mod lease;
mod meter;
mod pages;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnConsumedCapacity};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

pub use self::change::{Change, Otherwise};
pub use self::counters::{Counters, Counting};
pub use self::idempotency::{Begun, Key as IdempotencyKey};
pub use self::lease::Leased;
pub use self::meter::{Cost, Meter};
pub use self::pages::{Looked, Order, Page, Partitions, shard, shards};
use crate::aws;
use crate::backoff::Backoff;
use crate::config::{BadSetting, Basics, RotatingSecret};
use crate::log;
use crate::problem::Problem;

/// An item as the SDK has it.
pub type Item = HashMap<String, AttributeValue>;

/// The tables that template.yaml declares; each function is given the names of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    Coupons,
    Encounters,
    Ecgs,
    Samples,
    Outages,
    Plans,
    Franchises,
    Payoffs,
    Users,
    Audit,
    Seals,
    Idempotency,
    Limits,
}

impl Table {
    pub const ALL: [Self; 13] = [
        Self::Coupons,
        Self::Encounters,
        Self::Ecgs,
        Self::Samples,
        Self::Outages,
        Self::Plans,
        Self::Franchises,
        Self::Payoffs,
        Self::Users,
        Self::Audit,
        Self::Seals,
        Self::Idempotency,
        Self::Limits,
    ];

    /// The environment variable that holds the table's name.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Coupons => "COUPONS_TABLE",
            Self::Encounters => "ENCOUNTERS_TABLE",
            Self::Ecgs => "ECGS_TABLE",
            Self::Samples => "SAMPLES_TABLE",
            Self::Outages => "OUTAGES_TABLE",
            Self::Plans => "PLANS_TABLE",
            Self::Franchises => "FRANCHISES_TABLE",
            Self::Payoffs => "PAYOFFS_TABLE",
            Self::Users => "USERS_TABLE",
            Self::Audit => "AUDIT_TABLE",
            Self::Seals => "SEALS_TABLE",
            Self::Idempotency => "IDEMPOTENCY_TABLE",
            Self::Limits => "LIMITS_TABLE",
        }
    }
}

/// The names of the tables that one function may touch.
struct Tables(HashMap<Table, String>);

impl Tables {
    fn from_variables(
        needed: &[Table],
        get: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, BadSetting> {
        let name = |table: &Table| {
            let bad = BadSetting { name: table.variable(), why: "the name of a table is needed" };
            get(bad.name).map(|name| (*table, name)).ok_or(bad)
        };
        needed.iter().map(name).collect::<Result<_, _>>().map(Self)
    }

    /// A table that the function did not declare has no name, which DynamoDB refuses.
    fn name(&self, table: Table) -> &str {
        self.0.get(&table).map_or("", String::as_str)
    }
}

/// A primary key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemKey {
    pub pk: String,
    pub sk: Cow<'static, str>,
}

impl ItemKey {
    pub fn new(pk: String, sk: impl Into<Cow<'static, str>>) -> Self {
        Self { pk, sk: sk.into() }
    }

    pub fn attributes(&self) -> Item {
        HashMap::from([
            ("pk".to_owned(), AttributeValue::S(self.pk.clone())),
            ("sk".to_owned(), AttributeValue::S(self.sk.clone().into_owned())),
        ])
    }
}

/// The storage as one request sees it.
#[derive(Clone)]
pub struct Store {
    client: Client,
    tables: Arc<Tables>,
    audit_secret: RotatingSecret,
    meter: Arc<Meter>,
}

impl Store {
    /// The connection of a process. `get` reads the names of its tables.
    pub async fn start(
        http: SharedHttpClient,
        settings: &Basics,
        tables: &[Table],
        get: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, BadSetting> {
        let config = aws::config(http, settings.dynamodb_url.as_deref()).await;
        Ok(Self {
            client: Client::new(&config),
            tables: Arc::new(Tables::from_variables(tables, get)?),
            audit_secret: settings.audit_secret.clone(),
            meter: Arc::default(),
        })
    }

    #[cfg(feature = "embedded")]
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    #[cfg(feature = "testing")]
    pub fn table_name(&self, table: Table) -> &str {
        self.tables.name(table)
    }

    /// The same storage, its costs counted by `meter`.
    #[must_use]
    pub fn metered(&self, meter: Arc<Meter>) -> Self {
        Self { meter, ..self.clone() }
    }

    /// One item, strongly consistent.
    pub async fn get<T: DeserializeOwned>(
        &self,
        table: Table,
        key: &ItemKey,
    ) -> Result<Option<T>, Problem> {
        let began = Instant::now();
        let got = self
            .client
            .get_item()
            .table_name(self.tables.name(table))
            .set_key(Some(key.attributes()))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        self.meter.read(began, got.iter().filter_map(|out| out.consumed_capacity()));
        match got.map_err(|error| failed("GetItem", &error))?.item {
            Some(item) => parsed(item).map(Some),
            None => Ok(None),
        }
    }

    /// Any number of items of one table, strongly consistent, in no order; those that aren't
    /// there are left out.
    pub async fn get_items(&self, table: Table, keys: &[ItemKey]) -> Result<Vec<Item>, Problem> {
        self.batch_get(table, keys, true).await
    }

    /// The same, read as what they are.
    pub async fn get_many<T: DeserializeOwned>(
        &self,
        table: Table,
        keys: &[ItemKey],
    ) -> Result<Vec<T>, Problem> {
        self.batch_get(table, keys, true).await?.into_iter().map(parsed).collect()
    }

    async fn batch_get(
        &self,
        table: Table,
        keys: &[ItemKey],
        consistent: bool,
    ) -> Result<Vec<Item>, Problem> {
        /// DynamoDB's limit for one call.
        const KEYS: usize = 100;
        let mut found = Vec::new();
        // A key given twice would be refused.
        let keys: Vec<_> = keys.iter().collect::<HashSet<_>>().into_iter().collect();
        for keys in keys.chunks(KEYS) {
            let mut wanted: Vec<Item> = keys.iter().map(|key| key.attributes()).collect();
            let mut patience = Patience::new();
            while !wanted.is_empty() {
                let began = Instant::now();
                let keys = KeysAndAttributes::builder()
                    .set_keys(Some(wanted))
                    .consistent_read(consistent)
                    .build()
                    .map_err(|_| Problem::bug("BatchGetItem without keys"))?;
                let got = self
                    .client
                    .batch_get_item()
                    .request_items(self.tables.name(table), keys)
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .send()
                    .await;
                self.meter.read(began, got.iter().flat_map(BatchGetItemOutput::consumed_capacity));
                let got = got.map_err(|error| failed("BatchGetItem", &error))?;
                found.extend(got.responses.into_iter().flat_map(HashMap::into_values).flatten());
                let left = got.unprocessed_keys.into_iter().flat_map(HashMap::into_values);
                wanted = left.flat_map(|keys| keys.keys).collect();
                if !wanted.is_empty() {
                    patience.pause().await?;
                }
            }
        }
        Ok(found)
    }

    /// The partition keys of a whole table, each once. It reads everything: for tools alone, never
    /// for a request.
    pub async fn all_partitions(&self, table: Table) -> Result<BTreeSet<String>, Problem> {
        let (mut found, mut start) = (BTreeSet::new(), None);
        loop {
            let scan = self.client.scan().table_name(self.tables.name(table));
            let scan = scan.projection_expression("pk").consistent_read(true);
            let got = scan.set_exclusive_start_key(start).send().await;
            let got = got.map_err(|error| failed("Scan", &error))?;
            let keys = got.items.into_iter().flatten();
            found.extend(keys.filter_map(|key| Some(key.get("pk")?.as_s().ok()?.clone())));
            start = got.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    /// All items of one partition from a sort key on, strongly consistent, in its order. For
    /// partitions that are known to stay small.
    async fn partition(&self, table: Table, from: &ItemKey) -> Result<Vec<Item>, Problem> {
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let began = Instant::now();
            let got = self
                .client
                .query()
                .table_name(self.tables.name(table))
                .key_condition_expression("pk = :pk AND sk >= :sk")
                .expression_attribute_values(":pk", AttributeValue::S(from.pk.clone()))
                .expression_attribute_values(":sk", AttributeValue::S(from.sk.clone().into_owned()))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await;
            self.meter.read(began, got.iter().filter_map(|out| out.consumed_capacity()));
            let got = got.map_err(|error| failed("Query", &error))?;
            found.extend(got.items.into_iter().flatten());
            start = got.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    /// What signs audit entries, for who verifies them.
    pub fn audit_secret(&self) -> &RotatingSecret {
        &self.audit_secret
    }

    /// Whether the storage answers at all.
    pub async fn is_ready(&self) -> bool {
        let nobody = ItemKey::new("ready".to_owned(), "ready");
        self.get::<IgnoredAny>(Table::Users, &nobody).await.is_ok()
    }
}

/// What waits for whatever is in the way of a write.
struct Patience(Backoff);

impl Patience {
    fn new() -> Self {
        Self(Backoff::lasting(Duration::from_secs(20)))
    }

    async fn pause(&mut self) -> Result<(), Problem> {
        if self.0.pause().await { Ok(()) } else { Err(Problem::STORAGE_UNAVAILABLE) }
    }
}

/// DynamoDB's refusals of a request that is wrong in itself: ours to mend, not to retry.
const BUGS: [&str; 7] = [
    "ValidationException",
    "SerializationException",
    "AccessDeniedException",
    "UnrecognizedClientException",
    // As a cancelled transaction has them.
    "ValidationError",
    "AccessDenied",
    "ItemCollectionSizeLimitExceeded",
];

/// A call that failed after the SDK's own retries. Only the error's code is logged.
fn failed<E: ProvideErrorMetadata, R>(operation: &'static str, error: &SdkError<E, R>) -> Problem {
    let code = error.code().unwrap_or(match error {
        SdkError::TimeoutError(_) => "timeout",
        SdkError::DispatchFailure(_) => "no connection",
        SdkError::ResponseError(_) => "no answer",
        _ => "unknown",
    });
    failed_with(operation, code)
}

fn failed_with(operation: &'static str, code: &str) -> Problem {
    log::storage_failed(operation, code);
    if BUGS.contains(&code) { Problem::INTERNAL } else { Problem::STORAGE_UNAVAILABLE }
}

/// A transaction holds the item at this moment; the SDK doesn't try such a call again.
fn is_conflict<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("TransactionConflictException")
}

fn parsed<T: DeserializeOwned>(item: Item) -> Result<T, Problem> {
    serde_dynamo::from_item(item).map_err(|_| Problem::bug("a stored item can't be read"))
}

fn written<T: Serialize>(item: &T) -> Result<Item, Problem> {
    serde_dynamo::to_item(item).map_err(|_| Problem::bug("an item can't be written"))
}
