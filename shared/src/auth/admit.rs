//! The door: who calls, and whether that caller may make one more request this minute.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::ACCESS_CONTROL_REQUEST_METHOD;
use http::{HeaderMap, Method};
use uuid::Uuid;

use super::credential::Credential;
use super::token::{ID_TOKEN, OWN_TOKEN, ServiceToken, Subject, key_id, verify_user};
use super::{Acting, Caller, User, Who};
use crate::app::App;
use crate::http::Context;
use crate::log;
use crate::problem::Problem;
use crate::rate_limit::{Allowance, source};
use crate::services::Service;
use crate::store::Store;
use crate::values::Timestamp;

/// Lets a request in with its `Caller`, or turns it away, and says what it has left.
pub async fn admit(State(app): State<App>, mut request: Request, next: Next) -> Response {
    // A preflight has no credential, and what it asks for is counted when it comes.
    if request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        && request.method() == Method::OPTIONS
    {
        return next.run(request).await;
    }
    let context = Context::of(request.extensions());
    let door = Door { app: &app, context: &context, now: Timestamp::now() };
    let (allowance, admitted) = door.admit(request.headers()).await;
    let mut response = match admitted {
        Ok(caller) => {
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    allowance.write(response.headers_mut());
    response
}

struct Door<'a> {
    app: &'a App,
    context: &'a Arc<Context>,
    now: Timestamp,
}

impl Door<'_> {
    async fn admit(&self, headers: &HeaderMap) -> (Allowance, Result<Option<Caller>, Problem>) {
        let credential = match Credential::of(headers) {
            Ok(Some(credential)) => credential,
            Ok(None) => return self.anonymous(Ok(None)).await,
            Err(problem) => return self.anonymous(Err(problem)).await,
        };
        // A key that was good lately is neither looked up nor a guess.
        if let Credential::ApiKey(key) = &credential
            && let Some(user) = self.app.users.known_by_key(key)
        {
            return self.known(Ok(acting(user, headers, None))).await;
        }
        // Any other key is a guess until it was looked up: it costs its source a token before that.
        // Tokens prove themselves without a look-up, and cost their source one where they don't.
        let Credential::ApiKey(_) = &credential else {
            let who = self.authenticate(&credential, headers).await;
            return self.known(who).await;
        };
        let source = source(self.context.source_ip);
        let allowance = self.take(&source, self.app.settings.rate_limit_per_minute).await;
        if let Err(problem) = allowance.check() {
            return (allowance, Err(problem));
        }
        let who = self.authenticate(&credential, headers).await;
        if !who.as_ref().is_err_and(Problem::is_refusal) {
            self.app.limiter.give_back(&source, self.now).await;
        }
        match who {
            Ok(who) => self.known(Ok(who)).await,
            Err(problem) => (allowance, Err(problem)),
        }
    }

    async fn anonymous(
        &self,
        admitted: Result<Option<Caller>, Problem>,
    ) -> (Allowance, Result<Option<Caller>, Problem>) {
        let allowance = self
            .take(&source(self.context.source_ip), self.app.settings.rate_limit_per_minute)
            .await;
        (allowance, allowance.check().and(admitted))
    }

    async fn known(
        &self,
        who: Result<Who, Problem>,
    ) -> (Allowance, Result<Option<Caller>, Problem>) {
        let who = match who {
            Ok(who) => who,
            Err(problem) => return self.anonymous(Err(problem)).await,
        };
        let caller = Caller { who, context: Arc::clone(self.context) };
        self.context.name(caller.named());
        let limit =
            caller.rate_limit_per_minute().unwrap_or(self.app.settings.rate_limit_per_minute);
        let allowance = self.take(&format!("caller#{}", caller.identity()), limit).await;
        (allowance, allowance.check().map(|()| Some(caller)))
    }

    async fn take(&self, who: &str, limit: u32) -> Allowance {
        self.app.limiter.take(&self.app.store, who, limit, self.now).await
    }

    async fn authenticate(
        &self,
        credential: &Credential,
        headers: &HeaderMap,
    ) -> Result<Who, Problem> {
        let store = self.app.store.metered(Arc::clone(&self.context.meter));
        match credential {
            Credential::AdminToken(token) if self.app.settings.admin_token.contains(token) => {
                Ok(Who::Administrator)
            }
            Credential::AdminToken(_) => Err(Problem::UNAUTHENTICATED),
            Credential::ApiKey(key) => {
                let user = self.app.users.by_key(&store, key).await?;
                Ok(acting(user.ok_or(Problem::UNAUTHENTICATED)?, headers, None))
            }
            Credential::Bearer(token) => self.bearer(&store, token, headers).await,
        }
    }

    async fn bearer(
        &self,
        store: &Store,
        token: &str,
        headers: &HeaderMap,
    ) -> Result<Who, Problem> {
        let key_id = key_id(token)?;
        let service = |name| Some((name, self.app.settings.services.get(name)?));
        let Some((name, service)) = key_id.as_deref().and_then(service) else {
            let subject = self.identified(token, OWN_TOKEN, None).await?;
            let user = self.app.users.by_subject(store, &subject).await?;
            return Ok(acting(user.ok_or(Problem::UNAUTHENTICATED)?, headers, None));
        };
        let verified =
            ServiceToken::verify(token, name, service).ok_or(Problem::UNAUTHENTICATED)?;
        // A service names users by our ids.
        let by_id = Some(&verified.sub).filter(|sub| sub.user_id().is_some());
        let user = self.app.users.by_subject(store, by_id.ok_or(Problem::UNAUTHENTICATED)?).await?;
        let user = user
            .filter(|user| Some(user.id) == verified.sub.user_id())
            .ok_or(Problem::UNAUTHENTICATED)?;
        if self.app.issuer.is_some() {
            let id_token = verified.id_token.as_deref().ok_or(Problem::UNAUTHENTICATED)?;
            let audience = service.client_id.as_deref();
            let subject = self.identified(id_token, ID_TOKEN, audience).await?;
            let same = subject.user_id() == Some(user.id)
                || user.oidc_subject.as_ref() == Some(&subject.0);
            if !same {
                return Err(Problem::UNAUTHENTICATED);
            }
        }
        log::service_token(name, &verified.jti);
        Ok(acting(user, headers, Some((name, service, &verified))))
    }

    /// Whom a token of the identity provider names.
    async fn identified(
        &self,
        token: &str,
        types: &[&str],
        audience: Option<&str>,
    ) -> Result<Subject, Problem> {
        let issuer = self.app.issuer.as_ref().ok_or(Problem::UNAUTHENTICATED)?;
        let key_id = key_id(token)?;
        let key = issuer.key(key_id.as_deref()).await?.ok_or(Problem::UNAUTHENTICATED)?;
        let audience = audience.unwrap_or(&issuer.settings.audience);
        verify_user(token, types, &key, &issuer.settings.issuer, audience)
            .ok_or(Problem::UNAUTHENTICATED)
    }
}

