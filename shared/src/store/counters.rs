//! Items that count: exact decimals, added to by transactions that need not read them.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use rust_decimal::Decimal;

use super::{Item, ItemKey, Store, Table};
use crate::problem::Problem;

/// Amounts to add to the counters of one item.
pub struct Counting {
    pub key: ItemKey,
    /// Counters by name; a zero is left out.
    pub amounts: BTreeMap<String, Decimal>,
    /// Only while this counter is below this limit, else the change is decided anew.
    pub below: Option<(&'static str, i64)>,
}

impl Counting {
    pub fn new(key: ItemKey) -> Self {
        Self { key, amounts: BTreeMap::new(), below: None }
    }

    pub fn add(&mut self, counter: &str, amount: Decimal) {
        *self.amounts.entry(counter.to_owned()).or_default() += amount;
    }

    /// One counter alone.
    pub fn one(key: ItemKey, counter: &str, amount: i64) -> Self {
        let mut counting = Self::new(key);
        counting.add(counter, amount.into());
        counting
    }
}

/// The counters of one item as they stand. Their numbers keep every digit, which a detour by
/// floats would not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counters {
    pub key: ItemKey,
    numbers: HashMap<String, Decimal>,
}

impl Counters {
    fn of(item: Item) -> Result<Self, Problem> {
        let text =
            |name| item.get(name).and_then(|value: &AttributeValue| value.as_s().ok()).cloned();
        let key = text("pk").zip(text("sk")).map(|(pk, sk)| ItemKey::new(pk, sk));
        let key = key.ok_or_else(|| Problem::bug("counters without a key"))?;
        let mut numbers = HashMap::new();
        for (name, value) in item {
            if let AttributeValue::N(number) = value {
                let number = Decimal::from_str_exact(&number)
                    .map_err(|_| Problem::bug("a counter can't be read"))?;
                numbers.insert(name, number);
            }
        }
        Ok(Self { key, numbers })
    }

    /// Zero where it never counted.
    pub fn amount(&self, counter: &str) -> Decimal {
        self.numbers.get(counter).copied().unwrap_or_default()
    }

    /// As `amount`, for what is counted in ones.
    pub fn count(&self, counter: &str) -> i64 {
        i64::try_from(self.amount(counter)).unwrap_or(i64::MAX)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, Decimal)> {
        self.numbers.iter().map(|(name, number)| (name.as_str(), *number))
    }
}

impl Store {
    /// The counters of these items, strongly consistent; items that aren't there are left out.
    pub async fn counters(&self, table: Table, keys: &[ItemKey]) -> Result<Vec<Counters>, Problem> {
        self.batch_get(table, keys, true).await?.into_iter().map(Counters::of).collect()
    }

    /// The same at half the price, and perhaps a moment old: for what a list shows beside.
    pub async fn glance_at_counters(
        &self,
        table: Table,
        keys: &[ItemKey],
    ) -> Result<Vec<Counters>, Problem> {
        self.batch_get(table, keys, false).await?.into_iter().map(Counters::of).collect()
    }

    /// The counters of one partition from a sort key on, strongly consistent, in its order.
    pub async fn counters_from(
        &self,
        table: Table,
        from: &ItemKey,
    ) -> Result<Vec<Counters>, Problem> {
        self.partition(table, from).await?.into_iter().map(Counters::of).collect()
    }
}
