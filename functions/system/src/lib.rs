//! Whether it runs, and the answer to every path that no other function has.

mod first_page;
#[cfg(feature = "openapi")]
pub mod openapi;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use shared::answer::Answer;
use shared::app::Function;
use shared::auth::{Anyone, Known};
use shared::http::{NoParams, Routes};
use shared::problem::Problem;
use shared::store::{Store, Table};

pub const FUNCTION: Function =
    Function { name: "system", tables: &[Table::Users, Table::Limits], routes };

fn routes() -> Routes {
    Routes::default()
        .get("/", first_page::first_page)
        .get("/health", health)
        .get("/health/ready", ready)
        .get("/health/ping", ping)
        .get("/status", status)
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
struct Health {
    status: &'static str,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<Checks>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
struct Checks {
    dynamodb: &'static str,
}

impl Health {
    fn new(status: &'static str, checks: Option<Checks>) -> Self {
        Self { status, version: env!("CARGO_PKG_VERSION"), checks }
    }
}

/// `GET /health`: the process runs.
async fn health(_: Anyone, _: NoParams) -> Result<Answer, Problem> {
    Answer::ok(&Health::new("ok", None))
}

/// `GET /health/ready`: the storage answers too.
async fn ready(store: Store, _: Anyone, _: NoParams) -> Result<Response, Problem> {
    if store.is_ready().await {
        return Ok(Answer::ok(&Health::new("ok", Some(Checks { dynamodb: "ok" })))?.into_response());
    }
    let health = Health::new("unavailable", Some(Checks { dynamodb: "unavailable" }));
    Ok((StatusCode::SERVICE_UNAVAILABLE, Answer::ok(&health)?).into_response())
}

/// `GET /health/ping`
async fn ping(_: Anyone, _: NoParams) -> Result<Answer, Problem> {
    Answer::ok(&"pong")
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
struct Status {
    status: &'static str,
}

/// `GET /status`
async fn status(_: Known, _: NoParams) -> Result<Answer, Problem> {
    Answer::ok(&Status { status: "ok" })
}
