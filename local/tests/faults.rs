//! Whatever fails between Quartet and its tables, at random from a seed, under clients that write by
//! every route: nothing that was answered is lost, and nothing is there twice.
//!
//! `FAULT_SEED` gives the seed of a failure again, as far as scheduling lets it; `FAULT_OPERATIONS`
//! how many operations are to be made (1,000; more than 10,000 come in rounds of so many, each with its
//! seed; a million take some three hours with `--profile bench`).
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

#[path = "../../functions/outages/tests/common/mod.rs"]
mod outage_runs;
#[path = "../../functions/coupons/tests/common/mod.rs"]
mod redemptions;
mod workload;

use std::time::Instant;

use shared::testing::ADMIN_TOKEN;
use workload::{Seed, held, prepare, run, start, variable};

/// `.ci/run` makes ten times as many.
const OPERATIONS: usize = 1_000;
/// After so many the tables are held to the notes, and a round begins with empty ones.
const OF_A_ROUND: usize = 10_000;
/// Of all calls to DynamoDB.
const SHARE: f64 = 0.12;

#[tokio::test]
async fn nothing_answered_is_lost_and_nothing_is_there_twice_whatever_fails() {
    let first: u64 = variable("FAULT_SEED").unwrap_or_else(rand::random);
    let mut left: usize = variable("FAULT_OPERATIONS").unwrap_or(OPERATIONS);
    for round in 0.. {
        Box::pin(round_of(Seed(first.wrapping_add(round)), left.min(OF_A_ROUND))).await;
        left = left.saturating_sub(OF_A_ROUND);
        if left == 0 {
            break;
        }
    }
}

async fn round_of(seed: Seed, operations: usize) {
    let began = Instant::now();
    let app = start().await;
    let prepared = prepare(&app.anon(), ADMIN_TOKEN).await;
    let (users, admin) = (prepared.users.clone(), prepared.admin.clone());
    app.faults.at_random(seed.0, SHARE);
    let workers = async {
        tokio::join!(
            app.drive(&audit::SEAL),
            app.drive(&ecgs::INSIGHTS),
            app.drive(&outage_runs::WORKER)
        )
    };
    let told = tokio::select! {
        told = run(prepared, seed.0, operations) => told,
        _ = workers => unreachable!("workers are driven on and on"),
    };
    app.faults.stop();
    let (worked, calls) = (began.elapsed(), app.faults.calls().len());
    for worker in [&outage_runs::WORKER, &ecgs::INSIGHTS] {
        app.drain(worker).await;
    }
    held::recordings(&users, &told).await;
    // Reads are entered, too.
    app.drain(&audit::SEAL).await;
    held::check(app.direct(), &users[0], &admin, &told).await;
    let checked = began.elapsed().saturating_sub(worked);
    println!(
        "seed {}: {operations} operations, {calls} calls, {worked:.0?}, checked in {checked:.0?}",
        seed.0
    );
}
