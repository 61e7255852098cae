//! What a client does.

use http::Method;
use rand::Rng;
use serde_json::{Value, json};
use shared::values::Timestamp;

use super::{Actor, Made, Open, Outcome, Request, Slot, coupon, id_of, now_ms};

impl Actor {
    pub(super) async fn create_coupon(&mut self) {
        let id = self.make("coupons", "/coupons", coupon).await;
        self.coupons.extend(id);
    }

    /// PUT or PATCH, of this client's own or of those that all redeem. Half of them say which
    /// version they mean: those happen once, however often they are sent.
    pub(super) async fn change_coupon(&mut self) {
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
        let caller =
            if guarded { self.me.header("if-match", old.header("etag")) } else { self.me.clone() };
        let (method, body) = if self.chance(50) {
            (Method::PUT, new)
        } else {
            (Method::PATCH, json!({"description": description}))
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

    pub(super) async fn delete_coupon(&mut self) {
        let Some(at) = self.pick(self.coupons.len()) else { return self.create_coupon().await };
        let id = self.coupons.swap_remove(at);
        let (path, me) = (format!("/coupons/{id}"), self.me.clone());
        self.delete(me, "coupons", id, path).await;
    }

    pub(super) async fn import_coupons(&mut self) {
        let tags: Vec<_> = (0..self.random.random_range(1..50)).map(|_| self.tag()).collect();
        let rows: Vec<_> = tags.iter().map(|tag| coupon(tag)).collect();
        self.import("coupons", "/coupons/import", &tags, rows).await;
    }

    pub(super) async fn import_franchises(&mut self) {
        let tags: Vec<_> = (0..self.random.random_range(1..30)).map(|_| self.tag()).collect();
        let row = |tag: &String| json!({"franchise_id": tag, "name": format!("The {tag} of all"), "status": "active"});
        let rows = tags.iter().map(row).collect();
        self.import("franchises", "/franchises/import", &tags, rows).await;
    }

    /// Rows that are all new: the counts must say so, however often it was begun.
    pub(super) async fn import(
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

    pub(super) async fn redeem(&mut self) {
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
    pub(super) async fn settle(&mut self) {
        let Some(at) = self.pick(self.redemptions.len()) else { return self.redeem().await };
        let confirms = self.chance(30);
        let (coupon, id, slot) =
            if confirms { self.redemptions[at].clone() } else { self.redemptions.swap_remove(at) };
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

    pub(super) async fn create_encounter(&mut self) {
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
    pub(super) async fn change_encounter(&mut self) {
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

    pub(super) fn samples(&mut self, count: usize, most: i32) -> Vec<i32> {
        (0..count).map(|_| self.random.random_range(-most..=most)).collect()
    }

    pub(super) async fn start_recording(
        &mut self,
        samples: &[i32],
        complete: bool,
    ) -> Option<String> {
        let (at, me) = (self.instant(), self.me.clone());
        let body = json!({
            "leads": [{"name": "I", "signal": samples}], "sampling_rate_hz": 250,
            "recorded_at": at, "complete": complete,
        });
        self.create(&me, "ecgs", at, "/ecgs", &body).await.as_ref().map(id_of)
    }

    pub(super) async fn record(&mut self) {
        // Noise that doesn't fit in one transaction is laid down first.
        let samples =
            if self.chance(2) { self.samples(150_000, i32::MAX) } else { self.samples(500, 1_000) };
        let Some(id) = self.start_recording(&samples, true).await else { return };
        self.keep_samples(&id, &samples);
        self.ecgs.push(id);
    }

    pub(super) fn keep_samples(&mut self, id: &str, samples: &[i32]) {
        let path = format!("/ecgs/{id}?include=signal");
        self.told.reads.insert(path, ("/leads/0/signal", json!(samples)));
    }

    pub(super) async fn record_in_segments(&mut self) {
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

    pub(super) async fn delete_recording(&mut self) {
        let Some(at) = self.pick(self.ecgs.len()) else { return self.record().await };
        let id = self.ecgs.swap_remove(at);
        let (path, me) = (format!("/ecgs/{id}"), self.me.clone());
        self.told.reads.remove(&format!("{path}?include=signal"));
        self.delete(me, "ecgs", id, path).await;
    }

    pub(super) async fn register_user(&mut self) {
        let id = self.make("users", "/users", |tag| json!({"username": tag})).await;
        self.users.extend(id);
    }

    pub(super) async fn amend_user(&mut self) {
        let Some(at) = self.pick(self.users.len()) else { return self.register_user().await };
        let (id, admin) = (self.users[at].clone(), self.admin.clone());
        let (path, subject) = (format!("/users/{id}"), json!(self.tag()));
        let patch = json!({"oidc_subject": subject});
        let reply = self.change(&admin, Method::PATCH, ("users", &id), &path, Some(&patch)).await;
        assert_eq!(reply.status, 200, "{}", reply.json());
        self.told.reads.insert(path, ("/oidc_subject", subject));
    }

    pub(super) async fn make_or_delete_key(&mut self) {
        let admin = self.admin.clone();
        if let Some(at) = self.pick(self.keys.len()).filter(|_| self.random.random_bool(0.5)) {
            let (user, id) = self.keys.swap_remove(at);
            let path = format!("/users/{user}/keys/{id}");
            self.delete(admin, "keys", id, path).await;
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
    pub(super) async fn run_sync(&mut self) {
        let (since, me) = (self.instant(), self.me.clone());
        let body = json!({"since": since, "dry_run": self.chance(70)});
        self.create(&me, "outages", since, "/outages/runs", &body).await;
    }
}

pub(super) fn payoff(tag: &str) -> Value {
    json!({
        "loan_number": tag, "payoff_date": "2026-07-03", "principal_balance": "36500.00",
        "annual_rate_percent": "1", "interest_paid_through": "2026-07-01", "day_count": "30/360",
    })
}
