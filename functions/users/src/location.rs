//! Where users work. Encounters and payoffs belong to one.

use serde::{Deserialize, Serialize};
use shared::auth::DEFAULT_LOCATION;
use shared::fields::{Members, Object};
use shared::values::{Timestamp, string, text};
use uuid::Uuid;

pub const MEMBERS: Members = Members { writable: &["name"], read_only: &["id", "created_at"] };

/// The body of `POST /locations`.
pub struct NewLocation {
    pub name: String,
}

impl NewLocation {
    pub fn read(body: &mut Object) -> Option<Self> {
        Some(Self { name: body.required("name", string(text::<256>))? })
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Location {
    pub id: Uuid,
    pub name: String,
    /// None for the one that always existed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

impl Location {
    /// The one that always exists.
    pub fn default_one() -> Self {
        Self { id: DEFAULT_LOCATION, name: "default".to_owned(), created_at: None }
    }
}
