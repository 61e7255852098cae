//! The description and its page.

use http::Method;
use shared::testing::TestApp;

async fn app() -> TestApp {
    TestApp::start(&[docs::FUNCTION]).await
}

#[tokio::test]
async fn the_description_and_its_page_need_no_credential_and_refuse_a_bad_one() {
    let app = app().await;
    for (path, kind) in [
        ("/openapi.json", "application/json"),
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/start.js", "text/javascript; charset=utf-8"),
        ("/docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("/docs/swagger-ui.css", "text/css; charset=utf-8"),
    ] {
        let answer = app.anon().get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), kind, "{path}");
        let bad = app.with_key("qk_nobodys").get(path).await;
        assert_eq!(bad.problem(), "401 unauthenticated", "{path}");
        let unknown = app.anon().get(&format!("{path}?x=1")).await;
        assert_eq!(unknown.wrong(), [" unknown_parameter"], "{path}");
        let head = app.anon().send(Method::HEAD, path, None).await;
        assert_eq!(head.header("content-length"), answer.header("content-length"), "{path}");
    }
}

#[tokio::test]
async fn what_the_caller_has_already_is_304() {
    let app = app().await;
    let first = app.anon().get("/openapi.json").await;
    let tag = first.header("etag");
    let again = app.anon().header("if-none-match", tag).get("/openapi.json").await;
    assert_eq!((again.status.as_u16(), again.header("etag")), (304, tag));
    let other = app.anon().header("if-none-match", "\"other\"").get("/openapi.json").await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn a_file_is_packed_where_the_caller_unpacks_it() {
    let app = app().await;
    let plain = app.anon().get("/docs/swagger-ui.css").await;
    for (accepted, coding) in
        [("gzip, br", "gzip"), ("br;q=1, GZIP;q=0.5", "gzip"), ("gzip;q=0", ""), ("br", "")]
    {
        let client = app.anon().header("accept-encoding", accepted);
        let answer = client.get("/docs/swagger-ui.css").await;
        assert_eq!(answer.header("content-encoding"), coding, "{accepted}");
        assert_eq!(answer.header("vary"), "Accept-Encoding");
        assert_eq!(answer.header("etag"), plain.header("etag"));
    }
}

#[tokio::test]
async fn the_page_runs_nothing_but_this_address_s_own_scripts() {
    let app = app().await;
    let policy = app.anon().get("/docs").await;
    let policy = policy.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
    assert!(!policy.contains("unsafe"));
}

#[tokio::test]
async fn below_the_page_is_nothing_else() {
    let app = app().await;
    for path in
        ["/docs/", "/docs/index.html", "/docs/openapi.json", "/docs/start.js.gz", "/docs/a/b"]
    {
        assert_eq!(app.anon().get(path).await.problem(), "404 not_found", "{path}");
    }
}
