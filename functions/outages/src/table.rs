//! Where runs lie. `run#ID` is a run, in the index `all`; `open#DIGEST` says which run does just what
//! a trigger asks for, as long as it runs; `lease` says which run may post, under a number that is
//! the condition of each of its writes; `site#SITE` is what the upstream has of a site.

use serde::{Deserialize, Serialize};
use shared::answer::Answer;
use shared::audit::{Access, ItemType, Subject};
use shared::auth::Caller;
use shared::problem::Problem;
use shared::store::{Change, ItemKey, Order, Otherwise, Partitions, Store, Table, shard, shards};
use shared::values::Timestamp;
use uuid::Uuid;

use crate::outage::State;
use crate::plan::Kept;
use crate::run::{Options, Run, Trigger};
use crate::settings::Timing;

/// A run that was asked for and that the worker hasn't begun by then isn't coming any more.
const BEGUN_WITHIN_MS: i64 = 15 * 60 * 1_000;
/// What the stream's filter in template.yaml looks for.
pub const CALLS: &str = "outage-sync";

const DIED: &str = "the run ended before this site was done";
const MAY_BE_POSTED: &str = "the run ended while it posted";

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Requested,
    /// A worker has it, and waits for the lease.
    Waiting,
    Working,
    Finished,
}

/// A run as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    id: Uuid,
    all_shard: String,
    /// The worker that the stream is to call for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calls: Option<String>,
    pub version: u64,
    pub stage: Stage,
    /// The one call of the worker that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Uuid>,
    /// It is dead where nothing is heard of it until then.
    pub alive_until_ms: i64,
    pub options: Options,
    pub run: Run,
}

impl Row {
    fn new(options: Options, trigger: Trigger, now: Timestamp) -> Self {
        let id = Uuid::now_v7();
        Self {
            id,
            all_shard: shard(id).to_string(),
            calls: (trigger == Trigger::Request).then(|| CALLS.to_owned()),
            version: 1,
            stage: Stage::Requested,
            holder: None,
            alive_until_ms: now.ms() + BEGUN_WITHIN_MS,
            run: Run::new(id, trigger, &options, now),
            options,
        }
    }

    /// Whether it ended, or nothing more is to be expected of it.
    pub fn is_over(&self, timing: &Timing) -> bool {
        let skew = i64::try_from(timing.skew.as_millis()).unwrap_or(i64::MAX);
        self.stage == Stage::Finished || self.alive_until_ms + skew < Timestamp::now().ms()
    }

    pub fn is_dead(&self, timing: &Timing) -> bool {
        self.stage != Stage::Finished && self.is_over(timing)
    }

    /// Whether it ended without its worker.
    pub fn died(run: &Run) -> bool {
        let died = |reason: &str| reason == DIED || reason == MAY_BE_POSTED;
        run.sites.iter().any(|site| site.reason.as_deref().is_some_and(died))
    }

    /// Whether it may have the lease, so that only who takes that may settle it.
    pub fn is_leased(&self) -> bool {
        self.stage == Stage::Working && !self.options.dry_run
    }

    /// Its next version.
    #[must_use]
    pub fn next(&self, edit: impl FnOnce(&mut Self)) -> Self {
        let mut next = Self { version: self.version + 1, calls: None, ..self.clone() };
        edit(&mut next);
        next
    }
}

/// Which run does what a digest stands for.
#[derive(Serialize, Deserialize)]
pub struct Claim {
    pub version: u64,
    pub run_id: Uuid,
}

/// Who may post.
#[derive(Serialize, Deserialize)]
pub struct Lease {
    /// The number of the lease.
    pub version: u64,
    pub run_id: Option<Uuid>,
}

/// What the upstream has of a site, as far as is known.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Sent {
    pub version: u64,
    /// The last payload that was answered with 200.
    pub accepted: Option<Kept>,
    /// One that is about to be posted, or may have been received since.
    pub pending: Option<Kept>,
    /// Whether one before it may have been received, which nothing was accepted behind.
    #[serde(default)]
    pub is_in_doubt: bool,
}

fn run_key(id: Uuid) -> ItemKey {
    ItemKey::new(format!("run#{id}"), "run")
}

