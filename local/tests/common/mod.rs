//! What the tests of the process share.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A running `local`. Dropping it kills it.
pub struct Local {
    pub child: Child,
    pub url: String,
    pub dynamodb: String,
    pub key: Option<String>,
}

impl Local {
    pub fn start(arguments: &[&str]) -> Result<Self> {
        Self::listening(
            command(&[&["--dynamodb-port", "0"], arguments].concat()).stderr(Stdio::null()),
        )
    }

    /// Waits until it listens.
    pub fn listening(command: &mut Command) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no stdout")?).lines();
        let (mut dynamodb, mut key) = (String::new(), None);
        loop {
            let line = lines.next().ok_or("it ended before it listened")??;
            if let Some(url) = line.strip_prefix("listening on ") {
                return Ok(Self { child, url: url.to_owned(), dynamodb, key });
            }
            if let Some(url) = line.strip_prefix("dynamodb on ") {
                url.clone_into(&mut dynamodb);
            }
            key = line
                .rsplit(' ')
                .next()
                .filter(|word| word.starts_with("qk_"))
                .map(str::to_owned)
                .or(key);
        }
    }

    pub fn signal(&self, name: &str) -> Result<()> {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status()?;
        if sent.success() { Ok(()) } else { Err("kill".into()) }
    }

    /// All items of a table, read from the embedded DynamoDB.
    pub async fn items(&self, table: &str) -> Result<Vec<Value>> {
        let (mut items, mut start) = (Vec::new(), Value::Null);
        loop {
            let mut scan = json!({"TableName": table});
            if !start.is_null() {
                scan["ExclusiveStartKey"] = start;
            }
            let request = reqwest::Client::new()
                .post(&self.dynamodb)
                .header("x-amz-target", "DynamoDB_20120810.Scan");
            let request = request.header("content-type", "application/x-amz-json-1.0").header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=x/20260101/local/dynamodb/aws4_request, SignedHeaders=host, Signature=x",
            );
            let request = request.header("x-amz-date", "20260101T000000Z");
            let page: Value = request.body(scan.to_string()).send().await?.json().await?;
            items.extend(page["Items"].as_array().ok_or_else(|| page.to_string())?.iter().cloned());
            start = page["LastEvaluatedKey"].clone();
            if start.is_null() {
                return Ok(items);
            }
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn command(arguments: &[&str]) -> Command {
    // reqwest asks for one, though nothing here is TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command.args(["--port", "0"]).args(arguments).env_remove("ADMIN_TOKEN");
    command
}
