//! What a user may do.

use std::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A permission that a user has or hasn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    CouponsWrite,
    CouponsRedeem,
    EncountersRead,
    EncountersWrite,
    EncountersEmergency,
    EcgsRead,
    EcgsWrite,
    AuditRead,
    UsersRead,
    OutagesRead,
    OutagesRun,
    PayoffsRead,
    PayoffsWrite,
}

impl Scope {
    pub const ALL: [Self; 13] = [
        Self::CouponsWrite,
        Self::CouponsRedeem,
        Self::EncountersRead,
        Self::EncountersWrite,
        Self::EncountersEmergency,
        Self::EcgsRead,
        Self::EcgsWrite,
        Self::AuditRead,
        Self::UsersRead,
        Self::OutagesRead,
        Self::OutagesRun,
        Self::PayoffsRead,
        Self::PayoffsWrite,
    ];

    /// The names of `ALL`, for messages.
    pub const NAMES: [&'static str; 13] = {
        let mut names = [""; 13];
        let mut i = 0;
        while i < names.len() {
            #[expect(clippy::indexing_slicing, reason = "checked when it is compiled")]
            {
                names[i] = Self::ALL[i].name();
            }
            i += 1;
        }
        names
    };

    pub const fn name(self) -> &'static str {
        match self {
            Self::CouponsWrite => "coupons:write",
            Self::CouponsRedeem => "coupons:redeem",
            Self::EncountersRead => "encounters:read",
            Self::EncountersWrite => "encounters:write",
            Self::EncountersEmergency => "encounters:emergency",
            Self::EcgsRead => "ecgs:read",
            Self::EcgsWrite => "ecgs:write",
            Self::AuditRead => "audit:read",
            Self::UsersRead => "users:read",
            Self::OutagesRead => "outages:read",
            Self::OutagesRun => "outages:run",
            Self::PayoffsRead => "payoffs:read",
            Self::PayoffsWrite => "payoffs:write",
        }
    }

    /// The detail of a 403.
    pub(super) const fn needed(self) -> &'static str {
        match self {
            Self::CouponsWrite => "This needs the scope coupons:write.",
            Self::CouponsRedeem => "This needs the scope coupons:redeem.",
            Self::EncountersRead => "This needs the scope encounters:read.",
            Self::EncountersWrite => "This needs the scope encounters:write.",
            Self::EncountersEmergency => "This needs the scope encounters:emergency.",
            Self::EcgsRead => "This needs the scope ecgs:read.",
            Self::EcgsWrite => "This needs the scope ecgs:write.",
            Self::AuditRead => "This needs the scope audit:read.",
            Self::UsersRead => "This needs the scope users:read.",
            Self::OutagesRead => "This needs the scope outages:read.",
            Self::OutagesRun => "This needs the scope outages:run.",
            Self::PayoffsRead => "This needs the scope payoffs:read.",
            Self::PayoffsWrite => "This needs the scope payoffs:write.",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes(u16);

impl Scopes {
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u16) != 0
    }

    /// What both have.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | 1 << scope as u16))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Scope::name))
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let scope = |name: &String| Scope::parse(name).ok_or_else(|| Error::custom("not a scope"));
        names.iter().map(scope).collect()
    }
}

/// A permission as a type, so that a handler can ask for it in its signature: any one of these
/// scopes gives it.
pub trait Permission {
    const SCOPES: &'static [Scope];
}

/// One type for each permission that some handler asks for.
pub mod permissions {
    use super::{Permission, Scope};

    pub struct CouponsWrite;

    impl Permission for CouponsWrite {
        const SCOPES: &'static [Scope] = &[Scope::CouponsWrite];
    }

    pub struct CouponsRedeem;

    impl Permission for CouponsRedeem {
        const SCOPES: &'static [Scope] = &[Scope::CouponsRedeem];
    }

    pub struct CouponsWriteOrRedeem;

    impl Permission for CouponsWriteOrRedeem {
        const SCOPES: &'static [Scope] = &[Scope::CouponsWrite, Scope::CouponsRedeem];
    }

    pub struct EncountersRead;

    impl Permission for EncountersRead {
        const SCOPES: &'static [Scope] = &[Scope::EncountersRead];
    }

    pub struct EncountersWrite;

    impl Permission for EncountersWrite {
        const SCOPES: &'static [Scope] = &[Scope::EncountersWrite];
    }

    pub struct EcgsRead;

    impl Permission for EcgsRead {
        const SCOPES: &'static [Scope] = &[Scope::EcgsRead];
    }

    pub struct EcgsWrite;

    impl Permission for EcgsWrite {
        const SCOPES: &'static [Scope] = &[Scope::EcgsWrite];
    }

    pub struct AuditRead;

    impl Permission for AuditRead {
        const SCOPES: &'static [Scope] = &[Scope::AuditRead];
    }

    pub struct UsersRead;

    impl Permission for UsersRead {
        const SCOPES: &'static [Scope] = &[Scope::UsersRead];
    }

    pub struct OutagesRead;

    impl Permission for OutagesRead {
        const SCOPES: &'static [Scope] = &[Scope::OutagesRead];
    }

    pub struct OutagesRun;

    impl Permission for OutagesRun {
        const SCOPES: &'static [Scope] = &[Scope::OutagesRun];
    }

    pub struct PayoffsRead;

    impl Permission for PayoffsRead {
        const SCOPES: &'static [Scope] = &[Scope::PayoffsRead];
    }

    pub struct PayoffsWrite;

    impl Permission for PayoffsWrite {
        const SCOPES: &'static [Scope] = &[Scope::PayoffsWrite];
    }
}
