//! All functions behind one address, each called for the paths that template.yaml gives it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use tower::ServiceExt;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::Template;
use super::template::Cors;
use crate::app::{App, Function};
use crate::body::received;
use crate::http::envelope;

/// The functions as the HTTP API joins them, its CORS settings included.
pub fn gateway(template: Template, functions: &[Function], app: &App) -> Router {
    let dressed = |function: &Function| (function.name, (function.routes)().dressed(app.clone()));
    let routers: HashMap<_, _> = functions.iter().map(dressed).collect();
    let cors = cors(&app.settings().cors_origins, &template.cors);
    // A path of a function that isn't among these is nobody's here.
    let nobodys = crate::http::Routes::default().dressed(app.clone());
    let known = Arc::new((template, routers, nobodys));
    let functions = Router::new().fallback(async move |request: Request| {
        let (template, routers, nobodys) = &*known;
        // A function is called once the gateway has all of the body, be it read by nobody; for half
        // of one it isn't called.
        let (parts, body) = request.into_parts();
        let request = match received(body).await {
            Ok(body) => Request::from_parts(parts, Body::from(body)),
            Err(broken_off) => return broken_off.into_response(),
        };
        let function = template.function_of(request.uri().path());
        let Ok(response) = function
            .and_then(|name| routers.get(name))
            .unwrap_or(nobodys)
            .clone()
            .oneshot(request)
            .await;
        response
    });
    let Some(cors) = cors else { return functions };
    let preflights = Router::new()
        .fallback(async || StatusCode::NO_CONTENT)
        .layer(cors.clone())
        .layer(from_fn_with_state((None, app.sentry.clone()), envelope));
    let calls = functions.clone().layer(cors);
    Router::new().fallback(async move |request: Request| {
        // The layer takes any OPTIONS for a preflight; a plain one is the function's to refuse.
        let asks = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let router = match (request.method(), asks) {
            (&Method::OPTIONS, true) => preflights.clone(),
            (&Method::OPTIONS, false) => functions.clone(),
            _ => calls.clone(),
        };
        let Ok(response) = router.oneshot(request).await;
        response
    })
}

fn cors(origins: &[String], cors: &Cors) -> Option<CorsLayer> {
    let origins: Vec<_> =
        origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    let names = |names: &[String]| {
        names.iter().filter_map(|name| name.parse().ok()).collect::<Vec<HeaderName>>()
    };
    let methods: Vec<Method> =
        cors.allow_methods.iter().filter_map(|method| method.parse().ok()).collect();
    let layer = CorsLayer::new()
        .allow_methods(methods)
        .allow_headers(names(&cors.allow_headers))
        .expose_headers(names(&cors.expose_headers))
        .max_age(std::time::Duration::from_secs(cors.max_age));
    (!origins.is_empty()).then(|| layer.allow_origin(AllowOrigin::list(origins)))
}
