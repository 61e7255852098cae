//! Recordings that are longer than a request: their segments, in any order, and their end.

use http::StatusCode;
use serde::Serialize;
use shared::answer::Answer;
use shared::audit::{Access, Entry};
use shared::auth::Identified;
use shared::auth::permissions::EcgsWrite;
use shared::body::Body;
use shared::fields::{Fields, Object, Wrong};
use shared::http::Ids;
use shared::problem::Problem;
use shared::store::{Change, Counting, IdempotencyKey, Otherwise, Store, Table};
use shared::values::integer;
use uuid::Uuid;

use crate::access;
use crate::recording::{COMPLETION, Header, MOST_SAMPLES, NewSegment, SEGMENT, Status};
use crate::samples::{self, Part};
use crate::table;

const SEGMENT_DIFFERS: Problem =
    Problem::new(409, "segment_differs", "This segment came before, with other samples.");
const SEGMENTS_MISSING: Problem =
    Problem::new(409, "segments_missing", "Some segments have not come; missing names the first.");
const SEGMENTS_DIFFER: Problem =
    Problem::new(409, "segments_differ", "The recording has another number of segments than this.");
const RECORDING_COMPLETE: Problem =
    Problem::new(409, "recording_complete", "The recording takes no more segments.");

const MOST_MISSING: usize = 100;

/// What is answered of a segment.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Received<'a> {
    ecg_id: Uuid,
    sequence: u32,
    leads: Vec<ReceivedLead<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReceivedLead<'a> {
    name: &'a str,
    number_of_samples: usize,
}

fn received(id: Uuid, segment: &NewSegment) -> Received<'_> {
    let leads = segment
        .leads
        .iter()
        .map(|signal| ReceivedLead { name: &signal.name, number_of_samples: signal.samples.len() });
    Received { ecg_id: id, sequence: segment.sequence, leads: leads.collect() }
}

const COUNTER: &str = "samples";

/// `POST /ecgs/{id}/segments`
pub async fn add(
    store: Store,
    Identified(caller): Identified,
    Ids(id): Ids<Uuid>,
    body: Body,
) -> Result<Answer, Problem> {
    let key = body.key(&caller);
    let header = match access::to_one::<EcgsWrite>(&store, &caller, Access::Update, id).await {
        Ok(header) => header,
        Err(refused) => return refuse(&store, key.as_ref(), refused).await,
    };
    let node = body.node()?;
    let read = |object: &mut Object| NewSegment::read(object, &header.leads);
    let segment = match Fields::read(&node, SEGMENT, read) {
        Ok(segment) => segment,
        Err(wrong) => return store.refuse(key.as_ref(), wrong.into()).await,
    };
    let (store, caller, segment) = (&store, &caller, &segment);
    let part = Part::of(&header, &segment.leads, &samples::new_upload());
    let chunks = samples::chunks(&header, &segment.leads, &part.upload);
    let part_key = samples::part_key(id, segment.sequence);
    let pending = samples::pending_key(id, segment.sequence, &part.upload);
    let few = samples::are_few(&chunks);
    if !few && header.status == Status::Receiving {
        let known: Option<Part> = store.get(Table::Samples, &part_key).await?;
        if known.is_none() {
            // While the recording is there, so that whoever deletes it finds them.
            let begun = Change::unaudited().put(Table::Samples, &pending, &part)?;
            if store.attempt(&table::check(begun, &header)).await? {
                store.lay(Table::Samples, &chunks).await?;
            }
        }
    }
    let (part, chunks, part_key, pending) = (&part, &chunks, &part_key, &pending);
    let decide = || async move {
        let header = table::header(store, id).await?.filter(Header::is_visible);
        let header = header.ok_or(Problem::NOT_FOUND)?;
        if header.status != Status::Receiving {
            return Err(RECORDING_COMPLETE);
        }
        let known: Option<Part> = store.get(Table::Samples, part_key).await?;
        if let Some(known) = known {
            return if known.digest == part.digest {
                Ok(Change::nothing(Answer::ok(&received(id, segment))?))
            } else {
                Err(SEGMENT_DIFFERS)
            };
        }
        let so_far = store.counters(Table::Samples, &[samples::counter_key(id)]).await?;
        let so_far = so_far.iter().map(|counters| counters.count(COUNTER)).sum::<i64>();
        let left = i64::try_from(MOST_SAMPLES - header.number_of_samples().min(MOST_SAMPLES));
        let most = left.unwrap_or(0) - i64::try_from(part.samples()).unwrap_or(i64::MAX);
        if so_far > most {
            return Err(too_many());
        }
        let answer = Answer::made(&received(id, segment))?;
        let entry = Entry::new(caller, Access::Update, table::subject(id), &["segments"]);
        let mut counting = Counting::one(
            samples::counter_key(id),
            COUNTER,
            i64::try_from(part.samples()).unwrap_or(0),
        );
        counting.below = Some((COUNTER, most + 1));
        let change = table::check(Change::entered(entry, answer), &header)
            .insert(Table::Samples, part_key, part, Otherwise::DecideAnew)?
            .count(Table::Samples, counting);
        if few {
            chunks.iter().try_fold(change, |c, chunk| c.put(Table::Samples, &chunk.key, chunk))
        } else {
            Ok(change.remove(Table::Samples, pending))
        }
    };
    let added = store.commit(key.as_ref(), decide).await;
    if !few && added.as_ref().is_err_and(samples::are_missing) {
        // It was deleted meanwhile: what came after that is left to nobody else.
        store.clear(Table::Samples, &part.chunk_keys(id).collect::<Vec<_>>()).await?;
    }
    access::unless_gone::<EcgsWrite, _>(store, caller, Access::Update, &header, added).await
}

