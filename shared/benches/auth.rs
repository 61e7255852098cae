//! What a credential adds to a request: time and calls, for each kind, known to the process and
//! not. `cargo bench -p shared --bench auth`

use std::time::{Duration, Instant};

use serde_json::json;
use shared::answer::Answer;
use shared::app::Function;
use shared::auth::Anyone;
use shared::http::Routes;
use shared::store::Table;
use shared::testing::{Client, SigningKey, TestApp, now};

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

#[tokio::main]
async fn main() {
    let services = json!({"bench": KEY}).to_string();
    let settings = [TestApp::WITHOUT_FAULTS, ("SERVICE_KEYS", services.as_str())];
    let app = TestApp::start_with(&[PROBE], &settings).await;
    let (key, id) = app.user_key_and_id("ada", &[]).await;
    let bearer = format!("Bearer {}", service_token(&id.to_string()));
    println!("{:<16} {:>12} {:>26} {:>12} {:>26}", "credential", "not known", "", "known", "");
    for (name, header, value) in [
        ("none", "accept", "*/*"),
        ("admin token", "x-admin-token", shared::testing::ADMIN_TOKEN),
        ("API key", "x-api-key", key.as_str()),
        ("service token", "authorization", bearer.as_str()),
    ] {
        let mut cold = Duration::ZERO;
        let mut first = String::new();
        for _ in 0..20 {
            let instance = app.another_instance().await;
            // Connections are open, the caller is not known.
            instance.anon().get("/coupons").await;
            let client = instance.anon().header(header, value);
            let began = Instant::now();
            let reply = client.get("/coupons").await;
            cold += began.elapsed();
            reply
                .header("server-timing")
                .split("desc=\"")
                .nth(1)
                .unwrap_or_default()
                .trim_end_matches('"')
                .clone_into(&mut first);
        }
        let (warm, then) = known(&app.anon().header(header, value)).await;
        println!(
            "{name:<16} {:>9} µs {first:>26} {:>9} µs {then:>26}",
            (cold / 20).as_micros(),
            warm.as_micros()
        );
    }
}
