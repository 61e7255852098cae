//! A table's stream, handed to a worker as Lambda's event source mapping would: in order, again
//! from the first record that it could not do, on and on.

use std::collections::HashSet;
use std::path::Path;

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::worker::{Event, Handle};

/// The stream of one table of a DynamoDB on a loopback address, read for one worker.
pub struct Stream {
    http: reqwest::Client,
    url: String,
    table: String,
    batch_size: u32,
    shards: Vec<Shard>,
    known: HashSet<String>,
    /// The last record that the worker has done.
    passed: Option<String>,
}

struct Shard {
    id: String,
    iterator: String,
}

impl Stream {
    pub fn new(url: &str, table: &str, batch_size: u32) -> Self {
        let (url, table) = (url.to_owned(), table.to_owned());
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::new();
        let (shards, known) = (Vec::new(), HashSet::new());
        Self { http, url, table, batch_size, shards, known, passed: None }
    }

    /// The sequence number of the last record that is done.
    pub fn passed(&self) -> Option<&str> {
        self.passed.as_deref()
    }

    /// Hands what is there to the worker, batch by batch: how many records it did. None where it
    /// failed, or the stream can't be read; what it did not do comes again.
    pub async fn hand_over(&mut self, worker: &Handle) -> Option<usize> {
        if self.shards.is_empty() {
            self.find_shards().await?;
        }
        let (mut done, mut ended) = (0, Vec::new());
        for at in 0..self.shards.len() {
            let shard = self.shards.get_mut(at)?;
            let (id, iterator) = (shard.id.clone(), shard.iterator.clone());
            let body = json!({"ShardIterator": iterator, "Limit": self.batch_size});
            let Some(read) = self.ask("GetRecords", &body).await else {
                // An iterator lasts for some minutes only.
                self.shards.clear();
                self.known.clear();
                return None;
            };
            let records = read.get("Records").and_then(Value::as_array).cloned();
            let records = records.unwrap_or_default();
            let failed =
                if records.is_empty() { None } else { first_failed(worker, &records).await };
            let good = records.iter().take_while(|record| failed.as_deref() != sequence(record));
            let good: Vec<_> = good.collect();
            done += good.len();
            if let Some(last) = good.last().and_then(|record| sequence(record)) {
                self.passed = Some(last.to_owned());
            }
            let next = match &failed {
                Some(failed) => self.iterator(&id, Some(failed)).await?,
                None => {
                    if let Some(next) = read.get("NextShardIterator").and_then(Value::as_str) {
                        next.to_owned()
                    } else {
                        ended.push(id);
                        continue;
                    }
                }
            };
            self.shards.get_mut(at)?.iterator = next;
            if failed.is_some() {
                return None;
            }
        }
        self.shards.retain(|shard| !ended.contains(&shard.id));
        Some(done)
    }

    /// Finds the shards that are new, each read from its beginning.
    async fn find_shards(&mut self) -> Option<()> {
        let table = self.ask("DescribeTable", &json!({"TableName": self.table})).await?;
        let stream = table.pointer("/Table/LatestStreamArn")?.as_str()?;
        let found = self.ask("DescribeStream", &json!({"StreamArn": stream})).await?;
        for shard in found.pointer("/StreamDescription/Shards")?.as_array()? {
            let id = shard.get("ShardId")?.as_str()?.to_owned();
            if self.known.insert(id.clone()) {
                let iterator = self.iterator(&id, None).await?;
                self.shards.push(Shard { id, iterator });
            }
        }
        Some(())
    }

    /// From a record on, or from the first that is still there.
    async fn iterator(&self, shard: &str, from: Option<&str>) -> Option<String> {
        let table = self.ask("DescribeTable", &json!({"TableName": self.table})).await?;
        let stream = table.pointer("/Table/LatestStreamArn")?;
        let kind = if from.is_some() { "AT_SEQUENCE_NUMBER" } else { "TRIM_HORIZON" };
        let mut body = json!({"StreamArn": stream, "ShardId": shard, "ShardIteratorType": kind});
        if let (Some(from), Some(body)) = (from, body.as_object_mut()) {
            body.insert("SequenceNumber".to_owned(), json!(from));
        }
        let answer = self.ask("GetShardIterator", &body).await?;
        answer.get("ShardIterator")?.as_str().map(str::to_owned)
    }

