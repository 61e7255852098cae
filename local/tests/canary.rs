//! Patient data in every field, in wrong places, in paths and in queries: none of it in a log line,
//! an error, a metric, a timing, or in what Sentry is told.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use std::process::Stdio;

use common::{Local, Result, command};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use shared::testing::Sentry;

/// A word that nothing else says, made of the kind's number.
fn marker(number: usize) -> String {
    format!("CANARY{number}x{}", uuid_like(number))
}

fn uuid_like(number: usize) -> String {
    format!("{:08x}", number.wrapping_mul(2_654_435_761) & 0xffff_ffff)
}

struct Sender {
    http: Client,
    url: String,
    key: String,
}

impl Sender {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        request.header("x-api-key", &self.key)
    }

    /// What came back: whether it is an answer that may hold the data, its headers and its body.
    async fn send(request: RequestBuilder) -> Result<(bool, String, String)> {
        let response = request.send().await?;
        let fine = response.status().is_success();
        let headers = format!("{:?}", response.headers());
        Ok((fine, headers, response.text().await?))
    }
}

// Several threads: Sentry's stand-in must answer while this one waits for the process to start.
#[tokio::test(flavor = "multi_thread")]
async fn no_patient_data_is_in_a_log_line_an_error_a_metric_a_timing_or_a_report() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("log");
    let arguments = ["--in-memory", "--dynamodb-port", "0", "--seed", "demo"];
    let mut server = command(&arguments);
    server.stderr(Stdio::from(std::fs::File::create(&log)?));
    server.env("LOG_LEVEL", "trace").env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1");
    let sentry = Sentry::start().await;
    server.env("METRICS", "emf").env("ENVIRONMENT", "canary");
    server.env("SENTRY_DSN", sentry.dsn()).env("SENTRY_TRACES_SAMPLE_RATE", "1");
    let local = Local::listening(&mut server)?;
    let key = local.key.clone().ok_or("no key")?;
    let sender = Sender { http: Client::new(), url: local.url.clone(), key };
    let visit = json!({
        "patient_id": marker(1), "provider_id": marker(2), "encounter_date": "2024-02-29",
        "encounter_type": "follow_up",
        "clinical_data": {marker(3): marker(4), "deep": [[marker(5)]]},
        "idempotence_key": marker(6),
    });
    let post = |path: &str, body: &Value| sender.request(Method::POST, path).json(body);
    let made = post("/encounters", &visit).send().await?;
    let path = made.headers()["location"].to_str()?.to_owned();
    let nobodys = "/encounters/019b0000-0000-7000-8000-000000000001";
    let mut wrong = visit.clone();
    wrong["encounter_date"] = json!(marker(7));
    wrong["encounter_type"] = json!(marker(8));
    wrong[marker(9)] = json!(marker(10));
    let get = |path: String| sender.request(Method::GET, &path);
    let requests = vec![
        get(path.clone()),
        get(format!("{path}?version={}", marker(11))),
        get(format!("/encounters?patient_id={}&provider_id={}", marker(1), marker(2))),
        get(format!("/encounters?start_date={}&{}=1", marker(12), marker(13))),
        get(format!("/encounters/{}", marker(14))),
        get(format!("/{}/{}", marker(15), marker(16))),
        get(format!("/coupons/{}", marker(34))),
        get("/coupons/019b0000-0000-7000-8000-000000000002".to_owned()).header(
            "x-amzn-trace-id",
            format!("Root=1-5759e988-bd862e3fe1be46a994272793;Parent={}", marker(35)),
        ),
        get(path.clone()).header("x-emergency-reason", marker(17)),
        get(nobodys.to_owned()).header("x-emergency-reason", marker(18)),
        get(path.clone()).header("x-request-id", "078-05-1120"),
        get(path.clone()).header("if-none-match", marker(19)),
        get(path.clone()).header("accept", marker(20)),
        get("/encounters".to_owned()).header("user-agent", marker(21)),
        get(format!("/audit/encounters?patient_id={}&username={}", marker(1), marker(22))),
        get(format!("/encounters?cursor={}", marker(23))),
        post("/encounters", &visit),
        post("/encounters", &wrong),
        post("/encounters", &json!(marker(24))),
        post("/encounters", &visit).header("idempotency-key", marker(25)),
        post("/encounters/search", &json!({"patient_id": marker(1), marker(26): 1})),
        post("/audit/encounters/search", &json!({"patient_id": marker(1), "start_ms": marker(27)})),
        post(&format!("{path}/retraction"), &json!({"reason": [marker(28)]})),
        post(&format!("{path}/retraction"), &json!({"reason": marker(29)})),
        sender.request(Method::PATCH, &path).json(&json!({"clinical_data": marker(30)})),
        sender.request(Method::PATCH, nobodys).json(&json!({"patient_id": marker(31)})),
        sender
            .request(Method::POST, "/encounters")
            .header("content-type", "application/json")
            .body(format!("{{\"patient_id\": {}", marker(32))),
        sender.request(Method::POST, "/encounters").header("content-type", marker(33)).body("x"),
        sender.request(Method::from_bytes(b"CANARY")?, &path),
    ];
    for request in requests {
        let (fine, headers, body) = Sender::send(request).await?;
        if !fine {
            assert!(!body.contains("CANARY"), "an error says what was sent: {body}");
        }
        let headers: Vec<_> =
            headers.split(", \"").filter(|header| !header.starts_with("link")).collect();
        assert!(!headers.join(" ").contains("CANARY"), "{headers:?}");
    }
    // The storage goes away in the middle, so that every error path is walked.
    let delete = reqwest::Client::new()
        .post(&local.dynamodb)
        .header("x-amz-target", "DynamoDB_20120810.DeleteTable")
        .header("x-amz-date", "20260101T000000Z")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=x/20260101/local/dynamodb/aws4_request, SignedHeaders=host, Signature=x")
        .header("content-type", "application/x-amz-json-1.0")
        .body(json!({"TableName": "quartet-encounters"}).to_string());
    assert!(delete.send().await?.status().is_success());
    for request in [get(path), post("/encounters", &wrong), post("/encounters", &visit)] {
        let (_, headers, body) = Sender::send(request).await?;
        assert!(!format!("{headers}{body}").contains("CANARY"), "{body}");
    }
    local.signal("-TERM")?;
    drop(local);
    let log = std::fs::read_to_string(log)?;
    assert!(log.contains("\"route\":\"/encounters/{id}\""), "nothing was logged");
    let told = sentry.received().into_iter().map(|envelope| envelope.body);
    let told: Vec<_> = told.collect();
    for line in log.lines().chain(told.iter().flat_map(|body| body.lines())) {
        assert!(!line.contains("CANARY") && !line.contains("078-05-1120"), "{line}");
    }
    assert_all_is_there(&log, &sentry);
    Ok(())
}

