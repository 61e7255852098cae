//! What reference data is taken from.

use std::borrow::Cow;

use serde::Serialize;

/// What data is taken from, and which state of it this is.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Dataset {
    pub version: Cow<'static, str>,
    pub source: &'static str,
    /// For how long a caller may go without asking again.
    #[serde(skip)]
    pub max_age_s: u32,
}

/// For what changes with a deployment alone.
pub const A_DAY_S: u32 = 24 * 60 * 60;
