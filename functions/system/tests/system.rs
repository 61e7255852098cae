//! Health, and the answer to every path that nobody has.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

use http::Method;
use serde_json::json;
use shared::store::Table;
use shared::testing::TestApp;

async fn app() -> TestApp {
    TestApp::start(&[system::FUNCTION]).await
}

#[tokio::test]
async fn health_needs_no_credential_and_refuses_a_bad_one() {
    let app = app().await;
    for path in ["/health", "/health/ready", "/health/ping"] {
        assert_eq!(
            app.with_key("qk_nobodys").get(path).await.problem(),
            "401 unauthenticated",
            "{path}"
        );
        assert_eq!(
            app.anon().get(&format!("{path}?x=1")).await.wrong(),
            [" unknown_parameter"],
            "{path}"
        );
    }
    let ada = app.user("ada", &[]).await;
    for caller in [app.anon(), ada] {
        assert_eq!(
            caller.get("/health").await.json(),
            json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})
        );
        assert_eq!(caller.get("/health/ping").await.json(), "pong");
        let ready = caller.get("/health/ready").await;
        assert_eq!(
            (ready.status.as_u16(), &ready.json()["checks"]),
            (200, &json!({"dynamodb": "ok"}))
        );
    }
}

#[tokio::test]
async fn the_first_page_says_what_is_here_and_whether_the_storage_answers() {
    let app = app().await;
    let page = app.anon().get("/").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let text = String::from_utf8_lossy(&page.bytes);
    for told in ["/docs", "/openapi.json", "/coupons", "the store answers", "class=\"state ok\""] {
        assert!(text.contains(told), "{told}");
    }
    for left in ["{style}", "{state}", "{health}", "{version}"] {
        assert!(!text.contains(left), "{left}");
    }
    assert!(!text.contains("<script") && !text.contains("https://"));
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert_eq!(app.with_key("qk_nobodys").get("/").await.problem(), "401 unauthenticated");
    assert_eq!(app.anon().get("/?x=1").await.wrong(), [" unknown_parameter"]);
    app.delete_table(Table::Users).await;
    let page = app.anon().get("/").await;
    assert_eq!(page.status, 200);
    assert!(String::from_utf8_lossy(&page.bytes).contains("the store does not answer"));
}

#[tokio::test]
async fn without_its_storage_it_runs_and_isn_t_ready() {
    let app = app().await;
    app.delete_table(Table::Users).await;
    assert_eq!(app.anon().get("/health").await.status, 200);
    let ready = app.anon().get("/health/ready").await;
    assert_eq!((ready.status.as_u16(), &ready.json()["status"]), (503, &json!("unavailable")));
    assert_eq!(ready.header("content-type"), "application/json");
}

#[tokio::test]
async fn status_wants_any_credential() {
    let app = app().await;
    let ada = app.user("ada", &[]).await;
    assert_eq!(app.anon().get("/status").await.problem(), "401 unauthenticated");
    for caller in [ada, app.admin()] {
        assert_eq!(caller.get("/status").await.json(), json!({"status": "ok"}));
    }
}

#[tokio::test]
async fn any_other_path_is_404() {
    let app = app().await;
    for path in
        ["/nowhere", "/health/", "/health/x", "/healthy", "/status/x", "/coupons%2F", "/%3Fx", "//"]
    {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            assert_eq!(
                app.anon().send(method, path, None).await.problem(),
                "404 not_found",
                "{path}"
            );
        }
    }
    assert_eq!(
        app.anon().send(Method::POST, "/health", None).await.problem(),
        "405 method_not_allowed"
    );
}
