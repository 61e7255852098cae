//! Service tokens and OIDC tokens, against an issuer over real HTTP whose keys are made here.
#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use std::sync::atomic::Ordering;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use ring::signature::RsaKeyPair;
use rsa::pkcs8::EncodePrivateKey;
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};
use shared::answer::Answer;
use shared::app::Function;
use shared::auth::permissions::CouponsWrite;
use shared::auth::{Allowed, AnyUser, DEFAULT_LOCATION, Scope};
use shared::http::Routes;
use shared::problem::Problem;
use shared::store::Table;
use shared::testing::{Issuer, SigningKey, TestApp, now, part};
use uuid::Uuid;

/// Shows who was let in.
const PROBE: Function = Function { name: "coupons", tables: &Table::ALL, routes };
const PREPAY_KEY: &str = "the-prepay-service-key-of-32-bytes!";

fn routes() -> Routes {
    Routes::default()
        .get("/coupons", who)
        .get("/coupons/write", async |_: Allowed<CouponsWrite>| Answer::ok(&()))
}

async fn who(AnyUser(caller): AnyUser) -> Result<Answer, Problem> {
    Answer::ok(&json!({
        "username": caller.username(), "service": caller.service(), "scopes": caller.scopes(),
        "location_id": caller.location_id(),
    }))
}

/// A key of the identity provider, with its modulus and exponent.
fn rsa() -> (SigningKey, String, String) {
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).expect("a key");
    let (n, e) = (
        URL_SAFE_NO_PAD.encode(key.n().to_bytes_be()),
        URL_SAFE_NO_PAD.encode(key.e().to_bytes_be()),
    );
    let der = key.to_pkcs8_der().expect("a key");
    (SigningKey::Rsa(Box::new(RsaKeyPair::from_pkcs8(der.as_bytes()).expect("a key"))), n, e)
}

fn services() -> String {
    json!({
        "prepay": PREPAY_KEY,
        "origination": {
            "keys": ["the-new-origination-key-of-32-bytes", "the-old-origination-key-of-32-bytes"],
            "scopes": ["audit:read"], "location_ids": [DEFAULT_LOCATION], "client_id": "origination-app",
        },
    })
    .to_string()
}

fn service_claims(service: &str, sub: Uuid) -> Value {
    json!({"iss": service, "aud": "quartet", "sub": sub, "exp": now() + 120, "jti": "t-1"})
}

fn service_header(service: &str) -> Value {
    json!({"alg": "HS256", "typ": "JWT", "kid": service})
}

fn prepay() -> SigningKey {
    SigningKey::Secret(PREPAY_KEY.as_bytes().to_vec())
}

fn changed(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    if value.is_null() {
        claims.as_object_mut().map(|claims| claims.remove(name));
    } else {
        claims[name] = value;
    }
    claims
}

async fn called(app: &TestApp, token: &str) -> shared::testing::Reply {
    app.anon()
        .header("x-request-id", "r")
        .header("authorization", &format!("Bearer {token}"))
        .get("/coupons")
        .await
}

#[tokio::test]
async fn a_service_acts_for_a_user_within_what_both_may_do() {
    let app = TestApp::start_with(&[PROBE], &[("SERVICE_KEYS", &services())]).await;
    let (_, ada) = app.user_key_and_id("ada", &[Scope::CouponsWrite, Scope::AuditRead]).await;
    let claims = service_claims("prepay", ada);
    let reply = called(&app, &prepay().sign(&service_header("prepay"), &claims)).await;
    assert_eq!(
        reply.json(),
        json!({"username": "ada", "service": "prepay", "scopes": ["coupons:write", "audit:read"], "location_id": DEFAULT_LOCATION})
    );
    let fraction = prepay()
        .sign(&service_header("prepay"), &changed(&claims, "exp", json!(now() as f64 + 99.5)));
    assert_eq!(called(&app, &fraction).await.status, 200);
    let narrowed = changed(&claims, "scope", json!("coupons:write users:read unknown"));
    let narrowed = prepay().sign(&service_header("prepay"), &narrowed);
    assert_eq!(called(&app, &narrowed).await.json()["scopes"], json!(["coupons:write"]));
    let nothing = prepay().sign(&service_header("prepay"), &changed(&claims, "scope", json!("")));
    assert_eq!(called(&app, &nothing).await.json()["scopes"], json!([]));
    // What the setting allows the service, by either of its keys.
    for key in ["the-new-origination-key-of-32-bytes", "the-old-origination-key-of-32-bytes"] {
        let token = SigningKey::Secret(key.into())
            .sign(&service_header("origination"), &service_claims("origination", ada));
        assert_eq!(called(&app, &token).await.json()["scopes"], json!(["audit:read"]));
        let write = app
            .anon()
            .header("authorization", &format!("Bearer {token}"))
            .get("/coupons/write")
            .await;
        assert_eq!(write.problem(), "403 forbidden");
    }
    let here = changed(&claims, "location_id", json!(DEFAULT_LOCATION));
    let here = prepay().sign(&service_header("prepay"), &here);
    assert_eq!(called(&app, &here).await.status, 200);
    let elsewhere = "019b0000-0000-7000-8000-000000000001";
    for other in [elsewhere, "here", ""] {
        let other = changed(&claims, "location_id", json!(other));
        let other = prepay().sign(&service_header("prepay"), &other);
        assert_eq!(called(&app, &other).await.problem(), "403 forbidden");
    }
    let contradicted = app
        .anon()
        .header("authorization", &format!("Bearer {here}"))
        .header("x-location-id", elsewhere);
    assert_eq!(contradicted.get("/coupons").await.problem(), "403 forbidden");
}

