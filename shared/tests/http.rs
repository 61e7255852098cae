//! What every request wears, on a function of the test's own.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

use axum::body::Bytes;
use http::Method;
use serde_json::json;
use shared::answer::Answer;
use shared::app::Function;
use shared::auth::{Anyone, Known, Scope};
use shared::http::Routes;
use shared::problem::Problem;
use shared::store::Table;
use shared::testing::TestApp;

/// Stands where template.yaml has `coupons`.
const PROBE: Function = Function { name: "coupons", tables: &Table::ALL, routes };

fn routes() -> Routes {
    Routes::default()
        .get("/coupons", async |_: Anyone| Answer::ok(&json!({"here": true})))
        .get("/coupons/known", async |Known(caller): Known| Answer::ok(&caller.username()))
        .get("/coupons/panic", panic)
}

async fn panic(_: Bytes) -> Result<Answer, Problem> {
    panic!("a secret of the caller's");
}

async fn app() -> TestApp {
    TestApp::start(&[PROBE]).await
}

#[tokio::test]
async fn a_panic_is_a_500_that_tells_nothing() {
    let app = app().await;
    let reply = app.anon().get("/coupons/panic").await;
    assert_eq!(reply.problem(), "500 internal_error");
    assert!(!String::from_utf8_lossy(&reply.bytes).contains("secret"));
    assert_eq!(app.anon().get("/coupons").await.status, 200);
}

