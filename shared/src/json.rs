//! Bytes to a JSON document that keeps what the contract speaks of: the members' order, the
//! text of each number, and where each value stood. `serde_json` gives up at the first repeated
//! or ill-typed member, and a typed parser at the first wrong field.

use std::collections::{HashMap, HashSet};

use jiter::{Jiter, Peek};

/// RFC 8259, section 9, lets a parser limit the depth: levels of arrays and objects.
const MAX_DEPTH: usize = 128;

/// A value and the byte offsets where it began and ended.
#[derive(Clone, PartialEq)]
pub struct Node<'a> {
    pub at: u32,
    pub end: u32,
    pub value: Value<'a>,
}

#[derive(Clone, PartialEq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    /// The number as it was written: nothing is rounded before a field's own rule has seen it.
    Number(&'a str),
    String(String),
    Array(Vec<Node<'a>>),
    Object(Vec<(String, Node<'a>)>),
}

/// Not JSON, not UTF-8, a member twice in one object, or more than 128 levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl<'a> Node<'a> {
    const NULL: Self = Self { at: 0, end: 0, value: Value::Null };

    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut json = Jiter::new(bytes);
        let peek = json.peek().map_err(|_| Malformed)?;
        let node = value(&mut json, peek, 0)?;
        json.finish().map_err(|_| Malformed)?;
        Ok(node)
    }

    /// An object without members.
    pub fn empty() -> Self {
        Self { value: Value::Object(Vec::new()), ..Self::NULL }
    }

    /// A member of an object. A null counts as absent.
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Value::Object(members) = &self.value else {
            return None;
        };
        let (_, node) = members.iter().find(|(given, _)| given == name)?;
        (node.value != Value::Null).then_some(node)
    }

    /// JSON Merge Patch, RFC 7396. A null stays as a null instead of taking its member away, so
    /// that the validation that follows still sees which members the patch named; to it a null
    /// and an absent member are the same.
    #[must_use]
    pub fn merged_with(self, patch: Node<'a>) -> Node<'a> {
        self.merged(patch, true)
    }

    /// JSON Merge Patch, RFC 7396, to the letter: for values of any shape.
    #[must_use]
    pub fn patched_with(self, patch: Node<'a>) -> Node<'a> {
        self.merged(patch, false)
    }

    fn merged(self, patch: Node<'a>, keep_nulls: bool) -> Node<'a> {
        let Node { at, end, value: Value::Object(changes) } = patch else {
            return patch;
        };
        let old = match self.value {
            Value::Object(members) => members,
            _ => Vec::new(),
        };
        // By name: a patch may have as many members as a body can hold.
        let mut old: HashMap<_, _> =
            (0..).zip(old).map(|(at, (name, node))| (name, (at, node))).collect();
        let mut added = old.len();
        let mut place = || {
            added += 1;
            added - 1
        };
        for (name, change) in changes {
            let (at, node) = old.remove(&name).unwrap_or_else(|| (place(), Node::NULL));
            if change.value != Value::Null || keep_nulls {
                old.insert(name, (at, node.merged(change, keep_nulls)));
            }
        }
        let mut merged: Vec<_> = old.into_iter().collect();
        merged.sort_unstable_by_key(|(_, (at, _))| *at);
        let members = merged.into_iter().map(|(name, (_, node))| (name, node)).collect();
        Node { at, end, value: Value::Object(members) }
    }

    /// The value as JSON without spaces, every number as it was written.
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        self.write(&mut json);
        json
    }

    fn write(&self, json: &mut String) {
        // Writing a string as JSON can't fail.
        let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
        match &self.value {
            Value::Null => json.push_str("null"),
            Value::Bool(value) => json.push_str(if *value { "true" } else { "false" }),
            Value::Number(digits) => json.push_str(digits),
            Value::String(text) => json.push_str(&quoted(text)),
            Value::Array(items) => {
                json.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        json.push(',');
                    }
                    item.write(json);
                }
                json.push(']');
            }
            Value::Object(members) => {
                json.push('{');
                for (at, (name, item)) in members.iter().enumerate() {
                    if at > 0 {
                        json.push(',');
                    }
                    json.push_str(&quoted(name));
                    json.push(':');
                    item.write(json);
                }
                json.push('}');
            }
        }
    }

    /// How many levels of arrays and objects it has.
    pub fn depth(&self) -> usize {
        let deepest = match &self.value {
            Value::Array(items) => items.iter().map(Self::depth).max(),
            Value::Object(members) => members.iter().map(|(_, node)| node.depth()).max(),
            _ => return 0,
        };
        1 + deepest.unwrap_or(0)
    }
}

fn value<'a>(json: &mut Jiter<'a>, peek: Peek, depth: usize) -> Result<Node<'a>, Malformed> {
    let begin = json.current_index();
    let value = match peek {
        Peek::Null => json.known_null().map(|()| Value::Null).map_err(|_| Malformed)?,
        Peek::True | Peek::False => {
            json.known_bool(peek).map(Value::Bool).map_err(|_| Malformed)?
        }
        Peek::String => Value::String(json.known_str().map(str::to_owned).map_err(|_| Malformed)?),
        Peek::Array => Value::Array(array(json, depth + 1)?),
        Peek::Object => Value::Object(object(json, depth + 1)?),
        _ if peek.is_num() => {
            json.known_number_bytes(peek).map_err(|_| Malformed)?;
            let text = std::str::from_utf8(json.slice_to_current(begin)).map_err(|_| Malformed)?;
            Value::Number(text)
        }
        _ => return Err(Malformed),
    };
    Ok(Node { at: offset(begin), end: offset(json.current_index()), value })
}

