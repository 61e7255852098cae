//! One transaction for a change: its items, its audit entries and its idempotency record.

use std::time::Instant;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::{
    TransactWriteItemsError, TransactWriteItemsOutput,
};
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem,
};

use super::change::{ABSENT, Change, Otherwise, built};
use super::idempotency::Key;
use super::{Patience, Store, Table, bug, failed, written};
use crate::answer::Answer;
use crate::problem::Problem;

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
        // DynamoDB answers a transaction that is sent again with its token as it did the first
        // time, for 10 minutes: a try whose answer was lost is no conflict with itself.
        let token = change.entries.first().map(|entry| entry.id.to_string()).unwrap_or_default();
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
            let put = self.record(key, &token, &change.answer)?;
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
                .client_request_token(&token)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await;
            self.meter
                .wrote(began, sent.iter().flat_map(TransactWriteItemsOutput::consumed_capacity));
            let Err(error) = sent else { return Ok(Outcome::Done) };
            if let Some(outcome) = cancelled(&error, change, key)? {
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
) -> Result<Option<Outcome>, Problem> {
    let reasons = match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            cancelled.cancellation_reasons()
        }
        Some(TransactWriteItemsError::TransactionInProgressException(_)) => return Ok(None),
        _ => return Err(failed("TransactWriteItems", error)),
    };
    let unmet = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    let (_, rest) = reasons.split_at_checked(change.entries.len()).unwrap_or_default();
    let (writes, record) = rest.split_at_checked(change.writes.len()).unwrap_or_default();
    if let (Some(key), Some(reason)) = (key, record.first())
        && unmet(reason)
    {
        let old = reason.item().cloned().unwrap_or_default();
        return Ok(Some(Outcome::Recorded(key.recorded(old))));
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
