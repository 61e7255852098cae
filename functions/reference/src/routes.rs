//! The HTTP of countries, holidays and industries, and the routes of franchises.

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use shared::app::App;
use shared::auth::Known;
use shared::fields::Wrong;
use shared::http::{Ids, NoParams, Routes};
use shared::list::Paging;
use shared::params::Params;
use shared::precondition::IfNoneMatch;
use shared::problem::Problem;
use shared::store::Page;
use shared::values::{text, whole};

use crate::country::{self, COUNTRIES, Country};
use crate::franchises;
use crate::holiday::{self, Holiday};
use crate::industry::{self, INDUSTRIES, Industry};
use crate::search::Query;

pub fn routes() -> Routes {
    Routes::default()
        .get("/countries", countries)
        .get("/countries/{code}", country)
        .get("/holidays", holidays)
        .get("/naics-codes", industries)
        .get("/naics-codes/{code}", industry)
        .get("/franchises", franchises::list)
        .post("/franchises/import", franchises::import)
        .get("/franchises/{franchise_id}", franchises::read)
}

/// `q`
pub fn query(q: &str) -> Result<Query, Wrong> {
    text::<100>(q).map(|q| Query::parse(&q))
}

/// `GET /countries`
async fn countries(
    State(app): State<App>,
    Known(caller): Known,
    known: IfNoneMatch,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut params = Params::parse(uri.query(), &["q", "limit", "cursor"]);
    let query = params.optional("q", query);
    let paging = Paging::read(params, &app, &uri, &caller.identity())?;
    let page = COUNTRIES.page(&paging, query.as_ref(), |_| true);
    country::DATASET.list(&paging, &page, &known)
}

/// `GET /countries/{code}`
async fn country(
    _: Known,
    Ids(code): Ids<String>,
    known: IfNoneMatch,
    _: NoParams,
) -> Result<Response, Problem> {
    let country = Country::of_code(&code).ok_or(Problem::NOT_FOUND)?;
    country::DATASET.one(country, &known)
}

/// `GET /holidays`
async fn holidays(
    State(app): State<App>,
    Known(caller): Known,
    known: IfNoneMatch,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut params = Params::parse(uri.query(), &["country", "year", "limit", "cursor"]);
    params.optional("country", holiday::country);
    let year = params.optional("year", holiday::year);
    for name in ["country", "year"] {
        if !params.has(name) {
            params.wrong(name, Wrong::REQUIRED);
        }
    }
    let paging = Paging::read(params, &app, &uri, &caller.identity())?;
    let date = |holiday: &Holiday| holiday.date.to_string();
    let behind =
        |holiday: &Holiday| paging.after.as_ref().is_none_or(|after| date(holiday) > *after);
    let year = year.ok_or_else(|| Problem::bug("a list of holidays without a year"))?;
    let mut items: Vec<_> = holiday::of_year(year).filter(behind).collect();
    let more = items.len() > paging.limit;
    items.truncate(paging.limit);
    let next = items.last().filter(|_| more).map(date);
    holiday::DATASET.list(&paging, &Page { items, next }, &known)
}

/// `GET /naics-codes`
async fn industries(
    State(app): State<App>,
    Known(caller): Known,
    known: IfNoneMatch,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut params = Params::parse(uri.query(), &["prefix", "q", "level", "limit", "cursor"]);
    let prefix = params.optional("prefix", industry::prefix);
    let query = params.optional("q", query);
    let level = whole(2..=6_u8, "This must be a whole number from 2 to 6.");
    let level = params.optional("level", level);
    let paging = Paging::read(params, &app, &uri, &caller.identity())?;
    let keep = |industry: &Industry| {
        level.is_none_or(|level| industry.level == level)
            && prefix.as_ref().is_none_or(|prefix| industry.begins_with(prefix))
    };
    let page = INDUSTRIES.page(&paging, query.as_ref(), keep);
    industry::DATASET.list(&paging, &page, &known)
}

/// `GET /naics-codes/{code}`
async fn industry(
    _: Known,
    Ids(code): Ids<String>,
    known: IfNoneMatch,
    _: NoParams,
) -> Result<Response, Problem> {
    let industry = Industry::of_code(&code).ok_or(Problem::NOT_FOUND)?;
    industry::DATASET.one(industry, &known)
}
