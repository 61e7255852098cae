//! Clients that write by every route, send again until they are answered, and note what they were
//! told. `held.rs` holds the tables to their notes.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

pub mod held;

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use http::Method;
use local::FUNCTIONS;
use outages::stand_in::StandIn;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use shared::auth::{Scope, Scopes};
use shared::testing::{Client, Reply, TestApp};
use shared::values::Timestamp;

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

impl Actor {
    async fn work(mut self, operations: usize) -> Told {
        for _ in 0..operations {
            match self.random.random_range(0..100) {
                0..8 => self.create_coupon().await,
                8..18 => self.change_coupon().await,
                18..21 => self.delete_coupon().await,
                21..23 => self.import_coupons().await,
                23..38 => self.redeem().await,
                38..52 => self.settle().await,
                52..60 => self.create_encounter().await,
                60..68 => self.change_encounter().await,
                68..72 => self.record().await,
                72..79 => self.record_in_segments().await,
                79..81 => self.delete_recording().await,
                81..84 => self.register_user().await,
                84..87 => self.amend_user().await,
                87..90 => self.make_or_delete_key().await,
                90..92 => {
                    self.make("locations", "/locations", |tag| json!({"name": tag})).await;
                }
                92..94 => self.import_franchises().await,
                94..99 => {
                    self.make("payoffs", "/payoffs", payoff).await;
                }
                _ => self.run_sync().await,
            }
        }
        self.told
    }

    fn tag(&mut self) -> String {
        self.requests += 1;
        format!("w{}-{}", self.name, self.requests)
    }

