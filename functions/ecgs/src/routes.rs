//! The HTTP of recordings.

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use shared::answer::Answer;
use shared::app::App;
use shared::audit::{Access, Entry};
use shared::auth::permissions::{EcgsRead, EcgsWrite};
use shared::auth::{Caller, Identified};
use shared::body::Body;
use shared::fields::{Fields, Wrong};
use shared::http::{Ids, NoParams, Routes};
use shared::list::Paging;
use shared::params::Params;
use shared::problem::Problem;
use shared::store::{Begun, Change, IdempotencyKey, Page, Store, Table};
use shared::values::Timestamp;
use uuid::Uuid;

use crate::recording::{Header, MEMBERS, NewRecording, Shown, Status};
use crate::samples::{self, Layout, Part};
use crate::table;
use crate::{access, segments, views};

/// Samples of one answer, of all leads.
pub const MOST_SHOWN: u64 = 400_000;

pub fn routes() -> Routes {
    Routes::default()
        .get("/ecgs", list)
        .post("/ecgs", create)
        .get("/ecgs/{id}", read)
        .delete("/ecgs/{id}", delete)
        .post("/ecgs/{id}/segments", segments::add)
        .post("/ecgs/{id}/complete", segments::complete)
        .get("/ecgs/{id}/signal", views::signal)
        .get("/ecgs/{id}/insights", views::insights)
        .get("/ecgs/{id}/plot.svg", views::plot)
}

/// `POST /ecgs`
async fn create(
    store: Store,
    Identified(caller): Identified,
    body: Body,
) -> Result<Answer, Problem> {
    let user = access::to_own::<EcgsWrite>(&store, &caller, Access::Create).await?;
    let node = body.node()?;
    let header = body.header_key();
    let mut given = Vec::new();
    let read = Fields::read(&node, MEMBERS, |object| {
        given = object.given(MEMBERS);
        NewRecording::read(object, header)
    });
    let new = match read {
        Ok(new) => new,
        Err(wrong) => return store.refuse(body.key(&caller).as_ref(), wrong.into()).await,
    };
    let key = body.key_or(&caller, new.idempotence_key.as_deref());
    // Once for all tries: what one laid down, the next finds.
    let header = Header::new(user, &new, &samples::new_upload(), Timestamp::now());
    let answer = Answer::created(format!("/ecgs/{}", header.id), &header.shown())?;
    let chunks = samples::chunks(&header, &new.leads, &header.upload);
    let first = Part::of(&header, &new.leads, &header.upload);
    let with_first = |change: Change| {
        if new.complete {
            Ok(change)
        } else {
            change.put(Table::Samples, &samples::part_key(header.id, 0), &first)
        }
    };
    let (store, caller) = (&store, &caller);
    if samples::are_few(&chunks) {
        let decide = || async {
            let chunks = Some(chunks.as_slice());
            with_first(table::create(caller, &header, &given, chunks, answer.clone())?)
        };
        return store.commit(key.as_ref(), decide).await;
    }
    if let Some(answer) = answered(store, key.as_ref()).await? {
        return Ok(answer);
    }
    let begin = || async { table::begin(&header) };
    store.commit(None, begin).await?;
    store.lay(Table::Samples, &chunks).await?;
    let decide =
        || async { with_first(table::create(caller, &header, &given, None, answer.clone())?) };
    store.commit(key.as_ref(), decide).await
}

/// What a key's first success said, before much is laid down for nothing.
async fn answered(store: &Store, key: Option<&IdempotencyKey>) -> Result<Option<Answer>, Problem> {
    let Some(key) = key else { return Ok(None) };
    Ok(match store.begin(key).await? {
        Begun::Answered(answer) => Some(answer),
        Begun::At(_) => None,
    })
}

/// `GET /ecgs`: the caller's own, the newest recording first.
async fn list(
    State(app): State<App>,
    store: Store,
    Identified(caller): Identified,
    uri: Uri,
) -> Result<Response, Problem> {
    let user = access::to_own::<EcgsRead>(&store, &caller, Access::Read).await?;
    let params = Params::parse(uri.query(), &["limit", "cursor"]);
    let paging = Paging::read(params, &app, &uri, &caller.identity())?;
    let (recordings, now) = (table::of_user(user), Timestamp::now());
    let keep = |header: Header| Some(header.at(now));
    let page = paging.page(&store, &recordings, keep).await?;
    store.enter_reads(&caller, page.items.iter().map(|header| table::subject(header.id))).await?;
    paging.answer(&Page { items: page.items.iter().map(Header::shown).collect(), next: page.next })
}

/// `GET /ecgs/{id}`
async fn read(
    store: Store,
    Identified(caller): Identified,
    Ids(id): Ids<Uuid>,
    uri: Uri,
) -> Result<Answer, Problem> {
    let header = access::to_one::<EcgsRead>(&store, &caller, Access::Read, id).await?;
    let mut params = Params::parse(uri.query(), &["include"]);
    let include = params.optional("include", |include| match include {
        "signal" => Ok(()),
        _ => Err(Wrong::not_one_of(&["signal"])),
    });
    if include.is_some() && header.number_of_samples() > MOST_SHOWN {
        let more = "It has more than 400,000 samples; ask for parts of its signal.";
        params.wrong("include", Wrong::new("out_of_range", more));
    }
    params.finish()?;
    let mut shown = header.shown();
    let entered = store.enter_reads(&caller, [table::subject(id)]);
    if include.is_some() {
        let read = futures_util::try_join!(entered, with_signals(&store, &header, &mut shown));
        access::unless_gone::<EcgsRead, _>(&store, &caller, Access::Read, &header, read).await?;
    } else {
        entered.await?;
    }
    Answer::ok(&shown)
}

async fn with_signals(
    store: &Store,
    header: &Header,
    shown: &mut Shown<'_>,
) -> Result<(), Problem> {
    for (at, lead) in shown.leads.iter_mut().enumerate() {
        let layout = Layout::read(store, header, at).await?;
        lead.signal = Some(layout.samples(store, 0, lead.number_of_samples).await?);
    }
    Ok(())
}

/// `DELETE /ecgs/{id}`: it is gone at once; the worker clears its samples away.
async fn delete(
    store: Store,
    Identified(caller): Identified,
    Ids(id): Ids<Uuid>,
    _: NoParams,
) -> Result<Answer, Problem> {
    let known = access::to_one::<EcgsWrite>(&store, &caller, Access::Delete, id).await?;
    let (store, caller): (&Store, &Caller) = (&store, &caller);
    let decide = || async move {
        let header = table::header(store, id).await?.filter(Header::is_visible);
        let header = header.ok_or(Problem::NOT_FOUND)?;
        let entry = Entry::new(caller, Access::Delete, table::subject(id), &[]);
        let deleted = Header { status: Status::Deleted, ..header };
        table::replace(Change::entered(entry, Answer::no_content()), &deleted)
    };
    let deleted = store.commit(None, decide).await;
    access::unless_gone::<EcgsWrite, _>(store, caller, Access::Delete, &known, deleted).await
}