/// A user with what the token and its service narrow, at the location asked for.
fn acting(
    user: Arc<User>,
    headers: &HeaderMap,
    by: Option<(&str, &Service, &ServiceToken)>,
) -> Who {
    let (mut scopes, mut location_ids) = (user.scopes, user.location_ids.clone());
    if let Some((_, service, token)) = by {
        for narrower in [token.scopes, service.scopes].into_iter().flatten() {
            scopes = scopes.and(narrower);
        }
        if let Some(allowed) = &service.location_ids {
            location_ids.retain(|id| allowed.contains(id));
        }
    }
    let in_token = by.and_then(|(_, _, token)| token.location_id.as_deref());
    let location_id = location(headers, in_token, &location_ids);
    let service = by.map(|(name, _, _)| name.to_owned());
    Who::User(Arc::new(Acting { user, service, scopes, location_id, location_ids }))
}

/// The token's location, else the header's, else the first; none where that isn't allowed.
fn location(headers: &HeaderMap, in_token: Option<&str>, allowed: &[Uuid]) -> Option<Uuid> {
    let in_headers = headers.get_all("x-location-id").iter().map(|id| id.to_str().ok());
    let mut named = in_token.map(Some).into_iter().chain(in_headers);
    let Some(first) = named.next() else {
        return allowed.first().copied();
    };
    let parse = |id: Option<&str>| Uuid::try_parse(id?).ok();
    let id = parse(first).filter(|id| allowed.contains(id))?;
    named.all(|other| parse(other) == Some(id)).then_some(id)
}
