//! One transaction for a change: its items, its audit entries and its idempotency record.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::transact_write_items::{
    TransactWriteItemsError, TransactWriteItemsOutput,
};
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem,
};

use super::change::{ABSENT, Change, Otherwise, Write, built};
use super::idempotency::Key;
use super::{Patience, Store, Table, failed, failed_with, written};
use uuid::Uuid;

use crate::answer::Answer;
use crate::audit::{Access, Entry, Subject};
use crate::auth::Caller;
use crate::problem::Problem;

/// What became of one transaction.
enum Outcome {
    Done,
    /// The key's record was there: what it says.
    Recorded(Result<Answer, Problem>),
    /// The state is another than the one that was read.
    DecideAnew,
    /// Others were in the way, so that it isn't known.
    Prevented,
    Refused(Problem),
}

impl Outcome {
    fn is_not_done(&self) -> bool {
        !matches!(self, Self::Done)
    }
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
            if change.is_step {
                if change.writes.is_empty()
                    || self.transact(None, &change, &mut patience).await?.is_not_done()
                {
                    patience.pause().await?;
                }
                continue;
            }
            if change.writes.is_empty() && change.entries.is_empty() {
                return match key {
                    Some(key) => self.remember(key, change.answer).await,
                    None => Ok(change.answer),
                };
            }
            match self.transact(key, &change, &mut patience).await? {
                Outcome::Done => return Ok(change.answer),
                Outcome::Recorded(answer) => return answer,
                Outcome::Refused(problem) => return self.refuse(key, problem).await,
                Outcome::DecideAnew | Outcome::Prevented => patience.pause().await?,
            }
        }
    }

    /// Stores a change of nobody's doing; false where the state is another by now.
    pub async fn attempt(&self, change: &Change) -> Result<bool, Problem> {
        let mut patience = Patience::new();
        loop {
            match self.transact(None, change, &mut patience).await? {
                Outcome::Done => return Ok(true),
                Outcome::Prevented => patience.pause().await?,
                _ => return Ok(false),
            }
        }
    }

    /// Enters that a caller reads these, before it does.
    pub async fn enter_reads(
        &self,
        caller: &Caller,
        subjects: impl IntoIterator<Item = Subject>,
    ) -> Result<(), Problem> {
        let entry = |subject| Entry::new(caller, Access::Read, subject, &[]);
        self.enter(subjects.into_iter().map(entry).collect()).await
    }

    /// Stores entries alone, up to 100: what nothing was changed by, before it is answered. All of
    /// them, or none. Nothing is read for it and no entry waits for another.
    pub async fn enter(&self, entries: Vec<Entry>) -> Result<(), Problem> {
        let mut items = Vec::with_capacity(entries.len());
        for entry in entries {
            items.push(self.entry(entry)?);
        }
        if items.is_empty() {
            return Ok(());
        }
        let token = Uuid::now_v7().to_string();
        let mut patience = Patience::new();
        loop {
            match self.write(&items, &token, &mut patience).await? {
                None => return Ok(()),
                // Nothing but a throttled table can be in the way of an id that is new.
                Some(reasons) if is_passing(&reasons) => patience.pause().await?,
                Some(reasons) => return Err(cancelled(&reasons)),
            }
        }
    }

    /// The put of an entry where none is.
    fn entry(&self, entry: Entry) -> Result<TransactWriteItem, Problem> {
        let stored = entry.signed(&self.audit_secret);
        let stored = stored.map_err(|_| Problem::bug("an audit entry can't be written"))?;
        let put = Put::builder()
            .table_name(self.tables.name(Table::Audit))
            .set_item(Some(written(&stored)?))
            .condition_expression(ABSENT);
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
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
        // DynamoDB answers a transaction that is sent again with its token as it did the first
        // time, for 10 minutes: a try whose answer was lost is no conflict with itself.
        let token = Uuid::now_v7().to_string();
        let mut items = Vec::new();
        for entry in &change.entries {
            items.push(self.entry(entry.clone())?);
        }
        for write in &change.writes {
            items.push(write.item(self.tables.name(write.table))?);
        }
        if let Some(key) = key {
            let put = self.record(key, &token, &change.answer)?;
            let put = put.return_values_on_condition_check_failure(
                ReturnValuesOnConditionCheckFailure::AllOld,
            );
            items.push(TransactWriteItem::builder().put(built(put.build())?).build());
        }
        match self.write(&items, &token, patience).await? {
            None => Ok(Outcome::Done),
            Some(reasons) => outcome(&reasons, change, key),
        }
    }

    /// One transaction: None where it is done, else why it was cancelled.
    async fn write(
        &self,
        items: &[TransactWriteItem],
        token: &str,
        patience: &mut Patience,
    ) -> Result<Option<Vec<CancellationReason>>, Problem> {
        let tries = Tries::default();
        loop {
            let began = Instant::now();
            let sent = self
                .client
                .transact_write_items()
                .set_transact_items(Some(items.to_vec()))
                .client_request_token(token)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .customize()
                .interceptor(tries.clone())
                .send()
                .await;
            self.meter
                .wrote(began, sent.iter().flat_map(TransactWriteItemsOutput::consumed_capacity));
            let Err(error) = sent else { return Ok(None) };
            match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    let reasons = cancelled.cancellation_reasons();
                    // An earlier try may have been done and its answer lost: its token will tell.
                    if !tries.are_more_than_one() || !is_passing(reasons) {
                        return Ok(Some(reasons.to_vec()));
                    }
                    patience.pause().await?;
                }
                // An earlier try of this very transaction is still running.
                Some(TransactWriteItemsError::TransactionInProgressException(_)) => {
                    patience.pause().await?;
                }
                _ => return Err(failed("TransactWriteItems", &error)),
            }
        }
    }
}

