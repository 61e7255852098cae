//! Quartet's platform: what each function wears, in the order in which a request meets it.

// The process, and what it is made of.
pub mod serve;
pub mod worker;
pub mod app;
pub mod config;
pub mod secrets;
pub mod services;
pub mod outages;
mod aws;
mod backoff;

// The way of a request.
pub mod http;
pub mod auth;
pub mod rate_limit;
pub mod precondition;
pub mod params;
pub mod body;
pub mod json;
pub mod fields;
pub mod values;
pub mod calendar;
pub mod mark;
mod wrong;
pub mod list;
pub mod import;
pub mod store;
pub mod audit;
pub mod answer;
pub mod problem;
pub mod log;
pub mod trace;
mod sentry;

#[cfg(feature = "openapi")]
pub mod openapi;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "testing")]
pub mod testing;
