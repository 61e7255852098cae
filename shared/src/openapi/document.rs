//! The whole document, of what each function states and of what follows from that.
#![allow(
    clippy::indexing_slicing,
    reason = "a test alone runs this; a member of a JSON object is made where it is missing"
)]

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::common;
use super::{Answer, Content, Description, Header, Operation, Who};
use crate::auth::Scope;

/// The headers by which a caller shows who it is.
const CREDENTIALS: [&str; 4] = ["apiKey", "userToken", "bearer", "adminToken"];

/// Of every answer.
const HEADERS: [&str; 4] = ["x-request-id", "Server-Timing", "RateLimit-Policy", "RateLimit"];

/// OpenAPI 3.1.
pub fn document(version: &str, described: &[Description]) -> Value {
    let mut schemas = common::schemas();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for of in described {
        schemas
            .extend(of.schemas.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())));
    }
    let mut responses = Map::new();
    for of in described {
        for operation in &of.operations {
            let stated = stated(operation, of.name, &schemas, &mut responses);
            paths
                .entry(operation.path)
                .or_default()
                .insert(operation.method.to_lowercase(), stated);
        }
    }
    let tags: Vec<_> =
        described.iter().map(|of| json!({"name": of.name, "description": of.says})).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Quartet",
            "version": version,
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses,
            "headers": common::headers(),
            "parameters": common::parameters(),
            "securitySchemes": {
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "A user's key."},
                "userToken": {"type": "apiKey", "in": "header", "name": "x-user-token", "description": "A user's key, under another name."},
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A service's token that names a user, or the identity provider's token of one."},
                "adminToken": {"type": "apiKey", "in": "header", "name": "x-admin-token", "description": "The administrator's."},
            },
        },
    })
}

const ABOUT: &str = "\
Timestamps come in as RFC 3339 with an offset and go out as UTC with milliseconds; money and rates are \
decimal strings. A null counts as absent. Members that are read only are taken and ignored, so that \
what was read can be sent back; others that aren't known are refused.\n\n\
Every refusal is a problem (RFC 9457) whose `code` a program can go by; `errors` names every wrong \
field. Send one credential. Lists go on at `next_cursor` until it is null; a page may be short, even \
empty, before that. A POST that is sent again with its `Idempotency-Key` happens once, for 24 hours.";

/// `shared`: refusals, which many operations have in common, by name.
fn stated(
    operation: &Operation,
    tag: &str,
    schemas: &Map<String, Value>,
    shared: &mut Map<String, Value>,
) -> Value {
    let Operation { method, path, says, more, who, headers, body, .. } = operation;
    let mut parameters = operation.parameters.clone();
    let own = headers.iter().map(|header| header.parameter());
    parameters.extend(
        own.chain(["x-location-id", "x-request-id"])
            .map(|name| json!({"$ref": format!("#/components/parameters/{name}")})),
    );
    let mut stated = json!({
        "tags": [tag],
        "operationId": operation_id(method, path),
        "summary": says,
        "security": who.security(),
        "parameters": parameters,
    });
    let more: Vec<_> = [*more, &who.says()]
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .collect();
    if !more.is_empty() {
        stated["description"] = json!(more.join(" "));
    }
    if let Some(body) = body {
        let mut kinds = vec!["application/json"];
        if *method == "PATCH" {
            kinds.push("application/merge-patch+json");
        }
        let content: Map<String, Value> = kinds
            .into_iter()
            .map(|kind| (kind.to_owned(), shown(&Content::One(body.schema), schemas)))
            .collect();
        stated["requestBody"] = json!({"required": body.required, "content": content});
    }
    let mut responses = Map::new();
    for answer in &operation.answers {
        responses.insert(answer.status.to_string(), answered(answer, schemas));
    }
    for (status, codes) in refusals(operation) {
        let name = name_of(status, &codes, operation.is_fhir);
        let reference = json!({"$ref": format!("#/components/responses/{name}")});
        shared.entry(name).or_insert_with(|| refused(status, &codes, operation.is_fhir));
        responses.entry(status.to_string()).or_insert(reference);
    }
    stated["responses"] = Value::Object(responses);
    stated
}

/// `POST /coupons/{id}/redemptions` is `post_coupons_id_redemptions`.
fn operation_id(method: &str, path: &str) -> String {
    let steps = path.split(['/', '{', '}', '.', '-']).filter(|step| !step.is_empty());
    std::iter::once(method.to_lowercase())
        .chain(steps.map(str::to_owned))
        .collect::<Vec<_>>()
        .join("_")
}

/// Which codes each status can have: those of the operation, and those that its parts bring.
fn refusals(operation: &Operation) -> BTreeMap<u16, Vec<&'static str>> {
    let has = |header| operation.headers.contains(&header);
    let is_page = |(_, content): &(_, Content)| {
        matches!(content, Content::Page(_) | Content::PageOfDataset(_))
    };
    let is_list = operation.answers.iter().any(|answer| answer.content.iter().any(is_page))
        || operation.parameters.iter().any(|parameter| parameter["name"] == "cursor");
    let rules = [
        (400, "validation_failed", true),
        (400, "ambiguous_credentials", true),
        (400, "malformed_json", operation.body.is_some()),
        (400, "invalid_cursor", is_list),
        (401, "unauthenticated", true),
        (403, "forbidden", true),
        (404, "not_found", operation.path.contains('{')),
        (409, "idempotency_in_progress", has(Header::IdempotencyKey)),
        (412, "version_mismatch", has(Header::IfMatch)),
        (413, "payload_too_large", operation.body.is_some()),
        (415, "unsupported_media_type", operation.body.is_some()),
        (422, "idempotency_key_reused", has(Header::IdempotencyKey)),
        (429, "rate_limited", true),
        (500, "internal_error", true),
        (503, "storage_unavailable", true),
    ];
    let by_rule = rules.into_iter().filter(|(.., holds)| *holds);
    let by_rule = by_rule.map(|(status, code, _)| (status, code));
    let mut refusals: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
    for (status, code) in by_rule.chain(operation.refusals.iter().copied()) {
        refusals.entry(status).or_default().push(code);
    }
    refusals
}

