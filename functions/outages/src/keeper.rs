//! A run in the hands of one call of the worker: every write is on the condition that it still is,
//! and, of a run that may post, that its lease is still the latest.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::answer::Answer;
use shared::audit::Access;
use shared::auth::Caller;
use shared::mark::Mark;
use shared::problem::Problem;
use shared::store::{Change, Otherwise, Store, Table};
use shared::values::Timestamp;
use uuid::Uuid;

use crate::plan::Plan;
use crate::run::{Run, Site};
use crate::settings::Timing;
use crate::table::{
    self, Claim, FINISHED, Lease, Row, Sent, Stage, claim_key, lease_key, site_key, subject,
};

/// Another call of the worker took this for dead.
const LOST: Problem = Problem::new(503, "run_lost", "Another call of the worker has this run.");

pub struct Keeper<'a> {
    store: &'a Store,
    caller: &'a Caller,
    timing: &'a Timing,
    pub id: Uuid,
    holder: Uuid,
    /// The number of the lease, once it is there. A dry run needs none.
    lease: Mutex<Option<u64>>,
    /// Since when nobody takes it for dead, for as long as a lease lasts.
    sure_since: Mutex<Option<Mark>>,
}

/// What a call of the worker found where it wanted to take up a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Taken {
    Mine,
    /// Another has it.
    Busy,
    /// It ended, and is settled.
    Over,
}

/// How it went with the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Leased {
    /// By its number, where one is needed.
    Mine(Option<u64>),
    /// Another run has it.
    Busy,
}

/// What came of a payload that was posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Post {
    Accepted,
    Refused,
    /// It may have been received.
    InDoubt,
}

impl<'a> Keeper<'a> {
    pub fn new(store: &'a Store, caller: &'a Caller, timing: &'a Timing, id: Uuid) -> Self {
        let (holder, lease, sure_since) = (Uuid::now_v7(), Mutex::new(None), Mutex::new(None));
        Self { store, caller, timing, id, holder, lease, sure_since }
    }

    /// Takes up a run that nobody has, or whose worker died before it had done anything. One that
    /// died later is settled.
    pub async fn take(&self) -> Result<Taken, Problem> {
        let began = Mark::now();
        let decide = || async {
            let row = table::read(self.store, self.id).await?;
            let found = |taken| Ok(Change::nothing(Answer::ok(&taken)?));
            if row.stage == Stage::Finished {
                return found(Taken::Over);
            }
            if row.holder == Some(self.holder) {
                return found(Taken::Mine);
            }
            if row.stage != Stage::Requested && !row.is_dead(self.timing) {
                return found(Taken::Busy);
            }
            if row.is_leased() {
                return self.settle_dead(&row).await;
            }
            let next = row.next(|row| {
                row.stage = Stage::Waiting;
                row.holder = Some(self.holder);
                row.alive_until_ms = self.alive_until_ms();
            });
            table::replace(Change::step(), &next)
        };
        let taken = self.store.commit(None, decide).await?.body()?;
        self.is_sure_since(began);
        Ok(taken)
    }

    /// Settles a run that died while it could post, and frees its lease.
    async fn settle_dead(&self, row: &Row) -> Result<Change, Problem> {
        let change = table::settle(self.store, Change::step(), self.caller, row).await?;
        let lease: Option<Lease> = self.store.get(Table::Outages, &lease_key()).await?;
        match lease.filter(|lease| lease.run_id == Some(row.run.id)) {
            Some(lease) => replace_lease(change, Some(&lease), None),
            None => Ok(change),
        }
    }

