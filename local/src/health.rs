//! Whether a running `local` serves.

use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

const LONGEST: Duration = Duration::from_secs(4);

/// Fails where nothing answers `GET /health` with 200 on this machine's port.
pub async fn ask(port: u16) -> Result<(), String> {
    let url = format!("http://127.0.0.1:{port}/health");
    let uri: Uri = url.parse().map_err(|_| "no such port".to_owned())?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    match tokio::time::timeout(LONGEST, client.get(uri)).await {
        Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
        Ok(Ok(answer)) => Err(format!("{url}: {}", answer.status().as_u16())),
        Ok(Err(_)) => Err(format!("{url}: no answer")),
        Err(_) => Err(format!("{url}: no answer within {} s", LONGEST.as_secs())),
    }
}
