//! Quartet's platform: what each function wears, in the order in which a request meets it.

pub mod serve;
pub mod app;
pub mod http;
pub mod auth;
pub mod json;
pub mod fields;
pub mod values;
pub mod body;
pub mod precondition;
pub mod list;
pub mod store;
pub mod audit;
pub mod answer;
pub mod problem;
pub mod log;
pub mod config;

#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "testing")]
pub mod testing;