#[tokio::test]
async fn any_other_service_token_is_401_with_the_same_body() {
    let app = TestApp::start_with(&[PROBE], &[("SERVICE_KEYS", &services())]).await;
    let (_, ada) = app.user_key_and_id("ada", &[]).await;
    let (header, claims) = (service_header("prepay"), service_claims("prepay", ada));
    let good = prepay().sign(&header, &claims);
    assert_eq!(called(&app, &good).await.status, 200);
    let mut bad: Vec<String> = vec![
        String::new(),
        "x".into(),
        "a.b.c".into(),
        good.replace('.', ""),
        format!("{good}."),
        "é".repeat(9),
        "x".repeat(20_000),
    ];
    for (name, value) in [
        ("exp", json!(now() - 10)),
        ("exp", json!(now() + 600)),
        ("exp", json!(now() + 310)),
        ("exp", Value::Null),
        ("exp", json!("soon")),
        ("exp", json!(-1)),
        ("aud", json!("other")),
        ("aud", Value::Null),
        ("iss", json!("origination")),
        ("iss", Value::Null),
        ("sub", json!("nobody")),
        ("sub", json!(Uuid::nil())),
        ("sub", Value::Null),
        ("jti", Value::Null),
        ("jti", json!("")),
        ("jti", json!("a\nb")),
        ("jti", json!("x".repeat(129))),
        ("nbf", json!(now() + 15)),
        ("location_id", json!(7)),
    ] {
        bad.push(prepay().sign(&header, &changed(&claims, name, value)));
    }
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("HS512")),
        ("alg", json!("RS256")),
        ("alg", Value::Null),
        ("kid", json!("origination")),
        ("kid", json!("nobody")),
        ("kid", Value::Null),
        ("typ", json!("at+jwt")),
        ("crit", json!(["exp"])),
    ] {
        bad.push(prepay().sign(&changed(&header, name, value), &claims));
    }
    bad.push(
        SigningKey::Secret(b"another-key-of-at-least-32-bytes....".to_vec()).sign(&header, &claims),
    );
    bad.push(SigningKey::ec().sign(&changed(&header, "alg", json!("ES256")), &claims));
    let (start, signature) = good.rsplit_once('.').unwrap_or_default();
    bad.push(format!("{start}."));
    bad.push(format!("{start}.{}", &signature[..signature.len() - 4]));
    bad.push(good.replacen("eyJ", "eyK", 1));
    let mut bodies = std::collections::HashSet::new();
    for token in bad {
        let reply = called(&app, &token).await;
        assert_eq!(reply.problem(), "401 unauthenticated", "{token}");
        bodies.insert(reply.bytes);
    }
    assert_eq!(bodies.len(), 1);
}