/// Bodies are far below 4 GiB, and the smaller a node, the larger a body that fits in memory.
fn offset(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn array<'a>(json: &mut Jiter<'a>, depth: usize) -> Result<Vec<Node<'a>>, Malformed> {
    if depth > MAX_DEPTH {
        return Err(Malformed);
    }
    let mut items = Vec::new();
    let mut next = json.known_array().map_err(|_| Malformed)?;
    while let Some(peek) = next {
        items.push(value(json, peek, depth)?);
        next = json.array_step().map_err(|_| Malformed)?;
    }
    items.shrink_to_fit();
    Ok(items)
}

type Members<'a> = Vec<(String, Node<'a>)>;

fn object<'a>(json: &mut Jiter<'a>, depth: usize) -> Result<Members<'a>, Malformed> {
    if depth > MAX_DEPTH {
        return Err(Malformed);
    }
    let mut members = Vec::new();
    let mut next = json.known_object().map_err(|_| Malformed)?.map(str::to_owned);
    while let Some(name) = next {
        let peek = json.peek().map_err(|_| Malformed)?;
        members.push((name, value(json, peek, depth)?));
        next = json.next_key().map_err(|_| Malformed)?.map(str::to_owned);
    }
    let mut names = HashSet::with_capacity(members.len());
    let is_unique = members.iter().all(|(name, _)| names.insert(name.as_str()));
    if is_unique { Ok(members) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parses(text: &str) -> bool {
        Node::parse(text.as_bytes()).is_ok()
    }

    #[test]
    fn a_hundred_and_twenty_eight_levels_are_the_most() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parses(&nested(128)));
        assert!(!parses(&nested(129)));
        assert!(!parses(&"[".repeat(10_000)));
        let objects = |n: usize| format!("{}1{}", r#"{"a":"#.repeat(n), "}".repeat(n));
        assert!(parses(&objects(128)));
        assert!(!parses(&objects(129)));
    }

    #[test]
    fn a_member_given_twice_is_malformed_however_it_is_spelled() {
        assert!(!parses(r#"{"a": 1, "a": 1}"#));
        assert!(!parses(r#"{"a": 1, "\u0061": 2}"#));
        assert!(!parses(r#"[{"b": {"a": 1, "a": 2}}]"#));
        assert!(parses(r#"[{"a": 1}, {"a": 1}]"#));
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "nul",
            "NaN",
            "Infinity",
            "-Infinity",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "'a'",
            "\"\u{1}\"",
            "\"\\ud800\"",
            "1 2",
            "\u{feff}1",
        ] {
            assert!(!parses(text), "{text:?}");
        }
        assert!(Node::parse(b"\"\xff\"").is_err());
        assert!(Node::parse(b"{\"\xff\": 1}").is_err());
    }

    #[test]
    fn a_number_keeps_its_text() {
        for text in ["1e400", "-0", "0.10", "123456789012345678901234567890"] {
            assert!(Node::parse(text.as_bytes()).is_ok_and(|n| n.value == Value::Number(text)));
        }
    }

    /// RFC 7396, section 2, word for word.
    fn merge_patch(target: serde_json::Value, patch: serde_json::Value) -> serde_json::Value {
        let serde_json::Value::Object(patch) = patch else { return patch };
        let mut target = match target {
            serde_json::Value::Object(members) => members,
            _ => serde_json::Map::new(),
        };
        for (name, value) in patch {
            let old = target.remove(&name);
            if !value.is_null() {
                target.insert(name, merge_patch(old.unwrap_or_default(), value));
            }
        }
        serde_json::Value::Object(target)
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![Just(serde_json::Value::Null), any::<u8>().prop_map(Into::into)];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
                prop::collection::hash_map("[a-d]", inner, 0..4)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_patch_merges_as_the_rfc_says(target in any_json(), patch in any_json()) {
            let (old, change) = (target.to_string(), patch.to_string());
            let [old, change] = [&old, &change].map(|text| Node::parse(text.as_bytes()).expect("JSON"));
            let merged = old.patched_with(change);
            let merged: serde_json::Value = serde_json::from_str(&merged.to_json()).expect("JSON");
            prop_assert_eq!(merged, merge_patch(target, patch));
        }

        #[test]
        fn any_bytes_are_parsed_or_refused_without_a_panic(bytes: Vec<u8>) {
            let _ = Node::parse(&bytes);
        }

        #[test]
        fn what_serde_json_takes_is_taken_and_the_rest_is_not(text in r#"[\[\]{}",:0-9eE.+\- truefalsn\\u]{0,24}"#) {
            let serde: Result<serde_json::Value, _> = serde_json::from_str(&text);
            // Only repeated members and numbers beyond f64 may differ, and none are this short.
            let repeats = text.matches(':').count() > 1;
            if !repeats && !text.contains(['e', 'E']) {
                prop_assert_eq!(serde.is_ok(), parses(&text));
            }
        }
    }
}
