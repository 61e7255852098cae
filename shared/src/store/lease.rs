//! Tokens of a rate limit, leased by one conditional update.

use std::time::Duration;

use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::{Item, Store, Table};

/// What became of a lease.
pub enum Leased {
    /// Granted; so many are taken now, and so many processes lease.
    Taken { taken: u32, processes: u32 },
    /// More than is left; so many were taken already.
    TooMany(u32),
    /// The counter can't be reached.
    Away,
}

impl Store {
    /// Takes `wanted` tokens of `window`, of which there are `limit`, for a process whose `first`
    /// they may be. `ends_at`: when TTL may take the counter away, seconds since 1970. It is given
    /// up soon: a request shouldn't wait for it.
    pub async fn lease(
        &self,
        window: &str,
        wanted: u32,
        first: bool,
        limit: u32,
        ends_at: i64,
    ) -> Leased {
        let Some(most) = limit.checked_sub(wanted) else { return Leased::TooMany(limit) };
        let number = |number: i64| AttributeValue::N(number.to_string());
        let soon = TimeoutConfig::builder().operation_timeout(Duration::from_secs(1)).build();
        let impatient = Builder::new()
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(2)
                    .with_initial_backoff(Duration::from_millis(20)),
            )
            .timeout_config(soon);
        let sent = self
            .client
            .update_item()
            .table_name(self.tables.name(Table::Limits))
            .key("pk", AttributeValue::S(window.to_owned()))
            .update_expression("ADD #taken :wanted, #processes :new SET expires_at = :end")
            .condition_expression("attribute_not_exists(#taken) OR #taken <= :most")
            .expression_attribute_names("#taken", "taken")
            .expression_attribute_names("#processes", "processes")
            .expression_attribute_values(":wanted", number(wanted.into()))
            .expression_attribute_values(":new", number(first.into()))
            .expression_attribute_values(":most", number(most.into()))
            .expression_attribute_values(":end", number(ends_at))
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .customize()
            .config_override(impatient)
            .send()
            .await;
        match sent {
            Ok(out) => Leased::Taken {
                taken: count(out.attributes.as_ref(), "taken").unwrap_or(limit),
                processes: count(out.attributes.as_ref(), "processes").unwrap_or(limit),
            },
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(old)) => {
                    Leased::TooMany(count(old.item(), "taken").unwrap_or(limit))
                }
                _ => Leased::Away,
            },
        }
    }
}

fn count(item: Option<&Item>, name: &str) -> Option<u32> {
    item?.get(name)?.as_n().ok()?.parse().ok()
}
