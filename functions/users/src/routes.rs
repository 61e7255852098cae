//! The HTTP of users.

use secrecy::ExposeSecret;
use serde::Serialize;
use shared::answer::Answer;
use shared::audit::Access;
use shared::auth::{Admin, AnyUser, Scopes, StoredKey, User};
use shared::body::Body;
use shared::http::{Ids, NoParams, Routes};
use shared::precondition::IfNoneMatch;
use shared::problem::Problem;
use shared::store::{Change, Store};
use shared::values::Timestamp;
use uuid::Uuid;

use crate::table;
use crate::user::{MEMBERS, NewUser};

pub fn routes() -> Routes {
    Routes::default().post("/users", create).get("/users/me", me).get("/users/{id}", read)
}

/// A user that was registered now, with the one sight of its first key's token.
#[derive(Serialize)]
struct Registered<'a> {
    #[serde(flatten)]
    user: &'a User,
    key_id: Uuid,
    token: Option<&'a str>,
}

/// `POST /users`
async fn create(store: Store, Admin(caller): Admin, body: Body) -> Result<Answer, Problem> {
    let (store, caller, body) = (&store, &caller, &body);
    let decide = || async move {
        let named = NewUser::named_locations(&body.node()?);
        let known = table::known_locations(store, &named).await?;
        let new = body.read(MEMBERS, |user| NewUser::read(user, &known))?;
        let now = Timestamp::now();
        let given = new.given.clone();
        let user = new.registered(Uuid::now_v7(), now);
        let (key, token) = StoredKey::new(user.id, now)?;
        let shown = |token| Registered { user: &user, key_id: key.key_id, token };
        let answer =
            Answer::created(format!("/users/{}", user.id), &shown(Some(token.expose_secret())))?
                .replayed_as(&shown(None))?
                .with_version(user.version);
        table::create(caller, &user, &given, &key, answer)
    };
    store.commit(body.key(caller).as_ref(), decide).await
}

/// `GET /users/me`
async fn me(AnyUser(caller): AnyUser, _: NoParams) -> Result<Answer, Problem> {
    #[derive(Serialize)]
    struct Me<'a> {
        id: Option<Uuid>,
        username: &'a str,
        service: Option<&'a str>,
        location_id: Option<Uuid>,
        location_ids: &'a [Uuid],
        scopes: Scopes,
    }
    Answer::ok(&Me {
        id: caller.user_id(),
        username: caller.username(),
        service: None,
        location_id: caller.location_id(),
        location_ids: caller.location_ids(),
        scopes: caller.scopes(),
    })
}

/// `GET /users/{id}`
async fn read(
    store: Store,
    Admin(caller): Admin,
    Ids(id): Ids<Uuid>,
    known: IfNoneMatch,
    _: NoParams,
) -> Result<Answer, Problem> {
    let (store, caller, known) = (&store, &caller, &known);
    let decide = || async move {
        let user = table::read(store, id).await?;
        let answer = Answer::ok(&user)?.with_version(user.version).unless_known(known);
        Ok(Change::new(caller, Access::Read, table::subject(id), &[], answer))
    };
    store.commit(None, decide).await
}
