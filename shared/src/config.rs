//! Settings: read once at the start from environment variables; a bad one ends the process with a
//! line that names it.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use thiserror::Error;
use tracing::Level;

use crate::auth::IssuerSettings;
use crate::outages::Usual;
use crate::sentry::SentrySettings;
use crate::services::Service;

/// A setting that can't be used. The line names the variable and never its value.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{name}: {why}")]
pub struct BadSetting {
    pub name: &'static str,
    pub why: &'static str,
}

/// An environment variable. What isn't text becomes a character that no setting takes, so that each
/// refuses it by its name.
pub fn variable(name: &'static str) -> Option<String> {
    let value = std::env::var_os(name)?;
    Some(value.into_string().unwrap_or_else(|_| char::REPLACEMENT_CHARACTER.to_string()))
}

/// What every process reads: functions, and the workers behind them.
#[derive(Clone)]
pub struct Basics {
    pub audit_secret: RotatingSecret,
    /// Another DynamoDB than the region's own.
    pub dynamodb_url: Option<String>,
    pub log_level: Level,
    /// Where this runs, for logs and reports: `dev`, `prod`.
    pub environment: String,
    /// Whether metrics are printed in CloudWatch's embedded metric format.
    pub metrics: bool,
    pub sentry: Option<SentrySettings>,
}

/// What every function that answers requests reads.
#[derive(Clone)]
pub struct Settings {
    pub basics: Basics,
    pub admin_token: RotatingSecret,
    pub cursor_secret: RotatingSecret,
    pub cors_origins: Vec<String>,
    /// Requests that a caller may make in a minute, where it has no limit of its own.
    pub rate_limit_per_minute: u32,
    pub services: BTreeMap<String, Service>,
    pub issuer: Option<IssuerSettings>,
    pub outages: Usual,
}

const LONG_SECRET: &str = "needed, each at least 32 characters";

