//! The HTTP of the audit. Every read of it is entered, too.

use axum::extract::{Path, State};
use axum::response::Response;
use http::Uri;
use shared::answer::Answer;
use shared::app::App;
use shared::audit::{self, Access, Entry, ItemType, Subject};
use shared::auth::permissions::AuditRead;
use shared::auth::{Allowed, Caller};
use shared::body::Body;
use shared::http::{Ids, Routes};
use shared::list::Paging;
use shared::params::Params;
use shared::problem::Problem;
use shared::store::{Looked, Partitions, Store, Table};
use shared::values::whole;
use uuid::Uuid;

use crate::list::{NUMBERS, PARAMETERS, PARAMETERS_OF_PATIENTS, Question, Row};
use crate::verify::verify;

pub fn routes() -> Routes {
    Routes::default()
        .get("/audit/{item_type}", list)
        .post("/audit/encounters/search", search)
        .get("/audit/{item_type}/{item_id}/verification", verification)
}

/// `GET /audit/{item_type}`
async fn list(
    State(app): State<App>,
    store: Store,
    caller: Allowed<AuditRead>,
    Path(of): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let of = ItemType::parse(&of).ok_or(Problem::NOT_FOUND)?;
    let known = if of == ItemType::Encounters { PARAMETERS_OF_PATIENTS } else { PARAMETERS };
    answered(&app, &store, &caller, of, &uri, Params::parse(uri.query(), known)).await
}

/// `POST /audit/encounters/search`: the same question, without a patient in a URL.
async fn search(
    State(app): State<App>,
    store: Store,
    caller: Allowed<AuditRead>,
    uri: Uri,
    body: Body,
) -> Result<Response, Problem> {
    let node = body.optional()?;
    let params = Params::of_body(&node, PARAMETERS_OF_PATIENTS, NUMBERS)?;
    answered(&app, &store, &caller, ItemType::Encounters, &uri, params).await
}

async fn answered(
    app: &App,
    store: &Store,
    caller: &Caller,
    item_type: ItemType,
    uri: &Uri,
    mut params: Params,
) -> Result<Response, Problem> {
    let question = Question::read(item_type, &mut params);
    let paging = Paging::read(params, app, uri, &caller.local_identity())?;
    let page = question.answered(store, caller, &paging).await?;
    enter(store, caller, question.item_id).await?;
    paging.answer(&page)
}

async fn enter(store: &Store, caller: &Caller, item_id: Option<Uuid>) -> Result<(), Problem> {
    let entry = match item_id {
        Some(item_id) => {
            Entry::new(caller, Access::Read, Subject { item_type: ItemType::Audits, item_id }, &[])
        }
        None => Entry::of_list(caller, Access::Read, ItemType::Audits),
    };
    store.enter(vec![entry]).await
}

/// `GET /audit/{item_type}/{item_id}/verification`
async fn verification(
    store: Store,
    caller: Allowed<AuditRead>,
    Ids((of, id)): Ids<(String, Uuid)>,
    uri: Uri,
) -> Result<Answer, Problem> {
    let of = ItemType::parse(&of).ok_or(Problem::NOT_FOUND)?;
    let mut params = Params::parse(uri.query(), &["from_sequence"]);
    let sequence = whole(1..=1_u64 << 53, "This must be a whole number from 1 up.");
    let from = params.optional("from_sequence", sequence);
    params.finish()?;
    let pk = audit::of_item(of, id);
    if of.is_of_location() && !is_of(&store, &caller, &pk).await? {
        return Err(Problem::NOT_FOUND);
    }
    let verified = verify(&store, &pk, from.unwrap_or(1)).await?.ok_or(Problem::NOT_FOUND)?;
    enter(&store, &caller, Some(id)).await?;
    Answer::ok(&verified)
}

/// Whether an item belongs to the caller's location: its entries say so. Where somebody took all of
/// them away, nothing says whose it was, and its seals are shown to tell that.
async fn is_of(store: &Store, caller: &Caller, pk: &str) -> Result<bool, Problem> {
    let location = caller.location_id().map(|id| id.to_string());
    let mut looked = Looked::default();
    let of_location = |row: Row| Some(row).filter(|row| row.is_at(location.as_deref()));
    let entries = Partitions::of_table(Table::Audit, pk.to_owned());
    let page = store.search(&entries, None, 1, false, &mut looked, of_location).await?;
    Ok(!page.items.is_empty() || looked.is_nothing())
}
