//! What a user may be, when it is registered and when it is changed.

use serde::Serialize;
use shared::auth::{DEFAULT_LOCATION, Scope, Scopes, User};
use shared::fields::{Members, Object, Wrong};
use shared::json::{Node, Value};
use shared::values::{Timestamp, boolean, integer, string, text, unique, uuid};
use uuid::Uuid;

/// The most ids in one list.
pub const MOST_IDS: usize = 100;

const UNKNOWN_LOCATION: Wrong = Wrong::invalid("There is no such location.");

/// The body of `POST /users`.
pub struct NewUser {
    username: String,
    scopes: Option<Scopes>,
    location_ids: Option<Vec<Uuid>>,
    oidc_subject: Option<String>,
    /// The names of the members that were sent.
    pub given: Vec<&'static str>,
}

/// The body of `PATCH /users/{id}`.
pub struct Amendment {
    scopes: To<Scopes>,
    location_ids: To<Vec<Uuid>>,
    oidc_subject: To<String>,
    disabled: To<bool>,
    rate_limit_per_minute: To<u32>,
}

/// What becomes of one member.
#[derive(Clone)]
enum To<T> {
    /// It isn't named: as it is.
    Stay,
    /// A null: as a new user has it.
    Usual,
    Be(T),
}

impl<T> To<T> {
    fn of(user: &Object, name: &str, value: Option<T>) -> Self {
        match value {
            Some(value) => Self::Be(value),
            None if user.names(name) => Self::Usual,
            None => Self::Stay,
        }
    }

    fn or(self, old: T, usual: impl FnOnce() -> T) -> T {
        match self {
            Self::Stay => old,
            Self::Usual => usual(),
            Self::Be(value) => value,
        }
    }

    /// For a member that a new user doesn't have.
    fn or_none(self, old: Option<T>) -> Option<T> {
        match self {
            Self::Stay => old,
            Self::Usual => None,
            Self::Be(value) => Some(value),
        }
    }
}

impl NewUser {
    pub const MEMBERS: Members = Members {
        writable: &["username", "scopes", "location_ids", "oidc_subject"],
        read_only: &["id", "key_id", "token", "version", "created_at", "updated_at"],
    };

    /// `known`: the locations among the named ones that there are.
    pub fn read(user: &mut Object, known: &[Uuid]) -> Option<Self> {
        let username = user.required("username", string(username));
        let scopes = user.list("scopes", MOST_IDS, string(scope));
        let location_ids = user.list("location_ids", MOST_IDS, location(known));
        let oidc_subject = user.optional("oidc_subject", string(text::<128>));
        Some(Self {
            username: username?,
            scopes: scopes.map(Scopes::from_iter),
            location_ids,
            oidc_subject,
            given: user.given(Self::MEMBERS),
        })
    }

    pub fn registered(self, id: Uuid, now: Timestamp) -> User {
        User {
            id,
            username: self.username,
            scopes: self.scopes.unwrap_or_else(usual_scopes),
            location_ids: or_default(self.location_ids.unwrap_or_default()),
            oidc_subject: self.oidc_subject,
            disabled: false,
            rate_limit_per_minute: None,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }
}

impl Amendment {
    pub const MEMBERS: Members = Members {
        writable: &["scopes", "location_ids", "oidc_subject", "disabled", "rate_limit_per_minute"],
        read_only: &["id", "username", "version", "created_at", "updated_at"],
    };

    pub fn read(user: &mut Object, known: &[Uuid]) -> Self {
        let scopes = user.list("scopes", MOST_IDS, string(scope)).map(Scopes::from_iter);
        let location_ids = user.list("location_ids", MOST_IDS, location(known));
        let oidc_subject = user.optional("oidc_subject", string(text::<128>));
        let disabled = user.optional("disabled", boolean);
        let limit = user.optional("rate_limit_per_minute", integer(1..=i64::from(u32::MAX)));
        let limit = limit.and_then(|limit| u32::try_from(limit).ok());
        Self {
            scopes: To::of(user, "scopes", scopes),
            location_ids: To::of(user, "location_ids", location_ids),
            oidc_subject: To::of(user, "oidc_subject", oidc_subject),
            disabled: To::of(user, "disabled", disabled),
            rate_limit_per_minute: To::of(user, "rate_limit_per_minute", limit),
        }
    }

    /// The next version of a user.
    pub fn applied_to(&self, old: &User, now: Timestamp) -> User {
        let Self { scopes, location_ids, oidc_subject, disabled, rate_limit_per_minute } = self;
        let locations = location_ids.clone().or(old.location_ids.clone(), Vec::new);
        User {
            scopes: scopes.clone().or(old.scopes, usual_scopes),
            location_ids: or_default(locations),
            oidc_subject: oidc_subject.clone().or_none(old.oidc_subject.clone()),
            disabled: disabled.clone().or(old.disabled, || false),
            rate_limit_per_minute: rate_limit_per_minute.clone().or_none(old.rate_limit_per_minute),
            version: old.version + 1,
            updated_at: now,
            ..old.clone()
        }
    }
}

/// The names of the members in which two versions differ.
pub fn changed(old: &User, new: &User) -> Vec<&'static str> {
    fn json(value: &impl Serialize) -> serde_json::Value {
        serde_json::to_value(value).unwrap_or_default()
    }
    let (old, new) = (json(old), json(new));
    Amendment::MEMBERS
        .writable
        .iter()
        .copied()
        .filter(|name| old.get(name) != new.get(name))
        .collect()
}

/// The locations that a body names, as far as they can be made out.
pub fn named_locations(body: &Node) -> Vec<Uuid> {
    let Some(Value::Array(ids)) = body.member("location_ids").map(|ids| &ids.value) else {
        return Vec::new();
    };
    ids.iter().take(MOST_IDS).filter_map(|id| string(uuid)(id).ok()).collect()
}

fn location(known: &[Uuid]) -> impl Fn(&Node) -> Result<Uuid, Wrong> {
    |id| {
        let id = string(uuid)(id)?;
        if known.contains(&id) { Ok(id) } else { Err(UNKNOWN_LOCATION) }
    }
}

fn usual_scopes() -> Scopes {
    [Scope::EcgsRead, Scope::EcgsWrite].into_iter().collect()
}

/// Each location once; the default one for a user without any.
fn or_default(ids: Vec<Uuid>) -> Vec<Uuid> {
    if ids.is_empty() { vec![DEFAULT_LOCATION] } else { unique(ids) }
}

/// 1 to 64 of `[A-Za-z0-9._@-]`, and not the administrator's name in the audit.
pub fn username(text: &str) -> Result<String, Wrong> {
    match text.chars().count() {
        0 => return Err(Wrong::EMPTY),
        65.. => return Err(Wrong::TOO_LONG),
        _ => {}
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._@-".contains(&b)) {
        return Err(Wrong::invalid("Letters and digits of ASCII and . _ @ - are allowed here."));
    }
    if text.eq_ignore_ascii_case("admin") {
        return Err(Wrong::invalid("This name is the administrator's."));
    }
    Ok(text.to_owned())
}

fn scope(text: &str) -> Result<Scope, Wrong> {
    Scope::parse(text).ok_or(Wrong::not_one_of(&Scope::NAMES))
}
