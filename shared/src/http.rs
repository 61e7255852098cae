//! What every request wears on its way in and out: an id, the time it took, the security headers,
//! its problem written out, one log line.

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower_http::catch_panic::CatchPanicLayer;
use uuid::Uuid;

use crate::app::App;
use crate::auth::admit;
use crate::log::{self, CallContext};
use crate::params::Params;
use crate::problem::Problem;
use crate::sentry::{self, Call, Sentry};
use crate::store::{Cost, Meter};
use crate::trace::Trace;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Lambda's 29 s less what Sentry may take and half a second, so that the end is an answer and a log
/// line. What takes so long waits for the storage, or for a run of up to 25 s.
const LONGEST: Duration = Duration::from_millis(29_000 - 500).saturating_sub(sentry::LONGEST);

/// The routes of one function, and a list of them for the tests that hold routes, template and
/// events to each other.
#[derive(Default)]
pub struct Routes {
    router: Router<App>,
    list: Vec<(Method, &'static str)>,
    form: Option<Form>,
}

/// Another form of problems than RFC 9457's, for requests that ask for it.
#[derive(Clone, Copy)]
pub struct Form {
    pub is_wanted: fn(&Request) -> bool,
    pub content_type: &'static str,
    pub write: fn(&Problem) -> Vec<u8>,
}

impl Routes {
    #[must_use]
    pub fn get<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.route(Method::GET, path, axum::routing::get(handler))
    }

    #[must_use]
    pub fn post<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.route(Method::POST, path, axum::routing::post(handler))
    }

    #[must_use]
    pub fn put<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.route(Method::PUT, path, axum::routing::put(handler))
    }

    #[must_use]
    pub fn patch<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.route(Method::PATCH, path, axum::routing::patch(handler))
    }

    #[must_use]
    pub fn delete<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.route(Method::DELETE, path, axum::routing::delete(handler))
    }

    fn route(mut self, method: Method, path: &'static str, handler: MethodRouter<App>) -> Self {
        self.list.push((method, path));
        self.router = self.router.route(path, handler);
        self
    }

    /// Problems are written in `form` where a request asks for it.
    #[must_use]
    pub fn problems_as(self, form: Form) -> Self {
        Self { form: Some(form), ..self }
    }

    /// Method and pattern of each route.
    pub fn list(&self) -> &[(Method, &'static str)] {
        &self.list
    }

    /// The routes with all that a request wears, the outermost first. It is one layer, since each is
    /// put around every route by itself, at each start.
    pub fn dressed(self, app: App) -> Router {
        self.router
            .fallback(async || Problem::NOT_FOUND)
            .method_not_allowed_fallback(async || Problem::METHOD_NOT_ALLOWED)
            .layer((
                from_fn_with_state((self.form, app.sentry.clone()), envelope),
                CatchPanicLayer::custom(panicked),
                from_fn_with_state(app.clone(), admit),
            ))
            .with_state(app)
    }
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::INTERNAL.into_response()
}

/// What is known of a request before anything of it has been believed.
pub struct Context {
    /// The caller's own, where it has the form that may be repeated; else a new one.
    pub request_id: String,
    pub source_ip: Option<IpAddr>,
    pub meter: Arc<Meter>,
    caller: OnceLock<Named>,
}

/// Who called, as the log names it.
#[derive(Default, Serialize)]
pub struct Named {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// The service that acts for the user: `service` is this one.
    #[serde(rename = "caller_service", skip_serializing_if = "String::is_empty")]
    pub service: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub location_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scopes: String,
}

impl Context {
    fn new(headers: &HeaderMap, extensions: &Extensions) -> Self {
        let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        let fits = |id: &&str| {
            (1..=128).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        let request_id =
            given.filter(fits).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
        Self {
            request_id,
            source_ip: source_ip(extensions),
            meter: Arc::default(),
            caller: OnceLock::new(),
        }
    }

    /// For a call that is no request.
    pub(crate) fn of_worker(request_id: &str) -> Self {
        Self {
            request_id: request_id.to_owned(),
            source_ip: None,
            meter: Arc::default(),
            caller: OnceLock::new(),
        }
    }

    /// The request's own, or an empty one where no envelope is worn.
    pub(crate) fn of(extensions: &Extensions) -> Arc<Self> {
        let known = extensions.get::<Arc<Self>>().cloned();
        known.unwrap_or_else(|| Arc::new(Self::new(&HeaderMap::new(), extensions)))
    }

    /// Notes who called, for the log.
    pub(crate) fn name(&self, caller: Named) {
        let _ = self.caller.set(caller);
    }
}

/// As the gateway or the socket saw it; what a client says of itself counts for nothing.
fn source_ip(extensions: &Extensions) -> Option<IpAddr> {
    match extensions.get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV2(context)) => {
            context.http.source_ip.as_deref()?.parse().ok()
        }
        _ => extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip()),
    }
}