#[test]
fn whatever_is_sent_as_a_token_or_key_is_401_and_never_another_answer() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (app, ada) = runtime.block_on(async {
        let app = TestApp::start_with(&[PROBE], &[("SERVICE_KEYS", &services())]).await;
        let (_, ada) = app.user_key_and_id("ada", &[]).await;
        (app, ada)
    });
    let good = prepay().sign(&service_header("prepay"), &service_claims("prepay", ada));
    let text = prop_oneof![
        "[ -~]{0,60}",
        "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}",
        "qk_[A-Za-z0-9_-]{80,90}"
    ];
    proptest!(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() }, |(text in text, at in 0..300_usize, byte in b'!'..=b'~')| {
        runtime.block_on(async {
            let mut tampered = good.clone().into_bytes();
            let at = at % tampered.len();
            let same = tampered[at] == byte;
            tampered[at] = byte;
            let tampered = String::from_utf8(tampered).expect("ASCII");
            // The last character of base64 has bits that don't count.
            if !same && at + 1 < good.len() {
                assert_eq!(called(&app, &tampered).await.problem(), "401 unauthenticated", "{tampered}");
            }
            for header in ["x-api-key", "x-admin-token"] {
                assert_eq!(app.anon().header(header, &text).get("/coupons").await.problem(), "401 unauthenticated", "{text}");
            }
            assert_eq!(called(&app, &text).await.problem(), "401 unauthenticated", "{text}");
        });
    });
}

#[tokio::test]
async fn a_user_s_own_token_is_checked_against_the_issuer_s_keys() {
    let issuer = Issuer::start().await;
    let (ec, (rsa, n, e)) = (SigningKey::ec(), rsa());
    let rsa_jwk = json!({"kty": "RSA", "kid": "rsa-1", "use": "sig", "n": n, "e": e});
    issuer.keys.lock().expect("keys").extend([ec.ec_jwk("ec-1"), rsa_jwk]);
    let app = TestApp::start_with(&[PROBE], &issuer.settings()).await;
    let (_, ada) = app.user_key_and_id("ada", &[Scope::CouponsWrite]).await;
    app.claim_subject("auth0|ada", ada).await;
    let es256 = json!({"alg": "ES256", "kid": "ec-1"});
    let rs256 = json!({"alg": "RS256", "kid": "rsa-1", "typ": "at+JWT"});
    for sub in [ada.to_string(), "auth0|ada".to_owned()] {
        for token in [ec.sign(&es256, &issuer.claims(&sub)), rsa.sign(&rs256, &issuer.claims(&sub))]
        {
            let reply = called(&app, &token).await;
            assert_eq!(
                (&reply.json()["username"], &reply.json()["service"]),
                (&json!("ada"), &Value::Null),
                "{sub}"
            );
        }
    }
    assert_eq!(issuer.fetched.load(Ordering::SeqCst), 1);
    let claims = issuer.claims(&ada.to_string());
    let public = n.clone().into_bytes();
    for token in [
        ec.sign(&es256, &changed(&claims, "aud", json!("another"))),
        ec.sign(&es256, &changed(&claims, "aud", Value::Null)),
        ec.sign(&es256, &changed(&claims, "iss", json!("https://evil.example"))),
        ec.sign(&es256, &changed(&claims, "exp", json!(now() - 120))),
        ec.sign(&es256, &changed(&claims, "nbf", json!(now() + 120))),
        ec.sign(&es256, &changed(&claims, "sub", json!("nobody"))),
        ec.sign(&json!({"alg": "ES256", "kid": "rsa-1"}), &claims),
        ec.sign(&changed(&es256, "typ", json!("logout+jwt")), &claims),
        ec.sign(&json!({"alg": "RS256", "kid": "ec-1"}), &claims),
        SigningKey::Secret(public).sign(&json!({"alg": "HS256", "kid": "rsa-1"}), &claims),
        SigningKey::ec().sign(&es256, &claims),
        format!("{}.{}.", part(&json!({"alg": "none", "kid": "ec-1"})), part(&claims)),
    ] {
        assert_eq!(called(&app, &token).await.problem(), "401 unauthenticated", "{token}");
    }
}

#[tokio::test]
async fn a_token_needs_no_key_id_where_the_issuer_has_one_key_that_can_be_used() {
    let issuer = Issuer::start().await;
    let ec = SigningKey::ec();
    let unknown = [
        json!({"kty": "EC", "crv": "secp256k1", "kid": "odd", "x": "AA", "y": "AA"}),
        json!({"kty": "OKP", "crv": "X25519", "kid": "odder", "x": "AA"}),
        json!({"kid": "none"}),
    ];
    let without_id = changed(&ec.ec_jwk(""), "kid", Value::Null);
    issuer.keys.lock().expect("keys").extend(unknown.into_iter().chain([without_id]));
    let app = TestApp::start_with(&[PROBE], &issuer.settings()).await;
    let (_, ada) = app.user_key_and_id("ada", &[]).await;
    let claims = issuer.claims(&ada.to_string());
    let token = ec.sign(&json!({"alg": "ES256"}), &claims);
    assert_eq!(called(&app, &token).await.status, 200);
    let named = ec.sign(&json!({"alg": "ES256", "kid": "odd"}), &claims);
    assert_eq!(called(&app, &named).await.problem(), "401 unauthenticated");
    issuer.keys.lock().expect("keys").push(SigningKey::ec().ec_jwk("another"));
    let elsewhere = app.another_instance().await;
    assert_eq!(called(&elsewhere, &token).await.problem(), "401 unauthenticated");
}

