//! The vocabulary of schemas: what `values` parses, as JSON Schema 2020-12 says it.
#![allow(
    clippy::indexing_slicing,
    reason = "a test alone runs this; a member of a JSON object is made where it is missing"
)]

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::fields::Members;

/// One line of 1 to `most` characters, none a control character: `values::text`.
pub fn text(most: usize) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": most, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$"})
}

/// The same with line breaks: `values::lines`.
pub fn lines(most: usize) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": most, "pattern": r"^[^\u0000-\u0009\u000b\u000c\u000e-\u001f\u007f-\u009f]+$"})
}

/// Text of a form.
pub fn pattern(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

pub fn integer(least: i64, most: i64) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": most})
}

pub fn number(least: f64, most: f64) -> Value {
    json!({"type": "number", "minimum": least, "maximum": most})
}

pub fn boolean() -> Value {
    json!({"type": "boolean"})
}

/// A decimal number as `values::decimal` takes it.
pub fn decimal(whole_digits: usize, decimals: usize) -> Value {
    let most = whole_digits - 1;
    pattern(&format!(r"^(0|[1-9][0-9]{{0,{most}}})(\.[0-9]{{1,{decimals}}})?$"))
}

/// 0 to 100.
pub fn percentage(decimals: usize) -> Value {
    pattern(&format!(r"^(100(\.0{{1,{decimals}}})?|[1-9]?[0-9](\.[0-9]{{1,{decimals}}})?)$"))
}

/// RFC 3339 with an offset; it goes out as UTC with milliseconds.
pub fn timestamp() -> Value {
    json!({"type": "string", "format": "date-time"})
}

pub fn date() -> Value {
    json!({"type": "string", "format": "date"})
}

pub fn id() -> Value {
    json!({"type": "string", "format": "uuid"})
}

pub fn one_of(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

pub fn list(items: &Value, least: usize, most: usize) -> Value {
    json!({"type": "array", "items": items, "minItems": least, "maxItems": most})
}

/// Or null.
pub fn nullable(mut schema: Value) -> Value {
    match schema.get("type").cloned() {
        Some(kind) if schema.get("enum").is_none() => {
            schema["type"] = json!([kind, "null"]);
            schema
        }
        _ => json!({"anyOf": [schema, {"type": "null"}]}),
    }
}

#[must_use]
pub fn says(mut schema: Value, description: &str) -> Value {
    schema["description"] = json!(description);
    schema
}

#[must_use]
pub fn by_default(mut schema: Value, value: impl Into<Value>) -> Value {
    schema["default"] = value.into();
    schema
}

#[must_use]
pub fn example(mut schema: Value, example: Value) -> Value {
    schema["examples"] = Value::Array(vec![example]);
    schema
}

/// A request's object: just the members that it may name, those that aren't needed null too. What
/// is read only is taken and ignored.
///
/// # Panics
/// Where `properties` are not those that can be written.
pub fn body(members: Members, required: &[&str], properties: &[(&str, Value)]) -> Value {
    let mut stated: Vec<_> = properties.iter().map(|(name, _)| *name).collect();
    let mut written = members.writable.to_vec();
    stated.sort_unstable();
    written.sort_unstable();
    assert_eq!(stated, written, "the schema's members and those that can be written");
    let mut object = Map::new();
    for (name, schema) in properties {
        let needed = required.contains(name);
        let schema = if needed { schema.clone() } else { nullable(schema.clone()) };
        object.insert((*name).to_owned(), schema);
    }
    for name in members.read_only {
        object.insert(
            (*name).to_owned(),
            json!({"readOnly": true, "description": "Read only: taken and ignored."}),
        );
    }
    let mut body = json!({"type": "object", "properties": object, "additionalProperties": false});
    if !required.is_empty() {
        body["required"] = json!(required);
    }
    body
}

/// A merge patch (RFC 7396) of an object: nothing need be named, and what the object needs can't be
/// taken away by a null.
pub fn patch(members: Members, needed: &[&str], properties: &[(&str, Value)]) -> Value {
    let mut patch = body(members, needed, properties);
    let within = patch["properties"].as_object().cloned().unwrap_or_default();
    for name in within.keys() {
        drop_needs(&mut patch["properties"][name]);
    }
    drop_needs(&mut patch);
    patch
}

/// What an object needs may be there already.
fn drop_needs(object: &mut Value) {
    if let Some(object) = object.as_object_mut().filter(|object| object.contains_key("properties"))
    {
        object
            .retain(|name, _| !["required", "oneOf", "dependentRequired"].contains(&name.as_str()));
    }
}

/// An answer's object as its type has it, with what more is known of some members: `store/lat` is
/// one of an object within it. Which members must be there follows from the type.
///
/// # Panics
/// Where the type has no such member.
pub fn answer<T: ToSchema>(known: &[(&str, Value)]) -> Value {
    let mut schemas = Vec::new();
    T::schemas(&mut schemas);
    let schemas: Map<String, Value> =
        schemas.into_iter().map(|(name, schema)| (name, json(&schema))).collect();
    let mut schema = whole(json(&T::schema()), &schemas);
    for (path, more) in known {
        let mut at = &mut schema;
        for step in path.split('/') {
            at = inner(at)
                .and_then(|object| object.get_mut("properties"))
                .and_then(|properties| properties.get_mut(step))
                .unwrap_or_else(|| panic!("{} has no member {path}", T::name()));
        }
        refine(at, more.clone());
    }
    schema
}

/// Says more of a member, and keeps that it may be null.
fn refine(schema: &mut Value, more: Value) {
    let may_be_null = schema["type"].as_array().is_some_and(|types| types.contains(&json!("null")))
        || schema["oneOf"].as_array().is_some_and(|of| of.contains(&json!({"type": "null"})));
    *schema = if may_be_null { nullable(more) } else { more };
}

/// The object in an array, or beside null.
fn inner(schema: &mut Value) -> Option<&mut Value> {
    if schema.get("properties").is_some() {
        return Some(schema);
    }
    if schema.get("items").is_some() {
        return schema.get_mut("items").and_then(inner);
    }
    schema.get_mut("oneOf")?.as_array_mut()?.iter_mut().find_map(inner)
}

fn json(schema: &RefOr<Schema>) -> Value {
    serde_json::to_value(schema).unwrap_or_default()
}

/// With every reference in its place, and flattened objects in one.
fn whole(schema: Value, schemas: &Map<String, Value>) -> Value {
    match schema {
        Value::Object(mut object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                let name = reference.rsplit('/').next().unwrap_or_default().to_owned();
                // One that stands for itself has a name of its own in the document.
                let own = schemas.get(&name).filter(|schema| schema.get("$ref").is_none());
                return own.map_or(Value::Object(object), |own| whole(own.clone(), schemas));
            }
            if let Some(Value::Array(parts)) = object.remove("allOf") {
                return one(parts.into_iter().map(|part| whole(part, schemas)));
            }
            // Comments are for who reads the code.
            object.retain(|name, value| name != "description" || !value.is_string());
            object.into_iter().map(|(name, value)| (name, whole(value, schemas))).collect()
        }
        Value::Array(values) => {
            Value::Array(values.into_iter().map(|value| whole(value, schemas)).collect())
        }
        other => other,
    }
}

