//! The HTTP of payoffs.

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use shared::answer::Answer;
use shared::app::App;
use shared::auth::permissions::{PayoffsRead, PayoffsWrite};
use shared::auth::{Allowed, Caller};
use shared::body::Body;
use shared::http::{Ids, NoParams, Routes};
use shared::list::Paging;
use shared::params::Params;
use shared::problem::Problem;
use shared::store::Store;
use shared::values::{Timestamp, text};
use uuid::Uuid;

use crate::payoff::{MEMBERS, Payoff, Terms};
use crate::table;

pub fn routes() -> Routes {
    Routes::default().post("/payoffs", create).get("/payoffs", list).get("/payoffs/{id}", read)
}

/// The location whose payoffs a caller sees. Whoever has a scope has one.
fn location(caller: &Caller) -> Result<Uuid, Problem> {
    caller.location_id().ok_or_else(|| Problem::bug("a scope without a location"))
}

/// `POST /payoffs`
async fn create(
    store: Store,
    caller: Allowed<PayoffsWrite>,
    body: Body,
) -> Result<Answer, Problem> {
    let (caller, body) = (&*caller, &body);
    let decide = || async move {
        let (terms, given) =
            body.read(MEMBERS, |body| Some((Terms::read(body)?, body.given(MEMBERS))))?;
        let payoff = Payoff {
            id: Uuid::now_v7(),
            location_id: location(caller)?,
            figures: terms
                .figures()
                .ok_or_else(|| Problem::bug("terms without figures were let pass"))?,
            terms,
            created_at: Timestamp::now(),
        };
        let answer = Answer::created(format!("/payoffs/{}", payoff.id), &payoff)?;
        table::create(caller, &payoff, &given, answer)
    };
    store.commit(body.key(caller).as_ref(), decide).await
}

/// `GET /payoffs/{id}`
async fn read(
    store: Store,
    caller: Allowed<PayoffsRead>,
    Ids(id): Ids<Uuid>,
    _: NoParams,
) -> Result<Answer, Problem> {
    let payoff = table::read(&store, location(&caller)?, id).await?;
    store.enter_reads(&caller, [table::subject(id)]).await?;
    Answer::ok(&payoff)
}

/// `GET /payoffs`: newest first.
async fn list(
    State(app): State<App>,
    store: Store,
    caller: Allowed<PayoffsRead>,
    uri: Uri,
) -> Result<Response, Problem> {
    let location = location(&caller)?;
    let mut params = Params::parse(uri.query(), &["loan_number", "limit", "cursor"]);
    let loan = params.optional("loan_number", text::<128>);
    let paging = Paging::read(params, &app, &uri, &caller.local_identity())?;
    let page = table::list(&store, location, loan.as_deref(), &paging).await?;
    store.enter_reads(&caller, page.items.iter().map(|payoff| table::subject(payoff.id))).await?;
    paging.answer(&page)
}
