//! CPU that a payoff takes in its function. `cargo bench -p payoffs --bench payoffs`

use std::time::Duration;

use http::Method;
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

async fn row(client: &Client, method: Method, path: &str, body: Option<&str>) {
    let sent = || body.map(|body| body.as_bytes().to_vec());
    for _ in 0..50 {
        client.send(method.clone(), path, sent()).await;
    }
    let began = cpu();
    for _ in 0..REQUESTS {
        client.send(method.clone(), path, sent()).await;
    }
    let spent = cpu().saturating_sub(began) / REQUESTS;
    println!("{method} {path} {} µs", spent.as_micros());
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let app = TestApp::start_with(&[payoffs::FUNCTION], &[TestApp::WITHOUT_FAULTS]).await;
    let ada = app.user("ada", &[Scope::PayoffsRead, Scope::PayoffsWrite]).await;
    let typed = ada.header("content-type", "application/json");
    let question = json!({
        "loan_number": "504-0017", "payoff_date": "2026-07-03", "principal_balance": "182500.00",
        "annual_rate_percent": "6.25", "interest_paid_through": "2026-06-01", "day_count": "actual/365",
        "fees": [{"name": "Wire transfer", "amount": "25.00"}],
    });
    // Stored by nobody: what is read and refused costs no transaction.
    let wrong = question.to_string().replace("2026-07-03", "2024-02-30");
    row(&typed, Method::POST, "/payoffs", Some(&wrong)).await;
    row(&typed, Method::POST, "/payoffs", Some(&question.to_string())).await;
    let made = ada.post("/payoffs", &question).await;
    row(&ada, Method::GET, made.header("location"), None).await;
    row(&ada, Method::GET, "/payoffs?loan_number=504-0017&limit=20", None).await;
}
