//! What the tests of outages share.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::time::Duration;

use outages::settings::Timing;
use outages::stand_in::StandIn;
use serde_json::{Value, json};
use shared::auth::Scope;
use shared::config::BadSetting;
use shared::store::{Store, Table};
use shared::testing::{Client, Reply, TestApp};
use shared::worker::{Handle, Worker};

pub const KEY: &str = "the-key-of-the-upstream";
pub const SITE: &str = "norwich-pear-tree";

/// The worker, less patient.
pub const WORKER: Worker = Worker { start: quick, ..outages::WORKER };

fn quick(store: Store, get: &dyn Fn(&'static str) -> Option<String>) -> Result<Handle, BadSetting> {
    outages::worker::start(store, get, QUICK)
}

pub const QUICK: Timing = Timing {
    connect: Duration::from_millis(500),
    answer: Duration::from_secs(1),
    pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(5),
    longest_asked: Duration::from_millis(30),
    lease: Duration::from_secs(10),
    renew: Duration::from_millis(500),
    skew: Duration::ZERO,
    look: Duration::from_millis(20),
    reserve: Duration::from_secs(1),
};

/// An empty store, an upstream, and a user who may run the sync and read of it.
pub async fn app() -> (TestApp, StandIn, Client) {
    app_with(&[]).await
}

pub async fn app_with(settings: &[(&str, &str)]) -> (TestApp, StandIn, Client) {
    let upstream = StandIn::start(KEY).await.expect("an upstream");
    let url = format!("{}/", upstream.url());
    let mut all = vec![("KRAKEN_API_URL", url.as_str()), ("KRAKEN_API_KEY", KEY)];
    all.extend(settings);
    let app = TestApp::start_with(&[outages::FUNCTION], &all).await;
    let ada = app.user("ada", &[Scope::OutagesRun, Scope::OutagesRead]).await;
    (app, upstream, ada)
}

/// Calls the worker by hand: the run that it made.
pub async fn run(app: &TestApp, event: Value) -> Value {
    app.call(&WORKER, event).await.expect("a run")
}

/// The only site of a run.
pub fn site(run: &Value) -> Value {
    assert_eq!(run["sites"].as_array().map(Vec::len), Some(1), "{run}");
    run["sites"][0].clone()
}

/// `STATE ATTEMPTS` of the only site, and the reason behind it.
pub fn ended(run: &Value) -> String {
    let site = site(run);
    let reason = site["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{} {}{reason}", site["state"].as_str().unwrap_or("?"), site["attempts"])
}

/// Asks for a run, while the worker is called as the stream would call it.
pub async fn post(app: &TestApp, client: &Client, body: &Value) -> Reply {
    let asked = client.post("/outages/runs", body);
    tokio::pin!(asked);
    loop {
        tokio::select! {
            reply = &mut asked => return reply,
            () = async {
                tokio::time::sleep(Duration::from_millis(20)).await;
            } => {
                let (reply, _) = tokio::join!(
                    tokio::time::timeout(Duration::from_millis(20), &mut asked),
                    app.drain(&WORKER),
                );
                if let Ok(reply) = reply {
                    return reply;
                }
            }
        }
    }
}

/// A site of one device, `ID` by the name of `Battery ID`.
pub fn device(id: &str) -> Value {
    json!({"id": "s", "name": "S", "devices": [{"id": id, "name": format!("Battery {id}")}]})
}

pub fn outage(id: &str, begin: &str) -> Value {
    json!({"id": id, "begin": begin, "end": "2022-12-31T00:00:00.000Z"})
}

/// `count` outages of one device.
pub fn outages(id: &str, count: usize) -> Value {
    let begin = |number: usize| format!("2022-03-01T{:02}:{:02}:00.000Z", number / 60, number % 60);
    (0..count).map(|number| outage(id, &begin(number))).collect()
}

/// What must hold of the tables once nothing runs.
pub async fn check_rest(app: &TestApp) {
    let mut runs = 0;
    for item in app.items(Table::Outages).await {
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
        let pk = text("pk").map(String::as_str).unwrap_or_default().to_owned();
        if pk.starts_with("run#") {
            assert_eq!(text("stage").map(String::as_str), Some("finished"), "{pk}");
            runs += 1;
        }
        if pk == "lease" {
            assert!(item["run_id"].is_null(), "the lease is still held");
        }
    }
    let entries = app.entries().await;
    let created = |access| {
        entries
            .iter()
            .filter(|stored| stored.entry.item_type == "outages")
            .filter(|stored| stored.entry.access_type == access)
            .count()
    };
    assert_eq!(created(shared::audit::Access::Create), runs, "each run has one entry of its start");
}