#[tokio::test]
async fn the_issuer_is_asked_again_for_a_new_key_once_a_minute_and_may_be_away() {
    let issuer = Issuer::start().await;
    let (first, second) = (SigningKey::ec(), SigningKey::ec());
    let app = TestApp::start_with(&[PROBE], &issuer.settings()).await;
    let (_, ada) = app.user_key_and_id("ada", &[]).await;
    let token = |key: &SigningKey, kid: &str| {
        key.sign(&json!({"alg": "ES256", "kid": kid}), &issuer.claims(&ada.to_string()))
    };
    issuer.is_away.store(true, Ordering::SeqCst);
    assert_eq!(called(&app, &token(&first, "one")).await.problem(), "503 storage_unavailable");
    issuer.is_away.store(false, Ordering::SeqCst);
    issuer.keys.lock().expect("keys").push(first.ec_jwk("one"));
    assert_eq!(called(&app, &token(&first, "one")).await.status, 200);
    let fetched = issuer.fetched.load(Ordering::SeqCst);
    issuer.keys.lock().expect("keys").push(second.ec_jwk("two"));
    assert_eq!(called(&app, &token(&second, "two")).await.status, 200);
    let third = SigningKey::ec();
    issuer.keys.lock().expect("keys").push(third.ec_jwk("three"));
    for _ in 0..5 {
        assert_eq!(called(&app, &token(&third, "three")).await.problem(), "401 unauthenticated");
    }
    let again = issuer.fetched.load(Ordering::SeqCst) - fetched;
    assert_eq!(again, 1, "it is asked again once a minute");
    issuer.is_away.store(true, Ordering::SeqCst);
    assert_eq!(called(&app, &token(&first, "one")).await.status, 200);
    issuer.is_away.store(false, Ordering::SeqCst);
    let elsewhere = app.another_instance().await;
    assert_eq!(called(&elsewhere, &token(&third, "three")).await.status, 200);
}

#[tokio::test]
async fn with_an_issuer_a_service_has_to_bring_its_user_s_own_token() {
    let issuer = Issuer::start().await;
    let ec = SigningKey::ec();
    issuer.keys.lock().expect("keys").push(ec.ec_jwk("ec-1"));
    let services = services();
    let mut settings = issuer.settings();
    settings.push(("SERVICE_KEYS", &services));
    let app = TestApp::start_with(&[PROBE], &settings).await;
    let (_, ada) = app.user_key_and_id("ada", &[]).await;
    let (_, bob) = app.user_key_and_id("bob", &[]).await;
    app.claim_subject("auth0|ada", ada).await;
    let es256 = json!({"alg": "ES256", "kid": "ec-1"});
    let id_token = |claims: &Value| ec.sign(&es256, claims);
    let with = |service: &str, id_token: Value| {
        let claims = changed(&service_claims(service, ada), "id_token", id_token);
        let key = if service == "prepay" {
            prepay()
        } else {
            SigningKey::Secret(b"the-new-origination-key-of-32-bytes".to_vec())
        };
        key.sign(&service_header(service), &claims)
    };
    let claims = issuer.claims(&ada.to_string());
    let for_origination = changed(&claims, "aud", json!("origination-app"));
    for (service, claims) in [
        ("prepay", &claims),
        ("prepay", &issuer.claims("auth0|ada")),
        ("origination", &for_origination),
    ] {
        assert_eq!(
            called(&app, &with(service, json!(id_token(claims)))).await.json()["service"],
            service
        );
    }
    for (service, id_token) in [
        ("prepay", Value::Null),
        ("prepay", json!("x")),
        ("prepay", json!(id_token(&issuer.claims(&bob.to_string())))),
        ("prepay", json!(id_token(&for_origination))),
        ("origination", json!(id_token(&claims))),
        ("prepay", json!(id_token(&changed(&claims, "exp", json!(now() - 120))))),
        ("prepay", json!(SigningKey::ec().sign(&es256, &claims))),
        ("prepay", json!(ec.sign(&changed(&es256, "typ", json!("at+jwt")), &claims))),
    ] {
        assert_eq!(called(&app, &with(service, id_token)).await.problem(), "401 unauthenticated");
    }
}
