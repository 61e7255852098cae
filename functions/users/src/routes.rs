//! The HTTP of users and their keys.

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use secrecy::ExposeSecret;
use serde::Serialize;
use shared::answer::Answer;
use shared::app::App;
use shared::auth::permissions::UsersRead;
use shared::auth::{Admin, AdminOr, AnyUser, Caller, Scopes, StoredKey, User};
use shared::body::Body;
use shared::fields::Wrong;
use shared::http::{Ids, NoParams, Routes};
use shared::list::Paging;
use shared::params::Params;
use shared::precondition::{IfMatch, IfNoneMatch};
use shared::problem::Problem;
use shared::store::{Page, Store};
use shared::values::{Timestamp, uuid};
use uuid::Uuid;

use crate::locations;
use crate::table::{self, Listed};
use crate::user::{NewUser, Terms, named_locations, username};

pub fn routes() -> Routes {
    Routes::default()
        .get("/users", list)
        .post("/users", create)
        .get("/users/me", me)
        .get("/users/{id}", read)
        .patch("/users/{id}", amend)
        .get("/users/{id}/keys", list_keys)
        .post("/users/{id}/keys", create_key)
        .get("/users/{id}/keys/{key_id}", read_key)
        .delete("/users/{id}/keys/{key_id}", delete_key)
        .get("/locations", locations::list)
        .post("/locations", locations::create)
        .get("/locations/{id}", locations::read)
}

/// A user that was registered now, with the one sight of its first key's token.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Registered<'a> {
    #[serde(flatten)]
    user: &'a User,
    key_id: Uuid,
    token: Option<&'a str>,
}

/// `POST /users`
async fn create(store: Store, Admin(caller): Admin, body: Body) -> Result<Answer, Problem> {
    let (store, caller, body) = (&store, &caller, &body);
    let decide = || async move {
        let known = known_locations(store, body).await?;
        let new = body.read(NewUser::MEMBERS, |user| NewUser::read(user, &known))?;
        let now = Timestamp::now();
        let given = new.given.clone();
        let user = new.registered(Uuid::now_v7(), now);
        let (key, token) = StoredKey::new(user.id, now)?;
        let shown = |token| Registered { user: &user, key_id: key.key_id, token };
        let location = format!("/users/{}", user.id);
        let answer = Answer::created(location, &shown(Some(token.expose_secret())))?
            .replayed_as(&shown(None))?
            .with_version(user.version);
        table::create(caller, &user, &given, &key, answer)
    };
    store.commit(body.key(caller).as_ref(), decide).await
}

/// Those of the locations that a body names which there are.
async fn known_locations(store: &Store, body: &Body) -> Result<Vec<Uuid>, Problem> {
    let named = named_locations(&body.optional()?);
    let known = table::read_locations(store, &named).await?;
    Ok(known.into_iter().map(|location| location.id).collect())
}

/// `PATCH /users/{id}`
async fn amend(
    store: Store,
    Admin(caller): Admin,
    Ids(id): Ids<Uuid>,
    if_match: IfMatch,
    body: Body,
) -> Result<Answer, Problem> {
    let known = known_locations(&store, &body).await?;
    let (store, caller, if_match, body, known) = (&store, &caller, &if_match, &body, &known);
    let decide = || async move {
        let old = table::read(store, id).await?;
        if_match.check(old.version)?;
        let known = [known.as_slice(), &old.location_ids].concat();
        let terms = body.patch(&old, Terms::MEMBERS, |user| Some(Terms::read(user, &known)))?;
        let new = terms.applied_to(&old, Timestamp::now());
        let answer = Answer::ok(&new)?.with_version(new.version);
        table::amend(caller, &old, &new, answer)
    };
    store.commit(None, decide).await
}

/// Who calls, as who, from where.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Me<'a> {
    id: Option<Uuid>,
    username: &'a str,
    service: Option<&'a str>,
    location_id: Option<Uuid>,
    location_ids: &'a [Uuid],
    scopes: Scopes,
}

/// `GET /users/me`: the request's own context.
async fn me(AnyUser(caller): AnyUser, _: NoParams) -> Result<Answer, Problem> {
    Answer::ok(&Me {
        id: caller.user_id(),
        username: caller.username(),
        service: caller.service(),
        location_id: caller.location_id(),
        location_ids: caller.location_ids(),
        scopes: caller.scopes(),
    })
}

/// `GET /users/{id}`
async fn read(
    store: Store,
    caller: AdminOr<UsersRead>,
    Ids(id): Ids<Uuid>,
    known: IfNoneMatch,
    _: NoParams,
) -> Result<Answer, Problem> {
    let user = table::read(&store, id).await?;
    if !may_see(&caller, &user) {
        return Err(Problem::NOT_FOUND);
    }
    store.enter_reads(&caller, [table::of_user(id)]).await?;
    Ok(Answer::ok(&user)?.with_version(user.version).unless_known(&known))
}

