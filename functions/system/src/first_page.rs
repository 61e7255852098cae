//! What a first visit finds: what is here, where it is described, and whether the storage answers.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header;
use ring::digest::{SHA256, digest};
use shared::auth::Anyone;
use shared::http::NoParams;
use shared::problem::Problem;
use shared::store::Store;

const STYLE: &str = include_str!("first_page.css");
const PAGE: &str = include_str!("first_page.html");

/// The page's own style and no other, no script, nothing from elsewhere.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
});

/// `GET /`: the page itself is there whatever the storage does.
pub async fn first_page(store: Store, _: Anyone, _: NoParams) -> Result<Response, Problem> {
    let (state, health) = if store.is_ready().await {
        ("ok", "Running, and the store answers.")
    } else {
        ("bad", "Running, but the store does not answer.")
    };
    let page = PAGE
        .replace("{style}", STYLE)
        .replace("{state}", state)
        .replace("{health}", health)
        .replace("{version}", env!("CARGO_PKG_VERSION"));
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
    ];
    Ok((headers, page).into_response())
}
