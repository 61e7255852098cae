//! What a read costs with its audit beside a bare one, and a list of 100.
//! `cargo bench -p encounters --bench reads`

use std::time::{Duration, Instant};

use serde_json::json;
use shared::auth::Scope;
use shared::store::{Item, ItemKey, Table};
use shared::testing::{Client, TestApp};

const TIMES: u32 = 500;

/// The mean of `TIMES`.
async fn timed<F: Future>(work: impl Fn() -> F) -> Duration {
    let began = Instant::now();
    for _ in 0..TIMES {
        work().await;
    }
    began.elapsed() / TIMES
}

fn cost(timing: &str) -> &str {
    let cost = timing.split("desc=\"").nth(1).unwrap_or_default();
    cost.trim_end_matches('"')
}

async fn of(name: &str, ada: &Client, path: &str) {
    let timing = ada.get(path).await;
    let mean = timed(|| ada.get(path)).await;
    println!("{name:<34} {mean:>10.1?}  {}", cost(timing.header("server-timing")));
}

#[tokio::main]
async fn main() {
    let settings = [TestApp::WITHOUT_FAULTS];
    let app = TestApp::start_with(&[encounters::FUNCTION, coupons::FUNCTION], &settings).await;
    let ada = app.user("ada", &Scope::ALL).await;
    let mut path = String::new();
    for day in 0..100 {
        let visit = json!({
            "patient_id": "p", "provider_id": "q", "encounter_type": "follow_up",
            "encounter_date": format!("2024-03-{:02}", day % 28 + 1),
            "clinical_data": {"note": "x".repeat(1_000)},
        });
        ada.post("/encounters", &visit).await.header("location").clone_into(&mut path);
    }
    let id = path.trim_start_matches("/encounters/");
    let keys =
        ["head", "v#00000000000000000001"].map(|sk| ItemKey::new(format!("encounter#{id}"), sk));
    let store = app.app().store();
    let bare = timed(|| async {
        for key in &keys {
            let _: Result<Vec<Item>, _> =
                store.get_items(Table::Encounters, std::slice::from_ref(key)).await;
        }
    });
    println!("{:<34} {:>10.1?}  2 calls, 2 RCU", "the two items alone", bare.await);
    of("GET /encounters/{id}, entered", &ada, &path).await;
    of("GET /encounters?limit=100", &ada, "/encounters?limit=100").await;
}
