//! Where a process has its secrets from.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::sync::{Arc, Mutex};

use axum::Json;
use axum::body::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use shared::answer::Answer;
use shared::app::Function;
use shared::auth::AnyUser;
use shared::http::Routes;
use shared::store::Table;
use shared::testing::TestApp;

const PROBE: Function = Function { name: "coupons", tables: &Table::ALL, routes };

fn routes() -> Routes {
    Routes::default().get("/coupons", async |_: AnyUser| Answer::ok(&json!({})))
}

#[tokio::test]
async fn secrets_come_from_the_parameter_store_where_a_path_is_set() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let router = axum::Router::new().fallback(async move |headers: HeaderMap, body: Bytes| {
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        assert_eq!(headers["x-amz-target"], "AmazonSSM.GetParameters");
        let signed = headers["authorization"].to_str().unwrap_or_default();
        assert!(signed.contains("/ssm/aws4_request, SignedHeaders=content-type;host;"), "{signed}");
        let calls = {
            let mut seen = seen.lock().expect("a list");
            seen.push(body);
            seen.len()
        };
        if calls == 1 {
            let throttled = json!({"__type": "ThrottlingException", "message": "Rate exceeded"});
            return (StatusCode::BAD_REQUEST, Json(throttled));
        }
        let parameter = |name: &str, value: &str| json!({"Name": format!("/quartet/test/{name}"), "Type": "SecureString", "Value": value});
        (StatusCode::OK, Json(json!({"Parameters": [
            parameter("admin-token", "a-token-from-the-parameter-store"),
            parameter("cursor-secret", "a-cursor-secret-of-thirty-two-chars"),
            parameter("audit-secret", "an-audit-secret-of-thirty-two-chars"),
        ], "InvalidParameters": ["/quartet/test/service-keys"]})))
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let settings = [("SECRETS_PATH", "/quartet/test"), ("AWS_ENDPOINT_URL_SSM", &url)];
    let app = TestApp::start_with(&[PROBE], &settings).await;
    let token = |token: &str| app.anon().header("x-admin-token", token);
    assert_eq!(
        token("a-token-from-the-parameter-store").get("/coupons").await.problem(),
        "403 forbidden"
    );
    assert_eq!(
        token(shared::testing::ADMIN_TOKEN).get("/coupons").await.problem(),
        "401 unauthenticated"
    );
    let asked = asked.lock().expect("a list");
    assert_eq!(asked[0]["WithDecryption"], true);
    assert_eq!(asked[0]["Names"][0], "/quartet/test/admin-token");
    assert_eq!(asked.len(), 3, "one that was throttled, and one for each App of the harness");
}
