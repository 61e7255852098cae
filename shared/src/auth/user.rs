//! A registered user, as the users' table holds it and every function reads it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Scopes;
use crate::store::ItemKey;
use crate::values::Timestamp;

/// The location that always exists.
pub const DEFAULT_LOCATION: Uuid = Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0000);

#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct User {
    pub id: Uuid,
    pub username: String,
    pub scopes: Scopes,
    /// The first is the one that a request acts for where it names none.
    pub location_ids: Vec<Uuid>,
    pub oidc_subject: Option<String>,
    pub disabled: bool,
    pub rate_limit_per_minute: Option<u32>,
    pub version: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Whose a claimed name or subject is.
#[derive(Serialize, Deserialize)]
pub struct Claim {
    pub user_id: Uuid,
}

impl User {
    pub fn item_key(id: Uuid) -> ItemKey {
        ItemKey::new(format!("user#{id}"), "user")
    }

    /// The claim of a subject of the identity provider, which one user alone can have.
    pub fn subject_key(subject: &str) -> ItemKey {
        ItemKey::new(format!("subject#{subject}"), "subject")
    }
}
