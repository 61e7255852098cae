//! The services that may act for users: `SERVICE_KEYS`.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use uuid::Uuid;

use crate::auth::{Scope, Scopes};
use crate::json::Node;

/// A key has at least the bits of its signature (RFC 7518, 3.2).
const SHORTEST_KEY: usize = 32;

/// One service: its keys, the first the newest, and what it may do at most.
#[derive(Clone)]
pub struct Service {
    keys: Vec<SecretString>,
    pub scopes: Option<Scopes>,
    pub location_ids: Option<Vec<Uuid>>,
    /// The audience of the ID tokens that it hands on, where it has one of its own.
    pub client_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Setting {
    Key(String),
    Limited(Limited),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limited {
    keys: Vec<String>,
    scopes: Option<Vec<String>>,
    location_ids: Option<Vec<Uuid>>,
    client_id: Option<String>,
}

impl Service {
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.iter().map(|key| key.expose_secret().as_bytes())
    }

    /// All services of the setting by name; None where it isn't one.
    pub fn parse_all(json: &str) -> Option<BTreeMap<String, Self>> {
        // A name given twice would lose one of its keys.
        Node::parse(json.as_bytes()).ok()?;
        let settings: BTreeMap<String, Setting> = serde_json::from_str(json).ok()?;
        if settings.contains_key("") {
            return None;
        }
        settings.into_iter().map(|(name, setting)| Some((name, Self::of(setting)?))).collect()
    }

    fn of(setting: Setting) -> Option<Self> {
        let limited = match setting {
            Setting::Key(key) => {
                Limited { keys: vec![key], scopes: None, location_ids: None, client_id: None }
            }
            Setting::Limited(limited) => limited,
        };
        let long_enough = limited.keys.iter().all(|key| key.len() >= SHORTEST_KEY);
        let named = limited.client_id.as_ref().is_none_or(|id| !id.is_empty());
        let scopes = match limited.scopes {
            Some(names) => {
                Some(names.iter().map(|name| Scope::parse(name)).collect::<Option<Scopes>>()?)
            }
            None => None,
        };
        (long_enough && named && !limited.keys.is_empty()).then(|| Self {
            keys: limited.keys.into_iter().map(SecretString::from).collect(),
            scopes,
            location_ids: limited.location_ids,
            client_id: limited.client_id,
        })
    }
}
