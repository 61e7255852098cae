//! What clients at the same time were told, held to what an exact counter could have told them.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::json;
use shared::testing::Fault;

use common::{check, order, with_coupon};

/// One call of a history: when it was made and answered, and what it did to the slots taken.
#[derive(Clone, Copy)]
struct Call {
    made: Instant,
    answered: Instant,
    effect: Effect,
}

#[derive(Clone, Copy, PartialEq)]
enum Effect {
    Took,
    Gave,
    Refused,
}

/// Whether some order of the calls, each between its beginning and its answer, fits a counter that
/// never passes `most` and refuses only when it is full (Wing and Gong, 1993, with the sets of
/// calls that were tried remembered).
fn is_linearizable(clients: &[Vec<Call>], most: usize) -> bool {
    let mut tried = HashSet::new();
    let mut open = vec![(vec![0; clients.len()], 0_usize)];
    while let Some((done, taken)) = open.pop() {
        let next: Vec<_> =
            clients.iter().zip(&done).map(|(calls, done)| calls.get(*done)).collect();
        if next.iter().all(Option::is_none) {
            return true;
        }
        let first_answer = next.iter().flatten().map(|call| call.answered).min();
        for (client, call) in next.iter().enumerate() {
            let Some(call) = call.filter(|call| Some(call.made) <= first_answer) else { continue };
            let taken = match call.effect {
                Effect::Took if taken < most => taken + 1,
                Effect::Gave => taken - 1,
                Effect::Refused if taken == most => taken,
                Effect::Took | Effect::Refused => continue,
            };
            let mut done = done.clone();
            done[client] += 1;
            if tried.insert(done.clone()) {
                open.push((done, taken));
            }
        }
    }
    false
}

#[test]
fn the_checker_knows_a_wrong_history() {
    let start = Instant::now();
    let at = |from: u64, to: u64, effect| Call {
        made: start + Duration::from_secs(from),
        answered: start + Duration::from_secs(to),
        effect,
    };
    let (took, gave, refused) = (Effect::Took, Effect::Gave, Effect::Refused);
    assert!(is_linearizable(
        &[vec![at(0, 1, took), at(4, 5, gave)], vec![at(2, 3, refused), at(6, 7, took)]],
        1
    ));
    assert!(
        is_linearizable(&[vec![at(0, 9, took)], vec![at(1, 2, refused)]], 1),
        "the other may have been first"
    );
    assert!(!is_linearizable(&[vec![at(0, 1, took)], vec![at(2, 3, took)]], 1), "two of one");
    assert!(
        !is_linearizable(&[vec![at(0, 1, refused)], vec![at(2, 3, took)]], 1),
        "refused while free"
    );
    assert!(
        !is_linearizable(&[vec![at(0, 1, took), at(2, 3, gave)], vec![at(4, 5, refused)]], 1),
        "a slot is lost"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_histories_of_sixteen_clients_are_those_of_an_exact_counter() {
    for faulty in [false, true] {
        let (app, ada, path) = with_coupon(&json!({"max_redemptions": 5})).await;
        if faulty {
            // Delays and conflicts alone: an answer that is lost has no place in a history.
            for _ in 0..40 {
                app.faults.next("TransactWriteItems", Fault::Conflict);
                app.faults.next("TransactWriteItems", Fault::Delay(Duration::from_millis(3)));
            }
        }
        let clients: Vec<_> = (0..16)
            .map(|client| {
                let (ada, path) = (ada.clone(), path.clone());
                tokio::spawn(async move {
                    let mut calls = Vec::new();
                    for step in 0..6 {
                        let made = Instant::now();
                        let reply = ada
                            .post(
                                &format!("{path}/redemptions"),
                                &order("c", &format!("{client}-{step}")),
                            )
                            .await;
                        let effect =
                            if reply.status == 201 { Effect::Took } else { Effect::Refused };
                        assert!(reply.status == 201 || reply.problem() == "409 coupon_exhausted");
                        calls.push(Call { made, answered: Instant::now(), effect });
                        if effect == Effect::Took {
                            let made = Instant::now();
                            let cancelled = ada
                                .post(&format!("{}/cancel", reply.header("location")), &json!({}))
                                .await;
                            assert_eq!(cancelled.status, 200);
                            calls.push(Call {
                                made,
                                answered: Instant::now(),
                                effect: Effect::Gave,
                            });
                        }
                    }
                    calls
                })
            })
            .collect();
        let mut history = Vec::new();
        for client in clients {
            history.push(client.await.expect("a client"));
        }
        assert!(is_linearizable(&history, 5));
        assert!(
            history.iter().flatten().any(|call| call.effect == Effect::Refused),
            "the limit was never met"
        );
        check(&app, &ada, &path, Some(5)).await;
    }
}
