//! All functions behind one address, each called for the paths that template.yaml gives it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use http::{HeaderName, HeaderValue, Method};
use tower::ServiceExt;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::Template;
use crate::app::{App, Function};
use crate::problem::Problem;

/// The functions as the HTTP API joins them, its CORS settings included.
pub fn gateway(template: Template, functions: &[Function], app: &App) -> Router {
    let dressed = |function: &Function| (function.name, (function.routes)().dressed(app.clone()));
    let routers: HashMap<_, _> = functions.iter().map(dressed).collect();
    let known = Arc::new((template, routers));
    let call = async move |request: Request| {
        let (template, routers) = &*known;
        let function = template.function_of(request.uri().path());
        match function.and_then(|name| routers.get(name)) {
            Some(router) => router.clone().oneshot(request).await.map_err(|never| match never {}),
            None => Err(Problem::NOT_FOUND),
        }
    };
    Router::new().fallback(call).layer(cors(&app.settings().cors_origins))
}

fn cors(origins: &[String]) -> CorsLayer {
    if origins.is_empty() {
        return CorsLayer::new();
    }
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(names(&[
            "authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "x-admin-token",
            "x-api-key", "x-location-id", "x-request-id", "x-user-token",
        ]))
        .expose_headers(names(&[
            "etag", "location", "link", "retry-after", "ratelimit", "ratelimit-policy",
            "idempotency-replayed", "x-request-id", "server-timing",
        ]))
        .max_age(std::time::Duration::from_mins(10))
}

fn names(names: &[&'static str]) -> Vec<HeaderName> {
    names.iter().map(|name| HeaderName::from_static(name)).collect()
}

