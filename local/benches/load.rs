//! How much Quartet itself does in a second: `local` and each function alone in front of a DynamoDB
//! that answers at once, so that what is measured is ours and the SDK's.
//! `cargo bench -p local --bench load`; functions are measured whose release binaries there are.
//! Linux: CPU time is the scheduler's.

mod common;

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::runtime::{Process, Runtime};
use common::{Call, Result, Stored, release};

const LASTS: Duration = Duration::from_secs(2);
const CLIENTS: usize = 8;
const CALLS: u32 = 300;

/// `local` in a process of its own, and where it listens.
fn local(stored: &Stored, folder: &Path) -> Result<(Process, String)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    let url = stored.dynamodb.url();
    command.args(["--port", "0", "--seed", "none", "--dynamodb-url", url.as_str(), "--data-dir"]);
    command.arg(folder);
    command.envs(stored.variables()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = Process(command.spawn()?);
    let lines = BufReader::new(process.0.stdout.take().ok_or("no stdout")?).lines();
    for line in lines {
        if let Some(url) = line?.strip_prefix("listening on ") {
            return Ok((process, url.to_owned()));
        }
    }
    Err("local ended before it listened".into())
}

/// Requests a second, and CPU time of each in µs.
async fn under_load(process: &Process, url: &str, key: &str, call: &Call) -> Result<(f64, f64)> {
    let http = reqwest::Client::new();
    let url = format!("{url}{}", call.path);
    let (done, failed) = (Cell::new(0_u32), Cell::new(0_u32));
    let send = || {
        let request = http.request(call.method().parse().unwrap_or_default(), &url);
        let request = request.header("x-api-key", key).header("content-type", "application/json");
        let request = match call.body(0) {
            Some(body) => request.body(body),
            None => request,
        };
        async {
            let answer = request.send().await;
            match answer {
                Ok(answer) if answer.status().is_success() => answer.bytes().await.is_ok(),
                _ => false,
            }
        }
    };
    if !send().await {
        return Err(format!("{} is not answered", call.path).into());
    }
    let (began, before) = (Instant::now(), process.cpu_ms()?);
    let clients = (0..CLIENTS).map(|_| async {
        while began.elapsed() < LASTS {
            done.set(done.get() + 1);
            if !send().await {
                failed.set(failed.get() + 1);
            }
        }
    });
    futures_util::future::join_all(clients).await;
    let (took, cpu) = (began.elapsed().as_secs_f64(), process.cpu_ms()? - before);
    match (f64::from(done.get()), failed.get()) {
        (done, 0) => Ok((done / took, cpu * 1e3 / done)),
        (_, failed) => Err(format!("{} of {} failed", failed, call.route).into()),
    }
}

/// The same for a function, which has one call at a time.
async fn alone(stored: &Stored, call: &Call) -> Result<Option<(f64, f64)>> {
    let Some(binary) = release(call.function) else { return Ok(None) };
    let event = call.event(&stored.key);
    let mut runtime = Runtime::start().await?;
    let process = Process::spawn(Command::new(binary), &stored.variables(), &runtime)?;
    runtime.ready().await?;
    for _ in 0..20 {
        runtime.call(&event).await?;
    }
    let (began, before) = (Instant::now(), process.cpu_ms()?);
    for _ in 0..CALLS {
        runtime.call(&event).await?;
    }
    let (took, cpu) = (began.elapsed().as_secs_f64(), process.cpu_ms()? - before);
    Ok(Some((f64::from(CALLS) / took, cpu * 1e3 / f64::from(CALLS))))
}

#[tokio::main]
async fn main() -> Result<()> {
    let stored = Stored::start(&[]).await?;
    stored.app.faults.answers_at_once();
    let folder = tempfile::tempdir()?;
    let (process, url) = local(&stored, folder.path())?;
    println!("| route | `local`: requests a second | CPU µs | function: calls a second | CPU µs |");
    println!("| --- | --- | --- | --- | --- |");
    for call in &stored.calls {
        let (rate, cpu) = under_load(&process, &url, &stored.key, call).await?;
        let alone = alone(&stored, call).await?;
        let alone = alone.map_or(" | ".to_owned(), |(rate, cpu)| format!("{rate:.0} | {cpu:.0}"));
        println!("| `{}` | {rate:.0} | {cpu:.0} | {alone} |", call.route);
    }
    Ok(())
}