    /// Takes the lease where no living run has it, and settles the dead one that had it. A dry run
    /// goes to work without.
    pub async fn lease(&self) -> Result<Leased, Problem> {
        let began = Mark::now();
        let decide = || async {
            let own = self.own().await?;
            let found = |leased| Ok(Change::nothing(Answer::ok(&leased)?));
            let next = own.next(|row| {
                row.stage = Stage::Working;
                row.alive_until_ms = self.alive_until_ms();
            });
            if own.options.dry_run {
                return match own.stage {
                    Stage::Working => found(Leased::Mine(None)),
                    _ => table::replace(Change::step(), &next),
                };
            }
            let lease: Option<Lease> = self.store.get(Table::Outages, &lease_key()).await?;
            let mut change = Change::step();
            match lease.as_ref().and_then(|lease| Some((lease.version, lease.run_id?))) {
                Some((number, id)) if id == self.id => return found(Leased::Mine(Some(number))),
                Some((_, id)) => {
                    let other = table::read(self.store, id).await?;
                    if !other.is_over(self.timing) {
                        return found(Leased::Busy);
                    }
                    if other.is_dead(self.timing) {
                        change = table::settle(self.store, change, self.caller, &other).await?;
                    }
                }
                None => {}
            }
            table::replace(replace_lease(change, lease.as_ref(), Some(self.id))?, &next)
        };
        let leased: Leased = self.store.commit(None, decide).await?.body()?;
        if let Leased::Mine(number) = leased {
            *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = number;
            self.is_sure_since(began);
        }
        Ok(leased)
    }

    /// Says on and on that this run is alive. Ends where it can't any more.
    pub async fn keep_alive(&self) -> Problem {
        loop {
            tokio::time::sleep(self.timing.renew).await;
            let (began, until) = (Mark::now(), self.alive_until_ms());
            let decide = || async {
                let own = self.own().await?;
                if own.alive_until_ms >= until {
                    return Ok(Change::nothing(Answer::no_content()));
                }
                let next = own.next(|row| row.alive_until_ms = until);
                self.guarded(Change::step(), &next)
            };
            match self.store.commit(None, decide).await {
                Ok(_) => self.is_sure_since(began),
                // The storage may be back before anybody takes this run for dead.
                Err(problem) if problem.code() == LOST.code() => return problem,
                Err(problem) if !self.is_sure_for(Duration::ZERO) => return problem,
                Err(_) => {}
            }
        }
    }

