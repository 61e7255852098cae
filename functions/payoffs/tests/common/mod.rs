//! What the tests of payoffs share.
#![allow(dead_code, reason = "each test binary uses a part")]

use serde_json::{Value, json};
use shared::auth::Scope;
use shared::testing::{Client, TestApp};

pub const BOTH: [Scope; 2] = [Scope::PayoffsRead, Scope::PayoffsWrite];
pub const ELSEWHERE: &str = "019b0000-0000-7000-8000-0000000000aa";

/// An empty store and a user who may do everything with payoffs.
pub async fn app() -> (TestApp, Client) {
    let app = TestApp::start(&[payoffs::FUNCTION]).await;
    let ada = app.user("ada", &BOTH).await;
    (app, ada)
}

pub fn question() -> Value {
    json!({
        "loan_number": "504-0017",
        "payoff_date": "2026-07-03",
        "principal_balance": "36500.00",
        "annual_rate_percent": "1",
        "interest_paid_through": "2026-07-01",
        "day_count": "actual/365",
        "fees": [{"name": "Wire transfer", "amount": "25"}, {"name": "Release", "amount": "10.5"}],
    })
}
