//! What a new user may be.

use shared::auth::{DEFAULT_LOCATION, Scope, Scopes, User};
use shared::fields::{Members, Object, Wrong};
use shared::json::{Node, Value};
use shared::values::{Timestamp, string, text, uuid};
use uuid::Uuid;

pub const MEMBERS: Members = Members {
    writable: &["username", "scopes", "location_ids", "oidc_subject"],
    read_only: &["id", "key_id", "token", "version", "created_at", "updated_at"],
};

/// The most ids in one list.
const MOST_IDS: usize = 100;

const UNKNOWN_LOCATION: Wrong = Wrong::invalid("There is no such location.");

/// The body of `POST /users`.
pub struct NewUser {
    username: String,
    scopes: Scopes,
    location_ids: Vec<Uuid>,
    oidc_subject: Option<String>,
    /// The names of the members that were sent.
    pub given: Vec<&'static str>,
}

impl NewUser {
    /// The locations that a body names, as far as they can be made out.
    pub fn named_locations(body: &Node) -> Vec<Uuid> {
        let Some(Value::Array(ids)) = body.member("location_ids").map(|ids| &ids.value) else {
            return Vec::new();
        };
        ids.iter().take(MOST_IDS).filter_map(|id| string(uuid)(id).ok()).collect()
    }

    /// `known`: the locations among the named ones that there are.
    pub fn read(user: &mut Object, known: &[Uuid]) -> Option<Self> {
        let location = |id: &Node| {
            let id = string(uuid)(id)?;
            if known.contains(&id) { Ok(id) } else { Err(UNKNOWN_LOCATION) }
        };
        let username = user.required("username", string(username));
        let scopes = user.list("scopes", MOST_IDS, string(scope));
        let location_ids = user.list("location_ids", MOST_IDS, location);
        let oidc_subject = user.optional("oidc_subject", string(text::<128>));
        let usual = || [Scope::EcgsRead, Scope::EcgsWrite].into_iter().collect();
        Some(Self {
            username: username?,
            scopes: scopes.map_or_else(usual, Scopes::from_iter),
            location_ids: match location_ids {
                Some(ids) if !ids.is_empty() => without_repeats(ids),
                _ => vec![DEFAULT_LOCATION],
            },
            oidc_subject,
            given: user.given(MEMBERS),
        })
    }

    pub fn registered(self, id: Uuid, now: Timestamp) -> User {
        User {
            id,
            username: self.username,
            scopes: self.scopes,
            location_ids: self.location_ids,
            oidc_subject: self.oidc_subject,
            disabled: false,
            rate_limit_per_minute: None,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }
}

fn without_repeats(ids: Vec<Uuid>) -> Vec<Uuid> {
    let mut unique = Vec::new();
    for id in ids {
        if !unique.contains(&id) {
            unique.push(id);
        }
    }
    unique
}

/// 1 to 64 of `[A-Za-z0-9._@-]`, and not the administrator's name in the audit.
fn username(text: &str) -> Result<String, Wrong> {
    match text.len() {
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
