//! A function's process: Lambda's runtime, or a local port.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use tokio::net::TcpListener;

use crate::app::{App, Function};
use crate::config::variable;
use crate::log;

/// Runs one function until it is told to stop. `AWS_LAMBDA_RUNTIME_API` says that this is Lambda.
pub async fn run(function: Function) -> ExitCode {
    let app = match App::start(function.tables, variable).await {
        Ok(app) => app,
        Err(bad) => return failed(&bad.to_string()),
    };
    log::start(function.name, &app.settings().basics);
    app.announce();
    let router = (function.routes)().dressed(app);
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        return match lambda_http::run(router).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => failed("the Lambda runtime ended"),
        };
    }
    let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await else {
        return failed("no local port is free");
    };
    if let Ok(address) = listener.local_addr() {
        eprintln!("{} on http://{address}", function.name);
    }
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    match axum::serve(listener, service).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => failed("the local server ended"),
    }
}

pub(crate) fn failed(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::FAILURE
}
