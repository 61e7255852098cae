//! How this process talks to AWS: TLS by rustls over ring, retries that are over within the
//! gateway's time.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{Credentials, Region, SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};

use crate::config::is_loopback;

/// Reads the machine's certificates: once for all services.
pub fn http() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// For what is no AWS service: the same client without its retries. It follows no redirects.
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
    let mut loader =
        aws_config::from_env().http_client(http).retry_config(retries).timeout_config(timeouts);
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
        if is_loopback(endpoint) {
            // It asks for a signature and doesn't check it.
            let nobodys = Credentials::new("local", "local", None, None, "local");
            let nobodys = SharedCredentialsProvider::new(nobodys);
            loader = loader.region(Region::new("local")).credentials_provider(nobodys);
        }
    }
    loader.load().await
}
