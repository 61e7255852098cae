//! One run from its plan to its end: the sites' devices side by side, the outages once, then what
//! is kept for each site posted, or the reason why not.

use std::sync::Arc;
use std::time::Instant;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Deserialize;
use shared::auth::Caller;
use shared::config::BadSetting;
use shared::log;
use shared::problem::Problem;
use shared::store::Store;
use uuid::Uuid;

use crate::keeper::{Keeper, Leased, Post, Taken};
use crate::moment::Moment;
use crate::outage::{Before, Devices, Payload, Since, State, verdict};
use crate::plan::Plan;
use crate::run::{Options, Run, RunState, Site, Trigger};
use crate::settings::{Settings, Timing};
use crate::table::{self, Row, Stage, Started};
use crate::upstream::{Failure, Upstream};

/// Sites that are asked about, or posted to, at a time.
const SITES_AT_ONCE: usize = 4;

const BUSY: Problem =
    Problem::new(503, "run_in_progress", "Another call of the worker has this run.");

const NO_TURN: &str = "another run did not end in time";
const NO_TIME: &str = "no time was left";
const TOO_LONG: &str = "the payload is longer than 5 MiB";
const TWO_NAMES: &str = "GET /site-info/{site}: /devices has one device with two names";
const NOTHING_LEFT: &str = "nothing is left to post";
const HALVED: &str = "under half of what was accepted last is left";

/// How far a run has come, for who watches it.
#[derive(Debug, Clone)]
pub enum Progress {
    /// Another run has the lease.
    Waiting,
    /// Bytes of outages received.
    Received(usize),
    Done(Site),
    Differs(Difference),
}

/// An outage as it is posted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Posted {
    pub id: String,
    pub name: String,
    pub begin: String,
    pub end: String,
}

/// How what a dry run would post differs from what was accepted last.
#[derive(Debug, Clone)]
pub struct Difference {
    pub site_id: String,
    pub added: Vec<Posted>,
    pub removed: Vec<Posted>,
}

pub struct Sync {
    store: Store,
    upstream: Upstream,
    settings: Settings,
    timing: Timing,
    watch: Option<Watch>,
}

/// Who watches a run.
pub type Watch = Arc<dyn Fn(Progress) + Send + std::marker::Sync>;

impl Sync {
    pub fn new(store: Store, settings: Settings, timing: Timing) -> Result<Self, BadSetting> {
        let upstream = Upstream::new(settings.clone(), timing)?;
        Ok(Self { store, upstream, settings, timing, watch: None })
    }

    /// Tells somebody how far it has come.
    #[must_use]
    pub fn watched(self, watch: Watch) -> Self {
        Self { watch: Some(watch), ..self }
    }

    fn tell(&self, progress: Progress) {
        if let Some(watch) = &self.watch {
            watch(progress);
        }
    }

