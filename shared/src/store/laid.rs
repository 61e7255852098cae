//! Items that are too many for one transaction: laid down before the change that makes them
//! something, taken away after the one that left them nothing.

use std::time::Instant;

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use super::{Item, ItemKey, Store, Table, failed, written};
use crate::problem::Problem;

/// Items that are on their way at once.
const AT_ONCE: usize = 8;

impl Store {
    /// Puts items that hold their keys, of which nothing knows yet.
    pub async fn lay(&self, table: Table, items: &[impl Serialize]) -> Result<(), Problem> {
        let put = async |item: Item| {
            let began = Instant::now();
            let put = self.client.put_item().table_name(self.tables.name(table));
            let put = put.set_item(Some(item));
            let put = put.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await;
            self.meter.wrote(began, put.iter().filter_map(|out| out.consumed_capacity()));
            put.map(drop).map_err(|error| failed("PutItem", &error))
        };
        let items: Vec<Item> = items.iter().map(written).collect::<Result<_, _>>()?;
        stream::iter(items.into_iter().map(put)).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Deletes items that nothing knows of any more, be they there or not.
    pub async fn clear(&self, table: Table, keys: &[ItemKey]) -> Result<(), Problem> {
        let delete = async |key: &ItemKey| {
            let began = Instant::now();
            let delete = self.client.delete_item().table_name(self.tables.name(table));
            let delete = delete.set_key(Some(key.attributes()));
            let delete =
                delete.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await;
            self.meter.wrote(began, delete.iter().filter_map(|out| out.consumed_capacity()));
            delete.map(drop).map_err(|error| failed("DeleteItem", &error))
        };
        stream::iter(keys.iter().map(delete)).buffer_unordered(AT_ONCE).try_collect().await
    }
}
