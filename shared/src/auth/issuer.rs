//! The identity provider's keys: fetched when they are first needed, kept, and fetched again for a
//! key that isn't known, once a minute at most. They go on serving while the issuer is away.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::config::is_secure;
use crate::log;
use crate::problem::Problem;

const TIMEOUT: Duration = Duration::from_secs(4);
const AGAIN_AFTER: Duration = Duration::from_mins(1);
/// Keys that were withdrawn are forgotten by then.
const OLD_AFTER: Duration = Duration::from_mins(10);
const MOST_BYTES: usize = 256 * 1024;

/// Where the provider's keys are.
#[derive(Clone)]
pub struct IssuerSettings {
    pub issuer: String,
    pub audience: String,
    /// Else by discovery.
    pub jwks_url: Option<String>,
}

pub struct Issuer {
    pub settings: IssuerSettings,
    http: OnceLock<Option<reqwest::Client>>,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    known: Option<JwkSet>,
    fetched: Option<Instant>,
    tried: Option<Instant>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Issuer {
    pub fn new(settings: IssuerSettings) -> Self {
        Self { settings, http: OnceLock::new(), keys: Mutex::default() }
    }

    /// Made when the first token comes: a start needs none. None where this machine has no
    /// certificates to check the issuer by.
    fn http(&self) -> Option<&reqwest::Client> {
        let make = || {
            // The process's TLS: ring, as for DynamoDB.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let client = reqwest::Client::builder().timeout(TIMEOUT);
            client.redirect(reqwest::redirect::Policy::none()).build().ok()
        };
        self.http.get_or_init(make).as_ref()
    }

    /// The key of an id; None where the provider has none. Fails where there are no keys at all and
    /// the provider is away.
    pub async fn key(&self, id: &str) -> Result<Option<Jwk>, Problem> {
        let mut keys = self.keys.lock().await;
        let found = keys.known.as_ref().and_then(|known| known.find(id)).cloned();
        let since =
            |instant: Option<Instant>| instant.map_or(Duration::MAX, |instant| instant.elapsed());
        let wanted = found.is_none() || since(keys.fetched) > OLD_AFTER;
        if wanted && since(keys.tried) > AGAIN_AFTER {
            keys.tried = Some(Instant::now());
            match self.fetch().await {
                Some(fetched) => {
                    keys.known = Some(fetched);
                    keys.fetched = keys.tried;
                }
                None => log::issuer_is_away(),
            }
            // With no keys at all, the next request tries again.
            if keys.known.is_none() {
                keys.tried = None;
            }
        }
        match &keys.known {
            Some(known) => Ok(known.find(id).cloned()),
            None => Err(Problem::STORAGE_UNAVAILABLE),
        }
    }

    async fn fetch(&self) -> Option<JwkSet> {
        let url = match &self.settings.jwks_url {
            Some(url) => url.clone(),
            None => self.discovered().await?,
        };
        self.json(&url).await
    }

    async fn discovered(&self) -> Option<String> {
        let issuer = self.settings.issuer.trim_end_matches('/');
        let discovery: Discovery =
            self.json(&format!("{issuer}/.well-known/openid-configuration")).await?;
        let own = discovery.issuer == self.settings.issuer && is_secure(&discovery.jwks_uri);
        own.then_some(discovery.jwks_uri)
    }

    async fn json<T: serde::de::DeserializeOwned>(&self, url: &str) -> Option<T> {
        let response = self.http()?.get(url).send().await.ok()?;
        if response.status() != 200 {
            return None;
        }
        let (mut chunks, mut body) = (response.bytes_stream(), Vec::new());
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.ok()?);
            if body.len() > MOST_BYTES {
                return None;
            }
        }
        serde_json::from_slice(&body).ok()
    }
}
