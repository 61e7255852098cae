//! The API's description, and a page to read and try it. A function of its own, so that no other
//! carries its weight.

mod file;
#[cfg(feature = "openapi")]
pub mod openapi;

use axum::extract::Path;
use axum::response::Response;
use http::HeaderMap;
use shared::app::Function;
use shared::auth::Anyone;
use shared::http::{NoParams, Routes};
use shared::precondition::IfNoneMatch;
use shared::problem::Problem;
use shared::store::Table;

use crate::file::File;

pub const FUNCTION: Function =
    Function { name: "docs", tables: &[Table::Users, Table::Limits], routes };

fn routes() -> Routes {
    Routes::default()
        .get("/openapi.json", description)
        .get("/docs", page)
        .get("/docs/{file}", of_page)
}

/// `GET /openapi.json`
async fn description(
    _: Anyone,
    known: IfNoneMatch,
    headers: HeaderMap,
    _: NoParams,
) -> Result<Response, Problem> {
    file::DESCRIPTION.answer(&headers, &known)
}

/// `GET /docs`
async fn page(
    _: Anyone,
    known: IfNoneMatch,
    headers: HeaderMap,
    _: NoParams,
) -> Result<Response, Problem> {
    file::PAGE.answer(&headers, &known)
}

/// `GET /docs/{file}`: what the page is made of.
async fn of_page(
    _: Anyone,
    Path(name): Path<String>,
    known: IfNoneMatch,
    headers: HeaderMap,
    _: NoParams,
) -> Result<Response, Problem> {
    File::of_page(&name).ok_or(Problem::NOT_FOUND)?.answer(&headers, &known)
}
