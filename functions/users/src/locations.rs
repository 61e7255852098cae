//! The HTTP of locations.

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use shared::answer::Answer;
use shared::app::App;
use shared::auth::{Admin, Caller, DEFAULT_LOCATION, Known};
use shared::body::Body;
use shared::http::{Ids, NoParams};
use shared::list::Paging;
use shared::params::Params;
use shared::problem::Problem;
use shared::store::{Page, Store};
use shared::values::Timestamp;
use uuid::Uuid;

use crate::location::{Location, MEMBERS, NewLocation};
use crate::table::{self, Listed};

/// `POST /locations`
pub async fn create(store: Store, Admin(caller): Admin, body: Body) -> Result<Answer, Problem> {
    let (caller, body) = (&caller, &body);
    let decide = || async move {
        let NewLocation { name } = body.read(MEMBERS, NewLocation::read)?;
        let location = Location { id: Uuid::now_v7(), name, created_at: Some(Timestamp::now()) };
        let answer = Answer::created(format!("/locations/{}", location.id), &location)?;
        table::create_location(caller, &location, answer)
    };
    store.commit(body.key(caller).as_ref(), decide).await
}

/// `GET /locations/{id}`
pub async fn read(
    store: Store,
    Known(caller): Known,
    Ids(id): Ids<Uuid>,
    _: NoParams,
) -> Result<Answer, Problem> {
    if !caller.may_see(id) {
        return Err(Problem::NOT_FOUND);
    }
    let location = table::read_locations(&store, &[id]).await?.pop().ok_or(Problem::NOT_FOUND)?;
    store.enter_reads(&caller, [table::of_location(id)]).await?;
    Answer::ok(&location)
}

/// `GET /locations`: those that the caller may use, newest first.
pub async fn list(
    State(app): State<App>,
    store: Store,
    Known(caller): Known,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::parse(uri.query(), &["limit", "cursor"]);
    let paging = Paging::read(params, &app, &uri, &caller.identity())?;
    let page = if caller.is_administrator() {
        all(&store, &paging).await?
    } else {
        of_caller(&caller, &paging)
    };
    let items = table::read_locations(&store, &page.items).await?;
    let subjects = items.iter().map(|location| table::of_location(location.id));
    store.enter_reads(&caller, subjects).await?;
    paging.answer(&Page { items, next: page.next })
}

/// The default location isn't stored; its id makes it the last.
async fn all(store: &Store, paging: &Paging) -> Result<Page<Uuid>, Problem> {
    let keep = |row: Listed| Some(row.sk);
    let mut page = paging.page(store, &table::locations(), keep).await?;
    match (&page.next, page.items.len() < paging.limit) {
        (None, true) => page.items.push(DEFAULT_LOCATION),
        (None, false) => page.next = page.items.last().map(Uuid::to_string),
        (Some(_), _) => {}
    }
    Ok(page)
}

fn of_caller(caller: &Caller, paging: &Paging) -> Page<Uuid> {
    let behind = |id: &&Uuid| paging.after.as_ref().is_none_or(|after| id.to_string() < *after);
    let mut ids: Vec<_> = caller.location_ids().iter().filter(behind).copied().collect();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    let more = ids.len() > paging.limit;
    ids.truncate(paging.limit);
    Page { next: ids.last().filter(|_| more).map(Uuid::to_string), items: ids }
}
