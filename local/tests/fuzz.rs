//! What comes from outside, wrong in every place: each sample event of `events/` with its body, its
//! query, its path or its headers altered; settings; answers of the upstream.
//!
//! Whatever is sent, nothing breaks (no 5xx), a refusal is a whole problem and repeats nothing that
//! was sent, and what was created can be read where `Location` says. `FUZZ_SECONDS` gives each target
//! so long; without it each has some hundred cases. What failed once is in `fuzz.regressions`, and
//! comes first from then on.
//!
//! Parsers have targets of their own beside their code: JSON, timestamps, decimals, cursors, tokens,
//! outages as they stream, times of outages, samples, places, words.
#![allow(
    clippy::trivially_copy_pass_by_ref,
    clippy::match_bool,
    clippy::format_collect,
    reason = "a test may be plain"
)]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

#[path = "../../functions/outages/tests/common/mod.rs"]
mod outage_runs;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::BodyExt;
use local::{FUNCTIONS, WORKERS};
use outages::stand_in::StandIn;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, FileFailurePersistence, TestError, TestRunner};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::auth::Scope;
use shared::embedded::{Template, gateway};
use shared::services::Service;
use shared::testing::{ADMIN_TOKEN, Reply, TestApp};
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// Nothing else says it.
const MARKER: &str = "mArKeR7f3a";
const CASES: u32 = 256;

/// Tries a property with what a strategy makes, for as long as there is time.
fn fuzz<S: Strategy>(strategy: &S, test: impl Fn(S::Value)) {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(0));
    loop {
        let file = FileFailurePersistence::Direct("tests/fuzz.regressions");
        let config = Config {
            cases: CASES,
            failure_persistence: Some(Box::new(file)),
            source_file: Some(file!()),
            max_shrink_iters: 2_000,
            ..Config::default()
        };
        let tried = TestRunner::new(config).run(strategy, |case| {
            test(case);
            Ok(())
        });
        match tried {
            Ok(()) if Instant::now() >= until => return,
            Ok(()) => {}
            Err(TestError::Fail(why, case)) => panic!("{why}\nwith {case:?}"),
            Err(TestError::Abort(why)) => panic!("{why}"),
        }
    }
}

/// A request as its event has it.
#[derive(Debug, Clone)]
struct Sample {
    method: Method,
    path: String,
    query: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

fn events() -> Vec<(String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../events");
    let files = std::fs::read_dir(folder).expect("events").flatten();
    let mut events: Vec<_> = files
        .map(|file| {
            let text = std::fs::read_to_string(file.path()).expect("an event");
            let name = file.file_name().to_string_lossy().into_owned();
            (name, serde_json::from_str(&text).expect("JSON"))
        })
        .collect();
    events.sort_by(|(one, _), (other, _)| one.cmp(other));
    events
}

/// Everything behind one address, a caller who may do all, and the samples with its key.
struct House {
    runtime: Runtime,
    app: TestApp,
    router: Router,
    samples: Vec<Sample>,
    _upstream: StandIn,
}

impl House {
    fn open() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let (upstream, app, key) = runtime.block_on(async {
            let upstream = StandIn::start(outage_runs::KEY).await.expect("an upstream");
            let url = upstream.url();
            let settings = [
                ("KRAKEN_API_URL", url.as_str()),
                ("KRAKEN_API_KEY", outage_runs::KEY),
                ("SERVICE_KEYS", r#"{"prepay": "the-prepay-service-key-of-32-bytes!"}"#),
            ];
            let app = TestApp::start_with(FUNCTIONS, &settings).await;
            let key = app.user_key("ada", &Scope::ALL).await;
            (upstream, app, key)
        });
        let template = Template::of_the_project().expect("a template");
        let router = gateway(template, FUNCTIONS, app.app());
        let is_workers = |name: &str| WORKERS.iter().any(|worker| name.starts_with(worker.name));
        let samples = events().into_iter().filter(|(name, _)| !is_workers(name));
        // A run waits for its worker, and only for it.
        let samples = samples.filter(|(name, _)| name != "outages-runs-create.json");
        let samples = samples.map(|(_, event)| sample(&event, &key)).collect();
        Self { runtime, app, router, samples, _upstream: upstream }
    }

