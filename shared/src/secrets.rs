//! Secrets from SSM Parameter Store, where `SECRETS_PATH` is set: the variable `ADMIN_TOKEN` is the
//! parameter `PATH/admin-token`. One call at the start, for this function's own names alone.

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::{ProvideCredentials, Region, SharedHttpClient};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use serde_json::json;

use crate::aws;
use crate::backoff::Backoff;
use crate::config::BadSetting;

/// What every function needs to know its callers, seal its cursors and sign its entries.
pub const OF_FUNCTIONS: &[&str] =
    &["ADMIN_TOKEN", "CURSOR_SECRET", "AUDIT_SECRET", "SERVICE_KEYS", "SENTRY_DSN"];

fn parameter(path: &str, name: &str) -> String {
    format!("{}/{}", path.trim_end_matches('/'), name.to_ascii_lowercase().replace('_', "-"))
}

/// What a process starts with: the client for AWS, and what reads a variable from then on, with the
/// secrets of these `names`. `get` reads one of the environment; an empty one is none.
pub async fn environment(
    names: &[&'static str],
    get: impl Fn(&'static str) -> Option<String>,
) -> Result<(SharedHttpClient, impl Fn(&'static str) -> Option<String>), BadSetting> {
    let get = move |name| get(name).filter(|value| !value.is_empty());
    let http = aws::http(&get);
    let secrets = read(names, http.clone(), &get).await?;
    Ok((http, move |name: &'static str| secrets.get(name).cloned().or_else(|| get(name))))
}

/// The secrets of these `names`, where `SECRETS_PATH` says where they lie. One that isn't there is
/// left out.
async fn read(
    names: &[&'static str],
    http: SharedHttpClient,
    get: impl Fn(&'static str) -> Option<String>,
) -> Result<HashMap<&'static str, String>, BadSetting> {
    let Some(path) = get("SECRETS_PATH") else { return Ok(HashMap::new()) };
    let wrong = |why| BadSetting { name: "SECRETS_PATH", why };
    if !path.starts_with('/') {
        return Err(wrong("a path in SSM Parameter Store, such as /quartet/prod"));
    }
    let parameters: Vec<_> = names.iter().map(|name| parameter(&path, name)).collect();
    let config = aws::config(http, get("AWS_ENDPOINT_URL_SSM").as_deref()).await;
    let ssm = Ssm { http: aws::connector_to_aws(&get), config };
    let found = ssm.patiently(&parameters).await;
    let found = found.ok_or(wrong("the parameters under it could not be read"))?;
    let of = |parameter: Parameter| {
        let name = names.iter().zip(&parameters).find(|(_, known)| **known == parameter.name);
        name.map(|(name, _)| (*name, parameter.value))
    };
    Ok(found.into_iter().filter_map(of).collect())
}

/// SSM's one call that is needed here. Its SDK would be a seventh of each function, and of all the
/// pages that a start writes to.
struct Ssm {
    http: Connector,
    config: SdkConfig,
}

/// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    name: String,
    value: String,
}

/// A call that did not succeed.
enum Failure {
    /// Too many called, or nobody answered.
    Passing,
    Lasting,
}

impl<E: Error> From<E> for Failure {
    fn from(_: E) -> Self {
        Self::Lasting
    }
}

impl Ssm {
    /// Tries again where that may help: an account has 40 calls a second, and many functions may
    /// start at once. A start may take ten seconds.
    async fn patiently(&self, names: &[String]) -> Option<Vec<Parameter>> {
        let mut backoff = Backoff::lasting(Duration::from_secs(6));
        loop {
            match tokio::time::timeout(Duration::from_secs(3), self.get_parameters(names)).await {
                Ok(Ok(found)) => return Some(found),
                Ok(Err(Failure::Lasting)) => return None,
                Ok(Err(Failure::Passing)) | Err(_) if !backoff.pause().await => return None,
                Ok(Err(Failure::Passing)) | Err(_) => {}
            }
        }
    }

    async fn get_parameters(&self, names: &[String]) -> Result<Vec<Parameter>, Failure> {
        const MOST_BYTES: usize = 1024 * 1024;
        let body = json!({"Names": names, "WithDecryption": true}).to_string();
        let request = HttpRequest::try_from(self.signed(body).await?)?;
        let answer = self.http.call(request).await.map_err(|_| Failure::Passing)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
        let body = body.map_err(|_| Failure::Passing)?.to_bytes();
        if status.is_success() {
            let found: Found = serde_json::from_slice(&body)?;
            return Ok(found.parameters);
        }
        let is_throttled = String::from_utf8_lossy(&body).contains("ThrottlingException");
        Err(if is_throttled || status.is_server_error() {
            Failure::Passing
        } else {
            Failure::Lasting
        })
    }

    async fn signed(&self, body: String) -> Result<http::Request<SdkBody>, Failure> {
        let region = self.config.region().map_or("", Region::as_ref);
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let usual = format!("https://ssm.{region}.{domain}/");
        let url = self.config.endpoint_url().map_or(usual, str::to_owned);
        let credentials = self.config.credentials_provider().ok_or(Failure::Lasting)?;
        let identity = credentials.provide_credentials().await?.into();
        let with = SigningParams::builder().identity(&identity).region(region).name("ssm");
        let with = with.time(SystemTime::now()).settings(SigningSettings::default()).build()?;
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", "AmazonSSM.GetParameters"),
        ];
        let bytes = SignableBody::Bytes(body.as_bytes());
        let asked = SignableRequest::new("POST", &url, headers.into_iter(), bytes)?;
        let (instructions, _) = sign(asked, &with.into())?.into_parts();
        let request = http::Request::post(&url);
        let request = headers.into_iter().fold(request, |request, (k, v)| request.header(k, v));
        let mut request = request.body(SdkBody::from(body))?;
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_variable_that_is_empty_is_none() {
        let (_, get) = environment(&[], |_| Some(String::new())).await.expect("an environment");
        assert_eq!(get("ADMIN_TOKEN"), None);
    }
}
