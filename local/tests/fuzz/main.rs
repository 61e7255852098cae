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
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod alter;
mod house;
#[path = "../../../functions/outages/tests/common/mod.rs"]
mod outage_runs;

use std::time::{Duration, Instant};

use alter::{altered, any_change, any_text};
use house::{House, events};
use local::WORKERS;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, FileFailurePersistence, TestError, TestRunner};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::services::Service;

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
#[test]
fn a_body_with_anything_in_any_place_is_taken_or_refused() {
    let house = House::open();
    fuzz(&(any::<Index>(), vec((any::<Index>(), any_change()), 1..4)), |(at, changes)| {
        let mut sample = house.with_body(at).clone();
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
        let mut sample = house.with_body(at).clone();
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

/// Every byte.
fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| "%".to_owned() + &hex::encode_upper([byte])).collect()
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
    let encoded = (text, any::<bool>()).prop_map(|(text, raw)| {
        if raw {
            // What a URI may have as it is, half-encoded pairs included.
            text.chars().filter(char::is_ascii_graphic).filter(|c| *c != '#').collect()
        } else {
            percent_encoded(&text)
        }
    });
    let name = prop_oneof![
        6 => select(NAMES.to_vec()).prop_map(str::to_owned),
        1 => Just(MARKER.to_owned()),
        1 => Just(String::new()),
    ];
    fuzz(&(any::<Index>(), vec((name, encoded), 0..4), any::<bool>()), |(at, pairs, keep)| {
        let mut sample = house.any(at);
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
        1 => any_text().prop_map(|text| percent_encoded(&text)),
        1 => select(vec!["", ".", "..", "%2e%2e", "%2F", "%3F", "%00", "%", "%ff", "{id}", "*"]).prop_map(str::to_owned),
    ];
    fuzz(&(any::<Index>(), any::<Index>(), segment, any::<bool>()), |(at, place, segment, add)| {
        let mut sample = house.any(at);
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
        let mut sample = house.any(at);
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
