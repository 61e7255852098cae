//! Many items in little time: copies of what the API has stored, under ids of their own.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use shared::store::{Item, Table};
use shared::testing::TestApp;
use uuid::Uuid;

use super::Result;

/// As many as one call takes.
const OF_A_CALL: usize = 25;
const CALLS_AT_ONCE: usize = 8;

/// An id as old as `age_ms` before `id`, in the same shard.
fn older(id: Uuid, age_ms: u64) -> Uuid {
    let [.., version, shard, variant, _, _, _, _, _, _, _] = id.into_bytes();
    let time = id.get_timestamp().map_or(0, |at| {
        let (seconds, nanoseconds) = at.to_unix();
        seconds * 1_000 + u64::from(nanoseconds / 1_000_000)
    });
    let [_, _, a, b, c, d, e, f] = time.saturating_sub(age_ms).to_be_bytes();
    let [g, h, i, j, k, l, m, ..] = rand::random::<[u8; 8]>();
    Uuid::from_bytes([a, b, c, d, e, f, version, shard, variant, g, h, i, j, k, l, m])
}

fn renamed(value: &AttributeValue, names: &[(String, String)]) -> AttributeValue {
    let all = |text: &str| {
        names.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old.as_str(), new))
    };
    match value {
        AttributeValue::S(text) => AttributeValue::S(all(text)),
        AttributeValue::L(list) => {
            AttributeValue::L(list.iter().map(|value| renamed(value, names)).collect())
        }
        AttributeValue::M(map) => AttributeValue::M(
            map.iter().map(|(name, value)| (name.clone(), renamed(value, names))).collect(),
        ),
        value => value.clone(),
    }
}

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

/// Copies what a table has of each `PREFIX#ID` until it has `count` of them.
pub async fn fill(app: &TestApp, table: Table, prefix: &str, count: usize) -> Result<()> {
    let mut patterns: HashMap<Uuid, Vec<Item>> = HashMap::new();
    for item in app.items(table).await {
        let id = text(&item, "pk").strip_prefix(prefix).and_then(|id| id.parse().ok());
        // Entries lie under their item and have an id of their own.
        if let Some(id) = id {
            patterns.entry(id).or_default().push(item);
        }
    }
    let patterns: Vec<_> = patterns.into_iter().collect();
    if patterns.is_empty() {
        return Err(format!("there is no {prefix}").into());
    }
    let wanted = count.saturating_sub(patterns.len());
    let copies = patterns.iter().cycle().take(wanted).enumerate().flat_map(|(age, (id, items))| {
        let mut names = vec![(id.to_string(), older(*id, age as u64).to_string())];
        items.iter().map(move |item| {
            if let Ok(entry) = text(item, "sk").parse() {
                names.truncate(1);
                names.push((text(item, "sk").to_owned(), older(entry, age as u64).to_string()));
            }
            item.iter().map(|(name, value)| (name.clone(), renamed(value, &names))).collect()
        })
    });
    let mut copies = copies.peekable();
    let calls = std::iter::from_fn(|| {
        copies.peek()?;
        Some(copies.by_ref().take(OF_A_CALL).collect::<Vec<Item>>())
    });
    let write = |items: Vec<Item>| async {
        let mut requests = Vec::new();
        for item in items {
            let put = PutRequest::builder().set_item(Some(item)).build()?;
            requests.push(WriteRequest::builder().put_request(put).build());
        }
        let call = app.dynamodb().batch_write_item();
        call.request_items(app.table(table), requests).send().await?;
        Result::Ok(())
    };
    stream::iter(calls).map(write).buffer_unordered(CALLS_AT_ONCE).try_collect::<()>().await
}
