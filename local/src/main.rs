//! All of Quartet in one process, over an embedded DynamoDB or a running one.

mod data;
mod health;
mod options;
mod seed;
mod server;
mod sync;
mod upstream;
mod verification;
mod workers;

use std::process::ExitCode;

use clap::Parser;

use crate::options::{Command, Options};

#[tokio::main]
async fn main() -> ExitCode {
    let Options { command, serving } = Options::parse();
    let done = match command {
        None => server::run(serving).await.map(|()| true),
        Some(Command::SyncOutages(command)) => server::sync_outages(command).await,
        Some(Command::VerifyAudit { storage }) => server::verify_audit(&storage).await,
        Some(Command::Health { port }) => health::ask(port).await.map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
