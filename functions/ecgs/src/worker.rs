//! The worker: called by the headers' stream for each recording that changed, and once a day for
//! what was left behind.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use serde_json::{Value, json};
use shared::problem::Problem;
use shared::store::{ItemKey, Store, Table};
use shared::values::Timestamp;
use shared::worker::{Event, Failed, Handle, done_before, key_of, stream_records};
use uuid::Uuid;

use crate::analysis::insights::{LeadAnalysis, Recording};
use crate::recording::{Header, Status};
use crate::samples::{self, Layout};
use crate::{report, table};

const HOUR_MS: i64 = 60 * 60 * 1_000;
const DAY_MS: i64 = 24 * HOUR_MS;

pub fn start(store: Store) -> Handle {
    Arc::new(move |event| {
        let store = store.clone();
        Box::pin(async move { handle(&store, event).await })
    })
}

async fn handle(store: &Store, event: Event) -> Result<Value, Failed> {
    let Some(records) = stream_records(&event.payload)? else {
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
    let analysed = AssertUnwindSafe(async {
        let recording = gone_through(store, &header).await?;
        report::keep(store, &header, &recording).await
    });
    let settled = match analysed.catch_unwind().await {
        Ok(Ok(header)) => Header { status: Status::Done, reason: None, ..header },
        Ok(Err(problem)) if samples::are_missing(&problem) => {
            failed(&header, "The stored samples could not be read.")
        }
        // The storage: it is tried again.
        Ok(Err(problem)) if !problem.is_of_this_program() => return Err(problem),
        Ok(Err(_)) | Err(_) => failed(&header, "The analysis broke."),
    };
    // Where somebody else has settled it, or it is gone, what was made here is nothing.
    let is_settled = table::note(store, &settled).await?;
    let superseded = if is_settled { header } else { settled };
    store.clear(Table::Samples, &report::keys(&superseded)).await
}

fn failed(header: &Header, reason: &str) -> Header {
    let reason = Some(reason.to_owned());
    Header { status: Status::Failed, reason, insights: None, ..header.clone() }
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

/// Takes a deleted recording's insights away, its samples, some parts at a time and then the rows
/// that tell of them, and at last itself: whoever comes after one that broke off finds what is left.
async fn clear(store: &Store, header: &Header) -> Result<(), Problem> {
    const AT_ONCE: usize = 64;
    let stored = samples::all_keys(store, header).await?;
    store.clear(Table::Samples, &report::all_keys(store, header).await?).await?;
    for parts in stored.parts.chunks(AT_ONCE) {
        let chunks: Vec<_> = parts.iter().flat_map(|(chunks, _)| chunks).cloned().collect();
        let rows: Vec<_> = parts.iter().filter_map(|(_, row)| row.clone()).collect();
        store.clear(Table::Samples, &chunks).await?;
        store.clear(Table::Samples, &rows).await?;
    }
    store.clear(Table::Samples, &stored.lists).await?;
    store.attempt(&table::remove(header)).await.map(drop)
}

/// What was left behind by a call that was lost, an upload that broke off or a client that went
/// away: how many there were.
async fn sweep(store: &Store) -> Result<usize, Problem> {
    let now = Timestamp::now();
    let hour_ago = Timestamp::from_ms(now.ms() - HOUR_MS).unwrap_or(now);
    let open = table::open_before(hour_ago);
    let (mut found, mut after) = (0, None);
    loop {
        let id = |key: ItemKey| table::id_of(&key.pk);
        let page = store.page(&open, after, 1_000, id).await?;
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
