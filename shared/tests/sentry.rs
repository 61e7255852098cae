//! What Sentry is told, held by a stand-in over real HTTP.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

use std::sync::Arc;

use axum::body::Bytes;
use futures_util::FutureExt;
use http::StatusCode;
use serde_json::{Value, json};
use shared::answer::Answer;
use shared::app::Function;
use shared::auth::permissions::CouponsWrite;
use shared::auth::{Allowed, Anyone, Scope};
use shared::http::Routes;
use shared::log;
use shared::problem::Problem;
use shared::store::Table;
use shared::testing::{Sentry, TestApp};
use shared::worker::{Failed, Worker};

/// Stands where template.yaml has `coupons`.
const PROBE: Function = Function { name: "coupons", tables: &Table::ALL, routes };

fn routes() -> Routes {
    Routes::default()
        .get("/coupons", async |_: Anyone| Answer::ok(&json!({"here": true})))
        .get("/coupons/known", async |_: Allowed<CouponsWrite>| Answer::ok(&1))
        .get("/coupons/panic", panic)
        .get("/coupons/{id}", bug)
}

async fn panic(_: Bytes) -> Result<Answer, Problem> {
    panic!("a secret of the caller's");
}

async fn bug(_: Bytes) -> Result<Answer, Problem> {
    Err(Problem::bug("a stored thing can't be read"))
}

const WORKER: Worker = Worker {
    name: "audit-seal",
    tables: &Table::ALL,
    secrets: &[],
    start: |_, _| {
        Ok(Arc::new(|event| {
            async move {
                match event.payload["do"].as_str() {
                    Some("fail") => Err(Failed("storage_unavailable")),
                    Some("panic") => panic!("a secret of the event's"),
                    _ => Ok(Value::Null),
                }
            }
            .boxed()
        }))
    },
};

async fn app(sentry: &Sentry, traces: &str) -> TestApp {
    let dsn = sentry.dsn();
    let settings = [("SENTRY_DSN", dsn.as_str()), ("SENTRY_TRACES_SAMPLE_RATE", traces)];
    let app = TestApp::start_with(&[PROBE], &settings).await;
    log::start("probe", &app.app().settings().basics);
    app
}

#[tokio::test]
async fn a_panic_and_a_bug_are_told_before_the_answer_with_their_place_and_the_request_s_id() {
    let sentry = Sentry::start().await;
    let app = app(&sentry, "0").await;
    let caller = app.anon().header("x-request-id", "id-1").header("cookie", "a-secret");
    assert_eq!(caller.get("/coupons/panic?q=a-secret").await.status, 500);
    let told = sentry.items("event");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0]["message"].as_str().unwrap_or_default().starts_with("panic at "), "{told:?}");
    assert!(told[0]["message"].as_str().unwrap_or_default().contains("tests/sentry.rs:"));
    assert_eq!(told[0]["tags"]["request_id"], "id-1");
    assert_eq!(told[0]["transaction"], "GET /coupons/panic");
    assert_eq!(told[0]["environment"], "local");
    assert_eq!(told[0]["release"], concat!("quartet@", env!("CARGO_PKG_VERSION")));
    caller.get("/coupons/a-secret").await;
    let told = sentry.items("event");
    assert_eq!(told.len(), 2);
    assert_eq!(told[1]["message"], "a stored thing can't be read");
    assert_eq!(told[1]["transaction"], "GET /coupons/{id}");
    for envelope in sentry.received() {
        assert!(!envelope.body.contains("secret"), "{}", envelope.body);
        assert!(envelope.auth.contains("sentry_key=the-key"), "{}", envelope.auth);
    }
}

#[tokio::test]
async fn what_the_storage_could_not_do_is_told_by_operation_and_code() {
    let sentry = Sentry::start().await;
    let app = app(&sentry, "0").await;
    let ada = app.user("ada", &[Scope::CouponsWrite]).await;
    app.delete_table(Table::Users).await;
    assert_eq!(ada.get("/coupons/known").await.status, 503);
    let told = sentry.items("event");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["tags"]["code"], "storage_unavailable");
    let text = told[0]["message"].as_str().unwrap_or_default();
    assert!(text.ends_with("failed: ResourceNotFoundException"), "{text}");
}

#[tokio::test]
async fn an_answer_and_a_refusal_are_no_event() {
    let sentry = Sentry::start().await;
    let app = app(&sentry, "0").await;
    for path in ["/coupons", "/nowhere", "/coupons/known"] {
        app.anon().get(path).await;
    }
    assert!(sentry.received().is_empty(), "{:?}", sentry.received());
}

#[tokio::test]
async fn a_sampled_trace_names_route_time_and_status() {
    let sentry = Sentry::start().await;
    let app = app(&sentry, "1").await;
    app.anon().header("x-request-id", "078-05-1120").get("/coupons").await;
    app.anon().get("/no/such/path").await;
    let traces = sentry.items("transaction");
    assert_eq!(traces.len(), 2);
    assert_eq!(traces[0]["transaction"], "GET /coupons");
    assert_eq!(traces[0]["contexts"]["trace"]["op"], "http.server");
    assert_eq!(traces[0]["contexts"]["trace"]["status"], "ok");
    assert_eq!(traces[0]["tags"]["request_id"], "[ssn]");
    assert!(traces[0]["start_timestamp"].is_number() && !traces[0]["timestamp"].is_null());
    assert_eq!(traces[1]["transaction"], "unmatched");
    assert_eq!(traces[1]["contexts"]["trace"]["status"], "not_found");
    assert!(sentry.items("event").is_empty());
}

#[tokio::test]
async fn a_worker_that_fails_or_panics_is_told_and_the_call_has_failed() {
    let sentry = Sentry::start().await;
    let app = app(&sentry, "0").await;
    assert!(app.call(&WORKER, json!({})).await.is_ok());
    let failed = app.call(&WORKER, json!({"do": "fail"})).await;
    assert_eq!(failed.map_err(|failed| failed.0), Err("storage_unavailable"));
    let broke = app.call(&WORKER, json!({"do": "panic"})).await;
    assert_eq!(broke.map_err(|failed| failed.0), Err("internal_error"));
    let told = sentry.items("event");
    assert_eq!(told.len(), 2);
    assert_eq!(told[0]["message"], "storage_unavailable");
    assert_eq!(told[0]["transaction"], "audit-seal");
    assert!(told[1]["message"].as_str().unwrap_or_default().starts_with("panic at "));
    assert!(!told[1].to_string().contains("secret"));
}

#[tokio::test]
async fn a_sentry_that_has_had_enough_or_is_away_is_left_alone_for_a_while() {
    let sentry = Sentry::start().await;
    sentry.answers(StatusCode::TOO_MANY_REQUESTS, "60");
    let refused = app(&sentry, "1").await;
    for _ in 0..3 {
        assert_eq!(refused.anon().get("/coupons").await.status, 200);
    }
    assert_eq!(sentry.received().len(), 1);
    // Nothing listens there.
    let away = [("SENTRY_DSN", "http://key@127.0.0.1:9/7"), ("SENTRY_TRACES_SAMPLE_RATE", "1")];
    let app = TestApp::start_with(&[PROBE], &away).await;
    assert_eq!(app.anon().get("/coupons").await.status, 200);
}