impl Basics {
    /// From the variables that `get` knows.
    pub fn from_variables(
        get: impl Fn(&'static str) -> Option<String> + Copy,
    ) -> Result<Self, BadSetting> {
        Ok(Self {
            audit_secret: RotatingSecret::needed("AUDIT_SECRET", get, 32, LONG_SECRET)?,
            dynamodb_url: match get("AWS_ENDPOINT_URL_DYNAMODB") {
                Some(url) if !is_endpoint(&url) => {
                    return Err(BadSetting {
                        name: "AWS_ENDPOINT_URL_DYNAMODB",
                        why: "http://HOST:PORT or https://HOST is needed",
                    });
                }
                url => url,
            },
            log_level: match get("LOG_LEVEL") {
                Some(level) => log_level(&level),
                None => Some(Level::INFO),
            }
            .ok_or(BadSetting {
                name: "LOG_LEVEL",
                why: "one of error, warn, info, debug, trace",
            })?,
            environment: environment(get("ENVIRONMENT"))?,
            metrics: match get("METRICS").as_deref() {
                Some("emf") => true,
                Some("none") => false,
                None => get("AWS_LAMBDA_RUNTIME_API").is_some(),
                Some(_) => return Err(BadSetting { name: "METRICS", why: "emf or none" }),
            },
            sentry: SentrySettings::from_variables(get)?,
        })
    }
}

impl Settings {
    /// From the variables that `get` knows.
    pub fn from_variables(
        get: impl Fn(&'static str) -> Option<String> + Copy,
    ) -> Result<Self, BadSetting> {
        let why = "needed, each at least 16 characters";
        Ok(Self {
            basics: Basics::from_variables(get)?,
            admin_token: RotatingSecret::needed("ADMIN_TOKEN", get, 16, why)?,
            cursor_secret: RotatingSecret::needed("CURSOR_SECRET", get, 32, LONG_SECRET)?,
            cors_origins: origins(&get("CORS_ORIGINS").unwrap_or_default())?,
            rate_limit_per_minute: match get("RATE_LIMIT_PER_MINUTE").map(|limit| limit.parse()) {
                None => 600,
                Some(Ok(limit @ 1..)) => limit,
                Some(_) => {
                    return Err(BadSetting { name: "RATE_LIMIT_PER_MINUTE", why: "a whole number from 1 up" });
                }
            },
            services: match get("SERVICE_KEYS") {
                None => BTreeMap::new(),
                Some(json) => Service::parse_all(&json).ok_or(BadSetting {
                    name: "SERVICE_KEYS",
                    why: "JSON: each service's name, and a key of at least 32 bytes or its keys and limits",
                })?,
            },
            issuer: issuer(&get)?,
            outages: Usual::from_variables(get)?,
        })
    }
}

fn issuer(
    get: &impl Fn(&'static str) -> Option<String>,
) -> Result<Option<IssuerSettings>, BadSetting> {
    const SECURE: &str = "https://HOST, or http:// on a loopback address";
    let url = |name| match get(name) {
        Some(url) if !is_secure(&url) => Err(BadSetting { name, why: SECURE }),
        url => Ok(url),
    };
    let (issuer, jwks_url) = (url("OIDC_ISSUER")?, url("OIDC_JWKS_URL")?);
    let Some(issuer) = issuer else { return Ok(None) };
    let why = "needed where OIDC_ISSUER is set";
    let audience = get("OIDC_AUDIENCE").ok_or(BadSetting { name: "OIDC_AUDIENCE", why })?;
    Ok(Some(IssuerSettings { issuer, audience, jwks_url }))
}

/// One secret in several versions: the first makes, all verify.
#[derive(Clone)]
pub struct RotatingSecret(Arc<[SecretString]>);

impl RotatingSecret {
    fn needed(
        name: &'static str,
        get: impl Fn(&'static str) -> Option<String>,
        shortest: usize,
        why: &'static str,
    ) -> Result<Self, BadSetting> {
        Self::parse(&get(name).unwrap_or_default(), shortest).ok_or(BadSetting { name, why })
    }

    /// A list by commas; None where it is empty or one of it is shorter than `shortest` characters.
    pub fn parse(list: &str, shortest: usize) -> Option<Self> {
        let secrets: Vec<_> = list.split(',').map(str::trim).collect();
        let long_enough = secrets.iter().all(|secret| secret.chars().count() >= shortest);
        long_enough.then(|| Self(secrets.into_iter().map(SecretString::from).collect()))
    }

    /// The secret that makes new things.
    pub fn first(&self) -> &[u8] {
        self.0.first().map_or(&[], |secret| secret.expose_secret().as_bytes())
    }

    pub fn all(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|secret| secret.expose_secret().as_bytes())
    }

    /// Whether `given` is one of them, in a time that doesn't tell how much of it fits.
    pub fn contains(&self, given: &[u8]) -> bool {
        let given = sha256(given);
        self.all().fold(false, |found, secret| found | bool::from(sha256(secret).ct_eq(&given)))
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    digest
}

/// Whether what is read from a URL can't be changed on the way.
pub fn is_secure(url: &str) -> bool {
    is_endpoint(url) && (url.starts_with("https:") || is_loopback(url))
}

/// Whether a URL says where an HTTP service is.
pub fn is_endpoint(url: &str) -> bool {
    let uri = url.parse::<http::Uri>().ok();
    let scheme = uri.as_ref().and_then(http::Uri::scheme_str);
    matches!(scheme, Some("http" | "https")) && uri.is_some_and(|uri| uri.host().is_some())
}

/// Whether a URL's host is this machine.
pub fn is_loopback(url: &str) -> bool {
    let host = url.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    host.is_some_and(|host| {
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
    })
}

fn environment(name: Option<String>) -> Result<String, BadSetting> {
    let name = name.unwrap_or_else(|| "local".to_owned());
    let fits = name.len() <= 64
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
    let why = "1 to 64 of a-z, 0-9, '.', '_' and '-'";
    if fits { Ok(name) } else { Err(BadSetting { name: "ENVIRONMENT", why }) }
}

fn log_level(name: &str) -> Option<Level> {
    [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE]
        .into_iter()
        .find(|level| level.as_str().eq_ignore_ascii_case(name))
}

/// Origins as browsers send them. `*` would let every page speak for its visitor.
fn origins(list: &str) -> Result<Vec<String>, BadSetting> {
    let wrong = |why| BadSetting { name: "CORS_ORIGINS", why };
    let mut origins = Vec::new();
    for origin in list.split(',').map(str::trim).filter(|origin| !origin.is_empty()) {
        if origin.contains('*') {
            return Err(wrong("* is refused; name each origin"));
        }
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '#', '@', ' ']))
            || !origin.is_ascii()
        {
            return Err(wrong(
                "each is https://HOST or http://HOST, with a port perhaps, and no path",
            ));
        }
        origins.push(origin.to_ascii_lowercase());
    }
    Ok(origins)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(name: &'static str, value: &'static str) -> Result<Settings, BadSetting> {
        Settings::from_variables(|asked| match asked {
            _ if asked == name => Some(value.to_owned()),
            "ADMIN_TOKEN" => Some("an-admin-token-of-24-chr".to_owned()),
            "CURSOR_SECRET" | "AUDIT_SECRET" => Some("0123456789abcdef0123456789abcdef".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn a_bad_setting_is_named_and_its_value_is_not_shown() {
        for (name, value) in [
            ("ADMIN_TOKEN", "short"),
            ("ADMIN_TOKEN", ""),
            ("ADMIN_TOKEN", "an-admin-token-of-24-chr,short"),
            ("CURSOR_SECRET", "0123456789abcdef"),
            ("AUDIT_SECRET", ""),
            ("CORS_ORIGINS", "*"),
            ("CORS_ORIGINS", "https://*.example.com"),
            ("CORS_ORIGINS", "example.com"),
            ("CORS_ORIGINS", "https://example.com/path"),
            ("LOG_LEVEL", "loud"),
            ("LOG_LEVEL", "3"),
            ("ENVIRONMENT", "my laptop"),
            ("METRICS", "statsd"),
            ("SENTRY_DSN", "sentry.example"),
            ("SENTRY_DSN", "https://sentry.example/1"),
            ("SENTRY_DSN", "https://key@sentry.example/"),
            ("SENTRY_DSN", "ftp://key@sentry.example/1"),
            ("SENTRY_DSN", "http://key@sentry.example/1"),
            ("SENTRY_TRACES_SAMPLE_RATE", "often"),
            ("SENTRY_TRACES_SAMPLE_RATE", "1.5"),
            ("SENTRY_TRACES_SAMPLE_RATE", "NaN"),
            ("RATE_LIMIT_PER_MINUTE", "0"),
            ("RATE_LIMIT_PER_MINUTE", "many"),
            ("SERVICE_KEYS", "prepay"),
            ("SERVICE_KEYS", r#"{"prepay": "short-key"}"#),
            ("SERVICE_KEYS", r#"{"prepay": {"keys": []}}"#),
            ("SERVICE_KEYS", r#"{"": "0123456789abcdef0123456789abcdef"}"#),
            (
                "SERVICE_KEYS",
                r#"{"a": "0123456789abcdef0123456789abcdef", "a": "fedcba9876543210fedcba9876543210"}"#,
            ),
            (
                "SERVICE_KEYS",
                r#"{"prepay": {"keys": ["0123456789abcdef0123456789abcdef"], "scopes": ["root"]}}"#,
            ),
            ("OIDC_ISSUER", "http://issuer.example"),
            ("OIDC_JWKS_URL", "ftp://issuer.example"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "nowhere"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "ftp://127.0.0.1"),
        ] {
            let line = settings(name, value).err().map(|bad| bad.to_string()).unwrap_or_default();
            assert!(line.starts_with(name), "{name}={value}: {line:?}");
            assert!(value.is_empty() || value == "*" || !line.contains(value), "{line}");
        }
    }

    #[test]
    fn every_secret_of_a_list_verifies_and_the_first_makes() {
        let secrets = settings("ADMIN_TOKEN", "the-new-admin-token,the-old-admin-token")
            .map(|s| s.admin_token);
        let secrets = secrets.as_ref().ok();
        assert_eq!(secrets.map(RotatingSecret::first), Some(b"the-new-admin-token".as_slice()));
        for (token, known) in [
            ("the-new-admin-token", true),
            ("the-old-admin-token", true),
            ("the-", false),
            ("", false),
        ] {
            assert_eq!(secrets.map(|s| s.contains(token.as_bytes())), Some(known), "{token}");
        }
    }
}
