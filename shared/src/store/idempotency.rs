//! The record of a keyed POST: who sent which bytes where, and what was answered.

use std::fmt::Write;
use std::time::Instant;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Item, Patience, Store, Table, failed, is_conflict, parsed, written};
use crate::answer::Answer;
use crate::config::sha256;
use crate::problem::Problem;
use crate::values::Timestamp;

/// How long a key is remembered, and how long work that spans several transactions may be silent
/// before another may take it up. Milliseconds.
const KEPT_MS: i64 = 24 * 60 * 60 * 1_000;
const LEASE_MS: i64 = 30 * 1_000;

/// What a key is bound to, and the bytes that came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pk: String,
    digest: String,
}

/// A record as it lies in the table. Without an answer it is a lease: the work has begun.
#[derive(Serialize, Deserialize)]
struct Record {
    pk: String,
    digest: String,
    /// When TTL may take it away; until then and no longer it counts. Seconds since 1970.
    expires_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    began_at_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_until_ms: Option<i64>,
}

/// Where work that spans several transactions stands.
pub enum Begun {
    /// Begun now, or earlier by a try that didn't end: when the first one began.
    At(Timestamp),
    Answered(Answer),
}

impl Key {
    /// `scope`: the caller, its location, the method and the path that the key holds for.
    pub fn new(scope: &[&str], key: &str, body: &[u8]) -> Self {
        // Lengths first, so that no two scopes run together to the same text.
        let mut bound = String::new();
        for part in scope.iter().chain([&key]) {
            let _ = write!(bound, "{}:{part}", part.len());
        }
        Self { pk: hex::encode(sha256(bound.as_bytes())), digest: hex::encode(sha256(body)) }
    }

    /// The key of one part of the work. It holds for these bytes alone: other bytes under the
    /// same key, after a try that failed, begin with no part done.
    #[must_use]
    pub fn part(&self, number: usize) -> Self {
        Self { pk: format!("{}#{}#{number}", self.pk, self.digest), digest: self.digest.clone() }
    }

    /// Whether a record is that of an attempt, whose answer was lost then.
    pub(super) fn is_recorded_by(old: &Item, attempt: &str) -> bool {
        old.get("attempt").and_then(|old| old.as_s().ok()).is_some_and(|old| old == attempt)
    }

    /// What the record in the way of this key says.
    pub(super) fn recorded(&self, old: Item) -> Result<Answer, Problem> {
        let record: Record = parsed(old)?;
        match record.answer {
            _ if record.digest != self.digest && record.lease_until_ms.is_none() => {
                Err(Problem::IDEMPOTENCY_KEY_REUSED)
            }
            Some(answer) => Answer::from_record(&answer),
            None => Err(Problem::IDEMPOTENCY_IN_PROGRESS),
        }
    }
}

impl Store {
    /// The put of a key's record, on the condition that nothing stands in its way: no record,
    /// one that is over, or a lease for the same bytes or over.
    pub(super) fn record(
        &self,
        key: &Key,
        attempt: &str,
        answer: &Answer,
    ) -> Result<PutBuilder, Problem> {
        let now = Timestamp::now().ms();
        let record = Record {
            pk: key.pk.clone(),
            digest: key.digest.clone(),
            expires_at: (now + KEPT_MS) / 1_000,
            attempt: Some(attempt.to_owned()),
            answer: Some(answer.to_record()?),
            began_at_ms: None,
            lease_until_ms: None,
        };
        Ok(Put::builder()
            .table_name(self.tables.name(Table::Idempotency))
            .set_item(Some(written(&record)?))
            .condition_expression(
                "attribute_not_exists(pk) OR expires_at <= :now OR \
                 (attribute_exists(lease_until_ms) AND (digest = :digest OR lease_until_ms <= :now_ms))",
            )
            .expression_attribute_values(":now", AttributeValue::N((now / 1_000).to_string()))
            .expression_attribute_values(":now_ms", AttributeValue::N(now.to_string()))
            .expression_attribute_values(":digest", AttributeValue::S(key.digest.clone())))
    }

    /// What a key's record says, where one is there and counts.
    pub(super) async fn recorded(
        &self,
        key: &Key,
    ) -> Result<Option<Result<Answer, Problem>>, Problem> {
        let began = Instant::now();
        let got = self
            .client
            .get_item()
            .table_name(self.tables.name(Table::Idempotency))
            .key("pk", AttributeValue::S(key.pk.clone()))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        self.meter.read(began, got.iter().filter_map(|out| out.consumed_capacity()));
        let item = got.map_err(|error| failed("GetItem", &error))?.item;
        let Some(item) = item else { return Ok(None) };
        let record: Record = parsed(item.clone())?;
        let now = Timestamp::now().ms();
        let over = record.expires_at <= now / 1_000;
        let free =
            record.lease_until_ms.is_some_and(|until| until <= now || record.digest == key.digest);
        Ok((!over && !free).then(|| key.recorded(item)))
    }

