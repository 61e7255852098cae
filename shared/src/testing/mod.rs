//! The test harness: the real routers and the real SDK over an embedded DynamoDB of their own.

mod app;
mod faults;

pub use self::app::{Client, Reply, TestApp};
pub use self::faults::{Fault, FaultProxy};
