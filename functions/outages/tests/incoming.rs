//! The streaming reader held to `serde_json`: the same lists are taken, the same outages kept,
//! however the bytes are cut into chunks.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may fail")]

use outages::incoming::{Fault, Filter, Filtered};
use outages::moment::Moment;
use outages::outage::{Device, Devices, Payload, Rule, Since};
use proptest::prelude::*;
use serde_json::{Value, json};

const SINCE: &str = "2022-01-01T00:00:00.000Z";

fn devices() -> Devices {
    let mut devices = Devices::default();
    let names = [("a", "A"), ("b", "B \"2\""), ("é\u{1F50B}", "Ä")];
    let site: Vec<_> =
        names.map(|(id, name)| Device { id: id.to_owned(), name: name.to_owned() }).into();
    devices.add(&site);
    devices
}

fn streamed(bytes: &[u8], cuts: &[usize]) -> Result<Filtered, Fault> {
    let devices = devices();
    let moment = Moment::parse(SINCE).unwrap();
    let mut filter = Filter::new(&devices, Since { moment, rule: Rule::Keep });
    let mut rest = bytes;
    for cut in cuts.iter().cycle().take(bytes.len()) {
        let (chunk, behind) = rest.split_at((*cut).min(rest.len()));
        filter.take(chunk)?;
        rest = behind;
    }
    filter.take(rest)?;
    filter.finish()
}

/// The list as `serde_json` reads it; None where it doesn't match.
fn read_whole(bytes: &[u8]) -> Option<(u64, Vec<Value>)> {
    let list: Vec<Value> = serde_json::from_slice(bytes).ok()?;
    let names = [("a", "A"), ("b", "B \"2\""), ("é\u{1F50B}", "Ä")];
    let mut kept = Vec::new();
    for outage in &list {
        let outage = outage.as_object()?;
        let text = |name: &str| outage.get(name)?.as_str();
        let (id, begin, end) = (text("id")?, text("begin")?, text("end")?);
        Moment::parse(end)?;
        if id.is_empty() {
            return None;
        }
        let is_kept = Moment::parse(begin)? >= Moment::parse(SINCE)?;
        if let Some((_, name)) = names.iter().find(|(known, _)| *known == id && is_kept) {
            kept.push(json!({"id": id, "name": name, "begin": begin, "end": end}));
        }
    }
    Some((list.len() as u64, kept))
}

fn agree(bytes: &[u8], cuts: &[usize]) -> Result<(), TestCaseError> {
    let ours = streamed(bytes, cuts).ok().map(|mut filtered| {
        let payload = filtered.payloads.pop().and_then(Payload::into_bytes);
        let kept: Vec<Value> =
            serde_json::from_slice(&payload.unwrap_or_default()).unwrap_or_default();
        (filtered.outages, kept)
    });
    prop_assert_eq!(ours, read_whole(bytes), "{}", String::from_utf8_lossy(bytes));
    Ok(())
}

fn outage() -> impl Strategy<Value = String> {
    let id = prop_oneof![
        8 => Just("\"a\""), 4 => Just("\"b\""), 2 => Just("\"\\u0061\""), 2 => Just("\"é🔋\""),
        2 => Just("\"other\""), 1 => Just("\"\""), 1 => Just("7"), 1 => Just("null"), 1 => Just("\"\\ud800\"")
    ];
    let time = prop_oneof![
        6 => Just("2022-03-01T00:00:00.5Z"), 4 => Just("2021-12-31T23:00:00-01:00"), 2 => Just("2021-01-01T00:00:00Z"),
        1 => Just("2021-02-29T00:00:00Z"), 1 => Just("\\u0032022-03-01T00:00:00Z"),
    ];
    let more = prop_oneof![
        8 => Just(""), 2 => Just(", \"x\": {\"id\": [1, -2.5e3, true, null, \"]}\\\"\"]}"),
        1 => Just(", \"x\": \"\\ud800\""), 1 => Just(", \"x\": 01"), 1 => Just(", \"x\""), 1 => Just(",")
    ];
    (id, time.clone(), time, more).prop_map(|(id, begin, end, more)| {
        format!(r#"{{"id": {id}, "begin":"{begin}","end" : "{end}"{more}}}"#)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn any_list_is_read_as_serde_json_reads_it(
        list in prop::collection::vec(outage(), 0..6),
        between in prop_oneof![12 => Just(","), 2 => Just(" ,\n\t"), 1 => Just(" "), 1 => Just(",,")],
        ends in prop_oneof![12 => Just(("[", "]")), 1 => Just((" [ ", " ]\r\n")), 1 => Just(("", "]")), 1 => Just(("[", "")), 1 => Just(("[", "]]"))],
        cuts in prop::collection::vec(1..40_usize, 1..5),
    ) {
        let text = format!("{}{}{}", ends.0, list.join(between), ends.1);
        agree(text.as_bytes(), &cuts)?;
    }

    #[test]
    fn a_list_with_any_byte_changed_is_read_as_serde_json_reads_it(
        list in prop::collection::vec(outage(), 1..4), at: prop::sample::Index, byte: u8,
        cuts in prop::collection::vec(1..40_usize, 1..5),
    ) {
        let mut bytes = format!("[{}]", list.join(",")).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        // A member that is given twice is refused, where serde_json takes the last.
        let whole = String::from_utf8_lossy(&bytes).into_owned();
        let repeats = ["id", "begin", "end"].iter().any(|name| {
            whole.matches(&format!("\"{name}\"")).count() > list.len()
        });
        if !repeats {
            agree(&bytes, &cuts)?;
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_a_panic(bytes: Vec<u8>, cut in 1..9_usize) {
        let _ = streamed(&bytes, &[cut]);
    }
}

#[test]
fn an_element_without_an_end_is_given_up() {
    let devices = devices();
    let moment = Moment::parse(SINCE).unwrap();
    let mut filter = Filter::new(&devices, Since { moment, rule: Rule::Keep });
    assert_eq!(filter.take(b"[{\"x\": \""), Ok(()));
    let chunk = vec![b'x'; 64 * 1024];
    let fault = (0..100).find_map(|_| filter.take(&chunk).err()).unwrap();
    assert_eq!(fault.to_string(), "/0 is not JSON, or longer than 1 MiB");
}
