//! What the benches share: a store with something in it, and the calls that find it.
#![allow(dead_code, reason = "each bench uses a part")]

pub mod bulk;
pub mod runtime;

use std::path::PathBuf;

use local::FUNCTIONS;
use serde_json::{Value, json};
use shared::auth::Scope;
use shared::store::Table;
use shared::testing::{ADMIN_TOKEN, FaultProxy, TestApp};

pub type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// One kind of request.
pub struct Call {
    pub function: &'static str,
    /// Method and pattern, as ARCHITECTURE.md has them.
    pub route: &'static str,
    pub path: String,
    /// `{n}` in it is another number each time.
    body: Option<String>,
}

impl Call {
    pub fn method(&self) -> &str {
        self.route.split(' ').next().unwrap_or_default()
    }

    pub fn body(&self, number: usize) -> Option<Vec<u8>> {
        Some(self.body.as_ref()?.replace("{n}", &number.to_string()).into_bytes())
    }

    /// The same as API Gateway hands it to the function.
    pub fn event(&self, key: &str) -> String {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
            "headers": {
                "x-api-key": key, "x-forwarded-for": "203.0.113.7",
                "content-type": "application/json",
            },
            "isBase64Encoded": false,
            "body": self.body(0).map(|body| String::from_utf8_lossy(&body).into_owned()),
            "requestContext": {
                "accountId": "0", "apiId": "bench", "domainName": "bench", "domainPrefix": "bench",
                "requestId": "bench", "routeKey": "$default", "stage": "$default",
                "time": "02/Mar/2026:09:30:00 +0000", "timeEpoch": 1_772_443_800_000_i64,
                "http": {
                    "method": self.method(), "path": path, "protocol": "HTTP/1.1",
                    "sourceIp": "203.0.113.7", "userAgent": "bench",
                },
            },
        });
        event.to_string()
    }
}

/// All functions over a store that has some of everything.
pub struct Stored {
    pub app: TestApp,
    /// What processes beside it call: nothing there costs time that is measured.
    pub dynamodb: FaultProxy,
    /// A key with every scope.
    pub key: String,
    pub calls: Vec<Call>,
}

fn coupon() -> Value {
    json!({
        "couponcode": "BENCH", "title": "{n}", "merchant": "M", "max_redemptions": 1_000_000_000,
        "published_at": "2020-01-01T00:00:00Z", "expire_at": "2090-01-01T00:00:00Z",
        "store": {"lat": 51.5, "long": -0.12},
    })
}

fn visit() -> Value {
    json!({
        "patient_id": "p", "provider_id": "q", "encounter_type": "follow_up",
        "encounter_date": "2024-03-01", "clinical_data": {"note": "x".repeat(1_000)},
    })
}

/// 12 leads x 10 s x 500 Hz.
fn recording() -> Value {
    let signal: Vec<i32> = (0..5_000).map(|at| if at % 400 < 5 { 900 } else { at % 7 }).collect();
    let lead = |number: u8| json!({"name": format!("L{number}"), "signal": signal});
    let leads: Vec<_> = (1..=12).map(lead).collect();
    json!({"leads": leads, "recorded_at": "2026-03-01T08:00:00Z", "sampling_rate_hz": 500})
}

fn payoff() -> Value {
    json!({
        "loan_number": "L{n}", "payoff_date": "2026-07-03", "principal_balance": "36500.00",
        "annual_rate_percent": "4.25", "interest_paid_through": "2026-05-01",
        "day_count": "actual/365",
    })
}

