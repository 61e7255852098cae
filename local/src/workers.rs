//! Drives the workers as Lambda would: each by the stream that template.yaml maps to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use local::WORKERS;
use shared::embedded::{Embedded, Stream, Template};
use shared::worker::Handle;
use tokio::task::JoinSet;

/// How often a stream is looked at, and how long is waited where a worker fails.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_OF_A_FAILURE: Duration = Duration::from_secs(2);
/// How often records that are done are cleared away.
const TRIM: Duration = Duration::from_secs(5);

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
        tasks.spawn(drive(stream, worker.name, handle, embedded.cloned(), table));
    }
    Ok(tasks)
}

async fn drive(
    mut stream: Stream,
    name: &'static str,
    worker: Handle,
    embedded: Option<Arc<Embedded>>,
    table: String,
) {
    let mut trimmed = Instant::now();
    loop {
        match stream.hand_over(name, &worker).await {
            Some(0) => tokio::time::sleep(PAUSE).await,
            Some(_) => {}
            None => tokio::time::sleep(PAUSE_OF_A_FAILURE).await,
        }
        if let (Some(embedded), Some(passed)) = (&embedded, stream.passed())
            && trimmed.elapsed() > TRIM
        {
            // What stays longer costs time, and nothing else.
            let _ = embedded.trim(&table, passed);
            trimmed = Instant::now();
        }
    }
}
