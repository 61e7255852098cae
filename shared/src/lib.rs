//! Quartet's platform: what each function wears, in the order in which a request meets it.

pub mod answer;
pub mod app;
pub mod audit;
pub mod auth;
mod aws;
pub mod body;
pub mod config;
pub mod fields;
pub mod http;
pub mod json;
pub mod list;
pub mod log;
pub mod params;
pub mod precondition;
pub mod problem;
pub mod rate_limit;
pub mod secrets;
pub mod serve;
pub mod services;
pub mod store;
pub mod values;
mod wrong;

#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "testing")]
pub mod testing;
