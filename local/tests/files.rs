//! Routers, template.yaml and events/ hold each other.
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use lambda_http::RequestExt;
use local::{FUNCTIONS, WORKERS};
use outages::stand_in::StandIn;
use serde_json::Value;
use shared::embedded::Template;
use shared::testing::{ADMIN_TOKEN, TestApp};
use tower::ServiceExt;

/// Each sample event by its file's name.
fn events() -> BTreeMap<String, String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../events");
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .map(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(file.path()).unwrap_or_default())
        })
        .collect()
}

/// Whether a route's pattern fits a path.
fn fits(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(step), Some(given)) if step.starts_with('{') || step == given => {}
            _ => return false,
        }
    }
}

#[test]
fn every_function_is_in_the_template_and_gets_each_of_its_routes() -> Result<(), String> {
    let template = Template::of_the_project()?;
    let declared: Vec<_> = template.functions().map(|(name, _)| name).collect();
    let workers = WORKERS.iter().map(|worker| worker.name);
    let mut built: Vec<_> = FUNCTIONS.iter().map(|of| of.name).chain(workers).collect();
    built.sort_unstable();
    assert_eq!(
        {
            let mut declared = declared;
            declared.sort_unstable();
            declared
        },
        built
    );
    for function in FUNCTIONS {
        for (method, route) in (function.routes)().list() {
            assert_eq!(template.function_of(route), Some(function.name), "{method} {route}");
        }
    }
    Ok(())
}

#[test]
fn every_path_of_the_template_has_a_route() -> Result<(), String> {
    let template = Template::of_the_project()?;
    for function in FUNCTIONS {
        let routes = (function.routes)();
        let declared = template.functions().find(|(name, _)| *name == function.name);
        for path in
            declared.into_iter().flat_map(|(_, paths)| paths).filter(|path| *path != "$default")
        {
            let prefix = path.trim_end_matches("/{proxy+}");
            let below = path.ends_with("{proxy+}");
            let served = |route: &str| {
                if below {
                    route.strip_prefix(prefix).is_some_and(|r| r.starts_with('/'))
                } else {
                    route == prefix
                }
            };
            assert!(
                routes.list().iter().any(|(_, route)| served(route)),
                "{path} of {}",
                function.name
            );
        }
    }
    Ok(())
}

#[test]
fn every_route_has_an_event_of_its_function_s_name() {
    let events: Vec<(String, Value)> = events()
        .into_iter()
        .map(|(name, text)| (name, serde_json::from_str(&text).unwrap_or_default()))
        .collect();
    for function in FUNCTIONS {
        for (method, route) in (function.routes)().list() {
            let is_of = |(name, event): &&(String, Value)| {
                let http = &event["requestContext"]["http"];
                name.starts_with(&format!("{}-", function.name))
                    && http["method"] == method.as_str()
                    && fits(route, event["rawPath"].as_str().unwrap_or_default())
            };
            assert!(events.iter().any(|event| is_of(&event)), "no event for {method} {route}");
        }
    }
}

/// As deployed: each event goes to the function that its name begins with.
#[tokio::test]
async fn every_event_is_answered_as_its_name_promises() -> Result<(), Box<dyn std::error::Error>> {
    let upstream = StandIn::start("the-key").await?;
    let settings = [("KRAKEN_API_URL", upstream.url()), ("KRAKEN_API_KEY", "the-key".to_owned())];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let app = TestApp::start_with(FUNCTIONS, &settings).await;
    let key = app.user_key("ada", &shared::auth::Scope::ALL).await;
    for (name, text) in events() {
        if let Some(worker) = WORKERS.iter().find(|worker| name.starts_with(worker.name)) {
            let answer = app.call(worker, serde_json::from_str(&text)?).await?;
            assert_eq!(answer["batchItemFailures"].as_array().map_or(0, Vec::len), 0, "{name}");
            continue;
        }
        let text = text
            .replace("\"KEY\"", &format!("\"{key}\""))
            .replace("local-admin-token", ADMIN_TOKEN);
        let request = lambda_http::request::from_str(&text)?;
        let path = request.raw_http_path().to_owned();
        let function = FUNCTIONS
            .iter()
            .find(|function| name.starts_with(function.name))
            .ok_or(name.clone())?;
        let event: Value = serde_json::from_str(&text)?;
        let route =
            event["routeKey"].as_str().unwrap_or_default().trim_start_matches("ANY ").to_owned();
        let template = Template::of_the_project()?;
        let declared = template.functions().find(|(binary, _)| *binary == function.name);
        assert!(
            declared.is_some_and(|(_, paths)| paths.contains(&route)),
            "{name}: {route} isn't declared"
        );
        assert_eq!(template.function_of(&path), Some(function.name), "{name}");
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        let method = parts.method.clone();
        let request = Request::from_parts(parts, axum::body::Body::from(body));
        let answered = (function.routes)().dressed(app.app().clone()).oneshot(request);
        // A run is waited for, which needs its worker.
        let worked = async {
            loop {
                tokio::time::sleep(Duration::from_millis(50)).await;
                app.drain(&outages::WORKER).await;
            }
        };
        let response = tokio::select! {
            answer = answered => answer?,
            never = worked => never,
        };
        let absent = [
            "coupons-get",
            "coupons-replace",
            "coupons-patch",
            "coupons-delete",
            "coupons-evaluate",
            "coupons-redeem",
            "coupons-confirm",
            "coupons-cancel",
            "coupons-redemptions",
            "coupons-redemption",
            "coupons-stats",
            "ecgs-get",
            "ecgs-delete",
            "ecgs-segment",
            "ecgs-complete",
            "ecgs-signal",
            "ecgs-insights",
            "ecgs-plot",
            "encounters-get",
            "encounters-patch",
            "encounters-retract",
            "audit-verify",
            "payoffs-get",
            "reference-franchise",
            "outages-runs-get",
            "users-get",
            "users-patch",
            "users-keys-list",
            "users-keys-create",
            "users-keys-get",
            "users-keys-delete",
            "system-default",
        ];
        let expected = match name.trim_end_matches(".json") {
            name if absent.contains(&name) => 404,
            "coupons-create"
            | "ecgs-create"
            | "encounters-create"
            | "outages-runs-create"
            | "payoffs-create"
            | "users-create"
            | "users-locations-create" => 201,
            _ => 200,
        };
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        assert_eq!(status, expected, "{name} {method} {path}: {}", String::from_utf8_lossy(&body));
    }
    Ok(())
}
