//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use shared::config::is_endpoint;
use shared::outages;
use shared::values::Timestamp;

/// Every function of Quartet on one machine.
#[derive(Parser)]
#[command(name = "local", version)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub serving: Serving,
}

/// What else there is than serving the API.
#[derive(Subcommand)]
pub enum Command {
    /// Fetch, filter and post the outages of sites once
    SyncOutages(SyncOutages),
    /// Walk through the whole audit; fails where an entry is not as it was sealed
    VerifyAudit {
        #[command(flatten)]
        storage: Storage,
    },
    /// Ask a running one whether it serves: what a container without a shell can call
    Health {
        /// Port of its API
        #[arg(long, default_value_t = 3000)]
        port: u16,
    },
}

/// What is not given is as OUTAGE_SITES and OUTAGES_SINCE have it.
#[derive(Args)]
pub struct SyncOutages {
    /// A site; may be given again
    #[arg(long = "site", value_name = "ID", value_parser = site)]
    pub sites: Vec<String>,
    /// Leave out outages that begin before this time (RFC 3339)
    #[arg(long, value_name = "TIMESTAMP", value_parser = timestamp)]
    pub since: Option<String>,
    /// Post nothing; show what would change of what was accepted last
    #[arg(long)]
    pub dry_run: bool,
    /// Post what would be unchanged or held
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub storage: Storage,
}

/// How the API is served.
#[derive(Args)]
pub struct Serving {
    /// Address that the API listens on
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Port of the API; 0 takes a free one
    #[arg(long, default_value_t = 3000)]
    pub port: u16,
    /// What to begin with; demo on an empty data directory, else none
    #[arg(long)]
    pub seed: Option<Seed>,
    #[command(flatten)]
    pub storage: Storage,
}

/// Where everything is stored.
#[derive(Args)]
pub struct Storage {
    /// Port of the embedded DynamoDB, always on loopback; 0 takes a free one
    #[arg(long, default_value_t = 8000)]
    pub dynamodb_port: u16,
    /// Folder of the embedded DynamoDB and of the secrets that are made here
    #[arg(long, default_value = ".local", conflicts_with = "in_memory")]
    pub data_dir: PathBuf,
    /// Keep nothing here
    #[arg(long)]
    pub in_memory: bool,
    /// Use this DynamoDB; tables are made there on a loopback address alone
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    pub dynamodb_url: Option<String>,
}

fn endpoint(url: &str) -> Result<String, &'static str> {
    if is_endpoint(url) {
        Ok(url.to_owned())
    } else {
        Err("http://HOST:PORT or https://HOST is needed")
    }
}

fn site(text: &str) -> Result<String, &'static str> {
    outages::site(text).map_err(|_| "1 to 64 of [A-Za-z0-9._-] are needed")
}

fn timestamp(text: &str) -> Result<String, &'static str> {
    let parsed = Timestamp::parse(text).map_err(|_| "an RFC 3339 time with an offset is needed");
    parsed.map(|_| text.to_owned())
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Seed {
    /// A user with every scope, a few coupons and encounters, an ECG
    Demo,
    None,
}
