//! `sync-outages`: one run from the command line, with its progress on a terminal.

use std::fmt::Arguments;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::sync::Arc;
use std::time::{Duration, Instant};

use outages::run::{Options, RunState, Site, Trigger};
use outages::settings::{Settings, Timing};
use outages::sync::{Difference, Posted, Progress, Sync};
use shared::auth::Caller;
use shared::problem::Problem;
use shared::store::Store;
use shared::values::unique;
use uuid::Uuid;

use crate::options::SyncOutages;

const LONGEST: Duration = Duration::from_mins(2);
const CLEARED_LINE: &str = "\r\x1b[K";

/// Whether the run succeeded.
pub async fn run(store: &Store, settings: Settings, command: SyncOutages) -> Result<bool, String> {
    let mut options = Options::usual(&settings.usual);
    let mut given = Vec::new();
    if !command.sites.is_empty() {
        options.sites = unique(command.sites);
        given.push("sites");
    }
    if let Some(since) = command.since {
        options.since = since;
        given.push("since");
    }
    (options.dry_run, options.force) = (command.dry_run, command.force);
    for (name, is_given) in [("dry_run", command.dry_run), ("force", command.force)] {
        given.extend(is_given.then_some(name));
    }
    let is_watched = stderr().is_terminal();
    let sync = Sync::new(store.clone(), settings, Timing::USUAL).map_err(|bad| bad.to_string())?;
    let sync = sync.watched(Arc::new(move |progress| shown(progress, is_watched)));
    let caller = Caller::worker(outages::worker::NAME, &Uuid::now_v7().to_string());
    let deadline = Instant::now() + LONGEST;
    let run = sync.run(&caller, &options, Trigger::Command, &given, deadline).await;
    let run = run.map_err(|problem: Problem| format!("sync-outages: {}", problem.code()))?;
    for site in &run.sites {
        say(format_args!("{}", line(site)));
    }
    let succeeded = run.state == RunState::Succeeded;
    say(format_args!("run {} {}", run.id, if succeeded { "succeeded" } else { "failed" }));
    Ok(succeeded)
}

/// Whoever reads may stop reading.
fn say(line: Arguments) {
    let _ = writeln!(stdout(), "{line}");
}

/// Differences are the command's result; the rest is for who watches.
fn shown(progress: Progress, is_watched: bool) {
    let told = match progress {
        Progress::Differs(difference) => {
            if is_watched {
                eprint!("{CLEARED_LINE}");
            }
            return differs(&difference);
        }
        Progress::Waiting => "another run is under way; waiting for it".to_owned(),
        Progress::Received(bytes) => format!("{} KiB of outages received", bytes / 1_024),
        Progress::Done(site) => format!("{} is done", site.site_id),
    };
    if is_watched {
        eprint!("{CLEARED_LINE}{told}");
        let _ = stderr().flush();
        if told.ends_with("done") {
            eprint!("{CLEARED_LINE}");
        }
    }
}

fn differs(difference: &Difference) {
    let Difference { site_id, added, removed } = difference;
    let (more, less) = (added.len(), removed.len());
    say(format_args!("{site_id}: {more} more and {less} less than what was accepted last"));
    let show = |sign, outages: &[Posted]| {
        for Posted { id, name, begin, end } in outages {
            say(format_args!("{sign} {begin} {end} {id} {}", name.escape_debug()));
        }
    };
    show('-', removed);
    show('+', added);
}

fn line(site: &Site) -> String {
    let state = site.state.and_then(|state| serde_json::to_value(state).ok());
    let state = state.as_ref().and_then(|state| state.as_str()).unwrap_or("not done");
    let reason = site.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let Site { site_id, fetched, kept, posted, attempts, .. } = site;
    format!(
        "{site_id} {state}{reason} ({fetched} fetched, {kept} kept, {posted} posted, {attempts} attempts)"
    )
}