    /// The answer of one part of the work, where an earlier try did it.
    pub async fn done(&self, part: &Key) -> Result<Option<Answer>, Problem> {
        self.recorded(part).await?.transpose()
    }

    /// Takes up work that spans several transactions. Two tries at once with the same bytes do it
    /// together, part by part.
    pub async fn begin(&self, key: &Key) -> Result<Begun, Problem> {
        let mut patience = Patience::new();
        loop {
            if let Some(answer) = self.recorded(key).await? {
                return answer.map(Begun::Answered);
            }
            let now = Timestamp::now().ms();
            let began = Instant::now();
            let update = self
                .client
                .update_item()
                .table_name(self.tables.name(Table::Idempotency))
                .key("pk", AttributeValue::S(key.pk.clone()))
                .update_expression(
                    "SET digest = :digest, began_at_ms = if_not_exists(began_at_ms, :now_ms), \
                     lease_until_ms = :until, expires_at = :end",
                )
                .condition_expression(
                    "attribute_not_exists(pk) OR \
                     (attribute_exists(lease_until_ms) AND digest = :digest AND expires_at > :now)",
                )
                .expression_attribute_values(":digest", AttributeValue::S(key.digest.clone()))
                .expression_attribute_values(":now", AttributeValue::N((now / 1_000).to_string()))
                .expression_attribute_values(":now_ms", AttributeValue::N(now.to_string()))
                .expression_attribute_values(
                    ":until",
                    AttributeValue::N((now + LEASE_MS).to_string()),
                )
                .expression_attribute_values(
                    ":end",
                    AttributeValue::N(((now + KEPT_MS) / 1_000).to_string()),
                )
                .return_values(ReturnValue::AllNew)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await;
            self.meter.wrote(began, update.iter().filter_map(|out| out.consumed_capacity()));
            match update {
                Ok(out) => {
                    let record: Record = parsed(out.attributes.unwrap_or_default())?;
                    let began_at = record.began_at_ms.and_then(Timestamp::from_ms);
                    return Ok(Begun::At(
                        began_at.ok_or_else(|| Problem::bug("a lease without its beginning"))?,
                    ));
                }
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(UpdateItemError::is_conditional_check_failed_exception) => {}
                Err(error) if is_conflict(&error) => {}
                Err(error) => return Err(failed("UpdateItem", &error)),
            }
            if self.take_over(key, now).await? {
                return Timestamp::from_ms(now)
                    .map(Begun::At)
                    .ok_or_else(|| Problem::bug("a clock beyond the calendar"));
            }
            patience.pause().await?;
        }
    }

    /// Puts a new lease over a record that is over.
    async fn take_over(&self, key: &Key, now: i64) -> Result<bool, Problem> {
        let lease = Record {
            pk: key.pk.clone(),
            digest: key.digest.clone(),
            expires_at: (now + KEPT_MS) / 1_000,
            attempt: None,
            answer: None,
            began_at_ms: Some(now),
            lease_until_ms: Some(now + LEASE_MS),
        };
        let began = Instant::now();
        let put = self
            .client
            .put_item()
            .table_name(self.tables.name(Table::Idempotency))
            .set_item(Some(written(&lease)?))
            .condition_expression("expires_at <= :now OR lease_until_ms <= :now_ms")
            .expression_attribute_values(":now", AttributeValue::N((now / 1_000).to_string()))
            .expression_attribute_values(":now_ms", AttributeValue::N(now.to_string()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        self.meter.wrote(began, put.iter().filter_map(|out| out.consumed_capacity()));
        match put {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) if is_conflict(&error) => Ok(false),
            Err(error) => Err(failed("PutItem", &error)),
        }
    }

    /// Keeps an answer that no transaction of its own carries: the sum of work in parts, whose
    /// changes are stored with their entries, or a part that changed nothing.
    pub async fn remember(&self, key: &Key, answer: Answer) -> Result<Answer, Problem> {
        let attempt = Uuid::now_v7().to_string();
        let put = self.record(key, &attempt, &answer)?;
        let put = put.build().map_err(|_| Problem::bug("a record without its table"))?;
        let mut patience = Patience::new();
        loop {
            let began = Instant::now();
            let sent = self
                .client
                .put_item()
                .table_name(&put.table_name)
                .set_item(Some(put.item.clone()))
                .set_condition_expression(put.condition_expression.clone())
                .set_expression_attribute_values(put.expression_attribute_values.clone())
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                )
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await;
            self.meter.wrote(began, sent.iter().filter_map(|out| out.consumed_capacity()));
            let Err(error) = sent else { return Ok(answer) };
            match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    let old = failed.item().cloned().unwrap_or_default();
                    return if Key::is_recorded_by(&old, &attempt) {
                        Ok(answer)
                    } else {
                        key.recorded(old)
                    };
                }
                // A twin's transaction is putting this very record.
                _ if is_conflict(&error) => patience.pause().await?,
                _ => return Err(failed("PutItem", &error)),
            }
        }
    }
}
