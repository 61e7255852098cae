//! The identity provider's keys: fetched when they are first needed, kept, and fetched again for a
//! key that isn't known, once a minute at most. They go on serving while the issuer is away.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::token::algorithm;
use crate::aws;
use crate::config::is_secure;
use crate::log;
use crate::mark::Mark;
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
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    known: Option<JwkSet>,
    fetched: Option<Mark>,
    tried_again: Option<Mark>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Issuer {
    pub fn new(settings: IssuerSettings) -> Self {
        Self { settings, keys: Mutex::default() }
    }

    /// The key of an id, or the provider's only key; None where it has none. Fails where there are
    /// no keys at all and the provider is away.
    pub async fn key(&self, id: Option<&str>) -> Result<Option<Jwk>, Problem> {
        let mut keys = self.keys.lock().await;
        let found = keys.known.as_ref().and_then(|known| find(known, id));
        let since = |mark: Option<Mark>| mark.map_or(Duration::MAX, Mark::age);
        let wanted = found.is_none() || since(keys.fetched) > OLD_AFTER;
        if wanted && since(keys.tried_again) > AGAIN_AFTER {
            let now = Mark::now();
            // The first time isn't again; with no keys at all, the next request tries, too.
            keys.tried_again = keys.known.is_some().then_some(now);
            match self.fetch().await {
                Some(fetched) => {
                    keys.known = Some(fetched);
                    keys.fetched = Some(now);
                }
                None => log::issuer_is_away(),
            }
        }
        match &keys.known {
            Some(known) => Ok(find(known, id).cloned()),
            None => Err(Problem::STORAGE_UNAVAILABLE),
        }
    }

    /// Keys of no use here are no reason to do without the others (RFC 7517, 5).
    async fn fetch(&self) -> Option<JwkSet> {
        let url = match &self.settings.jwks_url {
            Some(url) => url.clone(),
            None => self.discovered().await?,
        };
        let set: KeySet = self.json(&url).await?;
        let keys = set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
        Some(JwkSet { keys: keys.filter(|key| algorithm(key).is_some()).collect() })
    }

    async fn discovered(&self) -> Option<String> {
        let issuer = self.settings.issuer.trim_end_matches('/');
        let discovery: Discovery =
            self.json(&format!("{issuer}/.well-known/openid-configuration")).await?;
        let own = discovery.issuer == self.settings.issuer && is_secure(&discovery.jwks_uri);
        own.then_some(discovery.jwks_uri)
    }

    /// Redirects are no answer: the connector follows none.
    async fn json<T: serde::de::DeserializeOwned>(&self, url: &str) -> Option<T> {
        let request = http::Request::get(url).body(SdkBody::empty()).ok()?;
        let request = HttpRequest::try_from(request).ok()?;
        let answered = async {
            // Its own each time: a connection that was kept may have died while the process stood
            // still, and nothing here is tried again.
            let answer = aws::connector().call(request).await.ok()?;
            if answer.status().as_u16() != 200 {
                return None;
            }
            Limited::new(answer.into_body(), MOST_BYTES).collect().await.ok()
        };
        let body = tokio::time::timeout(TIMEOUT, answered).await.ok()??;
        serde_json::from_slice(&body.to_bytes()).ok()
    }
}

/// A token needn't name the key where there is but one (OpenID Connect Core, 10.1).
fn find<'a>(known: &'a JwkSet, id: Option<&str>) -> Option<&'a Jwk> {
    match (id, known.keys.as_slice()) {
        (Some(id), _) => known.find(id),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}