pub(crate) async fn envelope(
    State((form, sentry)): State<(Option<Form>, Option<Arc<Sentry>>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let has_forms = form.is_some();
    let form = form.filter(|form| (form.is_wanted)(&request));
    let began = Instant::now();
    let context = Arc::new(Context::new(request.headers(), request.extensions()));
    request.extensions_mut().insert(Arc::clone(&context));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let coupon_id = coupon_id(route.as_ref().map_or("", MatchedPath::as_str), request.uri().path());
    let call = CallContext::new(context.request_id.clone(), trace(request.extensions()));
    let mut response = if is_plain(&request) {
        let answered = tokio::time::timeout(LONGEST, call.within(next.run(request))).await;
        answered.unwrap_or_else(|_| Problem::STORAGE_UNAVAILABLE.into_response())
    } else {
        Problem::NOT_FOUND.into_response()
    };
    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = &problem {
        write_problem(&mut response, problem, form, &method, &context.request_id);
    }
    let cost = context.meter.cost();
    let duration_ms = began.elapsed().as_secs_f64() * 1_000.0;
    let timing = timing(response.status(), duration_ms, &cost);
    write_headers(response.headers_mut(), &context.request_id, &timing);
    if has_forms {
        response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept"));
    }
    let nobody = Named::default();
    let line = log::Request {
        method: method_name(&method),
        route: route.as_ref().map_or("", MatchedPath::as_str),
        coupon_id,
        status: response.status().as_u16(),
        code: problem.as_ref().map_or("", Problem::code),
        caller: context.caller.get().unwrap_or(&nobody),
        duration_ms,
        calls: cost.calls,
        read_units: cost.read_units,
        write_units: cost.write_units,
    };
    call.within(async {
        log::request(&line);
        if let Some(sentry) = &sentry {
            sentry.report(&call, &Call::of_request(&line)).await;
        }
    })
    .await;
    response
}

/// Gives the answer its body: in the form that was asked for, where there is another.
fn write_problem(
    response: &mut Response,
    problem: &Problem,
    form: Option<Form>,
    method: &Method,
    request_id: &str,
) {
    let body = match form {
        Some(form) => {
            let kind = HeaderValue::from_static(form.content_type);
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            (form.write)(problem)
        }
        None => problem.body(request_id),
    };
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    *response.body_mut() = if method == Method::HEAD { Body::empty() } else { Body::from(body) };
}

/// `Server-Timing`.
fn timing(status: StatusCode, duration_ms: f64, cost: &Cost) -> String {
    let app = format!("app;dur={duration_ms:.2}");
    // The storage's share would tell whether a thing is another's or isn't there.
    if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&status) {
        return app;
    }
    let waited_ms = cost.waited.as_secs_f64() * 1_000.0;
    let Cost { calls, read_units, write_units, .. } = cost;
    format!(
        "{app}, db;dur={waited_ms:.2};desc=\"{calls} calls, {read_units} RCU, {write_units} WCU\""
    )
}

/// What every answer has.
fn write_headers(headers: &mut HeaderMap, request_id: &str, timing: &str) {
    for (name, value) in [(REQUEST_ID, request_id), (SERVER_TIMING, timing)] {
        headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// The invocation's, under Lambda.
fn trace(extensions: &Extensions) -> Option<Trace> {
    Trace::parse(extensions.get::<lambda_http::Context>()?.xray_trace_id.as_deref()?)
}

/// The coupon that a path is about, so that its views can be counted. Nothing else of a path is kept.
fn coupon_id(route: &str, path: &str) -> Option<Uuid> {
    let mut pattern = route.split('/').skip(1);
    if (pattern.next(), pattern.next()) != (Some("coupons"), Some("{id}")) {
        return None;
    }
    path.split('/').nth(2)?.parse().ok()
}

/// A method's name; one of a caller's own making would be free text in the log.
fn method_name(method: &Method) -> &str {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    if known.contains(method) { method.as_str() } else { "other" }
}

/// Whether the path, as the gateway got it, has nothing to decode: the gateway hands paths on
/// decoded, so that an encoded `?` would begin a query.
fn is_plain(request: &Request) -> bool {
    let raw = request.raw_http_path();
    let path = if raw.is_empty() { request.uri().path() } else { raw };
    path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._~-".contains(&b))
}

/// The ids in a path. One that isn't a UUID names nothing that could be there.
pub struct Ids<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Ids<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, app).await;
        path.map(|axum::extract::Path(ids)| Self(ids)).map_err(|_| Problem::NOT_FOUND)
    }
}

/// For routes that take no query.
pub struct NoParams;

impl FromRequestParts<App> for NoParams {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        Params::parse(parts.uri.query(), &[]).finish()?;
        Ok(Self)
    }
}
