//! What a coupon is at a time: its terms, and how often it was used.

use serde::{Deserialize, Serialize};
use shared::fields::Wrong;
use shared::values::{Timestamp, word};
use uuid::Uuid;

use crate::terms::Terms;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Invalid,
    Disabled,
    Scheduled,
    Expired,
    Exhausted,
    Active,
}

/// How many slots of a coupon are taken at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub redeemed: i64,
    /// Reservations that haven't expired.
    pub reserved: i64,
}

impl Usage {
    /// No slot is left for one more.
    pub fn exhausts(self, terms: &Terms) -> bool {
        terms.max_redemptions.is_some_and(|most| self.redeemed + self.reserved >= most)
    }
}

impl Status {
    /// The first that applies at `at`; both ends of the period are inside it.
    pub fn of(terms: &Terms, usage: Usage, at: Timestamp) -> Self {
        if !terms.valid() {
            Self::Invalid
        } else if terms.disabled {
            Self::Disabled
        } else if at < terms.published_at {
            Self::Scheduled
        } else if at > terms.expire_at {
            Self::Expired
        } else if usage.exhausts(terms) {
            Self::Exhausted
        } else {
            Self::Active
        }
    }
}

/// What a list may ask of a coupon's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFilter {
    Is(Status),
    /// Any but `invalid`.
    Valid,
}

impl StatusFilter {
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        const WORDS: &[&str] =
            &["invalid", "disabled", "scheduled", "expired", "exhausted", "active", "valid"];
        if text == "valid" { Ok(Self::Valid) } else { word(text, WORDS).map(Self::Is) }
    }

    pub fn takes(self, status: Status) -> bool {
        match self {
            Self::Is(wanted) => status == wanted,
            Self::Valid => status != Status::Invalid,
        }
    }

    /// Whether a coupon may have the status, whatever its usage turns out to be.
    pub fn may_take(self, terms: &Terms, at: Timestamp) -> bool {
        let unused = Status::of(terms, Usage::default(), at);
        let exhaustible = unused == Status::Active && terms.max_redemptions.is_some();
        self.takes(unused) || (exhaustible && self.takes(Status::Exhausted))
    }
}

/// A coupon that is stored, or about to be.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Coupon {
    pub id: Uuid,
    #[serde(flatten)]
    pub terms: Terms,
    pub version: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// When its place was changed last, if ever. It is stored, and nobody's to see.
    #[serde(skip_serializing)]
    #[cfg_attr(feature = "openapi", schema(ignore))]
    pub moved_at: Option<Timestamp>,
}

impl Coupon {
    pub fn new(id: Uuid, terms: Terms, now: Timestamp) -> Self {
        Self { id, terms, version: 1, created_at: now, updated_at: now, moved_at: None }
    }

    /// The next version, with other terms.
    pub fn amended(&self, terms: Terms, now: Timestamp) -> Self {
        let stays = terms.place() == self.terms.place();
        Self {
            id: self.id,
            terms,
            version: self.version + 1,
            created_at: self.created_at,
            updated_at: now,
            moved_at: if stays { self.moved_at } else { Some(now) },
        }
    }

    /// What callers see at a time.
    pub fn seen_at(self, at: Timestamp, usage: Usage) -> Seen {
        Seen {
            valid: self.terms.valid(),
            status: Status::of(&self.terms, usage, at),
            times_redeemed: usage.redeemed,
            times_reserved: usage.reserved,
            distance_km: None,
            coupon: self,
        }
    }
}

impl Seen {
    pub fn id(&self) -> Uuid {
        self.coupon.id
    }
}

/// A coupon with what follows from its terms and its use.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Seen {
    #[serde(flatten)]
    coupon: Coupon,
    valid: bool,
    pub status: Status,
    times_redeemed: i64,
    times_reserved: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance_km: Option<f64>,
}
