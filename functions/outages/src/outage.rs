//! What the sync is about: devices of sites, outages that are kept, and what is to be done with
//! what was kept.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::moment::Moment;

/// A payload may be as long as a body of our own API.
pub const MOST_PAYLOAD_BYTES: usize = 5 * 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub id: String,
    pub name: String,
}

/// Whether an outage that begins exactly at the time is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    Keep,
    Drop,
}

/// From when on outages are kept.
#[derive(Debug, Clone, Copy)]
pub struct Since<'a> {
    pub moment: Moment<'a>,
    pub rule: Rule,
}

impl Since<'_> {
    pub fn keeps(self, begin: Moment) -> bool {
        match self.rule {
            Rule::Keep => begin >= self.moment,
            Rule::Drop => begin > self.moment,
        }
    }
}

/// The devices of several sites by their id, each with what its outages begin with.
#[derive(Default)]
pub struct Devices {
    by_id: HashMap<String, Vec<Named>>,
    sites: usize,
}

struct Named {
    site: usize,
    /// `{"id":"...","name":"...","begin":"`
    head: String,
}

impl Devices {
    /// Adds the devices of one more site: its number. None where one id has two names there.
    pub fn add(&mut self, devices: &[Device]) -> Option<usize> {
        let mut names = HashMap::new();
        for device in devices {
            if names.insert(&device.id, &device.name).is_some_and(|name| *name != device.name) {
                return None;
            }
        }
        let site = self.sites;
        self.sites += 1;
        for (id, name) in names {
            let (Ok(quoted), Ok(name)) = (serde_json::to_string(id), serde_json::to_string(name))
            else {
                return None;
            };
            let head = format!(r#"{{"id":{quoted},"name":{name},"begin":""#);
            self.by_id.entry(id.clone()).or_default().push(Named { site, head });
        }
        Some(site)
    }

    /// What an empty list of outages comes to.
    pub fn nothing(&self) -> Vec<Payload> {
        (0..self.sites).map(|_| Payload::default()).collect()
    }

    /// Adds an outage of a device to the payloads of the sites that have it. `begin` and `end` are
    /// RFC 3339, so that nothing in them has to be escaped.
    pub fn join(&self, id: &str, begin: &str, end: &str, payloads: &mut [Payload]) {
        for named in self.by_id.get(id).into_iter().flatten() {
            if let Some(payload) = payloads.get_mut(named.site) {
                payload.push(&named.head, begin, end);
            }
        }
    }
}

/// What is to be posted for a site.
#[derive(Debug, Default)]
pub struct Payload {
    json: Vec<u8>,
    pub kept: u64,
    too_long: bool,
}

impl Payload {
    fn push(&mut self, head: &str, begin: &str, end: &str) {
        const PUNCTUATION: usize = r#"","end":""},]"#.len();
        self.kept += 1;
        let more = head.len() + begin.len() + end.len() + PUNCTUATION;
        if self.too_long || self.json.len() + more > MOST_PAYLOAD_BYTES {
            self.too_long = true;
            self.json = Vec::new();
            return;
        }
        self.json.push(if self.json.is_empty() { b'[' } else { b',' });
        for part in [head, begin, r#"","end":""#, end, r#""}"#] {
            self.json.extend_from_slice(part.as_bytes());
        }
    }

    /// The list, in the order received; None where it is longer than may be posted.
    pub fn into_bytes(mut self) -> Option<Vec<u8>> {
        if self.json.is_empty() {
            self.json.push(b'[');
        }
        self.json.push(b']');
        (!self.too_long).then_some(self.json)
    }
}

/// What became of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Answered with 200.
    Posted,
    /// The same payload as the last accepted one.
    Unchanged,
    /// Less than can be believed: not posted.
    Held,
    /// The last try may have been received.
    Unknown,
    Failed,
    DryRun,
}

impl State {
    pub fn is_success(self) -> bool {
        matches!(self, Self::Posted | Self::Unchanged | Self::DryRun)
    }
}

/// What is known of the payloads that a site was sent before.
#[derive(Debug, Clone, Copy, Default)]
pub struct Before<'a> {
    /// The hash and the number of outages of the last accepted one.
    pub accepted: Option<(&'a str, u64)>,
    /// Another may have been received since.
    pub is_unsettled: bool,
}

/// Why a payload isn't posted; None where it is.
pub fn verdict(sha256: &str, kept: u64, before: Before) -> Option<State> {
    let accepted = before.accepted;
    if !before.is_unsettled && accepted.is_some_and(|(accepted, _)| accepted == sha256) {
        return Some(State::Unchanged);
    }
    let halved = accepted.is_some_and(|(_, accepted)| kept.saturating_mul(2) < accepted);
    (kept == 0 || halved).then_some(State::Held)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIFTY: Before = Before { accepted: Some(("a", 50)), is_unsettled: false };

    #[test]
    fn what_was_accepted_is_not_posted_again_and_what_is_suspiciously_little_is_held() {
        assert_eq!(verdict("a", 50, FIFTY), Some(State::Unchanged));
        assert_eq!(verdict("b", 25, FIFTY), None);
        assert_eq!(verdict("b", 24, FIFTY), Some(State::Held));
        assert_eq!(verdict("b", 0, FIFTY), Some(State::Held));
        assert_eq!(verdict("b", 0, Before::default()), Some(State::Held));
        assert_eq!(verdict("b", 1, Before::default()), None);
        let none = Before { accepted: Some(("a", 0)), is_unsettled: false };
        assert_eq!(verdict("a", 0, none), Some(State::Unchanged));
    }

    #[test]
    fn where_another_may_have_been_received_it_is_posted_again_equal_or_not() {
        let unsettled = Before { is_unsettled: true, ..FIFTY };
        assert_eq!(verdict("a", 50, unsettled), None);
        assert_eq!(verdict("b", 24, unsettled), Some(State::Held));
    }

    #[test]
    fn a_payload_ends_at_five_mebibytes() {
        let mut devices = Devices::default();
        let name = "n".repeat(1_000);
        devices.add(&[Device { id: "a".into(), name }]);
        for (outages, fits) in [(4_900, true), (5_100, false)] {
            let mut payloads = devices.nothing();
            for _ in 0..outages {
                devices.join("a", "begin", "end", &mut payloads);
            }
            let payload = payloads.pop().unwrap();
            assert_eq!(payload.kept, outages);
            let bytes = payload.into_bytes();
            assert_eq!(bytes.is_some(), fits);
            assert!(bytes.is_none_or(|bytes| bytes.len() <= MOST_PAYLOAD_BYTES));
        }
    }

    #[test]
    fn a_device_has_one_name_in_a_site_and_another_in_another() {
        let device = |id: &str, name: &str| Device { id: id.into(), name: name.into() };
        let mut devices = Devices::default();
        assert_eq!(devices.add(&[device("a", "A"), device("a", "A")]), Some(0));
        assert_eq!(devices.add(&[device("a", "A"), device("a", "B")]), None);
        assert_eq!(devices.add(&[device("a", "\"B\"")]), Some(1));
        let mut payloads = devices.nothing();
        devices.join("a", "1", "2", &mut payloads);
        devices.join("A", "1", "2", &mut payloads);
        let json: Vec<_> = payloads.into_iter().filter_map(Payload::into_bytes).collect();
        assert_eq!(json[0], br#"[{"id":"a","name":"A","begin":"1","end":"2"}]"#);
        assert_eq!(json[1], br#"[{"id":"a","name":"\"B\"","begin":"1","end":"2"}]"#);
    }
}
