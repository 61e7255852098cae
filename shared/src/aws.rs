//! How this process talks to AWS: TLS by rustls over ring, retries that are over within the
//! gateway's time.

use std::time::Duration;

#[cfg(not(feature = "embedded"))]
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::config::{
    Credentials, ProvideCredentials, Region, SharedCredentialsProvider, SharedHttpClient,
};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::config::is_loopback;

/// Amazon's own roots. To read and parse all that a machine trusts is nine tenths of the
/// instructions of a start.
#[cfg(any(test, not(feature = "embedded")))]
const AMAZON: &str = include_str!("aws/roots.pem");

/// Connections and certificates of the SDK. `get` reads an environment variable.
pub fn http(get: impl Fn(&'static str) -> Option<String>) -> SharedHttpClient {
    let client = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(context(get))
        .build_https();
    SharedHttpClient::new(Unhurried(client))
}

/// The same for one service without its SDK.
pub fn connector_to_aws(get: impl Fn(&'static str) -> Option<String>) -> Connector {
    let tls = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring));
    tls.tls_context(context(get)).build()
}

fn context(get: impl Fn(&'static str) -> Option<String>) -> TlsContext {
    TlsContext::builder().with_trust_store(trusted(get)).build().unwrap_or_default()
}

/// Without a connector for each service's client when that is made, which would be thrown away: the
/// first request makes one anyway.
#[derive(Debug)]
struct Unhurried(SharedHttpClient);

impl HttpClient for Unhurried {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

/// AWS's services are under Amazon's roots. Another endpoint may be under any, and so may they for
/// whoever says which certificates to trust, in the variables that OpenSSL made common.
#[cfg(not(feature = "embedded"))]
fn trusted(get: impl Fn(&'static str) -> Option<String>) -> TrustStore {
    if are_others_wanted(get) {
        return TrustStore::default();
    }
    TrustStore::empty().with_pem_certificate(AMAZON)
}

#[cfg(any(test, not(feature = "embedded")))]
fn are_others_wanted(get: impl Fn(&'static str) -> Option<String>) -> bool {
    let files = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().filter_map(&get);
    let endpoints =
        ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SSM"].into_iter().filter_map(&get);
    files.chain(endpoints.filter(|url| !url.starts_with("http://"))).next().is_some()
}

/// A laptop may be behind a proxy with a root of its own.
#[cfg(feature = "embedded")]
fn trusted(_: impl Fn(&'static str) -> Option<String>) -> TrustStore {
    TrustStore::default()
}

/// For what is no AWS service: the same client without its retries, and all that the machine
/// trusts. It follows no redirects.
pub fn connector() -> Connector {
    Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
}

/// `endpoint`: another one than the region's own.
pub async fn config(http: SharedHttpClient, endpoint: Option<&str>) -> SdkConfig {
    // Quick first retries: a throttled partition or a cut connection is soon back.
    let retries = RetryConfig::standard()
        .with_max_attempts(5)
        .with_initial_backoff(Duration::from_millis(50))
        .with_max_backoff(Duration::from_secs(2));
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(4))
        .operation_timeout(Duration::from_secs(15))
        .build();
    let found = match endpoint {
        Some(endpoint) if is_loopback(endpoint) => nobodys(),
        _ => found(http.clone()).await,
    };
    let mut config = found.into_builder().http_client(http);
    config.set_endpoint_url(endpoint.map(str::to_owned));
    config.retry_config(retries).timeout_config(timeouts).build()
}

/// For a DynamoDB on this machine, which asks for a signature and doesn't check it.
fn nobodys() -> SdkConfig {
    of(Some(Region::new("local")), Credentials::new("local", "local", None, None, "local"))
}

fn of(region: Option<Region>, credentials: impl ProvideCredentials + 'static) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// Region and credentials from the environment, where Lambda puts them: all that looks elsewhere
/// stays out of a function.
#[cfg(not(feature = "embedded"))]
async fn found(_: SharedHttpClient) -> SdkConfig {
    let region = std::env::var("AWS_REGION").or_else(|_| std::env::var("AWS_DEFAULT_REGION"));
    of(region.ok().map(Region::new), EnvironmentVariableCredentialsProvider::new())
}

/// A laptop has profiles, a container a role.
#[cfg(feature = "embedded")]
async fn found(http: SharedHttpClient) -> SdkConfig {
    aws_config::from_env().http_client(http).load().await
}

#[cfg(test)]
mod tests {
    use rustls::RootCertStore;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn other_roots_are_trusted_where_an_endpoint_needs_them_or_someone_asks() {
        for (name, value, expected) in [
            ("AWS_REGION", "eu-west-1", false),
            ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:8000", false),
            ("AWS_ENDPOINT_URL_DYNAMODB", "https://localhost:4566", true),
            ("AWS_ENDPOINT_URL_SSM", "https://ssm.example", true),
            ("SSL_CERT_FILE", "/etc/ssl/one.pem", true),
            ("SSL_CERT_DIR", "/etc/ssl/certs", true),
        ] {
            let get = |asked: &str| (asked == name).then(|| value.to_owned());
            assert_eq!(are_others_wanted(get), expected, "{name}={value}");
        }
    }

    #[test]
    fn amazons_roots_can_be_read_and_are_the_five_that_are_named() {
        let read: Vec<_> = CertificateDer::pem_slice_iter(AMAZON.as_bytes()).flatten().collect();
        let hashes = read.iter().map(|root| ring::digest::digest(&ring::digest::SHA256, root));
        for hash in hashes {
            assert!(AMAZON.contains(&format!(" {} ", hex::encode(hash))));
        }
        let mut roots = RootCertStore::empty();
        assert_eq!(roots.add_parsable_certificates(read), (5, 0));
    }
}
