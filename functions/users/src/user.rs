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
    terms: Terms,
    /// The names of the members that were sent.
    pub given: Vec<&'static str>,
}

/// What can be changed of a user.
pub struct Terms {
    scopes: Scopes,
    location_ids: Vec<Uuid>,
    oidc_subject: Option<String>,
    disabled: bool,
    rate_limit_per_minute: Option<u32>,
}

impl NewUser {
    pub const MEMBERS: Members = Members {
        writable: &["username", "scopes", "location_ids", "oidc_subject"],
        read_only: &["id", "key_id", "token", "version", "created_at", "updated_at"],
    };

    /// `known`: the locations among the named ones that there are.
    pub fn read(user: &mut Object, known: &[Uuid]) -> Option<Self> {
        let username = user.required("username", string(username));
        let terms = Terms::of_new(user, known);
        Some(Self { username: username?, terms, given: user.given(Self::MEMBERS) })
    }

    pub fn registered(self, id: Uuid, now: Timestamp) -> User {
        let Terms { scopes, location_ids, oidc_subject, disabled, rate_limit_per_minute } =
            self.terms;
        User {
            id,
            username: self.username,
            scopes,
            location_ids,
            oidc_subject,
            disabled,
            rate_limit_per_minute,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }
}

impl Terms {
    pub const MEMBERS: Members = Members {
        writable: &["scopes", "location_ids", "oidc_subject", "disabled", "rate_limit_per_minute"],
        read_only: &["id", "username", "version", "created_at", "updated_at"],
    };

    /// What a new user may be given; the rest is as every new user has it.
    fn of_new(user: &mut Object, known: &[Uuid]) -> Self {
        let scopes = user.list("scopes", MOST_IDS, string(scope)).map(Scopes::from_iter);
        let location_ids = user.list("location_ids", MOST_IDS, location(known));
        Self {
            scopes: scopes.unwrap_or_else(usual_scopes),
            location_ids: or_default(location_ids.unwrap_or_default()),
            oidc_subject: user.optional("oidc_subject", string(text::<128>)),
            disabled: false,
            rate_limit_per_minute: None,
        }
    }

    /// `known`: the locations among the named ones that there are.
    pub fn read(user: &mut Object, known: &[Uuid]) -> Self {
        let disabled = user.optional("disabled", boolean);
        let limit = user.optional("rate_limit_per_minute", integer(1..=i64::from(u32::MAX)));
        Self {
            disabled: disabled.unwrap_or_default(),
            rate_limit_per_minute: limit.and_then(|limit| u32::try_from(limit).ok()),
            ..Self::of_new(user, known)
        }
    }

    /// The next version of a user.
    pub fn applied_to(self, old: &User, now: Timestamp) -> User {
        let Self { scopes, location_ids, oidc_subject, disabled, rate_limit_per_minute } = self;
        User {
            scopes,
            location_ids,
            oidc_subject,
            disabled,
            rate_limit_per_minute,
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
    Terms::MEMBERS.writable.iter().copied().filter(|name| old.get(name) != new.get(name)).collect()
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
