//! Limits under concurrency and faults: exact, whatever happens.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use std::collections::HashSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use shared::testing::{Client, Fault, Reply};

use common::{check, order, reserving, with_coupon};

/// Sends all of these at once.
async fn at_once(caller: &Client, path: &str, bodies: Vec<Value>) -> Vec<Reply> {
    let sent: Vec<_> = bodies
        .into_iter()
        .map(|body| {
            let (caller, path) = (caller.clone(), format!("{path}/redemptions"));
            tokio::spawn(async move { caller.post(&path, &body).await })
        })
        .collect();
    let mut replies = Vec::new();
    for sent in sent {
        replies.push(sent.await.expect("an answer"));
    }
    replies
}

fn with_status(replies: &[Reply], status: u16) -> usize {
    replies.iter().filter(|reply| reply.status == status).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixty_callers_at_once_exactly_ten_get_one_of_ten() {
    let (app, ada, path) = with_coupon(&json!({"max_redemptions": 10})).await;
    let bodies =
        (0..60).map(|number| order(&format!("c{number}"), &format!("o{number}"))).collect();
    let replies = at_once(&ada, &path, bodies).await;
    assert_eq!((with_status(&replies, 201), with_status(&replies, 409)), (10, 50));
    for refused in replies.iter().filter(|reply| reply.status == 409) {
        assert_eq!(refused.problem(), "409 coupon_exhausted");
    }
    check(&app, &ada, &path, Some(10)).await;
    assert_eq!(app.anon().get(&path).await.json()["status"], "exhausted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_thirty_orders_of_a_customer_at_once_exactly_three_get_one_of_three() {
    let (app, ada, path) = with_coupon(&json!({"max_redemptions_per_customer": 3})).await;
    let bodies = (0..30).map(|number| reserving("c", &format!("o{number}"), 60)).collect();
    let replies = at_once(&ada, &path, bodies).await;
    assert_eq!(with_status(&replies, 201), 3);
    for refused in replies.iter().filter(|reply| reply.status == 409) {
        assert_eq!(refused.problem(), "409 customer_limit_reached");
    }
    check(&app, &ada, &path, Some(3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_sent_sixteen_times_at_once_redeems_once() {
    let (app, ada, path) = with_coupon(&json!({})).await;
    let replies = at_once(&ada, &path, vec![order("c", "o"); 16]).await;
    assert_eq!((with_status(&replies, 201), with_status(&replies, 200)), (1, 15));
    let ids: HashSet<_> = replies.iter().map(|reply| reply.json()["id"].to_string()).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(check(&app, &ada, &path, Some(1)).await.len(), 1);
}

/// The order's row is read before its redemption; between the two, another may cancel that one and
/// a third redeem the order anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_cancelled_and_sent_again_by_many_has_one_live_redemption() {
    let (app, ada, path) = with_coupon(&json!({})).await;
    for _ in 0..6 {
        let first = at_once(&ada, &path, vec![order("c", "o"); 8]).await;
        let id = first[0].json()["id"].as_str().unwrap_or_default().to_owned();
        let cancel = {
            let (ada, cancel) = (ada.clone(), format!("{path}/redemptions/{id}/cancel"));
            tokio::spawn(async move { ada.post(&cancel, &json!({})).await })
        };
        at_once(&ada, &path, vec![order("c", "o"); 8]).await;
        assert_eq!(cancel.await.expect("an answer").status, 200);
        check(&app, &ada, &path, Some(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancellation_sent_sixteen_times_at_once_gives_one_slot_back() {
    let (app, ada, path) = with_coupon(&json!({"max_redemptions": 1})).await;
    let location = ada
        .post(&format!("{path}/redemptions"), &order("c", "o"))
        .await
        .header("location")
        .to_owned();
    let cancelled: Vec<_> = (0..16)
        .map(|_| {
            let (ada, path) = (ada.clone(), format!("{location}/cancel"));
            tokio::spawn(async move { ada.post(&path, &json!({})).await.status.as_u16() })
        })
        .collect();
    for cancelled in cancelled {
        assert_eq!(cancelled.await.ok(), Some(200));
    }
    let bodies = (0..8).map(|number| order("c", &format!("n{number}"))).collect();
    assert_eq!(with_status(&at_once(&ada, &path, bodies).await, 201), 1);
    check(&app, &ada, &path, Some(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_slots_are_taken_over_once_each_by_many_at_once() {
    let (app, ada, path) = with_coupon(&json!({"max_redemptions": 10})).await;
    let reserved = (0..10).map(|number| reserving("c", &format!("o{number}"), 1)).collect();
    assert_eq!(with_status(&at_once(&ada, &path, reserved).await, 201), 10);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let bodies = (0..40).map(|number| order("d", &format!("n{number}"))).collect();
    assert_eq!(with_status(&at_once(&ada, &path, bodies).await, 201), 10);
    let ledger = check(&app, &ada, &path, Some(10)).await;
    assert_eq!(ledger.iter().filter(|redemption| redemption["state"] == "expired").count(), 10);
}

#[tokio::test]
async fn through_each_fault_a_keyed_redemption_happens_once() {
    let faults =
        [Fault::Throttle, Fault::Conflict, Fault::ServerError, Fault::CutBefore, Fault::CutAfter];
    for operation in ["TransactWriteItems", "GetItem", "Query"] {
        for fault in faults {
            let (app, ada, path) = with_coupon(&json!({"max_redemptions": 3})).await;
            app.faults.next(operation, fault);
            let redeem = async || {
                ada.key("k").post(&format!("{path}/redemptions"), &reserving("c", "o", 60)).await
            };
            let first = redeem().await;
            assert_eq!(first.status, 201, "{fault:?} at {operation}: {}", first.json());
            assert_eq!(app.faults.unmet(), 0, "{operation}");
            app.faults.next("TransactWriteItems", fault);
            let confirm = format!("{}/confirm", first.header("location"));
            assert_eq!(ada.key("k").post(&confirm, &json!({})).await.json()["state"], "redeemed");
            assert_eq!(redeem().await.json(), first.json(), "{fault:?} at {operation}");
            check(&app, &ada, &path, Some(1)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_redemption_begins_on_terms_that_have_changed_meanwhile() {
    for delete in [true, false] {
        let (app, ada, path) = with_coupon(&json!({})).await;
        app.faults.next("TransactWriteItems", Fault::Delay(Duration::from_millis(400)));
        let late = {
            let (ada, path) = (ada.clone(), format!("{path}/redemptions"));
            tokio::spawn(async move { ada.post(&path, &order("c", "o")).await })
        };
        while app.faults.unmet() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let changed = if delete {
            ada.delete(&path).await
        } else {
            ada.patch(&path, &json!({"disabled": true})).await
        };
        assert!(changed.status.is_success());
        let refused = late.await.expect("an answer").problem();
        assert_eq!(refused, if delete { "404 not_found" } else { "409 coupon_disabled" });
        assert!(check(&app, &ada, &path, Some(0)).await.is_empty());
    }
}

/// Clients that retry with keys, over a storage that fails at random. A failure prints its seed;
/// `SEED` runs one again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_random_faults_no_limit_is_passed_and_nothing_is_lost_or_doubled() {
    let seeds = match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("a number")],
        Err(_) => (0..4).map(|_| rand::random()).collect(),
    };
    for seed in seeds {
        println!("SEED={seed}");
        let (app, ada, path) =
            with_coupon(&json!({"max_redemptions": 12, "max_redemptions_per_customer": 4})).await;
        app.faults.at_random(seed, 0.15);
        let clients: Vec<_> = (0..8)
            .map(|client| tokio::spawn(shop(ada.clone(), path.clone(), seed, client)))
            .collect();
        let mut acknowledged = Vec::new();
        for client in clients {
            acknowledged.extend(client.await.expect("a client"));
        }
        app.faults.stop();
        let ledger = check(&app, &ada, &path, Some(12)).await;
        for (id, state) in acknowledged {
            let found: Vec<_> = ledger.iter().filter(|redemption| redemption["id"] == id).collect();
            assert_eq!(found.len(), 1, "{id} was acknowledged");
            let later =
                ["cancelled", "expired"].contains(&found[0]["state"].as_str().unwrap_or("?"));
            assert!(
                found[0]["state"] == state || later,
                "{id}: {state} became {}",
                found[0]["state"]
            );
        }
        for customer in 0..3 {
            let of_customer = |r: &&Value| {
                r["customer_id"] == format!("c{customer}")
                    && ["reserved", "redeemed"].contains(&r["state"].as_str().unwrap_or("?"))
            };
            assert!(ledger.iter().filter(of_customer).count() <= 4);
        }
    }
}

/// Redeems, reserves, confirms and cancels at random, each with a key and up to five tries. Gives
/// what was acknowledged: the id and the last state.
async fn shop(ada: Client, path: String, seed: u64, client: u64) -> Vec<(Value, Value)> {
    let mut random = StdRng::seed_from_u64(seed ^ (client << 32));
    let mut held: Vec<(Value, Value)> = Vec::new();
    for step in 0..12 {
        let (url, body) = match random.random_range(0..4) {
            0 if !held.is_empty() => {
                (format!("{path}/redemptions/{}/cancel", id(&held)), json!({}))
            }
            1 if !held.is_empty() => {
                (format!("{path}/redemptions/{}/confirm", id(&held)), json!({}))
            }
            kind => {
                let customer = format!("c{}", random.random_range(0..3));
                let order_id = format!("{client}-{step}");
                let body = if kind == 2 {
                    order(&customer, &order_id)
                } else {
                    reserving(&customer, &order_id, 1)
                };
                (format!("{path}/redemptions"), body)
            }
        };
        let keyed = ada.key(&format!("{client}-{step}"));
        for _ in 0..5 {
            let reply = keyed.post(&url, &body).await;
            if reply.status.is_success() {
                let redemption = reply.json();
                held.retain(|(id, _)| *id != redemption["id"]);
                held.push((redemption["id"].clone(), redemption["state"].clone()));
            }
            if reply.status != 503 {
                assert!(reply.status.as_u16() < 500, "{}", reply.json());
                break;
            }
        }
    }
    held
}

fn id(held: &[(Value, Value)]) -> &str {
    held.last().and_then(|(id, _)| id.as_str()).unwrap_or_default()
}
