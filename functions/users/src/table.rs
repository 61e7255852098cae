//! Where users lie: `user#ID`, `key#ID` (and beside it in `keys#USER`, to list them), the claims
//! `username#NAME` and `subject#SUBJECT`, each of which only one user can have, `location#ID` in
//! `locations`, and `members#LOCATION`, which says who may work there. A row of it is a hint: a user
//! that has left stays in it, and is left out by its own list of locations.

use serde::Deserialize;
use serde_json::json;
use shared::answer::Answer;
use shared::audit::{Access, ItemType, Subject};
use shared::auth::{Caller, Claim, DEFAULT_LOCATION, StoredKey, User};
use shared::problem::Problem;
use shared::store::{Change, ItemKey, Order, Otherwise, Partitions, Store, Table};
use uuid::Uuid;

use crate::location::Location;
use crate::user;

const USERNAME_TAKEN: Problem =
    Problem::new(409, "username_taken", "Another user has this name, in this case or another.");
const OIDC_SUBJECT_TAKEN: Problem =
    Problem::new(409, "oidc_subject_taken", "Another user has this subject.");

/// The partition of the users with more locations than rows fit into a transaction.
const MEMBERS_OF_MANY: &str = "members#many";
const MOST_ROWS: usize = 80;

/// A row of an index that is a partition of its own: the id is the sort key.
#[derive(Deserialize)]
pub struct Listed {
    pub sk: Uuid,
}

pub fn of_user(id: Uuid) -> Subject {
    Subject { item_type: ItemType::Users, item_id: id }
}

pub fn of_key(id: Uuid) -> Subject {
    Subject { item_type: ItemType::Keys, item_id: id }
}

pub fn of_location(id: Uuid) -> Subject {
    Subject { item_type: ItemType::Locations, item_id: id }
}

fn username_key(name: &str) -> ItemKey {
    ItemKey::new(format!("username#{}", name.to_ascii_lowercase()), "username")
}

fn member_key(location: Uuid, user: Uuid) -> ItemKey {
    ItemKey::new(format!("members#{location}"), user.to_string())
}

fn listed_key(key: &StoredKey) -> ItemKey {
    ItemKey::new(format!("keys#{}", key.user_id), key.key_id.to_string())
}

fn location_key(id: Uuid) -> ItemKey {
    ItemKey::new(format!("location#{id}"), "location")
}

fn listed_location_key(id: Uuid) -> ItemKey {
    ItemKey::new("locations".to_owned(), id.to_string())
}

