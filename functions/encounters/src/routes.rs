//! The HTTP of encounters. No answer holds one before its entry is stored.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};
use shared::answer::Answer;
use shared::audit::{Access, Outcome};
use shared::auth::permissions::{EncountersRead, EncountersWrite};
use shared::auth::{Caller, Identified};
use shared::body::Body;
use shared::fields::{Fields, Object};
use shared::http::{Ids, Routes};
use shared::params::Params;
use shared::precondition::{IfMatch, IfNoneMatch};
use shared::problem::Problem;
use shared::store::{Change, Store};
use shared::values::{Timestamp, string, text, whole};
use uuid::Uuid;

use crate::access::{self, Seen};
use crate::encounter::{Encounter, MEMBERS, NEW_MEMBERS, RETRACTION_MEMBERS, Record, Terms};
use crate::{fhir, list, table};

const RETRACTED: Problem = Problem::new(
    409,
    "encounter_retracted",
    "The encounter was entered in error and can't be changed any more.",
);

pub fn routes() -> Routes {
    Routes::default()
        .get("/encounters", list::list)
        .post("/encounters", create)
        .post(fhir::SEARCH, list::search)
        .get("/encounters/{id}", read)
        .patch("/encounters/{id}", amend)
        .post("/encounters/{id}/retraction", retract)
        .problems_as(fhir::OUTCOME)
}

/// What an idempotency record keeps of an answer: no second copy of patient data lies about.
#[derive(Serialize, Deserialize)]
struct Kept {
    encounter_id: Uuid,
    version: u64,
}

impl Kept {
    fn of(encounter: &Encounter, answer: Answer) -> Result<Answer, Problem> {
        let Record { encounter_id, version, .. } = encounter.record;
        answer.with_version(version).replayed_as(&Self { encounter_id, version })
    }
}

/// `POST /encounters`
async fn create(
    store: Store,
    Identified(caller): Identified,
    body: Body,
) -> Result<Answer, Problem> {
    let location = access::to_all::<EncountersWrite>(&store, &caller, Access::Create).await?;
    let node = body.node()?;
    let header = body.header_key();
    let read = Fields::read(&node, NEW_MEMBERS, |object| Terms::read(object, header));
    let (terms, key) = match read {
        Ok(read) => read,
        Err(wrong) => return store.refuse(body.key(&caller).as_ref(), wrong.into()).await,
    };
    let key = body.key_or(&caller, key.as_deref());
    let (caller, terms) = (&caller, &terms);
    let decide = || async move {
        let id = Uuid::now_v7();
        let now = Timestamp::now();
        let new = Encounter::new(id, location, terms.clone(), caller.username(), now);
        let head = table::head_of(&new);
        let entry = access::entry_of(caller, Access::Create, &head, MEMBERS.writable);
        let answer = Answer::created(format!("/encounters/{id}"), &new)?;
        table::create(&new, entry, Kept::of(&new, answer)?)
    };
    let answer = store.commit(key.as_ref(), decide).await?;
    replayed(&store, caller, answer).await
}

/// An answer that is given again is a read of what it holds.
async fn replayed(store: &Store, caller: &Caller, answer: Answer) -> Result<Answer, Problem> {
    if !answer.is_replayed() {
        return Ok(answer);
    }
    let Kept { encounter_id, version } = answer.body()?;
    let encounter = table::version(store, encounter_id, version).await?;
    let entry = access::entry_of(caller, Access::Read, &table::head_of(&encounter), &[]);
    store.enter(vec![entry]).await?;
    answer.with_body(&encounter)
}

/// `GET /encounters/{id}`
async fn read(
    store: Store,
    Identified(caller): Identified,
    Ids(id): Ids<Uuid>,
    known: IfNoneMatch,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut params = Params::parse(uri.query(), &["version"]);
    let version = whole(1..=u64::MAX, "This must be a whole number from 1 up.");
    let version = params.optional("version", version);
    params.finish()?;
    let emergency = access::emergency(&headers)?;
    let seen = access::to_one::<EncountersRead>(&store, &caller, Access::Read, id, emergency);
    let Seen { head, entry } = seen.await?;
    let version = version.unwrap_or(head.version);
    if version > head.version {
        store.enter(vec![entry.with_outcome(Outcome::NotFound)]).await?;
        return Err(Problem::NOT_FOUND);
    }
    let (encounter, ()) =
        futures_util::try_join!(table::version(&store, id, version), store.enter(vec![entry]))?;
    if fhir::is_wanted(&headers) {
        let is_known = known.has(&version.to_string());
        return fhir::answer(&fhir::encounter(&encounter), Some(version), is_known);
    }
    Ok(Answer::ok(&encounter)?.with_version(version).unless_known(&known).into_response())
}

/// `PATCH /encounters/{id}`
async fn amend(
    store: Store,
    Identified(caller): Identified,
    Ids(id): Ids<Uuid>,
    if_match: IfMatch,
    body: Body,
) -> Result<Answer, Problem> {
    access::to_one::<EncountersWrite>(&store, &caller, Access::Update, id, None).await?;
    let patch = body.optional()?;
    let (store, caller, if_match, patch) = (&store, &caller, &if_match, &patch);
    let decide = || async move {
        let (head, old) = table::current(store, id).await?;
        if_match.check(old.record.version)?;
        let terms = Fields::read(patch, MEMBERS, |patch| Some(old.terms.patched(patch)))?;
        if old.is_retracted() {
            return Err(RETRACTED);
        }
        let changed = terms.changed(&old.terms);
        let new = old.amended(terms, caller.username(), Timestamp::now());
        let entry = access::entry_of(caller, Access::Update, &head, &changed);
        let answer = Answer::ok(&new)?.with_version(new.record.version);
        table::amend(&head, &new, entry, answer)
    };
    store.commit(None, decide).await
}

/// `POST /encounters/{id}/retraction`
async fn retract(
    store: Store,
    Identified(caller): Identified,
    Ids(id): Ids<Uuid>,
    body: Body,
) -> Result<Answer, Problem> {
    access::to_one::<EncountersWrite>(&store, &caller, Access::Update, id, None).await?;
    let (caller, store, body) = (&caller, &store, &body);
    let decide = || async move {
        let reason = |object: &mut Object| object.required("reason", string(text::<1_000>));
        let reason = body.read(RETRACTION_MEMBERS, reason)?;
        let (head, old) = table::current(store, id).await?;
        if old.is_retracted() {
            // It is done already: the answer shows the record, which is a read of it.
            let answer = Kept::of(&old, Answer::ok(&old)?)?;
            let entry = access::entry_of(caller, Access::Read, &head, &[]);
            return Ok(Change::entered(entry, answer));
        }
        let new = old.retracted(reason, caller.username(), Timestamp::now());
        let answer = Kept::of(&new, Answer::ok(&new)?)?;
        let entry = access::entry_of(caller, Access::Update, &head, &["status", "retraction"]);
        table::amend(&head, &new, entry, answer)
    };
    let answer = store.commit(body.key(caller).as_ref(), decide).await?;
    replayed(store, caller, answer).await
}
