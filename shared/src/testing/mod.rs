//! The test harness: the real routers and the real SDK over an embedded DynamoDB of their own.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a harness that can't go on fails its test"
)]

mod app;
mod client;
mod clock;
mod cost;
mod faults;
mod policy;
mod sentry;
mod tokens;

pub use self::app::{ADMIN_TOKEN, TestApp, items};
pub use self::client::{Client, Reply};
pub use self::clock::{clock_is_ahead_ms, step_clock};
pub use self::cost::assert_in_the_table;
pub use self::faults::{Fault, FaultProxy};
pub use self::policy::Policy;
pub use self::sentry::{Envelope, Sentry};
pub use self::tokens::{Issuer, SigningKey, now, part};