/// A new user with its first key: all of it, or nothing.
pub fn create(
    caller: &Caller,
    user: &User,
    given: &[&'static str],
    key: &StoredKey,
    answer: Answer,
) -> Result<Change, Problem> {
    let (claim, taken) = (Claim { user_id: user.id }, Otherwise::Refuse(USERNAME_TAKEN));
    let change = Change::new(caller, Access::Create, of_user(user.id), given, answer)
        .also(caller, Access::Create, of_key(key.key_id), &[])
        .insert(Table::Users, &User::item_key(user.id), user, Otherwise::DecideAnew)?
        .insert(Table::Users, &username_key(&user.username), &claim, taken)?;
    let change = claim_subject(change, user)?;
    let change = put_key(change, key)?;
    join(change, user, &[])
}

/// Changes a user. What it gives up of its claims is free at once.
pub fn amend(caller: &Caller, old: &User, new: &User, answer: Answer) -> Result<Change, Problem> {
    let changed = user::changed(old, new);
    let mut change = Change::new(caller, Access::Update, of_user(new.id), &changed, answer)
        .replace(Table::Users, &User::item_key(new.id), new, old.version)?;
    if old.oidc_subject != new.oidc_subject {
        if let Some(given_up) = &old.oidc_subject {
            change = change.remove(Table::Users, &User::subject_key(given_up));
        }
        change = claim_subject(change, new)?;
    }
    join(change, new, &old.location_ids)
}

fn claim_subject(change: Change, user: &User) -> Result<Change, Problem> {
    let Some(subject) = &user.oidc_subject else { return Ok(change) };
    let (claim, taken) = (Claim { user_id: user.id }, Otherwise::Refuse(OIDC_SUBJECT_TAKEN));
    change.insert(Table::Users, &User::subject_key(subject), &claim, taken)
}

/// Enters a user at the locations that it has not been at; one with more of them than a transaction
/// holds, among the few that every location looks through.
fn join(change: Change, user: &User, been: &[Uuid]) -> Result<Change, Problem> {
    let everywhere = ItemKey::new(MEMBERS_OF_MANY.to_owned(), user.id.to_string());
    let new = user.location_ids.iter().filter(|location| !been.contains(location));
    let keys: Vec<_> = match user.location_ids.len() {
        ..=MOST_ROWS => new.map(|location| member_key(*location, user.id)).collect(),
        _ => vec![everywhere],
    };
    keys.iter().try_fold(change, |change, key| change.put(Table::Users, key, &json!({})))
}

fn put_key(change: Change, key: &StoredKey) -> Result<Change, Problem> {
    change.insert(Table::Users, &StoredKey::item_key(key.key_id), key, Otherwise::DecideAnew)?.put(
        Table::Users,
        &listed_key(key),
        &json!({}),
    )
}

pub fn create_key(
    caller: &Caller,
    user: &User,
    key: &StoredKey,
    answer: Answer,
) -> Result<Change, Problem> {
    let change = Change::new(caller, Access::Create, of_key(key.key_id), &[], answer).check(
        Table::Users,
        &User::item_key(user.id),
        user.version,
    );
    put_key(change, key)
}

pub fn delete_key(caller: &Caller, key: &StoredKey) -> Change {
    Change::new(caller, Access::Delete, of_key(key.key_id), &[], Answer::no_content())
        .delete_existing(Table::Users, &StoredKey::item_key(key.key_id))
        .remove(Table::Users, &listed_key(key))
}

pub async fn read(store: &Store, id: Uuid) -> Result<User, Problem> {
    store.get(Table::Users, &User::item_key(id)).await?.ok_or(Problem::NOT_FOUND)
}

/// A key of this user.
pub async fn read_key(store: &Store, user: Uuid, id: Uuid) -> Result<StoredKey, Problem> {
    let key: Option<StoredKey> = store.get(Table::Users, &StoredKey::item_key(id)).await?;
    key.filter(|key| key.user_id == user).ok_or(Problem::NOT_FOUND)
}

pub async fn by_username(store: &Store, name: &str) -> Result<Option<User>, Problem> {
    let claim: Option<Claim> = store.get(Table::Users, &username_key(name)).await?;
    match claim {
        Some(claim) => store.get(Table::Users, &User::item_key(claim.user_id)).await,
        None => Ok(None),
    }
}

fn partitions(values: Vec<String>) -> Partitions {
    Partitions {
        table: Table::Users,
        index: None,
        attribute: "pk",
        values,
        sort: "sk",
        order: Order::Descending,
        until: None,
    }
}

/// The users that may be of a location, newest first; one may come twice.
pub fn members(location: Uuid) -> Partitions {
    partitions(vec![format!("members#{location}"), MEMBERS_OF_MANY.to_owned()])
}

/// The keys of a user, newest first.
pub fn keys(user: Uuid) -> Partitions {
    partitions(vec![format!("keys#{user}")])
}

/// All locations but the default one, newest first.
pub fn locations() -> Partitions {
    partitions(vec!["locations".to_owned()])
}

/// The users of these ids, in their order.
pub async fn read_all(store: &Store, ids: &[Uuid]) -> Result<Vec<User>, Problem> {
    let keys: Vec<_> = ids.iter().map(|id| User::item_key(*id)).collect();
    let mut users: Vec<User> = store.get_many(Table::Users, &keys).await?;
    users.sort_by_key(|user| ids.iter().position(|id| *id == user.id));
    Ok(users)
}

pub async fn read_keys(store: &Store, ids: &[Uuid]) -> Result<Vec<StoredKey>, Problem> {
    let keys: Vec<_> = ids.iter().map(|id| StoredKey::item_key(*id)).collect();
    let mut keys: Vec<StoredKey> = store.get_many(Table::Users, &keys).await?;
    keys.sort_by_key(|key| std::cmp::Reverse(key.key_id));
    Ok(keys)
}

pub fn create_location(
    caller: &Caller,
    location: &Location,
    answer: Answer,
) -> Result<Change, Problem> {
    Change::new(caller, Access::Create, of_location(location.id), &["name"], answer)
        .insert(Table::Users, &location_key(location.id), location, Otherwise::DecideAnew)?
        .put(Table::Users, &listed_location_key(location.id), &json!({}))
}

/// Those of these locations that there are, in their order.
pub async fn read_locations(store: &Store, ids: &[Uuid]) -> Result<Vec<Location>, Problem> {
    let keys: Vec<_> =
        ids.iter().filter(|id| **id != DEFAULT_LOCATION).map(|id| location_key(*id)).collect();
    let mut locations: Vec<Location> = store.get_many(Table::Users, &keys).await?;
    if ids.contains(&DEFAULT_LOCATION) {
        locations.push(Location::default_one());
    }
    locations.sort_by_key(|location| ids.iter().position(|id| *id == location.id));
    Ok(locations)
}