    async fn ask(&self, operation: &str, body: &Value) -> Option<Value> {
        // A loopback DynamoDB asks for a signature and doesn't check it.
        const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=local/20250101/local/dynamodb/aws4_request, SignedHeaders=host;x-amz-date, Signature=0000";
        let service = match operation {
            "DescribeStream" | "GetShardIterator" | "GetRecords" => "DynamoDBStreams_20120810",
            _ => "DynamoDB_20120810",
        };
        let request = self
            .http
            .post(&self.url)
            .header("x-amz-target", format!("{service}.{operation}"))
            .header("x-amz-date", "20250101T000000Z")
            .header("authorization", SIGNED)
            .header("content-type", "application/x-amz-json-1.0")
            .body(body.to_string());
        let response = request.send().await.ok()?.error_for_status().ok()?;
        response.json().await.ok()
    }
}

fn sequence(record: &Value) -> Option<&str> {
    record.pointer("/dynamodb/SequenceNumber")?.as_str()
}

/// Calls the worker: the first record that it did not do.
async fn first_failed(worker: &Handle, records: &[Value]) -> Option<String> {
    let Ok(answer) = worker(Event::new(json!({"Records": records}))).await else {
        return records.first().and_then(sequence).map(str::to_owned);
    };
    let failed = answer.pointer("/batchItemFailures/0/itemIdentifier")?.as_str()?;
    Some(failed.to_owned())
}

/// The stream's records have no index of their own: a write would take longer with each record.
pub(super) fn index(file: &Path) -> rusqlite::Result<()> {
    Connection::open(file)?.execute_batch(
        "CREATE INDEX IF NOT EXISTS quartet_stream_records
         ON _stream_records(table_name, CAST(sequence_number AS INTEGER))",
    )
}

/// The last record stays: its number is where the next begins.
pub(super) fn trim(file: &Path, table: &str, passed: &str) -> rusqlite::Result<()> {
    // A record's number is stored as an integer, and shown with this much added to it, which no
    // integer of SQLite's holds.
    const SHOWN: u128 = 10_u128.pow(20);
    let stored = passed.parse().ok().and_then(|shown: u128| shown.checked_sub(SHOWN));
    let Some(stored) = stored.and_then(|stored| i64::try_from(stored).ok()) else { return Ok(()) };
    Connection::open(file)?
        .execute(
            "DELETE FROM _stream_records
             WHERE table_name = ?1 AND CAST(sequence_number AS INTEGER) < ?2",
            params![table, stored],
        )
        .map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;

    use super::*;
    use crate::embedded::Embedded;
    use crate::worker::done_before;

    #[tokio::test]
    async fn what_the_worker_has_not_passed_is_not_trimmed() {
        let embedded = Embedded::start(None, 0).expect("an embedded DynamoDB");
        let mut stream = Stream::new(&embedded.url(), "things", 2);
        let key = json!({"AttributeName": "pk", "AttributeType": "S"});
        let table = json!({
            "TableName": "things", "AttributeDefinitions": [key], "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"},
        });
        stream.ask("CreateTable", &table).await.expect("a table");
        for id in 0..5 {
            let put = json!({"TableName": "things", "Item": {"pk": {"S": id.to_string()}}});
            stream.ask("PutItem", &put).await.expect("an item");
        }
        let worker: Handle = Arc::new(|_| async { Ok(done_before(None)) }.boxed());
        for left in [2, 2, 1, 0] {
            assert_eq!(stream.hand_over(&worker).await, Some(left));
            let passed = stream.passed().expect("a record was passed");
            embedded.trim("things", passed).expect("a trim");
        }
        let mut again = Stream::new(&embedded.url(), "things", 2);
        assert_eq!(again.hand_over(&worker).await, Some(1), "all but the last are gone");
    }
}
