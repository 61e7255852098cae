//! Instructions of each start and of each warm call, by callgrind: the same whatever else the
//! machine does. Fails where docs/BENCHMARKS.md has less by a tenth; `UPDATE=1` writes them there.
//! `cargo bench -p local --bench instructions`, for the functions whose release binaries there are.

mod common;

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use common::runtime::{Process, Runtime};
use common::{Result, Stored, release, root};

/// The warm calls are those by which two runs differ.
const RUNS: [u64; 2] = [20, 70];
const HEADING: &str = "| what | thousands of instructions |\n| --- | --- |\n";

/// All instructions of a process that answers so many calls.
async fn counted(binary: &Path, stored: &Stored, event: &str, calls: u64) -> Result<u64> {
    let mut runtime = Runtime::start().await?;
    let mut command = Command::new("/usr/bin/valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(binary);
    command.stderr(Stdio::piped());
    let mut variables = stored.variables();
    // A line a request, to nobody, would be among valgrind's own.
    variables.push(("LOG_LEVEL".to_owned(), "error".to_owned()));
    let mut process = Process::spawn(command, &variables, &runtime)?;
    runtime.ready().await?;
    for _ in 0..calls {
        runtime.call(event).await?;
    }
    Command::new("kill").args(["-TERM", &process.0.id().to_string()]).status()?;
    let mut told = String::new();
    process.0.stderr.take().ok_or("no stderr")?.read_to_string(&mut told)?;
    let collected = told.lines().find_map(|line| line.split("Collected : ").nth(1));
    Ok(collected.ok_or("valgrind counted nothing")?.trim().parse()?)
}

fn with_commas(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}

/// What the table has of it.
fn known(table: &str, what: &str) -> Option<u64> {
    let row = table.lines().find_map(|line| line.strip_prefix(&format!("| {what} | ")))?;
    row.trim_end_matches(" |").replace(',', "").parse().ok()
}

#[tokio::main]
async fn main() -> Result<()> {
    let stored = Stored::start(&[]).await?;
    stored.app.faults.answers_at_once();
    let mut rows: Vec<(String, u64)> = Vec::new();
    for call in &stored.calls {
        let Some(binary) = release(call.function) else { continue };
        let event = call.event(&stored.key);
        let start = format!("start of {}", call.function);
        if rows.iter().all(|(what, _)| *what != start) {
            rows.push((start, counted(&binary, &stored, &event, 0).await? / 1_000));
        }
        let [few, many] = RUNS;
        let [less, more] = [
            counted(&binary, &stored, &event, few).await?,
            counted(&binary, &stored, &event, many).await?,
        ];
        let each = more.saturating_sub(less) / (many - few);
        rows.push((format!("`{}`", call.route), each / 1_000));
    }
    let path = root().join("docs/BENCHMARKS.md");
    let document = std::fs::read_to_string(&path)?;
    let (before, rest) = document.split_once(HEADING).ok_or("docs/BENCHMARKS.md has no table")?;
    let (table, after) = rest.split_once("\n\n").unwrap_or((rest, ""));
    let mut too_many = Vec::new();
    let mut updated = String::new();
    for (what, count) in &rows {
        let was = known(table, what);
        println!("{what}: {} thousand, known: {was:?}", with_commas(*count));
        if was.is_none_or(|was| *count > was + was / 10) {
            too_many.push(what.as_str());
        }
        updated.push_str(&format!("| {what} | {} |\n", with_commas(*count)));
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, format!("{before}{HEADING}{updated}\n{after}"))?;
        return Ok(());
    }
    if too_many.is_empty() {
        Ok(())
    } else {
        Err(format!("a tenth over docs/BENCHMARKS.md: {}", too_many.join(", ")).into())
    }
}
