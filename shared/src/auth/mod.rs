//! From a credential to a `Caller`. Nothing else makes one but a worker, which no request calls; a
//! handler's signature says which kind it wants.

mod admit;
mod credential;
mod crypto;
mod issuer;
mod key;
mod scope;
mod token;
mod user;
mod users;

use std::marker::PhantomData;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use uuid::Uuid;

pub(crate) use self::admit::admit;
pub(crate) use self::crypto::install as install_crypto;
pub(crate) use self::issuer::Issuer;
pub use self::issuer::IssuerSettings;
pub use self::key::StoredKey;
pub use self::scope::{Permission, Scope, Scopes, permissions};
pub use self::user::{Claim, DEFAULT_LOCATION, User};
pub(crate) use self::users::KnownUsers;
use crate::app::App;
use crate::http::{Context, Named};
use crate::problem::Problem;

/// Who sent a request, as the audit and every permission see it.
#[derive(Clone)]
pub struct Caller {
    who: Who,
    context: Arc<Context>,
}

#[derive(Clone)]
enum Who {
    Administrator,
    /// A worker of ours, which no request made.
    Worker(&'static str),
    User(Arc<Acting>),
}

/// A user in one request: what it may do there, and for which location.
struct Acting {
    user: Arc<User>,
    /// The service that acts for it.
    service: Option<String>,
    scopes: Scopes,
    /// None where the request names one that isn't its own.
    location_id: Option<Uuid>,
    location_ids: Vec<Uuid>,
}

impl Caller {
    /// A worker in one call of it. `name` has a `:`, which no user's name can have.
    pub fn worker(name: &'static str, request_id: &str) -> Self {
        Self { who: Who::Worker(name), context: Arc::new(Context::of_worker(request_id)) }
    }

    fn acting(&self) -> Option<&Acting> {
        match &self.who {
            Who::Administrator | Who::Worker(_) => None,
            Who::User(acting) => Some(acting),
        }
    }

    /// None for the administrator and for workers.
    pub fn user_id(&self) -> Option<Uuid> {
        self.acting().map(|acting| acting.user.id)
    }

    /// The user's name; `admin`, which no user can take, for the administrator.
    pub fn username(&self) -> &str {
        match &self.who {
            Who::Administrator => "admin",
            Who::Worker(name) => name,
            Who::User(acting) => &acting.user.username,
        }
    }

    pub fn service(&self) -> Option<&str> {
        self.acting()?.service.as_deref()
    }

    /// The location that the request acts for.
    pub fn location_id(&self) -> Option<Uuid> {
        self.acting()?.location_id
    }

    /// The locations that it may act for.
    pub fn location_ids(&self) -> &[Uuid] {
        self.acting().map_or(&[], |acting| &acting.location_ids)
    }

    pub fn scopes(&self) -> Scopes {
        self.acting().map(|acting| acting.scopes).unwrap_or_default()
    }

    /// Whether it may act for, or look at, what is of a location.
    pub fn may_see(&self, location: Uuid) -> bool {
        self.is_administrator() || self.location_ids().contains(&location)
    }

    /// The user that it is, where only a user will do.
    pub fn must_be_user(&self) -> Result<Uuid, Problem> {
        self.user_id().ok_or(Problem::forbidden("This needs a user's credential."))
    }

    /// Refuses a request that names a location which isn't one of the caller's.
    fn must_be_placed(&self) -> Result<(), Problem> {
        let misplaced = self.acting().is_some_and(|acting| acting.location_id.is_none());
        if misplaced { Err(Problem::NOT_YOURS) } else { Ok(()) }
    }

    /// Refuses a caller without the scope of `P`, where a refusal has to be entered; else a handler
    /// asks for it in its signature.
    pub fn must_have<P: Permission>(&self) -> Result<(), Problem> {
        self.must_be_placed()?;
        match P::SCOPES {
            scopes if scopes.iter().any(|scope| self.scopes().contains(*scope)) => Ok(()),
            [first, ..] => Err(Problem::forbidden(first.needed())),
            [] => Err(Problem::bug("a permission without a scope")),
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

    /// A name that no other caller has, for what is bound to one: cursors, idempotency keys, limits.
    pub fn identity(&self) -> String {
        self.user_id().map_or_else(|| self.username().to_owned(), |id| id.to_string())
    }

    /// The same at its location, for a list that is another at another location.
    pub fn local_identity(&self) -> String {
        format!("{} {}", self.identity(), self.location_id().unwrap_or_default())
    }

    /// What the log says of it.
    fn named(&self) -> Named {
        let text = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
        let scopes: Vec<_> = self.scopes().iter().map(Scope::name).collect();
        Named {
            user_id: text(self.user_id()),
            username: self.username().to_owned(),
            service: self.service().unwrap_or_default().to_owned(),
            location_id: text(self.location_id()),
            scopes: scopes.join(" "),
        }
    }

    /// Requests a minute, where the user has a limit of its own.
    fn rate_limit_per_minute(&self) -> Option<u32> {
        self.acting()?.user.rate_limit_per_minute
    }
}

/// Any valid credential, where each refusal has to be entered, that of a location included: nothing
/// is this caller's before `must_have` says so.
pub struct Identified(pub Caller);

/// Whoever it is, with a valid credential or none.
pub struct Anyone(pub Option<Caller>);

/// Any valid credential.
pub struct Known(pub Caller);

/// The admin token.
pub struct Admin(pub Caller);

/// A user's credential, of any scope.
pub struct AnyUser(pub Caller);

/// The administrator, or a caller with the scope of `P`.
pub struct AdminOr<P>(Caller, PhantomData<P>);

impl<P> Deref for AdminOr<P> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl<P: Permission> FromRequestParts<App> for AdminOr<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Known(caller) = Known::from_request_parts(parts, app).await?;
        if caller.is_administrator() {
            return Ok(Self(caller, PhantomData));
        }
        let Allowed(caller, _) = Allowed::<P>::from_request_parts(parts, app).await?;
        Ok(Self(caller, PhantomData))
    }
}

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

/// `admit` has looked at the credential before any handler is called.
impl FromRequestParts<App> for Identified {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        parts.extensions.get::<Caller>().cloned().map(Self).ok_or(Problem::UNAUTHENTICATED)
    }
}

impl FromRequestParts<App> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>();
        caller.map_or(Ok(()), Caller::must_be_placed)?;
        Ok(Self(caller.cloned()))
    }
}

impl FromRequestParts<App> for Known {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Anyone(caller) = Anyone::from_request_parts(parts, app).await?;
        Ok(Self(caller.ok_or(Problem::UNAUTHENTICATED)?))
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
        caller.must_be_user()?;
        Ok(Self(caller))
    }
}

impl<P: Permission> FromRequestParts<App> for Allowed<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Known(caller) = Known::from_request_parts(parts, app).await?;
        caller.must_have::<P>()?;
        Ok(Self(caller, PhantomData))
    }
}
