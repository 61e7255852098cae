//! What a function costs to start and to call: each release binary under a stand-in of Lambda's
//! Runtime API, over a DynamoDB that answers at once, beside an empty function of the same profile.
//!
//! `cargo build --release --target-dir target/functions -p coupons`, one function after the other, for
//! the empty one `-p system --features empty`; then
//! `cargo bench -p local --bench cold_start [-- NAME..]`. Linux: CPU time is the scheduler's.
#![allow(clippy::cast_precision_loss, reason = "figures far below 2^52")]

mod common;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use common::runtime::{Process, Runtime};
use common::{Result, Stored, arguments, median, release, root};
use shared::testing::ADMIN_TOKEN;

/// Each binary with the event that it is called with; none where it would call others.
const CALLED_WITH: [(&str, Option<&str>); 13] = [
    ("empty", Some("system-ping")),
    ("system", Some("system-ping")),
    ("coupons", Some("coupons-list")),
    ("encounters", Some("encounters-list")),
    ("ecgs", Some("ecgs-list")),
    ("outages", Some("outages-runs-list")),
    ("users", Some("users-me")),
    ("audit", Some("audit-list")),
    ("reference", Some("reference-holidays")),
    ("payoffs", Some("payoffs-list")),
    ("audit-seal", Some("audit-seal-sweep")),
    ("ecg-insights", Some("ecg-insights-sweep")),
    ("outage-sync", None),
];
const STARTS: usize = 9;
const WARM_CALLS: u32 = 200;

struct Figures {
    start_ms: f64,
    start_cpu_ms: f64,
    first: Option<(f64, f64)>,
    warm: Option<(f64, f64)>,
    resident_mib: f64,
}

async fn measure(
    binary: &Path,
    event: Option<&str>,
    variables: &[(String, String)],
) -> Result<Figures> {
    let (mut starts, mut cpu, mut first_ms, mut first_cpu) = (vec![], vec![], vec![], vec![]);
    let mut last = None;
    for _ in 0..STARTS {
        let mut runtime = Runtime::start().await?;
        let began = Instant::now();
        let process = Process::spawn(Command::new(binary), variables, &runtime)?;
        runtime.ready().await?;
        starts.push(began.elapsed().as_secs_f64() * 1e3);
        let at_start = process.cpu_ms()?;
        cpu.push(at_start);
        if let Some(event) = event {
            let began = Instant::now();
            runtime.call(event).await?;
            first_ms.push(began.elapsed().as_secs_f64() * 1e3);
            first_cpu.push(process.cpu_ms()? - at_start);
        }
        last = Some((runtime, process));
    }
    let (mut runtime, process) = last.ok_or("no start")?;
    let mut warm = None;
    if let Some(event) = event {
        let (began, before) = (Instant::now(), process.cpu_ms()?);
        for _ in 0..WARM_CALLS {
            runtime.call(event).await?;
        }
        let each = |ms: f64| ms / f64::from(WARM_CALLS);
        warm = Some((each(began.elapsed().as_secs_f64() * 1e3), each(process.cpu_ms()? - before)));
    }
    Ok(Figures {
        start_ms: median(starts),
        start_cpu_ms: median(cpu),
        first: event.map(|_| (median(first_ms), median(first_cpu))),
        warm,
        resident_mib: process.resident_mib()?,
    })
}

#[tokio::main]
async fn main() -> Result<()> {
    let wanted = arguments();
    let stored = Stored::start(&[]).await?;
    // What is measured is the function's own: the store's time is another's.
    stored.app.faults.answers_at_once();
    let (key, variables) = (&stored.key, stored.variables());
    println!("median of {STARTS} starts; warm: the mean of {WARM_CALLS} calls, CPU with the SDK's");
    println!(
        "| function | MB | start ms | CPU ms | first call ms | CPU ms | warm ms | CPU ms | MiB |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (name, event) in CALLED_WITH {
        let asked = wanted.is_empty() || wanted.iter().any(|of| of == name);
        let Some(binary) = release(name).filter(|_| asked) else { continue };
        let event =
            event.map(|event| std::fs::read_to_string(root().join(format!("events/{event}.json"))));
        let event = event.transpose()?.map(|event| {
            let event = event.replace("\"KEY\"", &format!("\"{key}\""));
            event.replace("local-admin-token", ADMIN_TOKEN)
        });
        let figures = measure(&binary, event.as_deref(), &variables).await?;
        let two = |pair: Option<(f64, f64)>| {
            pair.map_or(" | ".to_owned(), |(wall, cpu)| format!("{wall:.1} | {cpu:.2}"))
        };
        println!(
            "| {name} | {:.1} | {:.1} | {:.2} | {} | {} | {:.1} |",
            std::fs::metadata(&binary)?.len() as f64 / 1e6,
            figures.start_ms,
            figures.start_cpu_ms,
            two(figures.first),
            two(figures.warm),
            figures.resident_mib,
        );
    }
    Ok(())
}