#[tokio::test]
async fn every_answer_has_an_id_a_timing_and_the_security_headers() {
    let app = app().await;
    for path in ["/coupons", "/coupons/known", "/coupons/panic", "/nowhere", "/coupons/a/b/c"] {
        let reply = app.anon().get(path).await;
        assert!(reply.header("server-timing").starts_with("app;dur="), "{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(reply.header("cache-control"), "no-store", "{path}");
        assert!(reply.header("strict-transport-security").starts_with("max-age="), "{path}");
        assert_eq!(reply.header("x-request-id").len(), 36, "{path}");
    }
}

#[tokio::test]
async fn a_request_id_of_the_right_form_is_kept_and_any_other_is_not() {
    let app = app().await;
    let longest = "x".repeat(128);
    for id in ["a", "A-b_c.9", &longest] {
        assert_eq!(
            app.anon().header("x-request-id", id).get("/coupons").await.header("x-request-id"),
            id
        );
    }
    for id in ["", "a b", "a/b", "<x>", &"x".repeat(129)] {
        let kept = app.anon().header("x-request-id", id).get("/nowhere").await;
        assert_eq!(kept.header("x-request-id").len(), 36, "{id}");
        assert_eq!(kept.json()["request_id"], kept.header("x-request-id"));
    }
}

#[tokio::test]
async fn the_storage_s_share_is_kept_back_where_it_would_tell_something() {
    let app = app().await;
    let ada = app.user("ada", &[]).await;
    assert!(ada.get("/coupons/known").await.header("server-timing").contains("db;dur="));
    for reply in [app.with_key("qk_x").get("/coupons/known").await, ada.get("/nowhere").await] {
        assert!(!reply.header("server-timing").contains("db"), "{}", reply.status);
    }
}

#[tokio::test]
async fn another_method_is_405_and_allow_names_the_right_ones() {
    let app = app().await;
    let reply = app.anon().send(Method::DELETE, "/coupons", None).await;
    assert_eq!(reply.problem(), "405 method_not_allowed");
    assert_eq!(reply.header("allow"), "GET,HEAD");
    assert_eq!(app.anon().send(Method::OPTIONS, "/coupons", None).await.status, 405);
}

#[tokio::test]
async fn head_answers_as_get_without_a_body() {
    let app = app().await;
    for path in ["/coupons", "/coupons/known", "/nowhere"] {
        let get = app.anon().get(path).await;
        let head = app.anon().send(Method::HEAD, path, None).await;
        assert_eq!((head.status, head.bytes.len()), (get.status, 0), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
    }
}

#[tokio::test]
async fn credentials_are_good_or_401_and_always_the_same_401() {
    let app = app().await;
    let ada = app.user("ada", &[Scope::CouponsWrite]).await;
    let key = app.user_key("bob", &[]).await;
    assert_eq!(ada.get("/coupons/known").await.json(), "ada");
    assert_eq!(app.anon().header("x-user-token", &key).get("/coupons/known").await.json(), "bob");
    assert_eq!(app.admin().get("/coupons/known").await.json(), "admin");
    let (start, end) = key.split_at(key.len() - 4);
    let other = if end.starts_with('A') { "B" } else { "A" };
    let mut answers = Vec::new();
    for (header, value) in [
        ("x-api-key", String::new()),
        ("x-api-key", "x".to_owned()),
        ("x-api-key", format!("{start}{other}{}", &end[1..])),
        ("x-api-key", start.to_owned()),
        ("x-api-key", format!("{key}A")),
        ("x-api-key", key.replacen("qk_", "", 1)),
        ("x-user-token", "x".repeat(10_000)),
        ("x-admin-token", "x".to_owned()),
        ("x-admin-token", String::new()),
        ("authorization", format!("Bearer {key}")),
        ("authorization", "Basic YTpi".to_owned()),
    ] {
        for path in ["/coupons/known", "/coupons"] {
            let reply =
                app.anon().header("x-request-id", "r").header(header, &value).get(path).await;
            assert_eq!(reply.problem(), "401 unauthenticated", "{header}: {value}");
            assert!(!reply.header("www-authenticate").is_empty());
            answers.push(reply.bytes);
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    let both = app.anon().header("x-api-key", &key).header("x-user-token", &key);
    assert_eq!(both.get("/coupons").await.problem(), "400 ambiguous_credentials");
}

#[tokio::test]
async fn a_location_that_isn_t_the_user_s_is_forbidden() {
    let app = app().await;
    let ada = app.user("ada", &[]).await;
    let default = "00000000-0000-7000-8000-000000000000";
    assert_eq!(ada.header("x-location-id", default).get("/coupons/known").await.status, 200);
    for other in ["00000000-0000-7000-8000-000000000001", "default", ""] {
        let refused = ada.header("x-location-id", other).get("/coupons/known").await;
        assert_eq!(refused.problem(), "403 forbidden", "{other}");
    }
}

#[tokio::test]
async fn a_storage_that_is_away_while_a_key_is_checked_is_503() {
    let app = app().await;
    let ada = app.user("ada", &[]).await;
    app.delete_table(Table::Users).await;
    assert_eq!(ada.get("/coupons/known").await.problem(), "503 storage_unavailable");
    assert_eq!(app.anon().get("/coupons").await.status, 200);
}

#[tokio::test]
async fn pages_of_the_origins_set_may_call_and_read_what_they_need() {
    let app = TestApp::start_with(
        &[PROBE],
        &[("CORS_ORIGINS", "https://shop.example,http://localhost:5173")],
    )
    .await;
    let shop = app.anon().header("origin", "https://shop.example");
    let preflight = shop.header("access-control-request-method", "PATCH");
    let preflight = preflight.header("access-control-request-headers", "x-api-key,if-match");
    let allowed = preflight.send(Method::OPTIONS, "/coupons", None).await;
    assert!(allowed.status.is_success());
    assert_eq!(allowed.header("access-control-allow-origin"), "https://shop.example");
    for (header, names) in [
        ("access-control-allow-methods", vec!["GET", "POST", "PUT", "PATCH", "DELETE"]),
        (
            "access-control-allow-headers",
            vec![
                "x-api-key",
                "x-user-token",
                "authorization",
                "idempotency-key",
                "x-emergency-reason",
            ],
        ),
    ] {
        for name in names {
            assert!(
                allowed.header(header).split(',').any(|given| given == name),
                "{header} {name}"
            );
        }
    }
    assert_eq!(allowed.header("x-request-id").len(), 36);
    let called = shop.get("/coupons").await;
    assert_eq!(called.header("access-control-allow-origin"), "https://shop.example");
    for name in [
        "etag",
        "location",
        "link",
        "retry-after",
        "idempotency-replayed",
        "x-request-id",
        "server-timing",
    ] {
        assert!(
            called.header("access-control-expose-headers").split(',').any(|given| given == name),
            "{name}"
        );
    }
    let other = app.anon().header("origin", "https://evil.example").get("/coupons").await;
    assert_eq!(other.header("access-control-allow-origin"), "");
    assert_eq!(
        shop.send(Method::OPTIONS, "/coupons", None).await.problem(),
        "405 method_not_allowed"
    );
}
