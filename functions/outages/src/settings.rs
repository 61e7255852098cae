//! What the worker reads at its start: where the upstream is, by which key, and how patient it is.

use std::time::Duration;

use http::HeaderValue;
use shared::config::{BadSetting, is_secure};
use shared::outages::Usual;

use crate::outage::Rule;

#[derive(Clone)]
pub struct Settings {
    pub usual: Usual,
    pub rule: Rule,
    /// Tries of one request.
    pub attempts: u32,
    /// Without a `/` at its end.
    pub url: String,
    /// Marked as sensitive, so that it is in no debug output.
    pub key: HeaderValue,
}

impl Settings {
    /// From the variables that `get` knows.
    pub fn from_variables(
        get: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, BadSetting> {
        Ok(Self {
            usual: Usual::from_variables(&get)?,
            rule: match get("OUTAGES_SINCE_RULE").as_deref() {
                None | Some("keep") => Rule::Keep,
                Some("drop") => Rule::Drop,
                Some(_) => {
                    return Err(BadSetting { name: "OUTAGES_SINCE_RULE", why: "keep or drop" });
                }
            },
            attempts: match get("OUTAGES_ATTEMPTS").map(|attempts| attempts.parse()) {
                None => 6,
                Some(Ok(attempts @ 1..=100)) => attempts,
                Some(_) => {
                    let why = "a whole number from 1 to 100";
                    return Err(BadSetting { name: "OUTAGES_ATTEMPTS", why });
                }
            },
            url: get("KRAKEN_API_URL").and_then(|url| endpoint(&url)).ok_or(BadSetting {
                name: "KRAKEN_API_URL",
                why: "https://HOST, or http:// on a loopback address, is needed",
            })?,
            key: get("KRAKEN_API_KEY").and_then(|key| sensitive(&key)).ok_or(BadSetting {
                name: "KRAKEN_API_KEY",
                why: "needed, of visible ASCII characters",
            })?,
        })
    }
}

/// What paths are put behind.
fn endpoint(url: &str) -> Option<String> {
    let plain = is_secure(url) && !url.contains(['?', '#', '@']);
    plain.then(|| url.strip_suffix('/').unwrap_or(url).to_owned())
}

fn sensitive(key: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(key).ok().filter(|key| !key.is_empty())?;
    value.set_sensitive(true);
    key.bytes().all(|b| b.is_ascii_graphic()).then_some(value)
}

/// How long things may take. Tests are less patient.
#[derive(Clone, Copy)]
pub struct Timing {
    pub connect: Duration,
    /// A whole answer.
    pub answer: Duration,
    /// The first pause between tries is up to this, the next up to twice as much, and so on.
    pub pause: Duration,
    pub longest_pause: Duration,
    /// The most of a `Retry-After` that is honoured.
    pub longest_asked: Duration,
    /// A run that hasn't been heard of for so long is dead.
    pub lease: Duration,
    pub renew: Duration,
    /// How far apart the clocks of two processes may be.
    pub skew: Duration,
    /// Between two looks at another run.
    pub look: Duration,
    /// Kept of the invocation's time for storing how it ended.
    pub reserve: Duration,
}

impl Timing {
    pub const USUAL: Self = Self {
        connect: Duration::from_secs(5),
        answer: Duration::from_secs(10),
        pause: Duration::from_millis(200),
        longest_pause: Duration::from_secs(10),
        longest_asked: Duration::from_secs(30),
        lease: Duration::from_secs(45),
        renew: Duration::from_secs(10),
        skew: Duration::from_secs(2),
        look: Duration::from_millis(500),
        reserve: Duration::from_secs(5),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(name: &str, value: &str) -> Result<Settings, BadSetting> {
        Settings::from_variables(|asked| match asked {
            _ if asked == name => Some(value.to_owned()),
            "KRAKEN_API_URL" => Some("https://api.example/v1/".to_owned()),
            "KRAKEN_API_KEY" => Some("the-key".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn settings_are_read_and_bad_ones_named() {
        let usual = settings("", "").ok();
        let read = usual.map(|s| (s.url, s.attempts, s.rule));
        assert_eq!(read, Some(("https://api.example/v1".to_owned(), 6, Rule::Keep)));
        for (name, value) in [
            ("OUTAGES_SINCE_RULE", "drop"),
            ("OUTAGES_ATTEMPTS", "1"),
            ("KRAKEN_API_URL", "http://127.0.0.1:8080/"),
        ] {
            assert!(settings(name, value).is_ok(), "{name}={value}");
        }
        for (name, value) in [
            ("OUTAGES_SINCE_RULE", "Keep"),
            ("OUTAGES_ATTEMPTS", "0"),
            ("OUTAGES_ATTEMPTS", "six"),
            ("OUTAGE_SITES", "a b"),
            ("OUTAGES_SINCE", "yesterday"),
            ("KRAKEN_API_URL", ""),
            ("KRAKEN_API_URL", "http://api.example"),
            ("KRAKEN_API_URL", "https://user:word@api.example"),
            ("KRAKEN_API_URL", "https://api.example?x=1"),
            ("KRAKEN_API_KEY", ""),
            ("KRAKEN_API_KEY", "two words"),
        ] {
            let line = settings(name, value).err().map(|bad| bad.to_string()).unwrap_or_default();
            assert!(line.starts_with(name), "{name}={value}: {line:?}");
            assert!(value.len() < 2 || !line.contains(value), "{line}");
        }
    }
}
