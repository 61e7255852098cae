//! One run: what was asked, what became of each site, how it ended.

use serde::{Deserialize, Serialize};
use shared::fields::{Members, Object};
use shared::outages::{MOST_SITES, Usual, site};
use shared::values::{Timestamp, boolean, string, unique};
use uuid::Uuid;

use crate::moment::Moment;
use crate::outage::State;
use crate::plan::sha256;

/// What a run is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    pub sites: Vec<String>,
    /// RFC 3339, as it was given.
    pub since: String,
    pub dry_run: bool,
    /// Posts what would be unchanged or held.
    pub force: bool,
}

impl Options {
    pub const MEMBERS: Members =
        Members { writable: &["sites", "since", "dry_run", "force"], read_only: &[] };

    pub fn usual(usual: &Usual) -> Self {
        let (sites, since) = (unique(usual.sites.clone()), usual.since.clone());
        Self { sites, since, dry_run: false, force: false }
    }

    /// What wasn't given is as usual.
    pub fn read(event: &mut Object, usual: &Usual) -> Option<Self> {
        let sites = event.list("sites", MOST_SITES, string(site));
        if sites.as_ref().is_some_and(Vec::is_empty) {
            event.wrong("sites", shared::fields::Wrong::EMPTY);
        }
        let since =
            event.optional("since", string(|text| Timestamp::parse(text).map(|_| text.to_owned())));
        let dry_run = event.optional("dry_run", boolean).unwrap_or(false);
        let force = event.optional("force", boolean).unwrap_or(false);
        let usual = Self::usual(usual);
        Some(Self {
            sites: sites.map_or(usual.sites, unique),
            since: since.unwrap_or(usual.since),
            dry_run,
            force,
        })
    }

    /// What equal triggers share: the sites in any order, the time however it is written.
    pub fn digest(&self) -> String {
        let mut sites = self.sites.clone();
        sites.sort_unstable();
        let since = Moment::parse(&self.since).map(Moment::canonical);
        let canonical = serde_json::to_vec(&(sites, since, self.dry_run, self.force));
        sha256(&canonical.unwrap_or_default())
    }
}

/// What set a run off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    Schedule,
    /// `POST /outages/runs`
    Request,
    /// The worker was called by hand.
    Event,
    /// `local sync-outages`
    Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    Running,
    Succeeded,
    Failed,
}

/// A run as its readers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Run {
    pub id: Uuid,
    pub trigger: Trigger,
    pub state: RunState,
    pub dry_run: bool,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub sites: Vec<Site>,
}

/// What became of one site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Site {
    pub site_id: String,
    /// None as long as the site isn't done.
    pub state: Option<State>,
    /// Outages received, those of them that are the site's and begin in time, and those posted.
    pub fetched: u64,
    pub kept: u64,
    pub posted: u64,
    /// Tries of the request that posted, or of the one that failed.
    pub attempts: u32,
    /// Built of constants, a status and a JSON Pointer: nothing that came from outside.
    pub reason: Option<String>,
    pub payload_sha256: Option<String>,
}

impl Site {
    pub fn begun(site_id: &str) -> Self {
        Self {
            site_id: site_id.to_owned(),
            state: None,
            fetched: 0,
            kept: 0,
            posted: 0,
            attempts: 0,
            reason: None,
            payload_sha256: None,
        }
    }

    #[must_use]
    pub fn ended(self, state: State, reason: Option<String>) -> Self {
        Self { state: Some(state), reason, ..self }
    }
}

impl Run {
    pub fn new(id: Uuid, trigger: Trigger, options: &Options, now: Timestamp) -> Self {
        Self {
            id,
            trigger,
            state: RunState::Running,
            dry_run: options.dry_run,
            started_at: now,
            finished_at: None,
            sites: options.sites.iter().map(|site| Site::begun(site)).collect(),
        }
    }

    /// Sets what became of sites.
    pub fn settle(&mut self, done: &[Site]) {
        for site in &mut self.sites {
            if let Some(done) = done.iter().find(|done| done.site_id == site.site_id) {
                site.clone_from(done);
            }
        }
    }

    /// Ends the run: it succeeded only if each site did. One that isn't done has failed.
    pub fn finish(&mut self, reason: &str, now: Timestamp) {
        for site in self.sites.iter_mut().filter(|site| site.state.is_none()) {
            site.state = Some(State::Failed);
            site.reason = Some(reason.to_owned());
        }
        let success = |site: &Site| site.state.is_some_and(State::is_success);
        let succeeded = self.sites.iter().all(success);
        self.state = if succeeded { RunState::Succeeded } else { RunState::Failed };
        self.finished_at = Some(now);
    }

    /// How many sites ended so.
    pub fn count(&self, state: State) -> u64 {
        self.sites.iter().filter(|site| site.state == Some(state)).map(|_| 1).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(sites: &[&str], since: &str) -> Options {
        let sites = sites.iter().map(|site| (*site).to_owned()).collect();
        Options { sites, since: since.to_owned(), dry_run: false, force: false }
    }

    #[test]
    fn triggers_are_equal_by_what_they_ask_for() {
        let asked = options(&["a", "b"], "2022-01-01T00:00:00Z");
        let digest = |options: &Options| options.digest();
        assert_eq!(digest(&asked), digest(&options(&["b", "a"], "2022-01-01T01:00:00.0+01:00")));
        assert_ne!(digest(&asked), digest(&options(&["a"], "2022-01-01T00:00:00Z")));
        assert_ne!(digest(&asked), digest(&options(&["a", "b"], "2022-01-01T00:00:00.1Z")));
        assert_ne!(digest(&asked), digest(&Options { force: true, ..asked.clone() }));
        assert_ne!(digest(&asked), digest(&Options { dry_run: true, ..asked.clone() }));
    }

    #[test]
    fn a_run_succeeds_only_if_each_site_did() {
        use State::{DryRun, Failed, Held, Posted, Unchanged, Unknown};
        let now = Timestamp::now();
        for (states, succeeded) in [
            (vec![Some(Posted), Some(Unchanged), Some(DryRun)], true),
            (vec![Some(Posted), Some(Held)], false),
            (vec![Some(Posted), Some(Unknown)], false),
            (vec![Some(Failed)], false),
            (vec![Some(Posted), None], false),
        ] {
            let names: Vec<_> = (0..states.len()).map(|site| site.to_string()).collect();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let mut run = Run::new(
                Uuid::now_v7(),
                Trigger::Event,
                &options(&names, "2022-01-01T00:00:00Z"),
                now,
            );
            for (site, state) in run.sites.iter_mut().zip(&states) {
                site.state = *state;
            }
            run.finish("it ended", now);
            assert_eq!(run.state == RunState::Succeeded, succeeded, "{states:?}");
            assert!(run.sites.iter().all(|site| site.state.is_some()));
        }
    }
}
