//! What all operations have in common: parameters, headers, problems.
#![allow(
    clippy::indexing_slicing,
    reason = "a test alone runs this; a member of a JSON object is made where it is missing"
)]

use serde_json::{Map, Value, json};

use super::schema::{example, id, in_query, integer, one_of, pattern, says, text};

/// Codes of wrong fields and parameters.
const WRONG: [&str; 11] = [
    "required",
    "wrong_type",
    "invalid_value",
    "out_of_range",
    "too_long",
    "too_short",
    "too_deep",
    "immutable",
    "unknown_field",
    "unknown_parameter",
    "repeated_parameter",
];

pub fn parameters() -> Value {
    const TAGS: &str = r#"^(W/)?"[!#-~]*"(, (W/)?"[!#-~]*")*$"#;
    let tags = || json!({"anyOf": [one_of(&["*"]), pattern(TAGS)]});
    let named = [
        (
            "Idempotency-Key",
            pattern("^[!-~]{1,255}$"),
            "Names the request, so that it happens once.",
        ),
        ("If-Match", tags(), "Which versions may be changed: `*`, or quoted tags."),
        ("If-None-Match", tags(), "Which versions the caller has: `*`, or quoted tags."),
        (
            "x-emergency-reason",
            pattern("^[!-~]([ -~]{0,198}[!-~])?$"),
            "Why another location's record is opened; needs the scope `encounters:emergency`.",
        ),
        ("x-location-id", id(), "One of the user's locations; without it the first."),
        (
            "x-request-id",
            json!({"type": "string"}),
            "Comes back where it is 1 to 128 of `[A-Za-z0-9._-]`; any other is replaced.",
        ),
    ];
    let parameter = |(name, schema, description): (&str, Value, &str)| {
        let mut parameter = in_query(name, &schema);
        parameter["in"] = json!("header");
        parameter["description"] = json!(description);
        (name.to_owned(), parameter)
    };
    Value::Object(named.into_iter().map(parameter).collect())
}

pub fn headers() -> Value {
    let text = || json!({"type": "string"});
    let named = [
        ("x-request-id", pattern("^[A-Za-z0-9._-]{1,128}$"), true, "The request's id."),
        ("Server-Timing", text(), true, "How long it took, and what it cost the storage."),
        (
            "RateLimit-Policy",
            pattern(r#"^"default";q=[0-9]+;w=60$"#),
            false,
            "Requests in a minute.",
        ),
        ("RateLimit", pattern(r#"^"default";r=[0-9]+;t=[0-9]+$"#), false, "What is left of them."),
        ("ETag", pattern(r#"^(W/)?"[!#-~]*"$"#), true, "The version."),
        ("Location", pattern("^/"), true, "Where it can be read."),
        ("Link", pattern(r#"^<.*>; rel="next"$"#), false, "The next page, where there is one."),
        ("Retry-After", integer(0, 60), false, "Seconds."),
        ("Idempotency-Replayed", one_of(&["true"]), false, "It was answered before."),
        ("WWW-Authenticate", text(), true, "What may be sent."),
        ("Allow", text(), true, "The path's methods."),
        ("Cache-Control", text(), true, "How long it may be kept."),
        ("Vary", text(), true, "What the form depends on."),
        ("Content-Security-Policy", text(), true, "What the page may load: its own files."),
    ];
    let header = |(name, schema, required, description): (&str, Value, bool, &str)| {
        let header = json!({"schema": schema, "required": required, "description": description});
        (name.to_owned(), header)
    };
    Value::Object(named.into_iter().map(header).collect())
}

pub fn schemas() -> Map<String, Value> {
    let place = |of: &str| says(text(200), of);
    let error = json!({
        "type": "object",
        "properties": {
            "pointer": says(json!({"type": "string"}), "A JSON Pointer (RFC 6901) into the body."),
            "parameter": says(json!({"type": "string"}), "Of the query; empty for one that isn't known."),
            "header": place("A header's name."),
            "code": one_of(&WRONG),
            "detail": {"type": "string"},
        },
        "required": ["code", "detail"],
        "oneOf": [{"required": ["pointer"]}, {"required": ["parameter"]}, {"required": ["header"]}],
    });
    let problem_schema = json!({
        "type": "object",
        "properties": {
            "type": {"const": "about:blank"},
            "title": {"type": "string"},
            "status": integer(400, 599),
            "detail": says(json!({"type": "string"}), "For people."),
            "code": says(json!({"type": "string"}), "For programs."),
            "request_id": {"type": "string"},
            "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldError"}, "maxItems": 100},
            "errors_truncated": says(json!({"const": true}), "There are more than are listed."),
            "missing": says(json!({"type": "array", "items": integer(0, 10_000), "maxItems": 100}), "The first segments that haven't come, of `segments_missing`."),
        },
        "required": ["type", "title", "status", "detail", "code", "request_id"],
    });
    let error_example = json!({"pointer": "/store/lat", "code": "out_of_range", "detail": "This is outside the allowed range."});
    let mut schemas = Map::new();
    schemas.insert("Problem".to_owned(), example(problem_schema, problem(404, &["not_found"])));
    let nothing = json!({"type": "object", "additionalProperties": false});
    schemas.insert("Nothing".to_owned(), example(nothing, json!({})));
    schemas.insert("FieldError".to_owned(), example(error, error_example));
    schemas
}

/// What a refusal looks like.
pub fn problem(status: u16, codes: &[&'static str]) -> Value {
    let title =
        http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let mut problem = json!({
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": "What is wrong, for people.",
        "code": codes.first(),
        "request_id": "01a20257-570f-77d5-87ab-4f8df0b9f405",
    });
    if codes.first() == Some(&"validation_failed") {
        problem["detail"] = json!("Some fields are wrong; errors names each.");
        problem["errors"] = json!([{"parameter": "limit", "code": "out_of_range", "detail": "This is outside the allowed range."}]);
    }
    problem
}
