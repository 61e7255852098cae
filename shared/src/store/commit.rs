//! One transaction for a change: its items, its audit entries and its idempotency record.

use std::time::Instant;

use aws_sdk_dynamodb::error::{BuildError, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::{
    TransactWriteItemsError, TransactWriteItemsOutput,
};
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Delete, Put, ReturnConsumedCapacity,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use serde::Serialize;

use super::idempotency::Key;
use super::{Item, ItemKey, Patience, Store, Table, bug, failed, written};
use crate::answer::Answer;
use crate::audit::{Access, Entry, Subject};
use crate::auth::Caller;
use crate::problem::Problem;

/// What to do where a write's condition doesn't hold.
#[derive(Clone)]
pub enum Otherwise {
    /// The state was another by then: read it again and decide anew.
    DecideAnew,
    Refuse(Problem),
}

/// What a handler decided: the writes, who made them as audit entries, and the answer once all
/// of it is stored.
pub struct Change {
    writes: Vec<Write>,
    entries: Vec<Entry>,
    answer: Answer,
}

struct Write {
    table: Table,
    action: Action,
    condition: Option<&'static str>,
    values: Vec<(&'static str, AttributeValue)>,
    otherwise: Otherwise,
}

enum Action {
    Put(Item),
    Add { key: Item, counter: &'static str },
    Delete(Item),
}

impl Change {
    /// A change begins with its audit entry, so that none goes without.
    pub fn new(
        caller: &Caller,
        access: Access,
        subject: Subject,
        changed: &[&'static str],
        answer: Answer,
    ) -> Self {
        Self {
            writes: Vec::new(),
            entries: vec![Entry::new(caller, access, subject, changed)],
            answer,
        }
    }

    /// Nothing to change: the answer alone, which a key remembers like any other.
    pub fn nothing(answer: Answer) -> Self {
        Self { writes: Vec::new(), entries: Vec::new(), answer }
    }

    /// One more entry, for a change of several items.
    #[must_use]
    pub fn also(
        mut self,
        caller: &Caller,
        access: Access,
        subject: Subject,
        changed: &[&'static str],
    ) -> Self {
        self.entries.push(Entry::new(caller, access, subject, changed));
        self
    }

    /// Puts an item where none is.
    pub fn insert(
        mut self,
        table: Table,
        item: &impl Serialize,
        otherwise: Otherwise,
    ) -> Result<Self, Problem> {
        self.writes.push(Write {
            table,
            action: Action::Put(written(item)?),
            condition: Some(ABSENT),
            values: Vec::new(),
            otherwise,
        });
        Ok(self)
    }

    /// Puts an item in place of the `version` that was read.
    pub fn replace(
        mut self,
        table: Table,
        item: &impl Serialize,
        version: u64,
    ) -> Result<Self, Problem> {
        self.writes.push(Write::of_version(table, Action::Put(written(item)?), version));
        Ok(self)
    }

    /// Deletes the `version` of an item that was read.
    #[must_use]
    pub fn delete(mut self, table: Table, key: &ItemKey, version: u64) -> Self {
        self.writes.push(Write::of_version(table, Action::Delete(key.attributes()), version));
        self
    }

    /// Adds `amount` to the number `counter` of an item, which is made if need be.
    #[must_use]
    pub fn add(mut self, table: Table, key: &ItemKey, counter: &'static str, amount: i64) -> Self {
        self.writes.push(Write {
            table,
            action: Action::Add { key: key.attributes(), counter },
            condition: None,
            values: vec![(":amount", AttributeValue::N(amount.to_string()))],
            otherwise: Otherwise::DecideAnew,
        });
        self
    }

    /// Counts the first of something: a counter that isn't zero or absent by then makes the
    /// change be decided anew.
    #[must_use]
    pub fn add_first(mut self, table: Table, key: &ItemKey, counter: &'static str) -> Self {
        self = self.add(table, key, counter, 1);
        if let Some(write) = self.writes.last_mut() {
            write.condition = Some("attribute_not_exists(#counter) OR #counter = :zero");
            write.values.push((":zero", number(0)));
        }
        self
    }
}

const ABSENT: &str = "attribute_not_exists(pk)";

impl Write {
    fn of_version(table: Table, action: Action, version: u64) -> Self {
        Self {
            table,
            action,
            condition: Some("version = :version"),
            values: vec![(":version", number(version))],
            otherwise: Otherwise::DecideAnew,
        }
    }

    fn item(&self, name: &str) -> Result<TransactWriteItem, Problem> {
        let condition = self.condition.map(str::to_owned);
        let values = self.values.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let values = Some(values.collect::<Item>()).filter(|values| !values.is_empty());
        let item = TransactWriteItem::builder();
        Ok(match &self.action {
            Action::Put(put) => item.put(built(
                Put::builder()
                    .table_name(name)
                    .set_item(Some(put.clone()))
                    .set_condition_expression(condition)
                    .set_expression_attribute_values(values)
                    .build(),
            )?),
            Action::Add { key, counter } => item.update(built(
                Update::builder()
                    .table_name(name)
                    .set_key(Some(key.clone()))
                    .update_expression("ADD #counter :amount")
                    .expression_attribute_names("#counter", *counter)
                    .set_condition_expression(condition)
                    .set_expression_attribute_values(values)
                    .build(),
            )?),
            Action::Delete(key) => item.delete(built(
                Delete::builder()
                    .table_name(name)
                    .set_key(Some(key.clone()))
                    .set_condition_expression(condition)
                    .set_expression_attribute_values(values)
                    .build(),
            )?),
        }
        .build())
    }
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn built<T>(built: Result<T, BuildError>) -> Result<T, Problem> {
    built.map_err(|_| bug("a write without its table or key"))
}

/// What became of one transaction.
enum Outcome {
    Done,
    /// The key's record was there: what it says.
    Recorded(Result<Answer, Problem>),
    DecideAnew,
    Refused(Problem),
}

impl Store {
    /// Runs `decide` and stores what it says, all or nothing; anew where the state that it read
    /// has changed meanwhile. With a key it happens once: whatever `decide` would refuse by now,
    /// the first success is answered again.
    pub async fn commit<F>(
        &self,
        key: Option<&Key>,
        decide: impl Fn() -> F,
    ) -> Result<Answer, Problem>
    where
        F: Future<Output = Result<Change, Problem>>,
    {
        let mut patience = Patience::new();
        loop {
            let change = match decide().await {
                Ok(change) => change,
                Err(problem) => return self.refuse(key, problem).await,
            };
            if change.writes.is_empty() && change.entries.is_empty() {
                return match key {
                    Some(key) => self.remember(key, change.answer).await,
                    None => Ok(change.answer),
                };
            }
            match self.transact(key, &change, &mut patience).await? {
                Outcome::Done => return Ok(change.answer),
                Outcome::Recorded(answer) => return answer,
                Outcome::Refused(problem) => return Err(problem),
                Outcome::DecideAnew => patience.pause().await?,
            }
        }
    }

    /// Before a keyed request is refused, its record is read: a retry of what succeeded must not
    /// meet a refusal that came to be since.
    pub async fn refuse(&self, key: Option<&Key>, problem: Problem) -> Result<Answer, Problem> {
        match key {
            Some(key) if problem.is_refusal() => match self.recorded(key).await? {
                Some(answer) => answer,
                None => Err(problem),
            },
            _ => Err(problem),
        }
    }

    async fn transact(
        &self,
        key: Option<&Key>,
        change: &Change,
        patience: &mut Patience,
    ) -> Result<Outcome, Problem> {
        // The first entry's id names this change: whoever finds it stored, in the record or as
        // the entry itself, knows that an earlier try went through and only its answer was lost.
        let attempt = change.entries.first().map(|entry| entry.id.to_string()).unwrap_or_default();
        let mut items = Vec::new();
        for entry in &change.entries {
            let stored = entry
                .clone()
                .signed(&self.audit_secret)
                .map_err(|_| bug("an audit entry can't be written"))?;
            let put = Put::builder()
                .table_name(self.tables.name(Table::Audit))
                .set_item(Some(written(&stored)?))
                .condition_expression(ABSENT);
            items.push(TransactWriteItem::builder().put(built(put.build())?).build());
        }
        for write in &change.writes {
            items.push(write.item(self.tables.name(write.table))?);
        }
        if let Some(key) = key {
            let put = self.record(key, &attempt, &change.answer)?;
            let put = put.return_values_on_condition_check_failure(
                ReturnValuesOnConditionCheckFailure::AllOld,
            );
            items.push(TransactWriteItem::builder().put(built(put.build())?).build());
        }
        loop {
            let began = Instant::now();
            let sent = self
                .client
                .transact_write_items()
                .set_transact_items(Some(items.clone()))
                .client_request_token(&attempt)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await;
            self.meter
                .wrote(began, sent.iter().flat_map(TransactWriteItemsOutput::consumed_capacity));
            let Err(error) = sent else { return Ok(Outcome::Done) };
            if let Some(outcome) = cancelled(&error, change, key, &attempt)? {
                return Ok(outcome);
            }
            patience.pause().await?;
        }
    }
}

/// What a failed transaction means; None where it should be sent again.
fn cancelled<R>(
    error: &SdkError<TransactWriteItemsError, R>,
    change: &Change,
    key: Option<&Key>,
    attempt: &str,
) -> Result<Option<Outcome>, Problem> {
    let reasons = match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            cancelled.cancellation_reasons()
        }
        Some(TransactWriteItemsError::TransactionInProgressException(_)) => return Ok(None),
        _ => return Err(failed("TransactWriteItems", error)),
    };
    let unmet = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    let (entries, rest) = reasons.split_at_checked(change.entries.len()).unwrap_or_default();
    let (writes, record) = rest.split_at_checked(change.writes.len()).unwrap_or_default();
    if let (Some(key), Some(reason)) = (key, record.first())
        && unmet(reason)
    {
        let old = reason.item().cloned().unwrap_or_default();
        return Ok(Some(if Key::is_recorded_by(&old, attempt) {
            Outcome::Done
        } else {
            Outcome::Recorded(key.recorded(old))
        }));
    }
    if entries.first().is_some_and(unmet) {
        return Ok(Some(Outcome::Done));
    }
    if let Some((write, _)) = change.writes.iter().zip(writes).find(|(_, reason)| unmet(reason)) {
        return Ok(Some(match write.otherwise.clone() {
            Otherwise::DecideAnew => Outcome::DecideAnew,
            Otherwise::Refuse(problem) => Outcome::Refused(problem),
        }));
    }
    let passing = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
    if reasons.iter().filter_map(CancellationReason::code).any(|code| passing.contains(&code)) {
        return Ok(None);
    }
    Err(failed("TransactWriteItems", error))
}
