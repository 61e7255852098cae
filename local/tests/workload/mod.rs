//! Clients that write by every route, send again until they are answered, and note what they were
//! told. `held.rs` holds the tables to their notes.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod actor;
pub mod held;
mod operations;

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use http::Method;
use local::FUNCTIONS;
use outages::stand_in::StandIn;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use shared::auth::{Scope, Scopes};
use shared::testing::{Client, Reply, TestApp};

use crate::outage_runs;

const CLIENTS: usize = 12;
/// Times that a client sends one request before it takes the product for broken.
const MOST_TRIES: u32 = 400;
/// 2022-01-01T00:00:00Z.
const NEW_YEAR_MS: i64 = 1_640_995_200_000;

/// A number of the environment.
pub fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// Says which seed it was, where a test fails.
pub struct Seed(pub u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed was FAULT_SEED={}", self.0);
        }
    }
}

/// All functions over an empty store, and an upstream for as long as the test's runtime lasts.
pub async fn start() -> TestApp {
    let upstream = StandIn::start(outage_runs::KEY).await.expect("an upstream");
    let url = upstream.url();
    let settings = [("KRAKEN_API_URL", url.as_str()), ("KRAKEN_API_KEY", outage_runs::KEY)];
    TestApp::start_with(FUNCTIONS, &settings).await
}

