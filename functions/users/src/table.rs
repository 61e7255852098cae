//! Where users lie: `user#ID`, `key#ID`, and the claims `username#NAME` and `subject#SUBJECT`,
//! each of which only one user can have.

use serde::{Deserialize, Serialize};
use shared::answer::Answer;
use shared::audit::{Access, Subject};
use shared::auth::{Caller, DEFAULT_LOCATION, StoredKey, User};
use shared::problem::Problem;
use shared::store::{Change, ItemKey, Otherwise, Store, Table};
use uuid::Uuid;

const USERNAME_TAKEN: Problem =
    Problem::new(409, "username_taken", "Another user has this name, in this case or another.");
const OIDC_SUBJECT_TAKEN: Problem =
    Problem::new(409, "oidc_subject_taken", "Another user has this subject.");

/// An item with its key beside its own attributes.
#[derive(Serialize)]
struct Row<'a, T> {
    #[serde(flatten)]
    key: ItemKey,
    #[serde(flatten)]
    item: &'a T,
}

#[derive(Serialize)]
struct Claim {
    user_id: Uuid,
}

pub fn subject(id: Uuid) -> Subject {
    Subject { item_type: "users", item_id: id }
}

/// A new user with its first key: all of it, or nothing.
pub fn create(
    caller: &Caller,
    user: &User,
    given: &[&'static str],
    key: &StoredKey,
    answer: Answer,
) -> Result<Change, Problem> {
    let claim = Claim { user_id: user.id };
    let username =
        ItemKey::new(format!("username#{}", user.username.to_ascii_lowercase()), "username");
    let key_subject = Subject { item_type: "keys", item_id: key.key_id };
    let mut change = Change::new(caller, Access::Create, subject(user.id), given, answer)
        .also(caller, Access::Create, key_subject, &[])
        .insert(
            Table::Users,
            &Row { key: User::item_key(user.id), item: user },
            Otherwise::DecideAnew,
        )?
        .insert(
            Table::Users,
            &Row { key: StoredKey::item_key(key.key_id), item: key },
            Otherwise::DecideAnew,
        )?
        .insert(
            Table::Users,
            &Row { key: username, item: &claim },
            Otherwise::Refuse(USERNAME_TAKEN),
        )?;
    if let Some(oidc_subject) = &user.oidc_subject {
        let key = ItemKey::new(format!("subject#{oidc_subject}"), "subject");
        change = change.insert(
            Table::Users,
            &Row { key, item: &claim },
            Otherwise::Refuse(OIDC_SUBJECT_TAKEN),
        )?;
    }
    Ok(change)
}

pub async fn read(store: &Store, id: Uuid) -> Result<User, Problem> {
    store.get(Table::Users, &User::item_key(id)).await?.ok_or(Problem::NOT_FOUND)
}

/// Which of these locations there are.
pub async fn known_locations(store: &Store, ids: &[Uuid]) -> Result<Vec<Uuid>, Problem> {
    #[derive(Deserialize)]
    struct Location {
        id: Uuid,
    }
    let stored = ids.iter().filter(|id| **id != DEFAULT_LOCATION);
    let keys: Vec<_> =
        stored.map(|id| ItemKey::new(format!("location#{id}"), "location")).collect();
    let found: Vec<Location> = store.get_many(Table::Users, &keys).await?;
    Ok(found.into_iter().map(|location| location.id).chain([DEFAULT_LOCATION]).collect())
}