/// How often one transaction was sent, the SDK's own retries included.
#[derive(Debug, Default, Clone)]
struct Tries(Arc<AtomicU32>);

impl Tries {
    fn are_more_than_one(&self) -> bool {
        self.0.load(Relaxed) > 1
    }
}

impl Intercept for Tries {
    fn name(&self) -> &'static str {
        "Tries"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Relaxed);
        Ok(())
    }
}

fn codes(reasons: &[CancellationReason]) -> impl Iterator<Item = &str> {
    reasons.iter().filter_map(CancellationReason::code)
}

/// Others were in the way, so that not every condition was looked at, and time went by.
fn is_passing(reasons: &[CancellationReason]) -> bool {
    let passing = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
    codes(reasons).any(|code| passing.contains(&code))
}

fn cancelled(reasons: &[CancellationReason]) -> Problem {
    let code = codes(reasons).find(|code| *code != "None").unwrap_or("cancelled");
    failed_with("TransactWriteItems", code)
}

/// What a cancelled transaction means.
fn outcome(
    reasons: &[CancellationReason],
    change: &Change,
    key: Option<&Key>,
) -> Result<Outcome, Problem> {
    let unmet = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    let (_, rest) = reasons.split_at_checked(change.entries.len()).unwrap_or_default();
    let (writes, record) = rest.split_at_checked(change.writes.len()).unwrap_or_default();
    if let (Some(key), Some(reason)) = (key, record.first())
        && unmet(reason)
    {
        return Ok(Outcome::Recorded(key.recorded(reason.item().cloned().unwrap_or_default())));
    }
    if is_passing(reasons) {
        return Ok(Outcome::Prevented);
    }
    match change.writes.iter().zip(writes).find(|(_, reason)| unmet(reason)) {
        Some((Write { otherwise: Otherwise::Refuse(problem), .. }, _)) => {
            Ok(Outcome::Refused(problem.clone()))
        }
        Some((Write { otherwise: Otherwise::DecideAnew, .. }, _)) => Ok(Outcome::DecideAnew),
        Some((Write { otherwise: Otherwise::Bug(what), .. }, _)) => Err(Problem::bug(what)),
        None => Err(cancelled(reasons)),
    }
}