    /// An instant that no other operation has.
    fn instant(&mut self) -> String {
        self.requests += 1;
        let ms = self.name * 100_000_000 + self.requests;
        let ms = NEW_YEAR_MS + i64::try_from(ms).unwrap_or_default();
        Timestamp::from_ms(ms).expect("a time").to_string()
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    /// Takes one out of a list at random, with nothing else of the actor borrowed.
    fn pick(&mut self, count: usize) -> Option<usize> {
        (count > 0).then(|| self.random.random_range(0..count))
    }

    /// A `POST` with a key: sent until it is answered, now and then twice at once, again after the
    /// answer, or once with nobody waiting.
    async fn keyed(&mut self, caller: &Client, path: &str, body: &Value) -> Outcome {
        let key = self.tag();
        let body = if body.is_null() { None } else { Some(body.to_string().into_bytes()) };
        let request =
            Request { caller: caller.key(&key), method: Method::POST, path: path.to_owned(), body };
        if self.chance(3) {
            let Request { caller, method, path, body } = request;
            caller.header("content-type", "application/json").send(method, &path, body).await;
            return Outcome::Abandoned;
        }
        let reply = if self.chance(5) {
            let ((one, _), (other, _)) = tokio::join!(request.insist(), request.insist());
            match (one.status.is_success(), other.status.is_success()) {
                (true, true) => {
                    let (one, other) = (without_token(one.json()), without_token(other.json()));
                    assert_eq!(one, other, "twins of {path}");
                }
                (true, false) | (false, false) => {}
                (false, true) => return Outcome::Answered(other.json()),
            }
            one
        } else {
            request.insist().await.0
        };
        if !reply.status.is_success() {
            return Outcome::Refused(reply);
        }
        let answer = reply.json();
        if self.chance(10) {
            let (again, _) = request.insist().await;
            assert!(again.status.is_success(), "{path}: {}", again.json());
            assert_eq!(again.header("idempotency-replayed"), "true", "{path}");
            assert_eq!(without_token(again.json()), without_token(answer.clone()), "{path}");
        }
        if self.chance(5) {
            self.told.answered.push((request, answer.clone()));
        }
        Outcome::Answered(answer)
    }

    /// Creates something with a text of its own: its id where it was answered.
    async fn create(
        &mut self,
        caller: &Client,
        item_type: &'static str,
        tag: String,
        path: &str,
        body: &Value,
    ) -> Option<Value> {
        let (answer, is_refused) = match self.keyed(caller, path, body).await {
            Outcome::Answered(answer) => (Some(answer), false),
            Outcome::Abandoned => (None, false),
            Outcome::Refused(reply) if item_type == "redemptions" => {
                let code = reply.problem();
                let full = ["409 coupon_exhausted", "409 customer_limit_reached"];
                assert!(full.contains(&code.as_str()), "{code}");
                (None, true)
            }
            Outcome::Refused(reply) => panic!("{path}: {}", reply.json()),
        };
        let id = answer.as_ref().map(id_of);
        self.told.made.push(Made { item_type, tag, id, is_refused });
        answer
    }

    async fn make(
        &mut self,
        item_type: &'static str,
        path: &str,
        body: impl Fn(&str) -> Value,
    ) -> Option<String> {
        let tag = self.tag();
        let by_admin = ["locations", "users"].contains(&item_type);
        let caller = if by_admin { self.admin.clone() } else { self.me.clone() };
        let body = body(&tag);
        self.create(&caller, item_type, tag, path, &body).await.as_ref().map(id_of)
    }

    /// A request without a key: each time that it was sent it may have happened.
    async fn change(
        &mut self,
        caller: &Client,
        method: Method,
        item: (&'static str, &str),
        path: &str,
        body: Option<&Value>,
    ) -> Reply {
        let body = body.map(|body| body.to_string().into_bytes());
        let request = Request { caller: caller.clone(), method, path: path.to_owned(), body };
        let (reply, tries) = request.insist().await;
        let changes = self.told.changes.entry((item.0, item.1.to_owned())).or_default();
        changes.sent += tries;
        changes.answered += usize::from(reply.status.is_success());
        reply
    }

    /// The same for a `POST` with a key, which happens once.
    async fn change_once(
        &mut self,
        item: (&'static str, &str),
        path: &str,
        body: &Value,
    ) -> Outcome {
        let caller = self.me.clone();
        let outcome = self.keyed(&caller, path, body).await;
        let changes = self.told.changes.entry((item.0, item.1.to_owned())).or_default();
        changes.sent += 1;
        changes.answered += usize::from(matches!(outcome, Outcome::Answered(_)));
        outcome
    }

    async fn create_coupon(&mut self) {
        let id = self.make("coupons", "/coupons", coupon).await;
        self.coupons.extend(id);
    }

    /// PUT or PATCH, of this client's own or of those that all redeem. Half of them say which
    /// version they mean: those happen once, however often they are sent.
    async fn change_coupon(&mut self) {
        let own = self.pick(self.coupons.len()).map(|at| self.coupons[at].clone());
        let Some(id) = own.filter(|_| self.random.random_bool(0.9)) else {
            let at = self.random.random_range(0..self.shared.len());
            let (id, me) = (self.shared[at].clone(), self.me.clone());
            let patch = json!({"description": self.tag()});
            let path = format!("/coupons/{id}");
            let reply = self.change(&me, Method::PATCH, ("coupons", &id), &path, Some(&patch));
            assert_eq!(reply.await.status, 200);
            return;
        };
        let path = format!("/coupons/{id}");
        let (old, _) = Request { caller: self.me.clone(), method: Method::GET, path, body: None }
            .insist()
            .await;
        let (mut new, description) = (old.json(), json!(self.tag()));
        new["description"] = description.clone();
        let guarded = self.chance(50);
        let caller = match guarded {
            true => self.me.header("if-match", old.header("etag")),
            false => self.me.clone(),
        };
        let (method, body) = match self.chance(50) {
            true => (Method::PUT, new),
            false => (Method::PATCH, json!({"description": description})),
        };
        let path = format!("/coupons/{id}");
        let reply = self.change(&caller, method, ("coupons", &id), &path, Some(&body)).await;
        // 412: an earlier try went through, since nobody else changes it.
        let fine = reply.status == 200 || (guarded && reply.status == 412);
        assert!(fine, "{}", reply.json());
        if guarded {
            let (now, _) = Request {
                caller: self.me.clone(),
                method: Method::GET,
                path: path.clone(),
                body: None,
            }
            .insist()
            .await;
            let version = old.json()["version"].as_u64().unwrap_or_default();
            assert_eq!(now.json()["version"], version + 1, "a guarded change happens once");
        }
        self.told.reads.insert(path, ("/description", description));
    }

    async fn delete_coupon(&mut self) {
        let Some(at) = self.pick(self.coupons.len()) else { return self.create_coupon().await };
        let id = self.coupons.swap_remove(at);
        let (path, me) = (format!("/coupons/{id}"), self.me.clone());
        let request =
            Request { caller: me, method: Method::DELETE, path: path.clone(), body: None };
        let (reply, tries) = request.insist().await;
        assert!(reply.status == 204 || (tries > 1 && reply.status == 404), "{}", reply.json());
        self.told.reads.insert(path, ("/code", json!("not_found")));
        self.told.gone.push(("coupons", id));
    }

    async fn import_coupons(&mut self) {
        let tags: Vec<_> = (0..self.random.random_range(1..50)).map(|_| self.tag()).collect();
        let rows: Vec<_> = tags.iter().map(|tag| coupon(tag)).collect();
        self.import("coupons", "/coupons/import", &tags, rows).await;
    }

    async fn import_franchises(&mut self) {
        let tags: Vec<_> = (0..self.random.random_range(1..30)).map(|_| self.tag()).collect();
        let row = |tag: &String| json!({"franchise_id": tag, "name": format!("The {tag} of all"), "status": "active"});
        let rows = tags.iter().map(row).collect();
        self.import("franchises", "/franchises/import", &tags, rows).await;
    }

    /// Rows that are all new: the counts must say so, however often it was begun.
    async fn import(
        &mut self,
        item_type: &'static str,
        path: &str,
        tags: &[String],
        rows: Vec<Value>,
    ) {
        let me = self.me.clone();
        let outcome = self.keyed(&me, path, &json!({"items": rows})).await;
        let id = match outcome {
            Outcome::Answered(counts) => {
                let all = json!({"imported": tags.len(), "unchanged": 0, "failed": []});
                assert_eq!(counts, all, "{path}");
                Some(String::new())
            }
            Outcome::Abandoned => None,
            Outcome::Refused(reply) => panic!("{path}: {}", reply.json()),
        };
        let made =
            |tag: &String| Made { item_type, tag: tag.clone(), id: id.clone(), is_refused: false };
        self.told.made.extend(tags.iter().map(made));
    }

    async fn redeem(&mut self) {
        let coupon = self.shared[self.random.random_range(0..self.shared.len())].clone();
        let customer = format!("customer-{}", self.random.random_range(0..6));
        let tag = self.tag();
        let mut order = json!({
            "customer_id": customer, "order_id": tag, "order_amount": "99.90", "currency": "GBP",
        });
        if self.chance(60) {
            order["reserve_for_s"] = json!(if self.chance(50) { 1 } else { 3_600 });
        }
        let (path, me) = (format!("/coupons/{coupon}/redemptions"), self.me.clone());
        let Some(answer) = self.create(&me, "redemptions", tag, &path, &order).await else {
            return;
        };
        let until =
            answer["expires_at"].as_str().map(|at| Timestamp::parse(at).expect("a time").ms());
        let until = until.unwrap_or(i64::MAX);
        self.redemptions.push((coupon.clone(), id_of(&answer), self.told.slots.len()));
        self.told.slots.push(Slot { coupon, customer, from: now_ms(), until });
    }

    /// Confirms a redemption or cancels it.
    async fn settle(&mut self) {
        let Some(at) = self.pick(self.redemptions.len()) else { return self.redeem().await };
        let confirms = self.chance(30);
        let (coupon, id, slot) = match confirms {
            true => self.redemptions[at].clone(),
            false => self.redemptions.swap_remove(at),
        };
        let path = format!("/coupons/{coupon}/redemptions/{id}");
        if confirms {
            let path = format!("{path}/confirm");
            match self.change_once(("redemptions", &id), &path, &Value::Null).await {
                Outcome::Answered(answer) => {
                    assert_eq!(answer["state"], "redeemed");
                    self.told.slots[slot].until = i64::MAX;
                }
                Outcome::Refused(reply) => {
                    assert_eq!(reply.problem(), "409 reservation_expired");
                }
                Outcome::Abandoned => {}
            }
        } else {
            let until = &mut self.told.slots[slot].until;
            *until = now_ms().min(*until);
            let path = format!("{path}/cancel");
            let outcome = self.change_once(("redemptions", &id), &path, &Value::Null).await;
            if let Outcome::Answered(answer) = outcome {
                let state = answer["state"].as_str().unwrap_or_default();
                assert!(["cancelled", "expired"].contains(&state), "{answer}");
            }
        }
    }

    async fn create_encounter(&mut self) {
        let id = self.make("encounters", "/encounters", |tag| {
            json!({
                "patient_id": tag, "provider_id": "p", "encounter_date": "2024-02-29",
                "encounter_type": "follow_up", "clinical_data": {"note": tag},
            })
        });
        let id = id.await;
        self.encounters.extend(id);
    }

    /// Amends a record, or retracts it.
    async fn change_encounter(&mut self) {
        let Some(at) = self.pick(self.encounters.len()) else {
            return self.create_encounter().await;
        };
        if self.chance(15) {
            let id = self.encounters.swap_remove(at);
            let path = format!("/encounters/{id}");
            let (retraction, reason) = (format!("{path}/retraction"), json!({"reason": "twice"}));
            match self.change_once(("encounters", &id), &retraction, &reason).await {
                Outcome::Answered(_) => {
                    self.told.reads.insert(path, ("/status", json!("entered_in_error")));
                }
                Outcome::Abandoned => {}
                Outcome::Refused(reply) => panic!("{}", reply.json()),
            }
            return;
        }
        let (id, me) = (self.encounters[at].clone(), self.me.clone());
        let (path, note) = (format!("/encounters/{id}"), json!(self.tag()));
        let patch = json!({"clinical_data": {"note": note}});
        let reply = self.change(&me, Method::PATCH, ("encounters", &id), &path, Some(&patch)).await;
        assert_eq!(reply.status, 200, "{}", reply.json());
        self.told.reads.insert(path, ("/clinical_data/note", note));
    }

    fn samples(&mut self, count: usize, most: i32) -> Vec<i32> {
        (0..count).map(|_| self.random.random_range(-most..=most)).collect()
    }

    async fn start_recording(&mut self, samples: &[i32], complete: bool) -> Option<String> {
        let (at, me) = (self.instant(), self.me.clone());
        let body = json!({
            "leads": [{"name": "I", "signal": samples}], "sampling_rate_hz": 250,
            "recorded_at": at, "complete": complete,
        });
        self.create(&me, "ecgs", at, "/ecgs", &body).await.as_ref().map(id_of)
    }

    async fn record(&mut self) {
        // Noise that doesn't fit in one transaction is laid down first.
        let samples = match self.chance(2) {
            true => self.samples(150_000, i32::MAX),
            false => self.samples(500, 1_000),
        };
        let Some(id) = self.start_recording(&samples, true).await else { return };
        self.keep_samples(&id, &samples);
        self.ecgs.push(id);
    }

    fn keep_samples(&mut self, id: &str, samples: &[i32]) {
        let path = format!("/ecgs/{id}?include=signal");
        self.told.reads.insert(path, ("/leads/0/signal", json!(samples)));
    }

    async fn record_in_segments(&mut self) {
        let Some(mut open) = self.open.take() else {
            let samples = self.samples(50, 100);
            let id = self.start_recording(&samples, false).await;
            self.open = id.map(|id| Open { id, samples, segments: 0 });
            return;
        };
        let item = ("ecgs", open.id.clone());
        let item = (item.0, item.1.as_str());
        if open.segments == 3 {
            let path = format!("/ecgs/{}/complete", open.id);
            match self.change_once(item, &path, &json!({"segments": 3})).await {
                Outcome::Answered(_) => {
                    self.keep_samples(&open.id, &open.samples);
                    self.ecgs.push(open.id.clone());
                }
                Outcome::Abandoned => {}
                Outcome::Refused(reply) => panic!("{}", reply.json()),
            }
            return;
        }
        let samples = self.samples(200, 100);
        let lead = json!([{"name": "I", "signal": samples}]);
        let segment = json!({"sequence": open.segments + 1, "leads": lead});
        let path = format!("/ecgs/{}/segments", open.id);
        match self.change_once(item, &path, &segment).await {
            Outcome::Answered(_) => {
                open.segments += 1;
                open.samples.extend(samples);
                self.open = Some(open);
            }
            // What is missing then is known to nobody.
            Outcome::Abandoned => {}
            Outcome::Refused(reply) => panic!("{}", reply.json()),
        }
    }

    async fn delete_recording(&mut self) {
        let Some(at) = self.pick(self.ecgs.len()) else { return self.record().await };
        let id = self.ecgs.swap_remove(at);
        let (path, me) = (format!("/ecgs/{id}"), self.me.clone());
        let request =
            Request { caller: me, method: Method::DELETE, path: path.clone(), body: None };
        let (reply, tries) = request.insist().await;
        assert!(reply.status == 204 || (tries > 1 && reply.status == 404), "{}", reply.json());
        self.told.reads.remove(&format!("{path}?include=signal"));
        self.told.reads.insert(path, ("/code", json!("not_found")));
        self.told.gone.push(("ecgs", id));
    }

    async fn register_user(&mut self) {
        let id = self.make("users", "/users", |tag| json!({"username": tag})).await;
        self.users.extend(id);
    }

    async fn amend_user(&mut self) {
        let Some(at) = self.pick(self.users.len()) else { return self.register_user().await };
        let (id, admin) = (self.users[at].clone(), self.admin.clone());
        let (path, subject) = (format!("/users/{id}"), json!(self.tag()));
        let patch = json!({"oidc_subject": subject});
        let reply = self.change(&admin, Method::PATCH, ("users", &id), &path, Some(&patch)).await;
        assert_eq!(reply.status, 200, "{}", reply.json());
        self.told.reads.insert(path, ("/oidc_subject", subject));
    }

    async fn make_or_delete_key(&mut self) {
        let admin = self.admin.clone();
        if let Some(at) = self.pick(self.keys.len()).filter(|_| self.random.random_bool(0.5)) {
            let (user, id) = self.keys.swap_remove(at);
            let path = format!("/users/{user}/keys/{id}");
            let request =
                Request { caller: admin, method: Method::DELETE, path: path.clone(), body: None };
            let (reply, tries) = request.insist().await;
            assert!(reply.status == 204 || (tries > 1 && reply.status == 404), "{}", reply.json());
            self.told.reads.insert(path, ("/code", json!("not_found")));
            self.told.gone.push(("keys", id));
            return;
        }
        let Some(at) = self.pick(self.users.len()) else { return self.register_user().await };
        let user = self.users.swap_remove(at);
        // One more key for each user, so that its user is its tag.
        let path = format!("/users/{user}/keys");
        let made = self.create(&admin, "keys", user.clone(), &path, &Value::Null).await;
        self.keys.extend(made.map(|key| (user, id_of(&key))));
    }

    /// Most are tried dry, which wait for no other.
    async fn run_sync(&mut self) {
        let (since, me) = (self.instant(), self.me.clone());
        let body = json!({"since": since, "dry_run": self.chance(70)});
        self.create(&me, "outages", since, "/outages/runs", &body).await;
    }
}

fn payoff(tag: &str) -> Value {
    json!({
        "loan_number": tag, "payoff_date": "2026-07-03", "principal_balance": "36500.00",
        "annual_rate_percent": "1", "interest_paid_through": "2026-07-01", "day_count": "30/360",
    })
}
