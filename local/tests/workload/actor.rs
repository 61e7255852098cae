//! How a client sends, and what it notes.

use http::Method;
use rand::Rng;
use serde_json::{Value, json};
use shared::testing::{Client, Reply};
use shared::values::Timestamp;

use super::operations::payoff;
use super::{Actor, Made, NEW_YEAR_MS, Outcome, Request, Told, id_of, without_token};

impl Actor {
    pub(super) async fn work(mut self, operations: usize) -> Told {
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

    pub(super) fn tag(&mut self) -> String {
        self.requests += 1;
        format!("w{}-{}", self.name, self.requests)
    }

    /// An instant that no other operation has.
    pub(super) fn instant(&mut self) -> String {
        self.requests += 1;
        let ms = self.name * 100_000_000 + self.requests;
        let ms = NEW_YEAR_MS + i64::try_from(ms).unwrap_or_default();
        Timestamp::from_ms(ms).expect("a time").to_string()
    }

    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    /// Takes one out of a list at random, with nothing else of the actor borrowed.
    pub(super) fn pick(&mut self, count: usize) -> Option<usize> {
        (count > 0).then(|| self.random.random_range(0..count))
    }

    /// A `POST` with a key: sent until it is answered, now and then twice at once, again after the
    /// answer, or once with nobody waiting.
    pub(super) async fn keyed(&mut self, caller: &Client, path: &str, body: &Value) -> Outcome {
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
                (_, false) => {}
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
    pub(super) async fn create(
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

    pub(super) async fn make(
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
    pub(super) async fn change(
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
    pub(super) async fn change_once(
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

    /// A first try must find it; a later one may meet what an earlier one did.
    pub(super) async fn delete(
        &mut self,
        caller: Client,
        item_type: &'static str,
        id: String,
        path: String,
    ) {
        let request = Request { caller, method: Method::DELETE, path: path.clone(), body: None };
        let (reply, tries) = request.insist().await;
        assert!(reply.status == 204 || (tries > 1 && reply.status == 404), "{}", reply.json());
        self.told.reads.insert(path, ("/code", json!("not_found")));
        self.told.gone.push((item_type, id));
    }
}
