//! CPU that each route of reference data takes in its function: the mean of many requests through
//! the router, the caller known.
//! `cargo bench -p reference --bench reference`

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use shared::auth::Scope;
use shared::testing::{Client, TestApp};

const REQUESTS: u32 = 2_000;

/// Time that this thread, on which all of the function runs, has had of a CPU.
fn cpu() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(spent).unwrap_or_default()
}

async fn row(client: &Client, path: &str) {
    for _ in 0..50 {
        client.get(path).await;
    }
    let mut bytes = 0;
    let began = cpu();
    for _ in 0..REQUESTS {
        let reply = client.get(path).await;
        assert!(reply.status.is_success(), "{path}: {}", reply.status);
        bytes = reply.bytes.len();
    }
    let spent = cpu().saturating_sub(began) / REQUESTS;
    println!("{path:<40} {:>5} µs {bytes:>6} bytes", spent.as_micros());
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let app = TestApp::start_with(&[reference::FUNCTION], &[TestApp::WITHOUT_FAULTS]).await;
    let ada = app.user("ada", &[Scope::PayoffsWrite]).await;
    let rows: Vec<_> = (0..1_000)
        .map(|number| json!({"franchise_id": format!("F-{number}"), "name": format!("Corner Café {number}"), "status": "active"}))
        .collect();
    ada.post("/franchises/import", &json!({"items": rows})).await;
    for path in [
        "/countries/CIV",
        "/countries?q=cote+ivoire",
        "/countries?limit=100",
        "/holidays?country=US&year=2026",
        "/naics-codes/722513",
        "/naics-codes/32",
        "/naics-codes?prefix=722",
        "/naics-codes?q=software",
        "/naics-codes?q=manufacturing+nowhere",
        "/naics-codes?level=6&prefix=9&q=of",
        "/naics-codes?q=nowhere",
        "/naics-codes?limit=100",
        "/franchises/F-500",
        "/franchises?q=cafe+500",
        "/franchises?limit=20",
    ] {
        row(&ada, path).await;
    }
}