/// Objects that are written as one.
fn one(parts: impl Iterator<Item = Value>) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for part in parts {
        if let Some(Value::Object(more)) = part.get("properties").cloned() {
            properties.extend(more);
        }
        if let Some(Value::Array(more)) = part.get("required").cloned() {
            required.extend(more);
        }
    }
    json!({"type": "object", "properties": properties, "required": required})
}

/// A part of the path.
pub fn in_path(name: &str, schema: &Value) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": schema})
}

pub fn in_query(name: &str, schema: &Value) -> Value {
    json!({"name": name, "in": "query", "schema": schema})
}

/// The same where the list needs it.
pub fn needed_in_query(name: &str, schema: &Value) -> Value {
    let mut parameter = in_query(name, schema);
    parameter["required"] = json!(true);
    parameter
}

/// Which page of a list: `usual` items where `limit` says nothing.
pub fn paging(usual: u32) -> [Value; 2] {
    [in_query("limit", &by_default(integer(1, 100), usual)), in_query("cursor", &cursor())]
}

pub fn cursor() -> Value {
    says(json!({"type": "string"}), "`next_cursor` of the page before, as it came.")
}

/// The body of an import of rows with this schema. A row of another form is no wrong request: the
/// answer says what is wrong with it.
pub fn import(row: &str) -> Value {
    let row = json!({"anyOf": [{"$ref": format!("#/components/schemas/{row}")}, {}]});
    json!({
        "type": "object",
        "properties": {
            "items": list(&row, 0, 1_000),
            "dry_run": by_default(nullable(boolean()), false),
        },
        "required": ["items"],
        "additionalProperties": false,
    })
}

/// What an import answers.
pub fn imported() -> Value {
    let failed = json!({
        "type": "object",
        "properties": {
            "index": integer(0, 999),
            "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldError"}},
        },
        "required": ["index", "errors"],
    });
    let imported = json!({
        "type": "object",
        "properties": {
            "imported": integer(0, 1_000),
            "unchanged": integer(0, 1_000),
            "failed": list(&failed, 0, 1_000),
            "errors_truncated": {"const": true},
        },
        "required": ["imported", "unchanged", "failed"],
    });
    example(imported, json!({"imported": 2, "unchanged": 1, "failed": []}))
}

/// The schemas of the values that many types hold.
macro_rules! value {
    ($type:ty, $schema:expr) => {
        impl utoipa::PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                serde_json::from_value($schema)
                    .unwrap_or_else(|_| RefOr::T(utoipa::openapi::schema::empty()))
            }
        }

        impl ToSchema for $type {}
    };
}

value!(crate::values::Timestamp, timestamp());
value!(crate::values::Date, date());
value!(
    crate::auth::Scopes,
    json!({"type": "array", "items": one_of(&crate::auth::Scope::NAMES), "maxItems": 13})
);
