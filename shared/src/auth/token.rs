//! Bearer tokens: a service's, signed with its pre-shared key, and a user's, signed by the identity
//! provider. Which of the two a token is decides which algorithm it may have (RFC 8725, 3.1).

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use uuid::Uuid;

use super::Scopes;
use super::scope::Scope;
use crate::problem::Problem;
use crate::services::Service;
use crate::values::Timestamp;

/// What a service token must be for.
const AUDIENCE: &str = "quartet";
/// How far clocks may be apart where a token ends or begins, and how far ahead a service token may
/// end. Seconds.
const LEEWAY_S: u64 = 5;
const LONGEST_S: f64 = 300.0;
/// The gateway takes 10,240 bytes of headers.
const LONGEST: usize = 10_240;

/// Whom a token names: by an id of ours or of the identity provider's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject(pub String);

impl Subject {
    pub fn user_id(&self) -> Option<Uuid> {
        Uuid::try_parse(&self.0).ok()
    }
}

/// A service token that verified.
pub struct ServiceToken {
    pub sub: Subject,
    pub location_id: Option<String>,
    /// None where it narrows nothing.
    pub scopes: Option<Scopes>,
    pub id_token: Option<String>,
    pub jti: String,
}

#[derive(Deserialize)]
struct ServiceClaims {
    iss: String,
    sub: String,
    jti: String,
    /// A NumericDate of RFC 7519 may have a fraction.
    exp: f64,
    location_id: Option<String>,
    scope: Option<String>,
    id_token: Option<String>,
}

#[derive(Deserialize)]
struct UserClaims {
    sub: String,
}

/// The key id that a token names, if any; fails for what can't be a token. What its header calls
/// critical, nobody here knows (RFC 7515, 4.1.11).
pub fn key_id(token: &str) -> Result<Option<String>, Problem> {
    let parts = token.split('.').count() == 3 && token.len() <= LONGEST;
    let header = parts.then(|| decode_header(token).ok()).flatten();
    let header = header.filter(|header| header.crit.is_none()).ok_or(Problem::UNAUTHENTICATED)?;
    Ok(header.kid)
}

/// Whether a token says that it is one of these, or says nothing (RFC 8725, 3.11).
fn is_typed(header: &Header, types: &[&str]) -> bool {
    let is = |typ: &str| types.iter().any(|known| typ.eq_ignore_ascii_case(known));
    header.typ.as_deref().is_none_or(is)
}

impl ServiceToken {
    /// HS256 by one of the service's keys, and every claim as it must be.
    pub fn verify(token: &str, name: &str, service: &Service) -> Option<Self> {
        let mut rules = rules(Algorithm::HS256);
        rules.set_audience(&[AUDIENCE]);
        rules.set_issuer(&[name]);
        rules.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        let verified = service.keys().find_map(|key| {
            decode::<ServiceClaims>(token, &DecodingKey::from_secret(key), &rules).ok()
        })?;
        let claims = verified.claims;
        let ahead = claims.exp - Timestamp::now().seconds();
        let printable = (1..=128).contains(&claims.jti.len())
            && claims.jti.bytes().all(|b| b.is_ascii_graphic());
        let named = claims.iss == name && !claims.sub.is_empty() && printable;
        let in_time = ahead <= LONGEST_S;
        let is_jwt = is_typed(&verified.header, &["jwt"]);
        // A scope that isn't known is one that nobody has.
        let scopes = claims.scope.map(|scope| scope.split(' ').filter_map(Scope::parse).collect());
        (named && in_time && is_jwt).then_some(Self {
            sub: Subject(claims.sub),
            location_id: claims.location_id,
            scopes,
            id_token: claims.id_token,
            jti: claims.jti,
        })
    }
}

/// What an ID token may say that it is, and what a user's own token: one for access may say so
/// (RFC 9068, 2.1).
pub const ID_TOKEN: &[&str] = &["jwt"];
pub const OWN_TOKEN: &[&str] = &["jwt", "at+jwt", "application/at+jwt"];

/// RS256 or ES256, as the provider's key is, by `issuer` for `audience`: whom it names.
pub fn verify_user(
    token: &str,
    types: &[&str],
    key: &Jwk,
    issuer: &str,
    audience: &str,
) -> Option<Subject> {
    let mut rules = rules(algorithm(key)?);
    rules.set_audience(&[audience]);
    rules.set_issuer(&[issuer]);
    rules.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    let key = DecodingKey::from_jwk(key).ok()?;
    let verified = decode::<UserClaims>(token, &key, &rules).ok()?;
    let is_right = is_typed(&verified.header, types);
    Some(Subject(verified.claims.sub)).filter(|sub| is_right && !sub.0.is_empty())
}

/// What a key of the provider's signs with; None for keys that are of no use here.
pub fn algorithm(key: &Jwk) -> Option<Algorithm> {
    let algorithm = match &key.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        _ => return None,
    };
    let common = &key.common;
    let for_signatures = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
    let pinned = common.key_algorithm.as_ref();
    let is_pinned_to_another = pinned.is_some_and(|pinned| *pinned != algorithm.into());
    (for_signatures && !is_pinned_to_another).then_some(algorithm)
}

fn rules(algorithm: Algorithm) -> Validation {
    let mut rules = Validation::new(algorithm);
    rules.leeway = LEEWAY_S;
    rules.validate_nbf = true;
    rules
}
