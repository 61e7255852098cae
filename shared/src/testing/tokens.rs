//! Tokens to send, and an identity provider over real HTTP to vouch for them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};

/// Seconds since 1970, as claims have them.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs()
}

/// One part of a token.
pub fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Something that signs.
pub enum SigningKey {
    Secret(Vec<u8>),
    Ec(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

impl SigningKey {
    pub fn ec() -> Self {
        let random = SystemRandom::new();
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        Self::Ec(Box::new(
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random)
                .expect("a key"),
        ))
    }

    /// A token of this header and these claims.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", part(header), part(claims));
        let signature = match self {
            Self::Secret(key) => {
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes())
                    .as_ref()
                    .to_vec()
            }
            Self::Ec(key) => key
                .sign(&SystemRandom::new(), message.as_bytes())
                .expect("a signature")
                .as_ref()
                .to_vec(),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    message.as_bytes(),
                    &mut signature,
                )
                .expect("a signature");
                signature
            }
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The public half of an EC key, as a key set has it.
    pub fn ec_jwk(&self, kid: &str) -> Value {
        let Self::Ec(key) = self else { return Value::Null };
        let point = KeyPair::public_key(&**key).as_ref();
        json!({"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256",
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..])})
    }
}

/// An identity provider on a port of its own.
#[derive(Clone)]
pub struct Issuer {
    pub url: String,
    pub keys: Arc<Mutex<Vec<Value>>>,
    pub fetched: Arc<AtomicUsize>,
    pub is_away: Arc<AtomicBool>,
}

impl Issuer {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let issuer =
            Self { url, keys: Arc::default(), fetched: Arc::default(), is_away: Arc::default() };
        let (discovery, keys) = (issuer.clone(), issuer.clone());
        let router = axum::Router::new()
            .route("/.well-known/openid-configuration", get(async move || discovery.answer(|issuer| json!({"issuer": issuer.url, "jwks_uri": format!("{}/keys", issuer.url)}))))
            .route("/keys", get(async move || {
                keys.fetched.fetch_add(1, Ordering::SeqCst);
                keys.answer(|issuer| json!({"keys": *issuer.keys.lock().expect("keys")}))
            }));
        tokio::spawn(async move { axum::serve(listener, router).await });
        issuer
    }

    fn answer(&self, body: impl Fn(&Self) -> Value) -> (StatusCode, Json<Value>) {
        let status = if self.is_away.load(Ordering::SeqCst) {
            StatusCode::BAD_GATEWAY
        } else {
            StatusCode::OK
        };
        (status, Json(body(self)))
    }

    pub fn claims(&self, sub: &str) -> Value {
        json!({"iss": self.url, "aud": "quartet-web", "sub": sub, "exp": now() + 3_600, "iat": now()})
    }

    pub fn settings(&self) -> Vec<(&str, &str)> {
        vec![("OIDC_ISSUER", &self.url), ("OIDC_AUDIENCE", "quartet-web")]
    }
}
