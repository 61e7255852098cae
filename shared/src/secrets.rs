//! Secrets from SSM Parameter Store, where `SECRETS_PATH` is set: the variable `ADMIN_TOKEN` is the
//! parameter `PATH/admin-token`. One call at the start, for this function's own names alone.

use std::collections::HashMap;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::SharedHttpClient;

use crate::aws;
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
    let endpoint = get("AWS_ENDPOINT_URL_SSM");
    let wrong = |why| BadSetting { name: "SECRETS_PATH", why };
    if !path.starts_with('/') {
        return Err(wrong("a path in SSM Parameter Store, such as /quartet/prod"));
    }
    let parameters = names.iter().map(|name| parameter(&path, name)).collect();
    let config = aws::config(http, endpoint.as_deref()).await;
    // Where many functions start at once, SSM refuses more than 40 calls a second of an account. A
    // start may take ten seconds.
    let patient = RetryConfig::standard()
        .with_max_attempts(10)
        .with_initial_backoff(Duration::from_millis(200))
        .with_max_backoff(Duration::from_secs(2));
    let in_time = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(8))
        .build();
    let config = aws_sdk_ssm::config::Builder::from(&config).retry_config(patient);
    let ssm = aws_sdk_ssm::Client::from_conf(config.timeout_config(in_time).build());
    let got = ssm.get_parameters().set_names(Some(parameters)).with_decryption(true).send().await;
    let got = got.map_err(|_| wrong("the parameters under it could not be read"))?;
    let mut secrets = HashMap::new();
    for found in got.parameters.into_iter().flatten() {
        let name = names.iter().find(|name| found.name.as_deref() == Some(&parameter(&path, name)));
        secrets.extend(name.copied().zip(found.value));
    }
    Ok(secrets)
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
