//! The API that outages come from and go to. Its key leaves in a header and nowhere else, and
//! nothing of its answers is in a reason.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderName, StatusCode, header};
use reqwest::{Client, RequestBuilder, Response};
use shared::config::BadSetting;

use crate::incoming::{Fault, Filter, Filtered, devices};
use crate::outage::{Device, Devices, Since};
use crate::retry::{Hitch, pause, retry_after};
use crate::settings::{Settings, Timing};

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const MOST_OUTAGES_BYTES: usize = 256 * 1024 * 1024;
/// Some 200,000 devices.
const MOST_SITE_BYTES: usize = 16 * 1024 * 1024;

const OUTAGES: &str = "GET /outages";
const SITE_INFO: &str = "GET /site-info/{site}";
const SITE_OUTAGES: &str = "POST /site-outages/{site}";

pub struct Upstream {
    http: Client,
    settings: Settings,
    timing: Timing,
}

/// A request that succeeded in the end.
pub struct Answered<T> {
    pub value: T,
    pub tries: u32,
}

/// A request that did not.
#[derive(Debug, Clone)]
pub struct Failure {
    pub reason: String,
    pub tries: u32,
    /// Whether the last try may have been received, and any.
    pub last_in_doubt: bool,
    pub any_in_doubt: bool,
}

/// One try that did not succeed.
enum Miss {
    Hitch(Hitch, Option<Duration>),
    Wrong(Fault),
}

impl From<reqwest::Error> for Miss {
    fn from(error: reqwest::Error) -> Self {
        let hitch = match error {
            _ if error.is_connect() => Hitch::NotSent,
            _ if error.is_timeout() => Hitch::TimedOut,
            _ => Hitch::Broken,
        };
        Self::Hitch(hitch, None)
    }
}

impl From<Fault> for Miss {
    fn from(fault: Fault) -> Self {
        Self::Wrong(fault)
    }
}

impl Upstream {
    pub fn new(settings: Settings, timing: Timing) -> Result<Self, BadSetting> {
        // The process's TLS: ring, as for DynamoDB.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .connect_timeout(timing.connect)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("quartet/", env!("CARGO_PKG_VERSION")));
        let why = "this machine has no certificates to check it by";
        let http = client.build().map_err(|_| BadSetting { name: "KRAKEN_API_URL", why })?;
        Ok(Self { http, settings, timing })
    }

    pub async fn site_info(
        &self,
        site: &str,
        until: Instant,
    ) -> Result<Answered<Vec<Device>>, Failure> {
        let url = format!("{}/site-info/{site}", self.settings.url);
        let url = &url;
        let get = || async move {
            let mut chunks = ok(self.send(self.http.get(url)).await?)?.bytes_stream();
            let mut body = Vec::new();
            while let Some(chunk) = chunks.next().await {
                body.extend_from_slice(&chunk?);
                if body.len() > MOST_SITE_BYTES {
                    return Err(too_long("is longer than 16 MiB"));
                }
            }
            Ok(devices(&body)?)
        };
        self.tried(SITE_INFO, until, || true, get).await
    }

    /// The outages of these devices, filtered while they stream. `progress` is told how many bytes
    /// have come.
    pub async fn outages(
        &self,
        devices: &Devices,
        since: Since<'_>,
        until: Instant,
        progress: &(dyn Fn(usize) + Send + Sync),
    ) -> Result<Answered<Filtered>, Failure> {
        let url = format!("{}/outages", self.settings.url);
        let url = &url;
        let get = || async move {
            let mut chunks = ok(self.send(self.http.get(url)).await?)?.bytes_stream();
            let (mut filter, mut bytes) = (Filter::new(devices, since), 0);
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk?;
                bytes += chunk.len();
                if bytes > MOST_OUTAGES_BYTES {
                    return Err(too_long("is longer than 256 MiB"));
                }
                filter.take(&chunk)?;
                progress(bytes);
            }
            Ok(filter.finish()?)
        };
        self.tried(OUTAGES, until, || true, get).await
    }

    pub async fn post(
        &self,
        site: &str,
        payload: Bytes,
        until: Instant,
        may_post: impl Fn() -> bool,
    ) -> Result<Answered<()>, Failure> {
        let url = format!("{}/site-outages/{site}", self.settings.url);
        let (url, payload) = (&url, &payload);
        let post = || async move {
            let post = self.http.post(url).header(header::CONTENT_TYPE, "application/json");
            ok(self.send(post.body(payload.clone())).await?).map(drop)
        };
        self.tried(SITE_OUTAGES, until, may_post, post).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, reqwest::Error> {
        request.header(X_API_KEY, self.settings.key.clone()).send().await
    }

    /// Tries as often and as long as may be; `may_try` is asked before each time.
    async fn tried<T, F>(
        &self,
        route: &'static str,
        until: Instant,
        may_try: impl Fn() -> bool,
        attempt: impl Fn() -> F,
    ) -> Result<Answered<T>, Failure>
    where
        F: Future<Output = Result<T, Miss>>,
    {
        let (mut tries, mut last_in_doubt, mut any_in_doubt) = (0, false, false);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let failed = |why: String, tries, last_in_doubt, any_in_doubt| Failure {
                reason: format!("{route}: {why}"),
                tries,
                last_in_doubt,
                any_in_doubt,
            };
            if left.is_zero() {
                let why = "no time was left".to_owned();
                return Err(failed(why, tries, last_in_doubt, any_in_doubt));
            }
            if !may_try() {
                let why = "the lease was lost before it was posted".to_owned();
                return Err(failed(why, tries, last_in_doubt, any_in_doubt));
            }
            tries += 1;
            let missed = match tokio::time::timeout(self.timing.answer.min(left), attempt()).await {
                Ok(Ok(value)) => return Ok(Answered { value, tries }),
                Ok(Err(missed)) => missed,
                Err(_) => Miss::Hitch(Hitch::TimedOut, None),
            };
            let (hitch, asked) = match missed {
                Miss::Wrong(fault) => {
                    return Err(failed(fault.to_string(), tries, false, any_in_doubt));
                }
                Miss::Hitch(hitch, asked) => (hitch, asked),
            };
            last_in_doubt = hitch.is_in_doubt();
            any_in_doubt |= last_in_doubt;
            let attempts = self.settings.attempts;
            let wait = pause(hitch, tries, attempts, asked, &self.timing, rand::random());
            match wait.filter(|wait| Instant::now() + *wait < until) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => {
                    return Err(failed(said(hitch), tries, last_in_doubt, any_in_doubt));
                }
            }
        }
    }
}

/// 200, and no other 2xx.
fn ok(response: Response) -> Result<Response, Miss> {
    if response.status() == StatusCode::OK {
        return Ok(response);
    }
    let asked = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let asked = asked.and_then(|asked| retry_after(asked, SystemTime::now()));
    Err(Miss::Hitch(Hitch::Status(response.status().as_u16()), asked))
}

fn too_long(what: &'static str) -> Miss {
    Miss::Wrong(Fault { pointer: String::new(), what })
}

fn said(hitch: Hitch) -> String {
    match hitch {
        Hitch::NotSent => "no connection could be made".to_owned(),
        Hitch::Broken => "the connection broke".to_owned(),
        Hitch::TimedOut => "no whole answer came in time".to_owned(),
        Hitch::Status(status) => format!("answered {status}"),
    }
}