/// What succeeded under a key is answered so, though the recording is gone since. A scope that was
/// taken away is gone for that as well.
async fn refuse(
    store: &Store,
    key: Option<&IdempotencyKey>,
    refused: Problem,
) -> Result<Answer, Problem> {
    let is_gone = refused.status() == StatusCode::NOT_FOUND;
    store.refuse(key.filter(|_| is_gone), refused).await
}

/// More than a recording may have.
fn too_many() -> Problem {
    let wrong = Wrong::new("out_of_range", "A recording has at most 100,000,000 samples.");
    shared::fields::Errors::of_member("leads", wrong).into()
}

/// `POST /ecgs/{id}/complete`
pub async fn complete(
    store: Store,
    Identified(caller): Identified,
    Ids(id): Ids<Uuid>,
    body: Body,
) -> Result<Answer, Problem> {
    let key = body.key(&caller);
    let known = match access::to_one::<EcgsWrite>(&store, &caller, Access::Update, id).await {
        Ok(header) => header,
        Err(refused) => return refuse(&store, key.as_ref(), refused).await,
    };
    let (store, caller, body) = (&store, &caller, &body);
    let decide = || async move {
        let segments = |object: &mut Object| object.required("segments", integer(0..=10_000));
        let segments = body.read(COMPLETION, segments)?;
        let segments =
            u32::try_from(segments).map_err(|_| Problem::bug("too many segments were let pass"))?;
        let header = table::header(store, id).await?.filter(Header::is_visible);
        let header = header.ok_or(Problem::NOT_FOUND)?;
        match header.segments {
            Some(known) if known == segments => {
                // It is done already: the answer shows the recording, which is a read of it.
                let entry = Entry::new(caller, Access::Read, table::subject(id), &[]);
                return Ok(Change::entered(entry, Answer::ok(&header.shown())?));
            }
            Some(_) => return Err(SEGMENTS_DIFFER),
            None if header.status != Status::Receiving => return Err(RECORDING_COMPLETE),
            None => {}
        }
        let mut parts: Vec<Option<Part>> = vec![None; segments as usize + 1];
        for (number, pending, part) in samples::parts(store, id).await? {
            match parts.get_mut(number as usize) {
                _ if pending => {}
                Some(place) => *place = Some(part),
                None => return Err(SEGMENTS_DIFFER),
            }
        }
        let missing = (0..).zip(&parts).filter(|(_, part)| part.is_none());
        let missing: Vec<u32> = missing.map(|(number, _)| number).take(MOST_MISSING).collect();
        if !missing.is_empty() {
            return Err(SEGMENTS_MISSING.with_missing(missing));
        }
        let parts: Vec<Part> = parts.into_iter().flatten().collect();
        let layout = samples::layout(&header, &parts);
        // A segment that comes meanwhile counts up: then all is looked at again.
        let counted: u64 = parts.iter().skip(1).map(Part::samples).sum();
        let counted =
            i64::try_from(counted).map_err(|_| Problem::bug("more samples than can be counted"))?;
        let mut as_counted = Counting::new(samples::counter_key(id));
        as_counted.below = Some((COUNTER, counted + 1));
        let mut complete = header;
        for (at, lead) in complete.leads.iter_mut().enumerate() {
            let counts = parts.iter().filter_map(|part| part.counts.get(at));
            lead.number_of_samples = counts.map(|count| u64::from(*count)).sum();
        }
        complete.segments = Some(segments);
        complete.status = Status::InProgress;
        let entry = Entry::new(caller, Access::Update, table::subject(id), &["segments"]);
        let answer = Answer::ok(&complete.shown())?;
        let change = table::replace(Change::entered(entry, answer), &complete)?;
        let change = change.count(Table::Samples, as_counted);
        layout.iter().try_fold(change, |change, row| change.put(Table::Samples, &row.key, row))
    };
    let completed = store.commit(key.as_ref(), decide).await;
    access::unless_gone::<EcgsWrite, _>(store, caller, Access::Update, &known, completed).await
}
