//! The one credential of a request, by the header that it came in.

use http::{HeaderMap, HeaderValue, header};

use crate::problem::Problem;

pub enum Credential {
    /// `x-api-key` or `x-user-token`
    ApiKey(Vec<u8>),
    /// `x-admin-token`
    AdminToken(Vec<u8>),
    /// `Authorization: Bearer`; empty where it is no such thing.
    Bearer(String),
}

impl Credential {
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let given = |name: &'static str| headers.get_all(name).iter();
        let bytes = |value: &HeaderValue| value.as_bytes().to_vec();
        let keys =
            given("x-api-key").chain(given("x-user-token")).map(|key| Self::ApiKey(bytes(key)));
        let tokens = given("x-admin-token").map(|token| Self::AdminToken(bytes(token)));
        let bearers = given(header::AUTHORIZATION.as_str()).map(bearer);
        let mut credentials = keys.chain(tokens).chain(bearers);
        match (credentials.next(), credentials.next()) {
            (_, Some(_)) => Err(Problem::AMBIGUOUS_CREDENTIALS),
            (first, None) => Ok(first),
        }
    }
}

fn bearer(value: &HeaderValue) -> Credential {
    let text = value.to_str().unwrap_or_default();
    let (scheme, token) = text.split_once(' ').unwrap_or_default();
    let token = if scheme.eq_ignore_ascii_case("bearer") { token.trim() } else { "" };
    Credential::Bearer(token.to_owned())
}
