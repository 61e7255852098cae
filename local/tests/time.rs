//! Time: clocks that step and workers that stand still while storage fails, and a process that is
//! killed and begun again. What must hold is in `workload/held.rs`.
//!
//! `FAULT_SEED` gives the seed of a failure again; `TIME_OPERATIONS` how many operations each test
//! makes (1,500).
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod common;
#[path = "../../functions/outages/tests/common/mod.rs"]
mod outage_runs;
#[path = "../../functions/coupons/tests/common/mod.rs"]
mod redemptions;
mod workload;

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use common::{Local, command};
use http::StatusCode;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use shared::app::App;
use shared::embedded::Template;
use shared::store::Table;
use shared::testing::{ADMIN_TOKEN, Client, TestApp, step_clock};
use shared::worker::Worker;
use workload::{Seed, held, prepare, run, start, variable};

const OPERATIONS: usize = 1_500;
const SHARE: f64 = 0.05;
/// The clock is set back or ahead by up to ten minutes.
const MOST_STEP_MS: i64 = 10 * 60 * 1_000;

fn seed() -> Seed {
    Seed(variable("FAULT_SEED").unwrap_or_else(rand::random))
}

fn operations() -> usize {
    variable("TIME_OPERATIONS").unwrap_or(OPERATIONS)
}

/// Drives a worker for a while, lets it stand still for a while, and begins it anew: its stream
/// comes from the beginning then.
async fn now_and_then(app: &TestApp, worker: &Worker, mut random: StdRng) {
    loop {
        let (works, stands) = (random.random_range(0..3_000), random.random_range(0..1_500));
        let _ = tokio::time::timeout(Duration::from_millis(works), app.drive(worker)).await;
        tokio::time::sleep(Duration::from_millis(stands)).await;
    }
}

#[tokio::test]
async fn clocks_that_step_and_workers_that_stand_still_lose_and_double_nothing() {
    let seed = seed();
    let app = start().await;
    let prepared = prepare(&app.anon(), ADMIN_TOKEN).await;
    let (users, admin) = (prepared.users.clone(), prepared.admin.clone());
    app.faults.at_random(seed.0, SHARE);
    let random = |stream: u64| StdRng::seed_from_u64(seed.0.wrapping_add(1_000 + stream));
    let clock = async {
        let mut random = random(0);
        loop {
            tokio::time::sleep(Duration::from_millis(random.random_range(50..500))).await;
            step_clock(random.random_range(-MOST_STEP_MS..=MOST_STEP_MS));
        }
    };
    let beside = async {
        tokio::join!(
            clock,
            now_and_then(&app, &audit::SEAL, random(1)),
            now_and_then(&app, &ecgs::INSIGHTS, random(2)),
            now_and_then(&app, &outage_runs::WORKER, random(3)),
        )
    };
    let mut told = tokio::select! {
        told = run(prepared, seed.0, operations()) => told,
        _ = beside => unreachable!("it goes on and on"),
    };
    app.faults.stop();
    step_clock(0);
    // How long a slot was held depends on whose clock is asked.
    told.slots.clear();
    for worker in [&outage_runs::WORKER, &ecgs::INSIGHTS] {
        app.drain(worker).await;
    }
    held::recordings(&users, &told).await;
    app.drain(&audit::SEAL).await;
    held::check(app.direct(), &users[0], &admin, &told).await;
}

/// Hands requests on to the process that runs now; 503 where there is none, or it dies meanwhile.
fn handing_on(url: &Arc<Mutex<String>>) -> Router {
    let (url, http) = (Arc::clone(url), reqwest::Client::new());
    Router::new().fallback(async move |request: Request| {
        let (parts, body) = request.into_parts();
        let at = format!("{}{}", url.lock().expect("a url"), parts.uri);
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let sent = http.request(parts.method, at).headers(parts.headers).body(body).send().await;
        let Ok(answer) = sent else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            response = response.header(name, value);
        }
        match answer.bytes().await {
            Ok(bytes) => response.body(Body::from(bytes)).expect("an answer"),
            Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    })
}

const AUDIT_SECRET: &str = "an-audit-secret-of-32-characters!";

fn begin(data_dir: &str) -> Local {
    let arguments = ["--dynamodb-port", "0", "--seed", "none", "--data-dir", data_dir];
    let mut command = command(&arguments);
    command.env("RATE_LIMIT_PER_MINUTE", "1000000").env("AUDIT_SECRET", AUDIT_SECRET);
    Local::listening(command.stderr(Stdio::null())).expect("a start")
}

#[tokio::test]
async fn a_process_that_is_killed_and_begun_again_loses_and_doubles_nothing() {
    let seed = seed();
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data").to_string_lossy().into_owned();
    let mut local = begin(&data_dir);
    let url = Arc::new(Mutex::new(local.url.clone()));
    let anon = Client::of(handing_on(&url));
    let prepared = prepare(&anon, "local-admin-token").await;
    let (users, admin) = (prepared.users.clone(), prepared.admin.clone());
    let mut kills = 0;
    let killed = async {
        let mut random = StdRng::seed_from_u64(seed.0.wrapping_add(1_000));
        // The first soon, so that there are some in the shortest run.
        let mut pause_ms = 300;
        loop {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            pause_ms = random.random_range(300..1_000);
            local.signal("-KILL").expect("a signal");
            let _ = local.child.wait();
            local = begin(&data_dir);
            local.url.clone_into(&mut url.lock().expect("a url"));
            kills += 1;
        }
    };
    let told = tokio::select! {
        told = run(prepared, seed.0, operations()) => told,
        () = killed => unreachable!("it goes on and on"),
    };
    assert!(kills > 2, "killed {kills} times");
    held::recordings(&users, &told).await;
    let template = Template::of_the_project().expect("a template");
    let app = App::start(&Table::ALL, |name| match name {
        "AWS_ENDPOINT_URL_DYNAMODB" => Some(local.dynamodb.clone()),
        "ADMIN_TOKEN" => Some(ADMIN_TOKEN.to_owned()),
        "CURSOR_SECRET" | "AUDIT_SECRET" => Some(AUDIT_SECRET.to_owned()),
        name => template.variable(name),
    });
    let app = app.await.expect("settings");
    held::sealed(&app).await;
    held::check(&app, &users[0], &admin, &told).await;
}
