//! The HTTP of runs: ask for one, list them, read one.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use shared::answer::Answer;
use shared::app::App;
use shared::auth::Allowed;
use shared::auth::permissions::{OutagesRead, OutagesRun};
use shared::body::Body;
use shared::http::{Ids, NoParams, Routes};
use shared::list::Paging;
use shared::params::Params;
use shared::problem::Problem;
use shared::store::{Begun, Store};
use uuid::Uuid;

use crate::run::{Options, Run, RunState, Trigger};
use crate::settings::Timing;
use crate::table::{self, Row, Started};

/// How long a request waits for its run. What calls the API gives up soon after.
const WAITS: Duration = Duration::from_secs(25);

pub fn routes() -> Routes {
    Routes::default()
        .get("/outages/runs", list)
        .post("/outages/runs", start)
        .get("/outages/runs/{id}", read)
}

/// `POST /outages/runs`: the run is stored as it is asked for, which calls the worker.
async fn start(
    State(app): State<App>,
    store: Store,
    caller: Allowed<OutagesRun>,
    body: Body,
) -> Result<Answer, Problem> {
    let until = Instant::now() + WAITS;
    let key = body.key(&caller);
    let read = body.read(Options::MEMBERS, |options| {
        let given = options.given(Options::MEMBERS);
        Some((Options::read(options, &app.settings().outages)?, given))
    });
    let (options, given) = match read {
        Ok(read) => read,
        Err(problem) => return store.refuse(key.as_ref(), problem).await,
    };
    if let Some(key) = &key
        && let Begun::Answered(answer) = store.begin(key).await?
    {
        return Ok(answer);
    }
    // A retry finds the run that the first try stored, and waits for that one.
    let part = key.as_ref().map(|key| key.part(0));
    let (store, caller, timing) = (&store, &*caller, &Timing::USUAL);
    let decide = || table::begin(store, caller, &options, Trigger::Request, &given, timing);
    let started: Started = store.commit(part.as_ref(), decide).await?.body()?;
    let run = if started.is_new {
        ended(store, started.id, until).await?
    } else {
        table::read(store, started.id).await?.run
    };
    let location = format!("/outages/runs/{}", run.id);
    let is_done = started.is_new && run.state != RunState::Running;
    let answer =
        if is_done { Answer::created(location, &run)? } else { Answer::accepted(location, &run)? };
    match &key {
        Some(key) => store.remember(key, answer).await,
        None => Ok(answer),
    }
}

/// The run once it ended, or as it stands when the time is up.
async fn ended(store: &Store, id: Uuid, until: Instant) -> Result<Run, Problem> {
    const LONGEST: Duration = Duration::from_secs(1);
    let mut pause = Duration::from_millis(100);
    loop {
        let run = table::read(store, id).await?.run;
        let left = until.saturating_duration_since(Instant::now());
        if run.state != RunState::Running || left.is_zero() {
            return Ok(run);
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = pause.mul_f64(1.5).min(LONGEST);
    }
}

/// `GET /outages/runs`: newest first.
async fn list(
    State(app): State<App>,
    store: Store,
    caller: Allowed<OutagesRead>,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::parse(uri.query(), &["limit", "cursor"]);
    let paging = Paging::read(params, &app, &uri, &caller.identity())?;
    let (runs, run) = (table::list(), |row: Row| Some(row.run));
    paging.answer(&paging.page(&store, &runs, run).await?)
}

/// `GET /outages/runs/{id}`
async fn read(
    store: Store,
    _: Allowed<OutagesRead>,
    Ids(id): Ids<Uuid>,
    _: NoParams,
) -> Result<Answer, Problem> {
    Answer::ok(&table::read(&store, id).await?.run)
}
