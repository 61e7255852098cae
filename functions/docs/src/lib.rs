//! The API's description, and a page to read and try it. A function of its own, so that no other
//! carries its weight.

mod file;
#[cfg(feature = "openapi")]
pub mod openapi;

use std::future::ready;

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
    let one = |file: File| {
        move |_: Anyone, known: IfNoneMatch, headers: HeaderMap, _: NoParams| {
            ready(file.answer(&headers, &known))
        }
    };
    Routes::default()
        .get("/openapi.json", one(file::DESCRIPTION))
        .get("/docs", one(file::PAGE))
        .get("/docs/{file}", of_page)
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
