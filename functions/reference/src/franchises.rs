//! The HTTP of franchises.

use std::borrow::Cow;

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use shared::answer::Answer;
use shared::app::App;
use shared::auth::permissions::PayoffsWrite;
use shared::auth::{Allowed, Known};
use shared::body::Body;
use shared::http::{Ids, NoParams};
use shared::list::Paging;
use shared::params::Params;
use shared::precondition::IfNoneMatch;
use shared::problem::Problem;
use shared::store::Store;
use shared::values::Timestamp;

use crate::dataset::Dataset;
use crate::franchise::{Listing, franchise_id};
use crate::routes::query;
use crate::table;

/// `POST /franchises/import`
pub async fn import(
    store: Store,
    caller: Allowed<PayoffsWrite>,
    body: Body,
) -> Result<Answer, Problem> {
    shared::import::import::<Listing>(&store, &caller, &body).await
}

fn dataset(imported_at: Option<Timestamp>) -> Dataset {
    let version = imported_at.map_or(Cow::Borrowed("empty"), |at| Cow::Owned(at.to_string()));
    Dataset { version, source: "POST /franchises/import", max_age_s: 60 }
}

/// `GET /franchises/{franchise_id}`
pub async fn read(
    store: Store,
    _: Known,
    Ids(id): Ids<String>,
    known: IfNoneMatch,
    _: NoParams,
) -> Result<Response, Problem> {
    let id = franchise_id(&id).map_err(|_| Problem::NOT_FOUND)?;
    let (franchise, imported_at) =
        tokio::try_join!(table::read(&store, &id), table::imported_at(&store))?;
    dataset(imported_at).one(&franchise, &known)
}

/// `GET /franchises`: newest first; with `q`, of each word that is found.
pub async fn list(
    State(app): State<App>,
    store: Store,
    Known(caller): Known,
    known: IfNoneMatch,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut params = Params::parse(uri.query(), &["q", "limit", "cursor"]);
    let query = params.optional("q", query);
    let paging = Paging::read(params, &app, &uri, &caller.identity())?;
    let page = async {
        match &query {
            Some(query) => table::search(&store, query, &paging).await,
            None => table::list(&store, &paging).await,
        }
    };
    let (page, imported_at) = tokio::try_join!(page, table::imported_at(&store))?;
    dataset(imported_at).list(&paging, &page, &known)
}
