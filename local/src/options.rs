//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use shared::config::is_endpoint;

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
    /// Walk through the whole audit; fails where an entry is not as it was sealed
    VerifyAudit {
        #[command(flatten)]
        storage: Storage,
    },
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
    #[arg(long, default_value_t = 8000, conflicts_with = "dynamodb_url")]
    pub dynamodb_port: u16,
    /// Folder of the embedded DynamoDB and of the secrets that are made here
    #[arg(long, default_value = ".local", conflicts_with = "in_memory")]
    pub data_dir: PathBuf,
    /// Keep nothing
    #[arg(long, conflicts_with = "dynamodb_url")]
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

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Seed {
    /// A user with every scope and a few coupons
    Demo,
    None,
}