    /// None where no HTTP server would hand the request on.
    fn send(&self, sample: &Sample) -> Option<Reply> {
        let uri: Uri = match sample.query.as_str() {
            "" => sample.path.parse().ok()?,
            query => format!("{}?{query}", sample.path).parse().ok()?,
        };
        let mut request = Request::builder().method(sample.method.clone()).uri(uri);
        for (name, value) in &sample.headers {
            let name: HeaderName = name.parse().ok()?;
            request = request.header(name, HeaderValue::from_bytes(value).ok()?);
        }
        let request = request.body(Body::from(sample.body.clone())).ok()?;
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.expect("an answer");
            let (parts, body) = response.into_parts();
            let bytes = body.collect().await.expect("a body").to_bytes().to_vec();
            Some(Reply { status: parts.status, headers: parts.headers, bytes })
        })
    }

    /// Sends a sample and holds the answer to what must be true of every one.
    fn check(&self, sample: &Sample) {
        let Some(reply) = self.send(sample) else { return };
        let status = reply.status.as_u16();
        let text = String::from_utf8_lossy(&reply.bytes).into_owned();
        assert!(status < 500, "{status}: {text}");
        if reply.status.is_client_error() {
            if reply.header("content-type").starts_with("application/fhir+json") {
                assert_eq!(reply.json()["resourceType"], "OperationOutcome", "{text}");
            } else {
                reply.problem();
            }
            let errors = reply.json()["errors"].as_array().map_or(0, Vec::len);
            assert!(errors <= 100, "{errors} errors");
            assert!(!text.contains(MARKER), "it repeats what was sent: {text}");
            let shown = format!("{:?}", reply.headers);
            assert!(!shown.contains(MARKER), "it repeats what was sent: {shown}");
        }
        if status == 201 && !reply.header("location").is_empty() {
            let read = Sample {
                method: Method::GET,
                path: reply.header("location").to_owned(),
                query: String::new(),
                headers: sample
                    .headers
                    .iter()
                    .filter(|(name, _)| is_credential(name))
                    .cloned()
                    .collect(),
                body: Vec::new(),
            };
            let read = self.send(&read).expect("a location is a path");
            assert_eq!(read.status, 200, "{}", read.json());
        }
    }

    /// One of the samples that have a body.
    fn with_body(&self, at: &Index) -> &Sample {
        let with_body: Vec<_> = self.samples.iter().filter(|of| !of.body.is_empty()).collect();
        with_body[at.index(with_body.len())]
    }

    fn any(&self, at: &Index) -> Sample {
        self.samples[at.index(self.samples.len())].clone()
    }
}

fn is_credential(name: &str) -> bool {
    ["x-api-key", "x-user-token", "x-admin-token", "authorization"].contains(&name)
}

fn sample(event: &Value, key: &str) -> Sample {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let headers = event["headers"].as_object().into_iter().flatten();
    let headers = headers.filter(|(name, _)| {
        // Keys would answer each alteration of a body with 422.
        !["content-length", "host", "idempotency-key"].contains(&name.as_str())
    });
    let headers = headers.map(|(name, value)| {
        let value = text(value).replace("KEY", key).replace("local-admin-token", ADMIN_TOKEN);
        (name.clone(), value.into_bytes())
    });
    Sample {
        method: text(&event["requestContext"]["http"]["method"]).parse().expect("a method"),
        path: text(&event["rawPath"]),
        query: text(&event["rawQueryString"]),
        headers: headers.collect(),
        body: text(&event["body"]).into_bytes(),
    }
}

