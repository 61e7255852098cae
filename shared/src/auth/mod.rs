//! From a credential to a `Caller`. Nothing else makes one, and a handler's signature says which
//! kind it wants.

mod key;
mod scope;
mod user;

use std::marker::PhantomData;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};
use uuid::Uuid;

use self::key::ApiKey;
pub use self::key::StoredKey;
pub use self::scope::{Permission, Scope, Scopes, permissions};
pub use self::user::{DEFAULT_LOCATION, User};
use crate::app::App;
use crate::http::Context;
use crate::problem::Problem;

const API_KEY: &str = "x-api-key";
const USER_TOKEN: &str = "x-user-token";
const ADMIN_TOKEN: &str = "x-admin-token";
const LOCATION_ID: &str = "x-location-id";

/// Who sent a request, as the audit and every permission see it.
#[derive(Clone)]
pub struct Caller {
    who: Who,
    context: Arc<Context>,
}

#[derive(Clone)]
enum Who {
    Administrator,
    User { user: Arc<User>, location_id: Uuid },
}

impl Caller {
    /// None for the administrator.
    pub fn user_id(&self) -> Option<Uuid> {
        match &self.who {
            Who::Administrator => None,
            Who::User { user, .. } => Some(user.id),
        }
    }

    /// The user's name; `admin`, which no user can take, for the administrator.
    pub fn username(&self) -> &str {
        match &self.who {
            Who::Administrator => "admin",
            Who::User { user, .. } => &user.username,
        }
    }

    /// The location that the request acts for.
    pub fn location_id(&self) -> Option<Uuid> {
        match &self.who {
            Who::Administrator => None,
            Who::User { location_id, .. } => Some(*location_id),
        }
    }

    pub fn location_ids(&self) -> &[Uuid] {
        match &self.who {
            Who::Administrator => &[],
            Who::User { user, .. } => &user.location_ids,
        }
    }

    pub fn scopes(&self) -> Scopes {
        match &self.who {
            Who::Administrator => Scopes::default(),
            Who::User { user, .. } => user.scopes,
        }
    }

    pub fn is_administrator(&self) -> bool {
        matches!(self.who, Who::Administrator)
    }

    pub fn request_id(&self) -> &str {
        &self.context.request_id
    }

    pub fn source_ip(&self) -> Option<IpAddr> {
        self.context.source_ip
    }

    /// A name that no other caller has, for what is bound to one: cursors, idempotency keys.
    pub fn identity(&self) -> String {
        self.user_id().map_or_else(|| "admin".to_owned(), |id| id.to_string())
    }
}

/// Whoever it is, with a valid credential or none.
pub struct Anyone(pub Option<Caller>);

/// Any valid credential.
pub struct Known(pub Caller);

/// The admin token.
pub struct Admin(pub Caller);

/// A user's credential, of any scope.
pub struct AnyUser(pub Caller);

/// A caller with the scope of `P`.
pub struct Allowed<P>(Caller, PhantomData<P>);

impl<P> Deref for Allowed<P> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl Anyone {
    /// As `Caller::identity`; all callers without a credential share one.
    pub fn identity(&self) -> String {
        self.0.as_ref().map_or_else(|| "anonymous".to_owned(), Caller::identity)
    }
}

impl FromRequestParts<App> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(Self(authenticate(parts, app).await?))
    }
}

impl FromRequestParts<App> for Known {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(Self(authenticate(parts, app).await?.ok_or(Problem::UNAUTHENTICATED)?))
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Known(caller) = Known::from_request_parts(parts, app).await?;
        if !caller.is_administrator() {
            return Err(Problem::forbidden("This needs the admin token."));
        }
        Ok(Self(caller))
    }
}

impl FromRequestParts<App> for AnyUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Known(caller) = Known::from_request_parts(parts, app).await?;
        if caller.is_administrator() {
            return Err(Problem::forbidden("This needs a user's credential."));
        }
        Ok(Self(caller))
    }
}

impl<P: Permission> FromRequestParts<App> for Allowed<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Known(caller) = Known::from_request_parts(parts, app).await?;
        match P::SCOPES {
            scopes if scopes.iter().any(|scope| caller.scopes().contains(*scope)) => {
                Ok(Self(caller, PhantomData))
            }
            [first, ..] => Err(Problem::forbidden(first.needed())),
            [] => Err(Problem::INTERNAL),
        }
    }
}

/// The one credential of a request, by the header that it came in.
enum Credential {
    ApiKey(Vec<u8>),
    AdminToken(Vec<u8>),
    Bearer,
}

impl Credential {
    fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let given = |name: &'static str| headers.get_all(name).iter();
        let bytes = |value: &http::HeaderValue| value.as_bytes().to_vec();
        let keys = given(API_KEY).chain(given(USER_TOKEN)).map(|key| Self::ApiKey(bytes(key)));
        let tokens = given(ADMIN_TOKEN).map(|token| Self::AdminToken(bytes(token)));
        let bearers = given(header::AUTHORIZATION.as_str()).map(|_| Self::Bearer);
        let mut credentials = keys.chain(tokens).chain(bearers);
        match (credentials.next(), credentials.next()) {
            (_, Some(_)) => Err(Problem::AMBIGUOUS_CREDENTIALS),
            (first, None) => Ok(first),
        }
    }
}

async fn authenticate(parts: &mut Parts, app: &App) -> Result<Option<Caller>, Problem> {
    let Some(credential) = Credential::of(&parts.headers)? else {
        return Ok(None);
    };
    let context = Context::of(&parts.extensions);
    let who = match credential {
        Credential::AdminToken(token) if app.settings.admin_token.contains(&token) => {
            Who::Administrator
        }
        Credential::AdminToken(_) | Credential::Bearer => return Err(Problem::UNAUTHENTICATED),
        Credential::ApiKey(key) => {
            let store = app.store.metered(Arc::clone(&context.meter));
            let user = ApiKey::parse(&key).verify(&store).await?.ok_or(Problem::UNAUTHENTICATED)?;
            let location_id = location(&parts.headers, &user)?;
            Who::User { user: Arc::new(user), location_id }
        }
    };
    let caller = Caller { who, context };
    caller.context.name(caller.username());
    Ok(Some(caller))
}

/// The location that the request names, else the user's first.
fn location(headers: &HeaderMap, user: &User) -> Result<Uuid, Problem> {
    const NOT_YOURS: Problem = Problem::forbidden("This location is not one of yours.");
    let mut named = headers.get_all(LOCATION_ID).iter();
    let (first, second) = (named.next(), named.next());
    let id = match first {
        None => user.location_ids.first().copied(),
        Some(id) => id.to_str().ok().and_then(|id| Uuid::try_parse(id).ok()),
    };
    id.filter(|id| second.is_none() && user.location_ids.contains(id)).ok_or(NOT_YOURS)
}