    /// Whether this run will still be the one that may post for so long.
    pub fn is_sure_for(&self, time: Duration) -> bool {
        let since = *self.sure_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.age().saturating_add(time) < self.timing.lease)
    }

    fn is_sure_since(&self, began: Mark) {
        *self.sure_since.lock().unwrap_or_else(PoisonError::into_inner) = Some(began);
    }

    /// Stores what became of sites for which nothing was posted.
    pub async fn done(&self, sites: &[Site]) -> Result<(), Problem> {
        let decide = || async {
            let own = self.own().await?;
            let next = own.next(|row| row.run.settle(sites));
            self.guarded(self.entered(&["sites"]), &next)
        };
        self.store.commit(None, decide).await.map(drop)
    }

    /// Stores what is about to be posted, its hash first.
    pub async fn plan(&self, site: &str, plan: &Plan) -> Result<(), Problem> {
        /// Less than the 4 MB of a transaction.
        const AT_ONCE: usize = 8;
        let decide = || async {
            let (_, old) = futures_util::try_join!(self.own(), table::sent(self.store, site))?;
            let stored = match &old.pending {
                Some(pending) if pending.run_id == self.id => pending.stored,
                _ => 0,
            };
            if old.pending.is_some() && stored == plan.kept.chunks {
                return Ok(Change::nothing(Answer::no_content()));
            }
            let mut change = self.leased(Change::step());
            for chunk in plan.rows(site, stored).take(AT_ONCE) {
                change = change.put(Table::Plans, &chunk.key, &chunk)?;
            }
            if let Some(given_up) = old.pending.as_ref().filter(|kept| kept.run_id != self.id) {
                change = forget(change, given_up, site);
            }
            let stored = plan.kept.chunks.min(stored + AT_ONCE);
            let mut kept = plan.kept.clone();
            kept.stored = stored;
            let is_in_doubt = old.is_in_doubt
                || old.pending.as_ref().is_some_and(|pending| pending.run_id != self.id);
            let sent = Sent { pending: Some(kept), is_in_doubt, ..old.clone() };
            put_sent(change, site, &old, sent)
        };
        self.store.commit(None, decide).await.map(drop)
    }

    /// Stores what came of the payload that was planned.
    pub async fn posted(&self, done: &Site, post: Post) -> Result<(), Problem> {
        let site = &done.site_id;
        let decide = || async {
            let (own, old) = futures_util::try_join!(self.own(), table::sent(self.store, site))?;
            let next = own.next(|row| row.run.settle(std::slice::from_ref(done)));
            let mut change = self.guarded(self.entered(&["sites"]), &next)?;
            let sent = match post {
                Post::InDoubt => return Ok(change),
                Post::Accepted => {
                    if let Some(accepted) = &old.accepted {
                        change = forget(change, accepted, site);
                    }
                    let accepted = old.pending.clone();
                    Sent { accepted, pending: None, is_in_doubt: false, ..old }
                }
                Post::Refused => {
                    if let Some(pending) = &old.pending {
                        change = forget(change, pending, site);
                    }
                    Sent { pending: None, ..old.clone() }
                }
            };
            put_sent(change, site, &old, sent)
        };
        self.store.commit(None, decide).await.map(drop)
    }

    /// Ends the run, and gives its lease and its claim back.
    pub async fn finish(&self, reason: &str) -> Result<Run, Problem> {
        let decide = || async {
            let own = self.own().await?;
            let next = own.next(|row| {
                row.run.finish(reason, Timestamp::now());
                row.stage = Stage::Finished;
            });
            let change = Change::new(
                self.caller,
                Access::Update,
                subject(self.id),
                FINISHED,
                Answer::ok(&next.run)?,
            );
            let mut change = table::replace(change, &next)?;
            if let Some(number) = self.lease_number() {
                let lease = Lease { version: number, run_id: Some(self.id) };
                change = replace_lease(change, Some(&lease), None)?;
            }
            let claim_key = claim_key(&own.options);
            let claim: Option<Claim> = self.store.get(Table::Outages, &claim_key).await?;
            match claim.filter(|claim| claim.run_id == self.id) {
                Some(claim) => Ok(change.delete(Table::Outages, &claim_key, claim.version)),
                None => Ok(change),
            }
        };
        self.store.commit(None, decide).await?.body()
    }

    fn lease_number(&self) -> Option<u64> {
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run as it stands, as long as this call has it.
    pub async fn own(&self) -> Result<Row, Problem> {
        let row = table::read(self.store, self.id).await?;
        let mine = row.holder == Some(self.holder) && row.stage != Stage::Finished;
        mine.then_some(row).ok_or(LOST)
    }

    fn entered(&self, changed: &[&'static str]) -> Change {
        let answer = Answer::no_content();
        Change::new(self.caller, Access::Update, subject(self.id), changed, answer)
    }

    fn guarded(&self, change: Change, next: &Row) -> Result<Change, Problem> {
        table::replace(self.leased(change), next)
    }

    /// Only while the lease is this one.
    fn leased(&self, change: Change) -> Change {
        match self.lease_number() {
            Some(number) => change.check(Table::Outages, &lease_key(), number),
            None => change,
        }
    }

    fn alive_until_ms(&self) -> i64 {
        let lease = i64::try_from(self.timing.lease.as_millis()).unwrap_or_default();
        Timestamp::now().ms() + lease
    }
}

/// Gives the lease a new number.
fn replace_lease(
    change: Change,
    old: Option<&Lease>,
    run_id: Option<Uuid>,
) -> Result<Change, Problem> {
    let version = old.map_or(0, |lease| lease.version) + 1;
    let next = Lease { version, run_id };
    match old {
        Some(old) => change.replace(Table::Outages, &lease_key(), &next, old.version),
        None => change.insert(Table::Outages, &lease_key(), &next, Otherwise::DecideAnew),
    }
}

fn put_sent(change: Change, site: &str, old: &Sent, next: Sent) -> Result<Change, Problem> {
    let next = Sent { version: old.version + 1, ..next };
    match old.version {
        0 => change.insert(Table::Outages, &site_key(site), &next, Otherwise::DecideAnew),
        version => change.replace(Table::Outages, &site_key(site), &next, version),
    }
}

/// Takes the chunks of a payload away that nothing names any more.
fn forget(change: Change, kept: &crate::plan::Kept, site: &str) -> Change {
    kept.keys(site).iter().fold(change, |change, key| change.remove(Table::Plans, key))
}