    /// Runs, or waits for the equal run that is under way: the finished run.
    pub async fn run(
        &self,
        caller: &Caller,
        options: &Options,
        trigger: Trigger,
        given: &[&'static str],
        deadline: Instant,
    ) -> Result<Run, Problem> {
        let begin = || table::begin(&self.store, caller, options, trigger, given, &self.timing);
        loop {
            let started: Started = self.store.commit(None, begin).await?.body()?;
            let run = self.perform(caller, started.id, deadline).await?;
            // An equal run that was waited for and died did nothing for this trigger.
            if started.is_new || !Row::died(&run) {
                return Ok(run);
            }
        }
    }

    /// Does a run that is stored, unless another call of the worker has it, which is waited for.
    pub async fn perform(
        &self,
        caller: &Caller,
        id: Uuid,
        deadline: Instant,
    ) -> Result<Run, Problem> {
        let keeper = Keeper::new(&self.store, caller, &self.timing, id);
        loop {
            match keeper.take().await? {
                Taken::Mine => break,
                Taken::Over => return Ok(table::read(&self.store, id).await?.run),
                Taken::Busy if Instant::now() + self.timing.look > deadline => {
                    return Err(BUSY);
                }
                Taken::Busy => tokio::time::sleep(self.timing.look).await,
            }
        }
        let until = deadline.checked_sub(self.timing.reserve).unwrap_or_else(Instant::now);
        let run = tokio::select! {
            run = Box::pin(self.work(&keeper, until)) => run?,
            // What ended it may have been this call itself, or another that took it for dead.
            lost = keeper.keep_alive() => {
                let row = table::read(&self.store, id).await?;
                return if row.stage == Stage::Finished { Ok(row.run) } else { Err(lost) };
            }
        };
        let succeeded = run.state == RunState::Succeeded;
        // Who gave a command sees how it went.
        if !run.dry_run && run.trigger != Trigger::Command {
            log::count(if succeeded { "SucceededOutageRuns" } else { "FailedOutageRuns" }, 1);
            log::count("HeldOutageSites", run.count(State::Held));
        }
        Ok(run)
    }

    async fn work(&self, keeper: &Keeper<'_>, until: Instant) -> Result<Run, Problem> {
        while keeper.lease().await? == Leased::Busy {
            if Instant::now() + self.timing.look > until {
                return keeper.finish(NO_TURN).await;
            }
            self.tell(Progress::Waiting);
            tokio::time::sleep(self.timing.look).await;
        }
        let options = keeper.own().await?.options;
        let (devices, sites) = self.devices(keeper, &options, until).await?;
        if sites.is_empty() {
            return keeper.finish(NO_TIME).await;
        }
        let moment = Moment::parse(&options.since)
            .ok_or_else(|| Problem::bug("a run's since can't be read"))?;
        let since = Since { moment, rule: self.settings.rule };
        let progress = |bytes| self.tell(Progress::Received(bytes));
        let received = self.upstream.outages(&devices, since, until, &progress).await;
        drop(devices);
        let filtered = match received {
            Ok(answered) => answered.value,
            Err(failure) => {
                let sites: Vec<_> = sites.into_iter().map(|site| failed(site, &failure)).collect();
                self.done(keeper, &sites).await?;
                return keeper.finish(NO_TIME).await;
            }
        };
        let fetched = filtered.outages;
        let sites = sites.into_iter().zip(filtered.payloads).map(|(site, payload)| {
            let site = Site { fetched, kept: payload.kept, ..site };
            self.apply(keeper, &options, site, payload, until)
        });
        stream::iter(sites).buffer_unordered(SITES_AT_ONCE).try_collect::<()>().await?;
        keeper.finish(NO_TIME).await
    }

    /// The devices of all sites that answered well, and these sites in the same order.
    async fn devices(
        &self,
        keeper: &Keeper<'_>,
        options: &Options,
        until: Instant,
    ) -> Result<(Devices, Vec<Site>), Problem> {
        let ask = |site: &String| {
            let site = site.clone();
            async move { (self.upstream.site_info(&site, until).await, site) }
        };
        let asked: Vec<_> = options.sites.iter().map(ask).collect();
        let mut answers = stream::iter(asked).buffered(SITES_AT_ONCE);
        let (mut devices, mut good, mut bad) = (Devices::default(), Vec::new(), Vec::new());
        while let Some((answer, site)) = answers.next().await {
            let site = Site::begun(&site);
            match answer {
                Err(failure) => bad.push(failed(site, &failure)),
                Ok(answered) => {
                    if devices.add(&answered.value).is_some() {
                        good.push(site);
                    } else {
                        let site = Site { attempts: answered.tries, ..site };
                        bad.push(site.ended(State::Failed, Some(TWO_NAMES.to_owned())));
                    }
                }
            }
        }
        if !bad.is_empty() {
            self.done(keeper, &bad).await?;
        }
        Ok((devices, good))
    }

    /// Posts what was kept for one site, or says why not.
    async fn apply(
        &self,
        keeper: &Keeper<'_>,
        options: &Options,
        site: Site,
        payload: Payload,
        until: Instant,
    ) -> Result<(), Problem> {
        let Some(payload) = payload.into_bytes() else {
            let site = site.ended(State::Failed, Some(TOO_LONG.to_owned()));
            return self.done(keeper, &[site]).await;
        };
        let plan = Plan::new(keeper.id, payload, site.kept)?;
        let site = Site { payload_sha256: Some(plan.kept.sha256.clone()), ..site };
        if options.dry_run {
            if self.watch.is_some() {
                let difference = self.difference(&site.site_id, plan.payload.to_vec()).await?;
                self.tell(Progress::Differs(difference));
            }
            return self.done(keeper, &[site.ended(State::DryRun, None)]).await;
        }
        let sent = table::sent(&self.store, &site.site_id).await?;
        let accepted = sent.accepted.as_ref();
        let before = Before {
            accepted: accepted.map(|kept| (kept.sha256.as_str(), kept.outages)),
            is_unsettled: sent.pending.is_some() || sent.is_in_doubt,
        };
        let verdict = verdict(&plan.kept.sha256, site.kept, before).filter(|_| !options.force);
        if let Some(state) = verdict {
            let why = if site.kept == 0 { NOTHING_LEFT } else { HALVED };
            let reason = (state == State::Held).then(|| why.to_owned());
            return self.done(keeper, &[site.ended(state, reason)]).await;
        }
        keeper.plan(&site.site_id, &plan).await?;
        // Nobody may take this run for dead while it posts.
        let may_post = || keeper.is_sure_for(self.timing.connect + self.timing.answer);
        match self.upstream.post(&site.site_id, plan.payload, until, may_post).await {
            Ok(answered) => {
                let site = Site { attempts: answered.tries, posted: site.kept, ..site };
                self.posted(keeper, site.ended(State::Posted, None), Post::Accepted).await
            }
            Err(failure) => {
                let post = if failure.any_in_doubt { Post::InDoubt } else { Post::Refused };
                let mut site = failed(site, &failure);
                if failure.last_in_doubt {
                    site.state = Some(State::Unknown);
                }
                self.posted(keeper, site, post).await
            }
        }
    }

    /// What a payload would change of what was accepted last.
    async fn difference(&self, site: &str, payload: Vec<u8>) -> Result<Difference, Problem> {
        let accepted = match table::sent(&self.store, site).await?.accepted {
            Some(accepted) => accepted.read(&self.store, site).await?,
            None => None,
        };
        let (old, new) = (outages(accepted), outages(Some(payload)));
        let (added, removed) = (without(&new, &old), without(&old, &new));
        Ok(Difference { site_id: site.to_owned(), added, removed })
    }

    async fn done(&self, keeper: &Keeper<'_>, sites: &[Site]) -> Result<(), Problem> {
        keeper.done(sites).await?;
        for site in sites {
            self.tell(Progress::Done(site.clone()));
        }
        Ok(())
    }

    async fn posted(&self, keeper: &Keeper<'_>, site: Site, post: Post) -> Result<(), Problem> {
        keeper.posted(&site, post).await?;
        self.tell(Progress::Done(site));
        Ok(())
    }
}

fn failed(site: Site, failure: &Failure) -> Site {
    let site = Site { attempts: failure.tries, ..site };
    site.ended(State::Failed, Some(failure.reason.clone()))
}

/// The outages of a payload, sorted.
fn outages(payload: Option<Vec<u8>>) -> Vec<Posted> {
    let payload = payload.unwrap_or_default();
    let mut outages: Vec<Posted> = serde_json::from_slice(&payload).unwrap_or_default();
    outages.sort_unstable();
    outages
}

/// What of one sorted list isn't in another, each as often as it is there more.
fn without(these: &[Posted], those: &[Posted]) -> Vec<Posted> {
    let (mut left, mut others) = (Vec::new(), those.iter().peekable());
    for outage in these {
        while others.next_if(|other| *other < outage).is_some() {}
        if others.next_if_eq(&outage).is_none() {
            left.push(outage.clone());
        }
    }
    left
}