/// What one place of a JSON value becomes.
#[derive(Debug, Clone)]
enum Change {
    Be(Value),
    /// Goes as it is into the text, be it JSON or not.
    Raw(&'static str),
    Gone,
    /// One more member or item.
    More(String, Value),
    /// So many arrays around it.
    Nested(usize),
    Longer(usize),
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "\\PC{0,12}".prop_map(|text| format!("{MARKER}{text}")),
        2 => any::<String>().prop_map(|text| format!("{text}{MARKER}")),
        1 => select(vec![
            "", " ", "\u{0}", "\n", "\u{202e}", "é\u{301}", "\u{10ffff}", "-0", "1e5", "NaN", "null", "0x10",
            "2024-02-30", "2024-02-29T24:00:00Z", "9999-12-31T23:59:59.999999999Z", "0000-01-01T00:00:00+23:59",
            "00000000-0000-7000-8000-000000000000", "{{7*7}}", "../..", "%00", "12.50", "999999999999999.999",
        ]).prop_map(str::to_owned),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-3..200_i64).prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((any_text(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_change() -> impl Strategy<Value = Change> {
    const RAW: [&str; 12] = [
        "1e400",
        "-1e400",
        "-0",
        "0.1e-400",
        "123456789012345678901234567890",
        "1.0",
        "01",
        "\"\\ud800\"",
        "{\"a\":1,\"a\":2}",
        "tru",
        "[",
        "\"\u{1}\"",
    ];
    prop_oneof![
        5 => any_value().prop_map(Change::Be),
        2 => select(RAW.to_vec()).prop_map(Change::Raw),
        1 => Just(Change::Gone),
        2 => (any_text(), any_value()).prop_map(|(name, value)| Change::More(name, value)),
        1 => prop_oneof![1..10_usize, 60..70_usize, 120..140_usize, Just(20_000)].prop_map(Change::Nested),
        1 => prop_oneof![250..260_usize, 120..130_usize, 4_090..4_100_usize, Just(300_000)].prop_map(Change::Longer),
    ]
}

/// Every place in a value, as JSON Pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate().take(20) {
                places(item, &format!("{at}/{number}"), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                places(member, &format!("{at}/{}", escaped(name)), found);
            }
        }
        _ => {}
    }
}

/// A value with its changes, as text.
fn altered(mut value: Value, changes: &[(Index, Change)]) -> String {
    const HOLE: &str = "a hole for raw text";
    let (mut raw, mut nested) = (Vec::new(), Vec::new());
    for (at, change) in changes {
        let mut found = Vec::new();
        places(&value, "", &mut found);
        let at = found[at.index(found.len())].clone();
        if let Change::Gone = change {
            let (parent, name) = at.rsplit_once('/').unwrap_or_default();
            if let Some(Value::Object(members)) = value.pointer_mut(parent) {
                members.remove(name);
            }
            continue;
        }
        let Some(place) = value.pointer_mut(&at) else { continue };
        match change {
            Change::Be(new) => *place = new.clone(),
            Change::Raw(text) => {
                *place = json!(format!("{HOLE} {}", raw.len()));
                raw.push((*text).to_owned());
            }
            Change::More(name, more) => match place {
                Value::Object(members) => drop(members.insert(name.clone(), more.clone())),
                Value::Array(items) => items.push(more.clone()),
                other => *other = more.clone(),
            },
            Change::Nested(levels) => nested.push((place.to_string(), *levels, at)),
            Change::Longer(length) => *place = json!(MARKER.repeat(length / MARKER.len() + 1)),
            Change::Gone => {}
        }
    }
    for (inner, levels, at) in nested {
        if let Some(place) = value.pointer_mut(&at) {
            *place = json!(format!("{HOLE} {}", raw.len()));
            raw.push(format!("{}{inner}{}", "[".repeat(levels), "]".repeat(levels)));
        }
    }
    let mut text = value.to_string();
    for (number, new) in raw.iter().enumerate() {
        text = text.replace(&format!("\"{HOLE} {number}\""), new);
    }
    text
}

#[test]
fn a_body_with_anything_in_any_place_is_taken_or_refused() {
    let house = House::open();
    fuzz(&(any::<Index>(), vec((any::<Index>(), any_change()), 1..4)), |(at, changes)| {
        let mut sample = house.with_body(&at).clone();
        let body = serde_json::from_slice(&sample.body).expect("JSON");
        sample.body = altered(body, &changes).into_bytes();
        house.check(&sample);
    });
}

#[test]
fn a_body_with_any_bytes_changed_is_taken_or_refused() {
    let house = House::open();
    let changes = vec((any::<Index>(), any::<u8>(), 0..4_usize), 1..6);
    fuzz(&(any::<Index>(), changes), |(at, changes)| {
        let mut sample = house.with_body(&at).clone();
        for (at, byte, kind) in changes {
            let at = at.index(sample.body.len().max(1));
            match kind {
                0 => sample.body.insert(at, byte),
                1 => sample.body.truncate(at),
                _ => sample.body.get_mut(at).into_iter().for_each(|old| *old = byte),
            }
        }
        house.check(&sample);
    });
}

#[test]
fn a_query_of_anything_is_answered_or_refused() {
    const NAMES: [&str; 26] = [
        "limit",
        "cursor",
        "status",
        "category",
        "merchant",
        "couponcode",
        "at",
        "near",
        "radius_km",
        "q",
        "level",
        "prefix",
        "country",
        "year",
        "start_ms",
        "end_ms",
        "access_type",
        "item_id",
        "username",
        "location_id",
        "include",
        "lead",
        "start_sample",
        "sample_count",
        "version",
        "from_sequence",
    ];
    let house = House::open();
    let text = prop_oneof![
        3 => any_text(),
        2 => "[0-9,.eE+-]{0,24}",
        1 => "[A-Za-z0-9_-]{0,80}",
        1 => select(vec!["0", "1", "100", "101", "-1", "18446744073709551616", "90,180", "91,0", "NaN,0", "2026-02-29"])
            .prop_map(str::to_owned),
    ];
    let encoded = (text, any::<bool>()).prop_map(|(text, raw)| match raw {
        // What a URI may have as it is, half-encoded pairs included.
        true => text.chars().filter(char::is_ascii_graphic).filter(|c| *c != '#').collect(),
        false => text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>(),
    });
    let name = prop_oneof![
        6 => select(NAMES.to_vec()).prop_map(str::to_owned),
        1 => Just(MARKER.to_owned()),
        1 => Just(String::new()),
    ];
    fuzz(&(any::<Index>(), vec((name, encoded), 0..4), any::<bool>()), |(at, pairs, keep)| {
        let mut sample = house.any(&at);
        let mut query: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        query.extend(Some(sample.query.clone()).filter(|query| keep && !query.is_empty()));
        sample.query = query.join("&");
        house.check(&sample);
    });
}

#[test]
fn a_path_of_anything_is_answered_or_refused() {
    let house = House::open();
    let segment = prop_oneof![
        3 => "[!-~]{0,20}",
        1 => any_text().prop_map(|text| text.bytes().map(|byte| format!("%{byte:02X}")).collect()),
        1 => select(vec!["", ".", "..", "%2e%2e", "%2F", "%3F", "%00", "%", "%ff", "{id}", "*"]).prop_map(str::to_owned),
    ];
    fuzz(&(any::<Index>(), any::<Index>(), segment, any::<bool>()), |(at, place, segment, add)| {
        let mut sample = house.any(&at);
        let mut segments: Vec<_> = sample.path.split('/').map(str::to_owned).collect();
        let place = place.index(segments.len()).max(1);
        match segments.get_mut(place).filter(|_| !add) {
            Some(old) => *old = segment,
            None => segments.push(segment),
        }
        sample.path = segments.join("/");
        house.check(&sample);
    });
}

#[test]
fn headers_of_anything_are_taken_or_refused() {
    const NAMES: [&str; 14] = [
        "if-match",
        "if-none-match",
        "idempotency-key",
        "x-api-key",
        "x-user-token",
        "x-admin-token",
        "authorization",
        "x-location-id",
        "content-type",
        "accept",
        "x-emergency-reason",
        "origin",
        "x-forwarded-for",
        "range",
    ];
    let house = House::open();
    let value = prop_oneof![
        3 => any_text().prop_map(String::into_bytes),
        2 => "(W/)?\"[ -~]{0,12}\"(, ?\\*|,\"[0-9]\")?".prop_map(String::into_bytes),
        2 => "[Bb]earer [A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,60}){0,3}".prop_map(String::into_bytes),
        1 => "qk_[A-Za-z0-9_-]{0,100}".prop_map(String::into_bytes),
        1 => "application/(json|merge-patch\\+json|fhir\\+json)[ -~]{0,20}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..300),
    ];
    let headers = vec((select(NAMES.to_vec()), value, any::<bool>()), 1..4);
    fuzz(&(any::<Index>(), headers), |(at, headers)| {
        let mut sample = house.any(&at);
        for (name, value, instead) in headers {
            if instead {
                sample.headers.retain(|(known, _)| known != name);
            }
            sample.headers.push((name.to_owned(), value));
        }
        house.check(&sample);
    });
}

#[test]
fn an_event_of_anything_breaks_no_worker() {
    let house = House::open();
    let events: Vec<_> = events()
        .into_iter()
        .filter_map(|(name, event)| {
            let worker = WORKERS.iter().find(|worker| name.starts_with(worker.name))?;
            let is_sync = worker.name == outage_runs::WORKER.name;
            Some((if is_sync { outage_runs::WORKER } else { *worker }, event))
        })
        .collect();
    fuzz(&(any::<Index>(), vec((any::<Index>(), any_change()), 1..4)), |(at, changes)| {
        let (worker, event) = &events[at.index(events.len())];
        // The runtime hands on nothing that isn't JSON.
        let Ok(event) = serde_json::from_str(&altered(event.clone(), &changes)) else { return };
        match house.runtime.block_on(house.app.call(worker, event)) {
            Ok(answer) => assert!(!answer.to_string().contains(MARKER), "{answer}"),
            Err(failed) => assert!(!failed.0.is_empty()),
        }
    });
}

#[test]
fn service_keys_of_anything_are_read_or_refused() {
    let setting = json!({
        "prepay": "the-prepay-service-key-of-32-bytes!",
        "partner": {
            "keys": ["a-newer-key-of-at-least-32-bytes!!", "an-older-key-of-at-least-32-bytes!"],
            "scopes": ["coupons:redeem", "ecgs:read"], "client_id": "partner",
            "location_ids": ["00000000-0000-7000-8000-000000000000"],
        },
    });
    fuzz(&vec((any::<Index>(), any_change()), 0..4), |changes| {
        let text = altered(setting.clone(), &changes);
        let Some(services) = Service::parse_all(&text) else { return };
        let read: Value = serde_json::from_str(&text).expect("what is taken is JSON");
        for (name, service) in &services {
            let keys: Vec<_> = service.keys().map(<[u8]>::to_vec).collect();
            assert!(!keys.is_empty() && keys.iter().all(|key| key.len() >= 32));
            let given = &read[name];
            let first = given.as_str().or(given.pointer("/keys/0").and_then(Value::as_str));
            assert_eq!(first.map(|key| key.as_bytes().to_vec()).as_ref(), keys.first());
            // A limit that was meant must not get lost.
            assert_eq!(given["scopes"].is_array(), service.scopes.is_some());
            assert_eq!(given["location_ids"].is_array(), service.location_ids.is_some());
        }
        assert_eq!(read.as_object().map(serde_json::Map::len), Some(services.len()));
    });
}

/// As `serde_json` reads what is needed of a site: what is skipped need only be JSON by its grammar,
/// numbers that no float holds and halves of surrogate pairs included.
#[derive(Deserialize)]
struct Site {
    devices: Vec<Device>,
}

#[derive(Deserialize)]
struct Device {
    id: String,
    name: String,
}

#[test]
fn a_site_of_anything_gives_its_devices_or_says_where_it_is_wrong() {
    let site = json!({
        "id": "norwich", "name": "Norwich",
        "devices": [{"id": "a", "name": "A"}, {"id": "b", "name": "B", "more": [1]}],
    });
    fuzz(&vec((any::<Index>(), any_change()), 0..4), |changes| {
        let text = altered(site.clone(), &changes);
        match outages::incoming::devices(text.as_bytes()) {
            Ok(devices) => {
                let site: Site = serde_json::from_str(&text).expect("what is taken is JSON");
                let taken = devices.into_iter().map(|taken| (taken.id, taken.name));
                let given = site.devices.into_iter().map(|given| (given.id, given.name));
                assert_eq!(taken.collect::<Vec<_>>(), given.collect::<Vec<_>>());
            }
            Err(fault) => assert!(!fault.to_string().contains(MARKER), "{fault}"),
        }
    });
}
