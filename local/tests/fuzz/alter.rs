//! JSON with anything in any place.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::MARKER;

/// What one place of a JSON value becomes.
#[derive(Debug, Clone)]
pub enum Change {
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

pub fn any_text() -> impl Strategy<Value = String> {
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

pub fn any_change() -> impl Strategy<Value = Change> {
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
pub fn altered(mut value: Value, changes: &[(Index, Change)]) -> String {
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