/// What is looked through must be there to be looked through.
fn assert_all_is_there(log: &str, sentry: &Sentry) {
    let lines: Vec<Value> =
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let requests: Vec<_> = lines.iter().filter(|line| line["message"] == "request").collect();
    assert!(requests.len() > 30, "{} lines", requests.len());
    for line in &requests {
        assert_eq!((&line["service"], &line["env"]), (&json!("local"), &json!("canary")), "{line}");
        assert_eq!(line["version"], env!("CARGO_PKG_VERSION"));
        assert!(line["request_id"].is_string(), "{line}");
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Quartet", "{line}");
        assert_eq!(line["Requests"], 1.0, "{line}");
        // No Lambda said so: a caller's own trace counts for nothing.
        assert_eq!((line.get("xray_trace_id"), line.get("dd.trace_id")), (None, None), "{line}");
    }
    let coupons: Vec<_> = requests.iter().filter(|line| line["route"] == "/coupons/{id}").collect();
    let ids: Vec<_> = coupons.iter().map(|line| line.get("coupon_id")).collect();
    assert_eq!(ids, [None, Some(&json!("019b0000-0000-7000-8000-000000000002"))]);
    assert!(lines.iter().any(|line| line["message"] == "storage failed"));
    assert!(lines.iter().any(|line| line["Calls"] == 1.0), "no worker was called");
    let events = sentry.items("event");
    assert!(events.iter().any(|event| event["tags"]["status"] == "503"), "{events:?}");
    let traces = sentry.items("transaction");
    assert!(traces.len() >= requests.len(), "{} traces", traces.len());
}