impl Stored {
    pub async fn start(settings: &[(&str, &str)]) -> Result<Self> {
        let app = TestApp::start_with(FUNCTIONS, settings).await;
        let key = app.user_key("ada", &Scope::ALL).await;
        let ada = app.with_key(&key);
        let mut made = Vec::new();
        for (path, body) in
            [("/encounters", visit()), ("/ecgs", recording()), ("/payoffs", payoff())]
        {
            for _ in 0..25 {
                let reply = ada.post(path, &body).await;
                if reply.status != 201 {
                    return Err(format!("{path}: {}", reply.json()).into());
                }
                made.push(reply.header("location").to_owned());
            }
        }
        app.drain(&ecgs::INSIGHTS).await;
        // An import spreads its rows evenly over the shards, so that a list is always as dear.
        let numbered = |number| coupon().to_string().replace("{n}", &format!("{number}"));
        let rows: Vec<Value> =
            (0..96).map(|row| serde_json::from_str(&numbered(row))).collect::<Result<_, _>>()?;
        let imported = ada.post("/coupons/import", &json!({"items": rows})).await.json();
        let newest = ada.get("/coupons?limit=1").await.json();
        let id = newest.pointer("/items/0/id").and_then(Value::as_str);
        let coupon_path = format!("/coupons/{}", id.ok_or_else(|| imported.to_string())?);
        let last = |path: &str| {
            made.iter().rev().find(|made| made.starts_with(path)).cloned().unwrap_or_default()
        };
        let ecg = last("/ecgs");
        let get = |function, route, path: &str| Call {
            function,
            route,
            path: path.to_owned(),
            body: None,
        };
        let post = |function, route, path: &str, body: Value| Call {
            function,
            route,
            path: path.to_owned(),
            body: Some(body.to_string()),
        };
        let order = json!({
            "customer_id": "c{n}", "order_id": "o{n}", "order_amount": "99.90", "currency": "GBP",
        });
        let calls = vec![
            get("system", "GET /health/ping", "/health/ping"),
            get("users", "GET /users/me", "/users/me"),
            get("coupons", "GET /coupons/{id}", &coupon_path),
            get("coupons", "GET /coupons", "/coupons?limit=20"),
            get("coupons", "GET /coupons?near=", "/coupons?near=51.5,-0.12&limit=20"),
            post("coupons", "POST /coupons", "/coupons", coupon()),
            post(
                "coupons",
                "POST /coupons/{id}/redemptions",
                &format!("{coupon_path}/redemptions"),
                order,
            ),
            get("encounters", "GET /encounters/{id}", &last("/encounters")),
            get("encounters", "GET /encounters", "/encounters?limit=20"),
            post("encounters", "POST /encounters", "/encounters", visit()),
            get("ecgs", "GET /ecgs/{id}", &ecg),
            get("ecgs", "GET /ecgs/{id}/insights", &format!("{ecg}/insights")),
            get("ecgs", "GET /ecgs/{id}/plot.svg", &format!("{ecg}/plot.svg")),
            post("ecgs", "POST /ecgs", "/ecgs", recording()),
            get("reference", "GET /naics-codes?q=", "/naics-codes?q=software&limit=20"),
            post("payoffs", "POST /payoffs", "/payoffs", payoff()),
            get("payoffs", "GET /payoffs/{id}", &last("/payoffs")),
            get("audit", "GET /audit/coupons", "/audit/coupons?limit=20"),
        ];
        let dynamodb = app.faults.beside(None).await?;
        Ok(Self { app, dynamodb, key, calls })
    }

    /// The environment of a function over this store.
    pub fn variables(&self) -> Vec<(String, String)> {
        let secret = "a-secret-of-thirty-two-characters".to_owned();
        let mut variables = vec![
            ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), self.dynamodb.url()),
            ("ADMIN_TOKEN".to_owned(), ADMIN_TOKEN.to_owned()),
            ("CURSOR_SECRET".to_owned(), secret.clone()),
            ("AUDIT_SECRET".to_owned(), secret),
            ("RATE_LIMIT_PER_MINUTE".to_owned(), "1000000".to_owned()),
            // Nobody is there, and nobody is asked: the worker only starts.
            ("KRAKEN_API_URL".to_owned(), "http://127.0.0.1:1".to_owned()),
            ("KRAKEN_API_KEY".to_owned(), "a-key".to_owned()),
        ];
        let table = |table: Table| (table.variable().to_owned(), self.app.table(table));
        variables.extend(Table::ALL.map(table));
        variables
    }
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A function's release binary, where it has been built: with `--target-dir target/functions`, since
/// the benches' own profile puts others into `target/release`.
pub fn release(name: &str) -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root().join("target"), PathBuf::from);
    Some(target.join("functions/release").join(name)).filter(|binary| binary.exists())
}

/// What was asked for on the command line.
pub fn arguments() -> Vec<String> {
    std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect()
}

/// The middle one.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