/// Who shares no location with a user knows nothing of it.
fn may_see(caller: &Caller, user: &User) -> bool {
    caller.is_administrator() || user.location_ids.iter().any(|id| caller.may_see(*id))
}

/// `GET /users`
async fn list(
    State(app): State<App>,
    store: Store,
    caller: AdminOr<UsersRead>,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut params = Params::parse(uri.query(), &["location_id", "username", "limit", "cursor"]);
    let location = params.optional("location_id", uuid);
    let name = params.optional("username", username);
    let by_name = params.has("username");
    if by_name && !caller.is_administrator() {
        return Err(Problem::forbidden("Looking for a name needs the admin token."));
    }
    if !by_name && !params.has("location_id") {
        params.wrong("location_id", Wrong::REQUIRED);
    }
    let paging = Paging::read(params, &app, &uri, &caller.identity())?;
    let fits = |user: &User| location.is_none_or(|location| user.location_ids.contains(&location));
    let page = match (name, location) {
        (Some(name), _) => {
            let found = table::by_username(&store, &name).await?;
            Page { items: found.into_iter().filter(fits).collect(), next: None }
        }
        (None, Some(location)) => {
            if !caller.may_see(location) {
                return Err(Problem::NOT_YOURS);
            }
            let (members, id) = (table::members(location), |row: Listed| Some(row.sk));
            let page = paging.page(&store, &members, id).await?;
            let mut items = table::read_all(&store, &page.items).await?;
            items.retain(fits);
            Page { items, next: page.next }
        }
        (None, None) => return Err(Problem::bug("a list of users by nothing")),
    };
    store.enter_reads(&caller, page.items.iter().map(|user| table::of_user(user.id))).await?;
    paging.answer(&page)
}

/// A key without its secret.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Key {
    id: Uuid,
    user_id: Uuid,
    created_at: Timestamp,
}

/// A key that was made now, with the one sight of its token.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewKey<'a> {
    #[serde(flatten)]
    key: Key,
    token: Option<&'a str>,
}

impl Key {
    fn of(key: &StoredKey) -> Self {
        Self { id: key.key_id, user_id: key.user_id, created_at: key.created_at }
    }
}

/// `POST /users/{id}/keys`
async fn create_key(
    store: Store,
    Admin(caller): Admin,
    Ids(id): Ids<Uuid>,
    body: Body,
) -> Result<Answer, Problem> {
    let (store, caller, body) = (&store, &caller, &body);
    let decide = || async move {
        body.says_nothing()?;
        let user = table::read(store, id).await?;
        let (key, token) = StoredKey::new(id, Timestamp::now())?;
        let location = format!("/users/{id}/keys/{}", key.key_id);
        let shown = |token| NewKey { key: Key::of(&key), token };
        let answer = Answer::created(location, &shown(Some(token.expose_secret())))?
            .replayed_as(&shown(None))?;
        table::create_key(caller, &user, &key, answer)
    };
    store.commit(body.key(caller).as_ref(), decide).await
}

/// `GET /users/{id}/keys`
async fn list_keys(
    State(app): State<App>,
    store: Store,
    Admin(caller): Admin,
    Ids(id): Ids<Uuid>,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::parse(uri.query(), &["limit", "cursor"]);
    let paging = Paging::read(params, &app, &uri, &caller.identity())?;
    table::read(&store, id).await?;
    let (keys, id_of_key) = (table::keys(id), |row: Listed| Some(row.sk));
    let page = paging.page(&store, &keys, id_of_key).await?;
    let keys = table::read_keys(&store, &page.items).await?;
    store.enter_reads(&caller, keys.iter().map(|key| table::of_key(key.key_id))).await?;
    let items = keys.iter().map(Key::of).collect();
    paging.answer(&Page { items, next: page.next })
}

/// `GET /users/{id}/keys/{key_id}`
async fn read_key(
    store: Store,
    Admin(caller): Admin,
    Ids((id, key_id)): Ids<(Uuid, Uuid)>,
    _: NoParams,
) -> Result<Answer, Problem> {
    let key = table::read_key(&store, id, key_id).await?;
    store.enter_reads(&caller, [table::of_key(key_id)]).await?;
    Answer::ok(&Key::of(&key))
}

/// `DELETE /users/{id}/keys/{key_id}`: it is good for a minute more at most.
async fn delete_key(
    store: Store,
    Admin(caller): Admin,
    Ids((id, key_id)): Ids<(Uuid, Uuid)>,
    _: NoParams,
) -> Result<Answer, Problem> {
    let (store, caller) = (&store, &caller);
    let decide = || async move {
        let key = table::read_key(store, id, key_id).await?;
        Ok(table::delete_key(caller, &key))
    };
    store.commit(None, decide).await
}
