//! The worker: called by the headers' stream for each recording that changed, and once a day for
//! what was left behind.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use shared::answer::Answer;
use shared::log;
use shared::problem::Problem;
use shared::store::{Change, ItemKey, Looked, Store, Table};
use shared::values::Timestamp;
use shared::worker::{Event, Failed, Handle, done_before, key_of, stream_records};
use uuid::Uuid;

use crate::analysis::insights::{LeadAnalysis, Recording};
use crate::recording::{Header, Status};
use crate::samples::{Layout, all_keys};
use crate::{report, table};

/// Keys that one transaction takes away.
const CLEARED: usize = 100;
const HOUR_MS: i64 = 60 * 60 * 1_000;
const DAY_MS: i64 = 24 * HOUR_MS;

pub fn start(store: Store) -> Handle {
    Arc::new(move |event| {
        let store = store.clone();
        Box::pin(async move { handle(&store, event).await })
    })
}

async fn handle(store: &Store, event: Event) -> Result<Value, Failed> {
    let Some(records) = stream_records(&event.payload) else {
        return Ok(json!({"found": sweep(store).await?}));
    };
    for record in &records {
        let Some(id) = table::id_of(&key_of(record).0) else { continue };
        if settle(store, id).await.is_err() {
            // It comes again, with all behind it.
            return Ok(done_before(Some(record)));
        }
    }
    Ok(done_before(None))
}

/// Does what is to be done with a recording, as it stands now: twice does no harm.
async fn settle(store: &Store, id: Uuid) -> Result<(), Problem> {
    let Some(header) = table::header(store, id).await? else { return Ok(()) };
    match header.status {
        Status::InProgress => analyse(store, header).await,
        Status::Deleted => clear(store, &header).await,
        Status::Uploading | Status::Receiving | Status::Done | Status::Failed => Ok(()),
    }
}

async fn analyse(store: &Store, header: Header) -> Result<(), Problem> {
    // An analysis that panics must not take others with it.
    let (apart, of) = (store.clone(), header.clone());
    let analysed = tokio::spawn(log::within_the_current(async move {
        let recording = gone_through(&apart, &of).await?;
        report::keep(&apart, &of, &recording).await
    }));
    let settled = match analysed.await {
        Ok(Ok(header)) => Header { status: Status::Done, reason: None, ..header },
        // The storage: it is tried again.
        Ok(Err(problem)) if !problem.is_of_this_program() => return Err(problem),
        Ok(Err(_)) => failed(header, "The stored samples could not be read."),
        Err(_) => failed(header, "The analysis broke."),
    };
    table::note(store, &settled).await.map(drop)
}

fn failed(header: Header, reason: &str) -> Header {
    Header { status: Status::Failed, reason: Some(reason.to_owned()), ..header }
}

/// The recording with its samples gone through, a lead at a time and in pieces.
async fn gone_through(store: &Store, header: &Header) -> Result<Recording, Problem> {
    let rate_hz = header.scale.sampling_rate_hz;
    let mut leads = Vec::new();
    for (at, lead) in header.leads.iter().enumerate() {
        let layout = Layout::read(store, header, at).await?;
        let mut analysis = LeadAnalysis::new(&lead.name, header.scale.adc_zero, rate_hz);
        let samples = lead.number_of_samples;
        layout.for_each(store, 0, samples, |piece| analysis.push(piece)).await?;
        leads.push(analysis.finish());
    }
    Ok(Recording { leads, rate_hz })
}

/// Takes a deleted recording's samples and insights away, and then itself.
async fn clear(store: &Store, header: &Header) -> Result<(), Problem> {
    let mut keys: Vec<ItemKey> = all_keys(store, header).await?;
    keys.extend(report::keys(header));
    for keys in keys.chunks(CLEARED) {
        let remove = |change: Change, key: &ItemKey| change.remove(Table::Samples, key);
        let change = keys.iter().fold(Change::nothing(Answer::no_content()), remove);
        store.attempt(&change).await?;
    }
    store.attempt(&table::remove(header)).await.map(drop)
}

/// A row of the index of what is open.
#[derive(Deserialize)]
struct Open {
    pk: String,
}

/// What was left behind by a call that was lost, an upload that broke off or a client that went
/// away: how many there were.
async fn sweep(store: &Store) -> Result<usize, Problem> {
    let now = Timestamp::now();
    let hour_ago = Timestamp::from_ms(now.ms() - HOUR_MS).unwrap_or(now);
    let open = table::open_before(hour_ago);
    let (mut found, mut after) = (0, None);
    loop {
        let mut looked = Looked::default();
        let page =
            store.page(&open, after, 1_000, true, &mut looked, |row: Open| table::id_of(&row.pk));
        let page = page.await?;
        for id in page.items {
            found += 1;
            let Some(header) = table::header(store, id).await? else { continue };
            let age_ms = now.ms() - header.created_at.ms();
            match header.status {
                Status::Uploading if age_ms > DAY_MS => clear(store, &header).await?,
                // Overdue, as `Header::at` has judged: it is noted.
                Status::Failed => table::note(store, &header).await.map(drop)?,
                _ => settle(store, id).await?,
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}
