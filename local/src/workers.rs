//! Drives the workers as Lambda would: each by the stream that template.yaml maps to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use local::WORKERS;
use shared::embedded::{Embedded, Stream, Template};
use shared::worker::{Event, Handle, done_before};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How often a stream is looked at, and how long is waited where a worker fails.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_OF_A_FAILURE: Duration = Duration::from_secs(2);
/// How often records that are done are cleared away.
const TRIM: Duration = Duration::from_secs(5);
/// Calls for one event.
const TRIES: u32 = 3;

/// One task for each stream, until they are dropped.
pub async fn start(
    template: &Template,
    url: &str,
    embedded: Option<&Arc<Embedded>>,
    variable: impl Fn(&'static str) -> Option<String>,
) -> Result<JoinSet<()>, String> {
    let mut tasks = JoinSet::new();
    for mapping in template.mappings() {
        let worker = WORKERS.iter().find(|worker| worker.name == mapping.worker);
        let worker = worker.ok_or("template.yaml maps a stream to no worker")?;
        let (handle, _) = worker.begin(&variable).await.map_err(|bad| bad.to_string())?;
        let stream = Stream::new(url, &mapping.table, mapping.batch_size);
        let table = mapping.table.clone();
        let most = usize::try_from(mapping.parallel).unwrap_or(1);
        let turns = Arc::new(Semaphore::new(most));
        let handle = if most > 1 { side_by_side(handle, &turns) } else { handle };
        let idle = move || turns.available_permits() == most;
        tasks.spawn(drive(stream, handle, embedded.cloned(), table, idle));
    }
    Ok(tasks)
}

async fn drive(
    mut stream: Stream,
    worker: Handle,
    embedded: Option<Arc<Embedded>>,
    table: String,
    idle: impl Fn() -> bool,
) {
    let mut trimmed = Instant::now();
    loop {
        match stream.hand_over(&worker).await {
            Some(0) => tokio::time::sleep(PAUSE).await,
            Some(_) => {}
            None => tokio::time::sleep(PAUSE_OF_A_FAILURE).await,
        }
        if let (Some(embedded), Some(passed)) = (&embedded, stream.passed())
            && trimmed.elapsed() > TRIM
            && idle()
        {
            // What stays longer costs time, and nothing else.
            let _ = embedded.trim(&table, passed);
            trimmed = Instant::now();
        }
    }
}

/// Events side by side, as many as there are turns. The stream goes on meanwhile, and its records
/// stay until all are done: after a kill they come again.
fn side_by_side(worker: Handle, turns: &Arc<Semaphore>) -> Handle {
    let turns = Arc::clone(turns);
    Arc::new(move |event: Event| {
        let (worker, turns) = (Arc::clone(&worker), Arc::clone(&turns));
        async move {
            let turn = turns.acquire_owned().await;
            tokio::spawn(async move {
                for _ in 0..TRIES {
                    let (payload, request_id) = (event.payload.clone(), event.request_id.clone());
                    let answer = worker(Event { request_id, ..Event::new(payload) }).await;
                    if answer.is_ok_and(|answer| answer == done_before(None)) {
                        break;
                    }
                    tokio::time::sleep(PAUSE_OF_A_FAILURE).await;
                }
                drop(turn);
            });
            Ok(done_before(None))
        }
        .boxed()
    })
}
