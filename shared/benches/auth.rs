//! What a credential adds to a request: time and calls, for each kind, known to the process and
//! not. `cargo bench -p shared --bench auth`

use std::time::{Duration, Instant};

use serde_json::json;
use shared::answer::Answer;
use shared::app::Function;
use shared::auth::Anyone;
use shared::http::Routes;
use shared::store::Table;
use shared::testing::{Client, Issuer, SigningKey, TestApp, now};

const PROBE: Function = Function { name: "coupons", tables: &Table::ALL, routes };
const KEY: &str = "a-service-key-of-thirty-two-bytes";

fn routes() -> Routes {
    Routes::default().get("/coupons", async |_: Anyone| Answer::ok(&()))
}

fn service_token(user: &str) -> String {
    let claims =
        json!({"iss": "bench", "aud": "quartet", "sub": user, "exp": now() + 290, "jti": "1"});
    SigningKey::Secret(KEY.into()).sign(&json!({"alg": "HS256", "kid": "bench"}), &claims)
}

/// The mean of many requests, and what the last one called.
async fn known(client: &Client) -> (Duration, String) {
    const REQUESTS: u32 = 2_000;
    client.get("/coupons").await;
    let began = Instant::now();
    for _ in 0..REQUESTS {
        client.get("/coupons").await;
    }
    (began.elapsed() / REQUESTS, cost(client).await)
}

async fn cost(client: &Client) -> String {
    let reply = client.get("/coupons").await;
    let timing = reply.header("server-timing").to_owned();
    timing.split("desc=\"").nth(1).unwrap_or_default().trim_end_matches('"').to_owned()
}

/// One line of the table.
async fn row(app: &TestApp, name: &str, header: &str, value: &str) {
    const INSTANCES: u32 = 20;
    let (mut cold, mut first) = (Duration::ZERO, String::new());
    for _ in 0..INSTANCES {
        let instance = app.another_instance().await;
        // Connections are open, the caller is not known.
        instance.anon().get("/coupons").await;
        let client = instance.anon().header(header, value);
        let began = Instant::now();
        let reply = client.get("/coupons").await;
        cold += began.elapsed();
        let timing = reply.header("server-timing").to_owned();
        timing
            .split("desc=\"")
            .nth(1)
            .unwrap_or_default()
            .trim_end_matches('"')
            .clone_into(&mut first);
    }
    let (warm, then) = known(&app.anon().header(header, value)).await;
    let cold = cold / INSTANCES;
    println!(
        "{name:<16} {:>9} µs {first:>26} {:>9} µs {then:>26}",
        cold.as_micros(),
        warm.as_micros()
    );
}

#[tokio::main]
async fn main() {
    println!("{:<16} {:>12} {:>26} {:>12} {:>26}", "credential", "not known", "", "known", "");
    let services = json!({"bench": KEY}).to_string();
    let settings = [TestApp::WITHOUT_FAULTS, ("SERVICE_KEYS", services.as_str())];
    let app = TestApp::start_with(&[PROBE], &settings).await;
    let (key, id) = app.user_key_and_id("ada", &[]).await;
    let bearer = format!("Bearer {}", service_token(&id.to_string()));
    row(&app, "none", "accept", "*/*").await;
    row(&app, "admin token", "x-admin-token", shared::testing::ADMIN_TOKEN).await;
    row(&app, "API key", "x-api-key", &key).await;
    row(&app, "service token", "authorization", &bearer).await;

    // Its first request in a process fetches the issuer's keys, too.
    let (issuer, signing) = (Issuer::start().await, SigningKey::ec());
    if let Ok(mut keys) = issuer.keys.lock() {
        keys.push(signing.ec_jwk("ec"));
    }
    let mut settings = issuer.settings();
    settings.push(TestApp::WITHOUT_FAULTS);
    let app = TestApp::start_with(&[PROBE], &settings).await;
    let (_, id) = app.user_key_and_id("ada", &[]).await;
    let token =
        signing.sign(&json!({"alg": "ES256", "kid": "ec"}), &issuer.claims(&id.to_string()));
    row(&app, "OIDC token", "authorization", &format!("Bearer {token}")).await;
}