/// What all clients were told.
#[derive(Default)]
pub struct Told {
    /// Each creation with a key: what it makes, and the text that nothing else has.
    pub made: Vec<Made>,
    /// By item: how often a change of it was answered by 2xx, and how often one was sent.
    pub changes: HashMap<(&'static str, String), Changes>,
    /// Items whose deletion was answered.
    pub gone: Vec<(&'static str, String)>,
    /// What a read of a path must say, and where in the answer.
    pub reads: HashMap<String, (&'static str, Value)>,
    /// Coupons that all clients redeem, with their limits.
    pub shared: Vec<Limited>,
    /// Slots of them, as their holders know of them.
    pub slots: Vec<Slot>,
    /// Successes that must be answered again, whatever has changed since.
    pub answered: Vec<(Request, Value)>,
}

pub struct Made {
    pub item_type: &'static str,
    pub tag: String,
    /// None where nobody waited for an answer: it may be there or not.
    pub id: Option<String>,
    /// It was refused, so that it must not be there.
    pub is_refused: bool,
}

#[derive(Debug, Default, Clone, Copy)]
pub struct Changes {
    pub answered: usize,
    pub sent: usize,
}

pub struct Limited {
    pub id: String,
    pub most: Option<usize>,
    pub most_of_customer: Option<usize>,
}

/// A slot was held at least from its answer until its cancellation was sent, or its time was up.
/// Milliseconds since 1970.
pub struct Slot {
    pub coupon: String,
    pub customer: String,
    from: i64,
    until: i64,
}

#[derive(Clone)]
pub struct Request {
    caller: Client,
    method: Method,
    path: String,
    body: Option<Vec<u8>>,
}

/// One client, and what is its own.
struct Actor {
    name: usize,
    random: StdRng,
    me: Client,
    admin: Client,
    told: Told,
    shared: Vec<String>,
    /// What this client changes and no other.
    coupons: Vec<String>,
    encounters: Vec<String>,
    ecgs: Vec<String>,
    users: Vec<String>,
    keys: Vec<(String, String)>,
    /// Coupon, redemption, and its slot's place among `told.slots`.
    redemptions: Vec<(String, String, usize)>,
    open: Option<Open>,
    requests: usize,
}

/// A recording that is being sent in segments.
struct Open {
    id: String,
    samples: Vec<i32>,
    segments: u32,
}

/// What came of a request with a key.
enum Outcome {
    Answered(Value),
    Refused(Reply),
    /// Nobody waited for the answer.
    Abandoned,
}

pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or_default()
}

impl Request {
    /// Sends until something else comes than a request to come again: the answer, and how often
    /// it was sent.
    pub async fn insist(&self) -> (Reply, usize) {
        for tries in 1..=MOST_TRIES {
            let caller = self.caller.header("content-type", "application/json");
            let reply = caller.send(self.method.clone(), &self.path, self.body.clone()).await;
            let later = reply.status == 503 || reply.json()["code"] == "idempotency_in_progress";
            if !later {
                assert!(reply.status.as_u16() < 500, "{}: {}", self.path, reply.json());
                return (reply, tries as usize);
            }
            tokio::time::sleep(Duration::from_millis(u64::from(tries.min(20) * 5))).await;
        }
        panic!("{} {} is never answered", self.method, self.path);
    }
}

/// A token is shown once.
fn without_token(mut answer: Value) -> Value {
    answer.as_object_mut().map(|members| members.remove("token"));
    answer
}

/// Users, and the coupons that all of them redeem, before anything fails.
pub async fn prepare(anon: &Client, admin_token: &str) -> Prepared {
    let admin = anon.header("x-admin-token", admin_token);
    let mut users = Vec::new();
    for name in 0..CLIENTS {
        let user = json!({"username": format!("client-{name}"), "scopes": Scope::ALL.into_iter().collect::<Scopes>()});
        let made = admin.post("/users", &user).await;
        assert_eq!(made.status, 201, "{}", made.json());
        users.push(anon.header("x-api-key", made.json()["token"].as_str().unwrap_or_default()));
    }
    let mut shared = Vec::new();
    for (most, most_of_customer) in
        [(Some(5), None), (Some(9), Some(2)), (None, Some(3)), (None, None)]
    {
        let mut coupon = coupon("for all");
        coupon["max_redemptions"] = json!(most);
        coupon["max_redemptions_per_customer"] = json!(most_of_customer);
        coupon["discount"] = json!({"type": "percent", "value": "12.5"});
        let made = users[0].post("/coupons", &coupon).await;
        assert_eq!(made.status, 201, "{}", made.json());
        shared.push(Limited { id: id_of(&made.json()), most, most_of_customer });
    }
    Prepared { admin, users, shared }
}

pub struct Prepared {
    pub admin: Client,
    pub users: Vec<Client>,
    shared: Vec<Limited>,
}

/// About so many operations, by clients side by side. The same seed makes the same clients; how
/// their requests meet is the scheduler's.
pub async fn run(prepared: Prepared, seed: u64, operations: usize) -> Told {
    let shared: Vec<String> = prepared.shared.iter().map(|coupon| coupon.id.clone()).collect();
    let actors = prepared.users.iter().enumerate().map(|(name, me)| Actor {
        name,
        random: StdRng::seed_from_u64(seed.wrapping_add(name as u64)),
        me: me.clone(),
        admin: prepared.admin.clone(),
        told: Told::default(),
        shared: shared.clone(),
        coupons: Vec::new(),
        encounters: Vec::new(),
        ecgs: Vec::new(),
        users: Vec::new(),
        keys: Vec::new(),
        redemptions: Vec::new(),
        open: None,
        requests: 0,
    });
    let told = join_all(actors.map(|actor| actor.work(operations / CLIENTS))).await;
    let mut all = Told { shared: prepared.shared, ..Told::default() };
    for told in told {
        all.made.extend(told.made);
        all.gone.extend(told.gone);
        all.reads.extend(told.reads);
        all.slots.extend(told.slots);
        all.answered.extend(told.answered);
        for (item, Changes { answered, sent }) in told.changes {
            let known = all.changes.entry(item).or_default();
            known.answered += answered;
            known.sent += sent;
        }
    }
    all
}

fn coupon(title: &str) -> Value {
    json!({
        "couponcode": "C", "title": title, "merchant": "M",
        "published_at": "2020-01-01T00:00:00.000Z", "expire_at": "2099-01-01T00:00:00.000Z",
    })
}

fn id_of(answer: &Value) -> String {
    let id = answer["id"].as_str().or(answer["encounter_id"].as_str());
    id.unwrap_or_else(|| panic!("no id: {answer}")).to_owned()
}
