use serde_json::{Value, json};

use super::*;

fn process(level: Level, metrics: bool) -> Process {
    Process {
        service: "coupons".to_owned(),
        environment: "prod".to_owned(),
        level,
        metrics,
        tags: String::new(),
    }
}

fn request(status: u16, caller: &Named) -> Request<'_> {
    Request {
        method: "GET",
        route: "/coupons/{id}",
        coupon_id: Some(Uuid::nil()),
        status,
        code: if status < 400 { "" } else { "some_code" },
        caller,
        duration_ms: 1.5,
        calls: 2,
        read_units: 0.5,
        write_units: 0.0,
    }
}

fn parsed(line: Option<String>) -> Value {
    line.and_then(|line| serde_json::from_str(&line).ok()).unwrap_or_default()
}

#[test]
fn one_line_is_both_log_and_metrics() {
    let caller = Named { username: "ada".to_owned(), ..Named::default() };
    let mut line = parsed(request(200, &caller).line(&process(Level::INFO, true), true));
    let object = line.as_object_mut();
    let taken: Vec<_> = object.into_iter().filter_map(|line| line.remove("timestamp")).collect();
    assert!(taken.iter().all(Value::is_string) && taken.len() == 1);
    let at = line.pointer_mut("/_aws/Timestamp").map(Value::take);
    assert!(at.is_some_and(|at| at.is_i64()));
    assert_eq!(
        line,
        json!({
            "level": "INFO", "message": "request", "cold_start": true, "method": "GET",
            "route": "/coupons/{id}", "coupon_id": "00000000-0000-0000-0000-000000000000",
            "status": 200, "code": "", "username": "ada", "duration_ms": 1.5, "calls": 2,
            "read_units": 0.5, "write_units": 0.0,
            "_aws": {"Timestamp": null, "CloudWatchMetrics": [{
                "Namespace": "Quartet",
                "Dimensions": [["Environment", "Service", "Route"], ["Environment", "Service"]],
                "Metrics": [
                    {"Name": "Requests", "Unit": "Count"},
                    {"Name": "Latency", "Unit": "Milliseconds"},
                    {"Name": "ColdStarts", "Unit": "Count"},
                    {"Name": "ReadUnits", "Unit": "Count"},
                ],
            }]},
            "Environment": "prod", "Service": "coupons", "Route": "GET /coupons/{id}",
            "Requests": 1.0, "Latency": 1.5, "ColdStarts": 1.0, "ReadUnits": 0.5,
        })
    );
}

#[test]
fn each_status_counts_where_it_belongs() {
    let caller = Named::default();
    for (status, counted) in [
        (200, vec![]),
        (304, vec![]),
        (401, vec!["ClientErrors", "Unauthenticated"]),
        (429, vec!["ClientErrors"]),
        (500, vec!["Errors"]),
        (503, vec!["Errors"]),
    ] {
        let line = parsed(request(status, &caller).line(&process(Level::INFO, true), false));
        let given = ["ClientErrors", "Errors", "Unauthenticated", "ColdStarts"];
        let found: Vec<_> = given.into_iter().filter(|name| line.get(name).is_some()).collect();
        let mut expected = counted;
        expected.sort_unstable();
        let mut found = found;
        found.sort_unstable();
        assert_eq!(found, expected, "{status}");
    }
}

#[test]
fn metrics_go_out_at_any_level_and_only_where_they_are_wanted() {
    let caller = Named::default();
    let quiet = parsed(request(500, &caller).line(&process(Level::ERROR, true), false));
    assert_eq!(quiet.get("Errors"), Some(&json!(1.0)));
    assert_eq!(quiet.get("message"), None);
    assert_eq!(request(200, &caller).line(&process(Level::ERROR, false), false), None);
    let plain = parsed(request(200, &caller).line(&process(Level::INFO, false), false));
    assert_eq!(plain.get("message"), Some(&json!("request")));
    assert_eq!(plain.get("_aws"), None);
}

#[test]
fn what_no_route_answers_makes_no_metric_of_its_own() {
    let caller = Named::default();
    let nowhere = Request { route: "", coupon_id: None, ..request(404, &caller) };
    let line = parsed(nowhere.line(&process(Level::INFO, true), false));
    assert_eq!(line.get("Route"), Some(&json!("unmatched")));
}

#[test]
fn a_worker_counts_calls_and_failures() {
    let work = Work { worker: "audit-seal", failed: "storage_unavailable", duration_ms: 7.0 };
    let line = parsed(work.line(&process(Level::INFO, true), false));
    assert_eq!(line.get("level"), Some(&json!("ERROR")));
    assert_eq!(line.get("failed"), Some(&json!("storage_unavailable")));
    let dimensions = line.pointer("/_aws/CloudWatchMetrics/0/Dimensions");
    assert_eq!(dimensions, Some(&json!([["Environment", "Service"]])));
    for (name, value) in [("Calls", 1.0), ("Failures", 1.0), ("Duration", 7.0)] {
        assert_eq!(line.get(name), Some(&json!(value)), "{name}");
    }
    let work = Work { failed: "", ..work };
    let line = parsed(work.line(&process(Level::INFO, true), false));
    assert_eq!((line.get("message"), line.get("Failures")), (None, None));
}

#[test]
fn what_an_alarm_counts_is_the_environment_s_alone() {
    let line = parsed(counted(&process(Level::ERROR, true), "AuditTampering", 3));
    assert_eq!(
        line.pointer("/_aws/CloudWatchMetrics/0"),
        Some(&json!({
            "Namespace": "Quartet", "Dimensions": [["Environment"]],
            "Metrics": [{"Name": "AuditTampering", "Unit": "Count"}],
        }))
    );
    let members = ["Environment", "Service", "AuditTampering"].map(|name| line.get(name).cloned());
    assert_eq!(members, [Some(json!("prod")), None, Some(json!(3.0))]);
    assert_eq!(counted(&process(Level::INFO, false), "AuditTampering", 3), None);
}
