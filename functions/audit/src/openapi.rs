//! What the audit says of itself.

use serde_json::{Value, json};
use shared::audit::{Access, ItemType};
use shared::auth::Scope;
use shared::fields::Members;
use shared::openapi::schema::{
    answer, body, cursor, example, id, in_path, in_query, integer, nullable, one_of, paging,
    pattern, says, text,
};
use shared::openapi::{Answer, Body, Description, Operation, Who};

use crate::list::{PARAMETERS_OF_PATIENTS, SHOWN};
use crate::verify::Verified;

const READ: Who = Who::Any(&[Scope::AuditRead]);

fn ms() -> Value {
    integer(0, (1 << 48) - 1)
}

fn hash() -> Value {
    pattern("^[0-9a-f]{64}$")
}

fn filters() -> Vec<(&'static str, Value)> {
    vec![
        ("start_ms", says(ms(), "Milliseconds since 1970; inclusive, as the end is.")),
        ("end_ms", says(ms(), "Not before `start_ms`.")),
        ("username", text(64)),
        ("item_id", id()),
        ("patient_id", says(text(128), "Of encounters alone.")),
        ("access_type", one_of(&Access::NAMES)),
    ]
}

/// An entry as it is answered. A row that somebody else put may lack any of it.
fn entry() -> Value {
    let words = |words: &[&str]| nullable(one_of(words));
    let known = |name: &str| match name {
        "timestamp_epoch_ms" => nullable(integer(0, (1 << 53) - 1)),
        "access_type" => words(&Access::NAMES),
        "outcome" => words(&["success", "denied", "not_found", "emergency"]),
        "changed" => json!({"type": ["array", "null"], "items": {"type": "string"}}),
        _ => json!({"type": ["string", "null"]}),
    };
    let mut properties: serde_json::Map<_, _> =
        SHOWN.iter().map(|name| ((*name).to_owned(), known(name))).collect();
    for (name, schema) in [
        ("reason", says(json!({"type": "string"}), "Why, of an emergency.")),
        (
            "sequence",
            says(integer(1, i64::MAX), "Its place in the item's chain, once it is sealed."),
        ),
        (
            "previous_hash",
            says(json!({"type": "string"}), "Of the entry before, once it is sealed."),
        ),
        ("hash", says(hash(), "Once it is sealed.")),
    ] {
        properties.insert(name.to_owned(), schema);
    }
    json!({"type": "object", "properties": properties, "required": SHOWN})
}

fn schemas() -> Vec<(&'static str, Value)> {
    let shown = json!({
        "id": "01a20257-4f13-7000-8abb-10196065276f",
        "timestamp_epoch_ms": 1_772_443_800_000_u64,
        "username": "ada",
        "user_id": "01a20257-0000-7000-8abb-10196065276f",
        "service": null,
        "location_id": "00000000-0000-7000-8000-000000000000",
        "item_type": "coupons",
        "item_id": "01a20257-4f12-7000-8abb-10196065276f",
        "access_type": "create",
        "outcome": "success",
        "changed": ["couponcode", "title"],
        "request_id": "01a20257-570f-77d5-87ab-4f8df0b9f405",
        "source_ip": "203.0.113.7",
    });
    let mut search = filters();
    search.push(("limit", integer(1, 100)));
    search.push(("cursor", cursor()));
    vec![
        ("AuditEntry", example(entry(), shown)),
        (
            "AuditSearch",
            example(
                body(Members { writable: PARAMETERS_OF_PATIENTS, read_only: &[] }, &[], &search),
                json!({"patient_id": "p-1001", "limit": 20}),
            ),
        ),
        (
            "Verification",
            example(
                answer::<Verified>(&[("head_hash", hash())]),
                json!({"verified": true, "entries": 3, "sealed": 3, "pending": 0,
                       "head_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                       "first_bad_sequence": null}),
            ),
        ),
    ]
}

pub fn description() -> Description {
    let of = || in_path("item_type", &one_of(&ItemType::ALL.map(ItemType::name)));
    let asked = filters().into_iter().map(|(name, schema)| in_query(name, &schema));
    let from = says(integer(1, 1 << 53), "Where a part begins: `next_sequence` of the one before.");
    let operations = vec![
        Operation {
            more: "Oldest first. Entries of encounters and payoffs: of the caller's location alone.",
            parameters: std::iter::once(of()).chain(asked).chain(paging(20)).collect(),
            answers: vec![Answer::page("AuditEntry")],
            ..Operation::new("GET", "/audit/{item_type}", "Lists entries of a type.", READ)
        },
        Operation {
            more: "The list's question as a body, so that no patient stands in a URL.",
            body: Body::optional("AuditSearch"),
            answers: vec![Answer::page_of_search("AuditEntry")],
            ..Operation::new(
                "POST",
                "/audit/encounters/search",
                "Searches entries of encounters.",
                READ,
            )
        },
        Operation {
            more: "More than 20,000 entries are verified in parts.",
            parameters: vec![of(), in_path("item_id", &id()), in_query("from_sequence", &from)],
            answers: vec![Answer::ok("Verification")],
            ..Operation::new(
                "GET",
                "/audit/{item_type}/{item_id}/verification",
                "Proves that an item's entries are as they were sealed.",
                READ,
            )
        },
    ];
    Description {
        name: "audit",
        says: "Who did what, signed and sealed into a chain for each item.",
        operations,
        schemas: schemas(),
    }
}
