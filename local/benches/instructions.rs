//! Instructions of each start and of each warm call, by callgrind: the same whatever else the
//! machine does. Fails where docs/BENCHMARKS.md, which has those of x86-64, has less by a tenth;
//! `UPDATE=1` writes them there.
//! `cargo bench -p local --bench instructions`, for the functions whose release binaries there are.

mod common;

use std::path::Path;
use std::process::Command;

use common::runtime::{Process, Runtime};
use common::{Result, Stored, release, root};

/// The warm calls are those by which two runs differ.
const RUNS: [u64; 2] = [20, 70];
const HEADING: &str = "| what | thousands of instructions |\n| --- | --- |\n";

/// All instructions of a process that answers so many calls.
async fn counted(binary: &Path, stored: &Stored, event: &str, calls: u64) -> Result<u64> {
    let mut runtime = Runtime::start().await?;
    let mut command = Command::new("valgrind");
    let log = tempfile::NamedTempFile::new()?;
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(format!("--log-file={}", log.path().display())).arg(binary);
    let mut variables = stored.variables();
    variables.push(("PATH".to_owned(), std::env::var("PATH")?));
    let mut process = Process::spawn(command, &variables, &runtime)?;
    runtime.ready().await?;
    for _ in 0..calls {
        runtime.call(event).await?;
    }
    Command::new("kill").args(["-TERM", &process.0.id().to_string()]).status()?;
    process.0.wait()?;
    let told = std::fs::read_to_string(log.path())?;
    let collected = told.lines().find_map(|line| line.split("Collected : ").nth(1));
    Ok(collected.ok_or("valgrind counted nothing")?.trim().parse()?)
}

fn with_commas(thousands: u64) -> String {
    match thousands {
        0..1_000 => thousands.to_string(),
        _ => format!("{},{:03}", thousands / 1_000, thousands % 1_000),
    }
}

/// Rows of the table as it is: what, and thousands of instructions.
fn rows_of(table: &str) -> Vec<(String, u64)> {
    let row = |line: &str| {
        let (what, count) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        Some((what.to_owned(), count.replace(',', "").parse().ok()?))
    };
    table.lines().filter_map(row).collect()
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
    let mut known = rows_of(table);
    let mut wrong = Vec::new();
    for (what, count) in rows {
        let row = known.iter_mut().find(|(known, _)| *known == what);
        let was = row.as_ref().map(|(_, was)| *was);
        println!("{what}: {} thousand, known: {was:?}", with_commas(count));
        match was {
            None => wrong.push(format!("{what} is not in the table")),
            Some(was) if count > was + was / 10 => wrong.push(format!("{what}: {was} to {count}")),
            Some(_) => {}
        }
        match row {
            Some(row) => row.1 = count,
            None => known.push((what, count)),
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        let row = |(what, count): &(String, u64)| format!("| {what} | {} |\n", with_commas(*count));
        let rows: String = known.iter().map(row).collect();
        std::fs::write(&path, format!("{before}{HEADING}{rows}\n{after}"))?;
        return Ok(());
    }
    // Another architecture has other instructions.
    if wrong.is_empty() || cfg!(not(target_arch = "x86_64")) {
        return Ok(());
    }
    Err(format!("docs/BENCHMARKS.md, by more than a tenth: {}", wrong.join("; ")).into())
}
