//! Who may call what: every route against every kind of credential and every scope. A route
//! without a rule here fails.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::time::Duration;

use http::Method;
use local::FUNCTIONS;
use serde_json::json;
use shared::auth::Scope;
use shared::testing::{Client, Issuer, SigningKey, TestApp, now};

const SERVICE_KEY: &str = "the-prepay-service-key-of-32-bytes!";

#[derive(Clone, Copy, PartialEq)]
enum Rule {
    Anyone,
    /// Any valid credential.
    Known,
    User,
    Admin,
    AdminOr(Scope),
    AnyOf(&'static [Scope]),
}

#[expect(clippy::match_same_arms, reason = "in the order of the routes")]
fn rule(method: &Method, path: &str) -> Option<Rule> {
    use Rule::{Admin, AdminOr, AnyOf, Anyone, Known, User};
    const WRITE: Rule = AnyOf(&[Scope::CouponsWrite]);
    const ENCOUNTER: Rule = AnyOf(&[Scope::EncountersWrite]);
    const REDEEM: Rule = AnyOf(&[Scope::CouponsRedeem]);
    Some(match (method.as_str(), path) {
        ("GET", "/coupons" | "/coupons/{id}") | ("POST", "/coupons/{id}/evaluations") => Anyone,
        ("POST", "/coupons" | "/coupons/import") | ("GET", "/coupons/export") => WRITE,
        ("PUT" | "PATCH" | "DELETE", "/coupons/{id}") => WRITE,
        ("POST", "/coupons/{id}/redemptions") => REDEEM,
        (
            "POST",
            "/coupons/{id}/redemptions/{rid}/confirm" | "/coupons/{id}/redemptions/{rid}/cancel",
        ) => REDEEM,
        ("GET", "/coupons/{id}/redemptions" | "/coupons/{id}/stats") => WRITE,
        ("GET", "/coupons/{id}/redemptions/{rid}") => {
            AnyOf(&[Scope::CouponsWrite, Scope::CouponsRedeem])
        }
        ("POST", "/encounters") | ("PATCH", "/encounters/{id}") => ENCOUNTER,
        ("POST", "/encounters/{id}/retraction") => ENCOUNTER,
        ("GET", "/encounters" | "/encounters/{id}") | ("POST", "/encounters/search") => {
            AnyOf(&[Scope::EncountersRead])
        }
        ("GET", "/audit/{item_type}" | "/audit/{item_type}/{item_id}/verification")
        | ("POST", "/audit/encounters/search") => AnyOf(&[Scope::AuditRead]),
        (
            "GET",
            "/ecgs"
            | "/ecgs/{id}"
            | "/ecgs/{id}/signal"
            | "/ecgs/{id}/insights"
            | "/ecgs/{id}/plot.svg",
        ) => AnyOf(&[Scope::EcgsRead]),
        ("POST", "/ecgs" | "/ecgs/{id}/segments" | "/ecgs/{id}/complete")
        | ("DELETE", "/ecgs/{id}") => AnyOf(&[Scope::EcgsWrite]),
        ("GET", "/countries" | "/countries/{code}" | "/holidays") => Known,
        ("GET", "/naics-codes" | "/naics-codes/{code}") => Known,
        ("GET", "/franchises" | "/franchises/{franchise_id}") => Known,
        ("POST", "/franchises/import" | "/payoffs") => AnyOf(&[Scope::PayoffsWrite]),
        ("GET", "/payoffs" | "/payoffs/{id}") => AnyOf(&[Scope::PayoffsRead]),
        ("POST", "/outages/runs") => AnyOf(&[Scope::OutagesRun]),
        ("GET", "/outages/runs" | "/outages/runs/{id}") => AnyOf(&[Scope::OutagesRead]),
        ("POST", "/users" | "/users/{id}/keys" | "/locations") | ("PATCH", "/users/{id}") => Admin,
        ("GET", "/users/{id}/keys" | "/users/{id}/keys/{key_id}")
        | ("DELETE", "/users/{id}/keys/{key_id}") => Admin,
        ("GET", "/users" | "/users/{id}") => AdminOr(Scope::UsersRead),
        ("GET", "/users/me") => User,
        ("GET", "/locations" | "/locations/{id}" | "/status") => Known,
        ("GET", "/" | "/health" | "/health/ready" | "/health/ping") => Anyone,
        ("GET", "/openapi.json" | "/docs" | "/docs/{file}") => Anyone,
        _ => return None,
    })
}

/// A caller, and what it has.
struct Who {
    name: String,
    client: Client,
    admin: bool,
    scopes: Vec<Scope>,
}

async fn callers(app: &TestApp, issuer: &Issuer, issued: &SigningKey) -> Vec<Who> {
    let mut callers = vec![Who {
        name: "the administrator".into(),
        client: app.admin(),
        admin: true,
        scopes: vec![],
    }];
    callers.push(Who {
        name: "a user of no scope".into(),
        client: app.user("none", &[]).await,
        admin: false,
        scopes: vec![],
    });
    for scope in Scope::ALL {
        let key = app.user_key(scope.name().split(':').next().unwrap_or_default(), &[scope]).await;
        let claims = |audience: &str, issuer: &str, sub: String| json!({"iss": issuer, "aud": audience, "sub": sub, "exp": now() + 240, "jti": "1"});
        let (_, id) = app
            .user_key_and_id(&format!("all-{}", scope.name().replace(':', "-")), &Scope::ALL)
            .await;
        let id_token = issued.sign(
            &json!({"alg": "ES256", "kid": "ec"}),
            &claims("quartet-web", &issuer.url, id.to_string()),
        );
        let mut narrowed = claims("quartet", "prepay", id.to_string());
        narrowed["scope"] = json!(scope.name());
        narrowed["id_token"] = json!(id_token);
        let service = SigningKey::Secret(SERVICE_KEY.into());
        let service = service.sign(&json!({"alg": "HS256", "kid": "prepay"}), &narrowed);
        let (_, own) =
            app.user_key_and_id(&format!("own-{}", scope.name().replace(':', "-")), &[scope]).await;
        let oidc = issued.sign(
            &json!({"alg": "ES256", "kid": "ec"}),
            &claims("quartet-web", &issuer.url, own.to_string()),
        );
        for (kind, token) in [("a service token", service), ("an OIDC token", oidc)] {
            callers.push(Who {
                name: format!("{} by {kind}", scope.name()),
                client: app.anon().header("authorization", &format!("Bearer {token}")),
                admin: false,
                scopes: vec![scope],
            });
        }
        for header in ["x-api-key", "x-user-token"] {
            callers.push(Who {
                name: format!("{} by {header}", scope.name()),
                client: app.anon().header(header, &key),
                admin: false,
                scopes: vec![scope],
            });
        }
    }
    callers
}

async fn status(client: &Client, method: &Method, path: &str) -> u16 {
    let id = "019b0000-0000-7000-8000-000000000001";
    let path = path.replace("{item_type}", "coupons").replace("{item_id}", id);
    let path = path.replace("{id}", id).replace("{rid}", id).replace("{key_id}", id);
    let path = path.replace("{code}", "11").replace("{franchise_id}", "F-1");
    let path = path.replace("{file}", "start.js");
    let (client, body) = match *method {
        Method::GET | Method::DELETE => (client.clone(), None),
        _ => (client.header("content-type", "application/json"), Some(b"{}".to_vec())),
    };
    client.send(method.clone(), &path, body).await.status.as_u16()
}

#[tokio::test]
async fn every_route_lets_in_whom_its_rule_names_and_nobody_else() {
    let (issuer, issued) = (Issuer::start().await, SigningKey::ec());
    issuer.keys.lock().expect("keys").push(issued.ec_jwk("ec"));
    let services = json!({"prepay": SERVICE_KEY}).to_string();
    let mut settings = issuer.settings();
    settings.push(("SERVICE_KEYS", &services));
    let app = TestApp::start_with(FUNCTIONS, &settings).await;
    let callers = callers(&app, &issuer, &issued).await;
    // A run that nobody works on: all who ask for an equal one are answered with it at once.
    let runner = app.user("runner", &[Scope::OutagesRun]).await;
    let nothing = json!({});
    let asked = runner.post("/outages/runs", &nothing);
    assert!(tokio::time::timeout(Duration::from_secs(2), asked).await.is_err());
    let nobodies = [
        ("a wrong key", app.with_key("qk_wrong")),
        ("a wrong admin token", app.anon().header("x-admin-token", "wrong-wrong-wrong")),
        ("a wrong token", app.anon().header("authorization", "Bearer a.b.c")),
    ];
    for function in FUNCTIONS {
        for (method, path) in (function.routes)().list() {
            let rule = rule(method, path);
            let rule = rule.unwrap_or_else(|| panic!("{method} {path} has no rule"));
            for (name, nobody) in &nobodies {
                assert_eq!(status(nobody, method, path).await, 401, "{name} at {method} {path}");
            }
            let anonymous = status(&app.anon(), method, path).await;
            assert_eq!(
                anonymous == 401,
                rule != Rule::Anyone,
                "anybody at {method} {path}: {anonymous}"
            );
            for Who { name, client, admin, scopes } in &callers {
                let has = |wanted: &Scope| scopes.contains(wanted);
                let allowed = match rule {
                    Rule::Anyone | Rule::Known => true,
                    Rule::User => !admin,
                    Rule::Admin => *admin,
                    Rule::AdminOr(scope) => *admin || has(&scope),
                    Rule::AnyOf(any) => any.iter().any(has),
                };
                let status = status(client, method, path).await;
                assert_eq!(
                    status != 403 && status != 401,
                    allowed,
                    "{name} at {method} {path}: {status}"
                );
            }
        }
    }
}