pub fn claim_key(options: &Options) -> ItemKey {
    ItemKey::new(format!("open#{}", options.digest()), "open")
}

pub fn lease_key() -> ItemKey {
    ItemKey::new("lease".to_owned(), "lease")
}

pub fn site_key(site: &str) -> ItemKey {
    ItemKey::new(format!("site#{site}"), "site")
}

pub fn subject(id: Uuid) -> Subject {
    Subject { item_type: ItemType::Outages, item_id: id }
}

pub async fn read(store: &Store, id: Uuid) -> Result<Row, Problem> {
    store.get(Table::Outages, &run_key(id)).await?.ok_or(Problem::NOT_FOUND)
}

pub async fn sent(store: &Store, site: &str) -> Result<Sent, Problem> {
    Ok(store.get(Table::Outages, &site_key(site)).await?.unwrap_or_default())
}

/// All runs, newest first.
pub fn list() -> Partitions {
    Partitions {
        table: Table::Outages,
        index: Some("all"),
        attribute: "all_shard",
        values: shards(|shard| shard.to_string()),
        sort: "id",
        order: Order::Descending,
        until: None,
    }
}

/// A run that a trigger set off, or the equal one that runs already.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Started {
    pub id: Uuid,
    pub is_new: bool,
}

/// Stores a run as it is asked for, unless an equal one runs. `given`: what the trigger named.
pub async fn begin(
    store: &Store,
    caller: &Caller,
    options: &Options,
    trigger: Trigger,
    given: &[&'static str],
    timing: &Timing,
) -> Result<Change, Problem> {
    let key = claim_key(options);
    let claim: Option<Claim> = store.get(Table::Outages, &key).await?;
    let row = Row::new(options.clone(), trigger, Timestamp::now());
    let answer = Answer::ok(&Started { id: row.id, is_new: true })?;
    let change = Change::new(caller, Access::Create, subject(row.id), given, answer).insert(
        Table::Outages,
        &run_key(row.id),
        &row,
        Otherwise::DecideAnew,
    )?;
    let Some(claim) = claim else {
        let claim = Claim { version: 1, run_id: row.id };
        return change.insert(Table::Outages, &key, &claim, Otherwise::DecideAnew);
    };
    let old = read(store, claim.run_id).await?;
    if !old.is_over(timing) {
        let answer = Answer::ok(&Started { id: old.id, is_new: false })?;
        return Ok(Change::nothing(answer));
    }
    let next = Claim { version: claim.version + 1, run_id: row.id };
    let change = change.replace(Table::Outages, &key, &next, claim.version)?;
    if old.is_dead(timing) && !old.is_leased() {
        return settled(change, caller, &old, &[]);
    }
    Ok(change)
}

/// Ends a dead run. What it was about to post may have been received. Its claim is left: it may be
/// another's by now, and doesn't count any more.
pub async fn settle(
    store: &Store,
    change: Change,
    caller: &Caller,
    dead: &Row,
) -> Result<Change, Problem> {
    let mut unknown = Vec::new();
    for site in dead.run.sites.iter().filter(|site| site.state.is_none()) {
        let pending = sent(store, &site.site_id).await?.pending;
        if let Some(pending) = pending.filter(|pending| pending.run_id == dead.id) {
            let mut site = site.clone();
            site.payload_sha256 = Some(pending.sha256);
            site.kept = pending.outages;
            unknown.push(site.ended(State::Unknown, Some(MAY_BE_POSTED.to_owned())));
        }
    }
    settled(change, caller, dead, &unknown)
}

fn settled(
    change: Change,
    caller: &Caller,
    dead: &Row,
    unknown: &[crate::run::Site],
) -> Result<Change, Problem> {
    let next = dead.next(|row| {
        row.run.settle(unknown);
        row.run.finish(DIED, Timestamp::now());
        row.stage = Stage::Finished;
    });
    replace(change.also(caller, Access::Update, subject(dead.id), FINISHED), &next)
}

/// Puts the next version of a run in place of the one before.
pub fn replace(change: Change, next: &Row) -> Result<Change, Problem> {
    change.replace(Table::Outages, &run_key(next.id), next, next.version - 1)
}

/// The fields that change as a run ends.
pub const FINISHED: &[&str] = &["state", "finished_at", "sites"];