/// `404-not_found`
fn name_of(status: u16, codes: &[&str], is_fhir: bool) -> String {
    let form = if is_fhir { "-fhir" } else { "" };
    format!("{status}-{}{form}", codes.join("-"))
}

fn refused(status: u16, codes: &[&'static str], is_fhir: bool) -> Value {
    let schema = json!({
        "allOf": [
            {"$ref": "#/components/schemas/Problem"},
            {"properties": {"status": {"const": status}, "code": {"enum": codes}}},
        ],
    });
    let mut content = json!({"application/problem+json": {"schema": schema, "example": common::problem(status, codes)}});
    if is_fhir {
        content["application/fhir+json"] =
            json!({"schema": {"$ref": "#/components/schemas/OperationOutcome"}});
    }
    let mut headers = HEADERS.to_vec();
    match status {
        401 => headers.push("WWW-Authenticate"),
        409 if codes.contains(&"idempotency_in_progress") => headers.push("Retry-After"),
        429 | 503 => headers.push("Retry-After"),
        _ => {}
    }
    let codes: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
    json!({"description": codes.join(", "), "headers": referred(&headers), "content": content})
}

fn answered(answer: &Answer, schemas: &Map<String, Value>) -> Value {
    let headers: Vec<_> = HEADERS.into_iter().chain(answer.headers.iter().copied()).collect();
    let content: Map<String, Value> = answer
        .content
        .iter()
        .map(|(kind, content)| ((*kind).to_owned(), shown(content, schemas)))
        .collect();
    let mut answered = json!({"description": answer.says, "headers": referred(&headers)});
    if !content.is_empty() {
        answered["content"] = Value::Object(content);
    }
    answered
}

fn referred(headers: &[&str]) -> Value {
    let header =
        |name: &&str| ((*name).to_owned(), json!({"$ref": format!("#/components/headers/{name}")}));
    Value::Object(headers.iter().map(header).collect())
}

/// # Panics
/// Where a schema isn't there or has no example.
fn shown(content: &Content, schemas: &Map<String, Value>) -> Value {
    let one = |name: &str| {
        let schema = schemas.get(name).unwrap_or_else(|| panic!("no schema {name}"));
        let example = schema.pointer("/examples/0").cloned();
        let example = example.unwrap_or_else(|| panic!("{name} has no example"));
        (json!({"$ref": format!("#/components/schemas/{name}")}), example)
    };
    let page = |name: &str| {
        let (schema, example) = one(name);
        let schema = json!({
            "type": "object",
            "properties": {
                "items": {"type": "array", "items": schema, "maxItems": 100},
                "next_cursor": {"type": ["string", "null"]},
            },
            "required": ["items", "next_cursor"],
        });
        (schema, json!({"items": [example], "next_cursor": null}))
    };
    let (schema, example) = match content {
        Content::One(name) => one(name),
        Content::Page(name) => page(name),
        Content::PageOfDataset(name) => {
            let (mut schema, mut example) = page(name);
            let dataset = example["items"][0].as_object_mut().and_then(|row| row.remove("dataset"));
            example["dataset"] = dataset.unwrap_or_default();
            schema["properties"]["dataset"] = json!({"$ref": "#/components/schemas/Dataset"});
            schema["required"] = json!(["items", "next_cursor", "dataset"]);
            (schema, example)
        }
        Content::Is(schema) => return json!({"schema": schema}),
    };
    json!({"schema": schema, "example": example})
}

impl Who {
    /// Any one of these. What anyone may call may be called with a credential, too.
    fn security(self) -> Value {
        let users = CREDENTIALS.into_iter().filter(|name| *name != "adminToken");
        let names: Vec<_> = match self {
            Self::User | Self::Any(_) => users.collect(),
            Self::Admin => vec!["adminToken"],
            Self::Anyone | Self::Known | Self::AdminOr(_) => CREDENTIALS.to_vec(),
        };
        let mut security: Vec<_> = names.into_iter().map(|name| json!({name: []})).collect();
        if matches!(self, Self::Anyone) {
            security.insert(0, json!({}));
        }
        Value::Array(security)
    }

    fn says(self) -> String {
        let named = |scopes: &[Scope]| {
            let names: Vec<_> = scopes.iter().map(|scope| format!("`{}`", scope.name())).collect();
            names.join(" or ")
        };
        match self {
            Self::Anyone => String::new(),
            Self::Known => "Any credential.".to_owned(),
            Self::User => "Any user.".to_owned(),
            Self::Admin => "The administrator alone.".to_owned(),
            Self::Any(scopes) => format!("Scope {}.", named(scopes)),
            Self::AdminOr(scope) => format!("Scope {}, or the administrator.", named(&[scope])),
        }
    }
}

impl Header {
    fn parameter(self) -> &'static str {
        match self {
            Self::IdempotencyKey => "Idempotency-Key",
            Self::IfMatch => "If-Match",
            Self::IfNoneMatch => "If-None-Match",
            Self::EmergencyReason => "x-emergency-reason",
        }
    }
}
