//! What a run and its price are given alike: the job's users, when it last ran, and an engine.

use crate::store::runs;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::app::{App, RunCallLimits, ledger_error};
use super::budget::RemainingBudget;
use super::{CommandContext, CommandError, ExitStatus};
use crate::job::{Job, JobUsers};
use crate::scheduler::{DueFire, JobHistory, RunHistory};
use crate::settings::credentials::Credentials;
use crate::store::timestamp;
use crate::store::{Store, canonical_path};
use crate::sync::{
    JobEstimate, NoopRunObserver, ProbeBudget, RunParameters, SyncContext, SyncError, estimate_job, resume_start,
    retained_since,
};
use spotify_client::http::clock::{Clock, SystemClock};
use spotify_client::http::observer::NoopObserver;
use spotify_client::state::grants::GrantStore;
use spotify_client::state::{CallCeilings, CallSpender, JobKey as Spends, LedgerUsage};

/// What the runs of a command have in common.
pub(super) struct Desk<'a> {
    pub context: &'a CommandContext,
    pub workshop: &'a App<'a>,
    pub credentials: &'a Credentials,
    pub store: &'a Arc<Store>,
}

impl Desk<'_> {
    /// Who spends the calls of a job.
    pub(super) fn spends(&self, job: &Job) -> Spends {
        Spends::new(&canonical_path(&self.workshop.database_path()), &job.name)
    }

    /// The grants, where the job has users.
    pub(super) fn grants(&self, job: &Job) -> Result<Option<Arc<GrantStore>>, CommandError> {
        match job.users {
            JobUsers::None => Ok(None),
            JobUsers::Named(_) | JobUsers::All => self.workshop.open_grants(self.credentials).map(Some),
        }
    }

    /// How a run of a job begins.
    pub(super) fn start(
        &self,
        past: &JobHistory,
        fire_at: Option<DateTime<Utc>>,
        grants: Option<Arc<GrantStore>>,
    ) -> RunParameters {
        let settings = &self.workshop.settings;
        RunParameters {
            fire_at,
            last_run_at: past.last_good,
            default_market: settings.defaults.market.clone(),
            refresh_after: settings.refresh_after.clone(),
            grants,
            retention: settings.retention.clone(),
        }
    }

    /// What a run of a job would cost now.
    pub(super) async fn price(&self, job: &Job, full: bool, looks: &ProbeBudget) -> Result<JobEstimate, CommandError> {
        let spender = Some(CallSpender { job: self.spends(job), share: None });
        let before = looks.remaining();
        let calls = (before > 0 && before < u64::from(u32::MAX)).then_some(before);
        let (api, app) =
            self.workshop.open_api(self.credentials, RunCallLimits { calls, spender }, Arc::new(NoopObserver))?;
        let grants = self.grants(job)?;
        if let Some(grants) = &grants {
            drop(api.clone().with_grants(Arc::clone(grants), self.context.refresh_token()));
        }
        let start = self.start(&self.past()?.job_or_default(&job.name), None, grants);
        let started_at = api.now().wall;
        let (name, now) = (job.name.clone(), timestamp(started_at));
        let goes_on_from = self.store.write(move |s| runs::would_resume_since(s, &name, &now)).await;
        let goes_on_from = goes_on_from.map_err(|e| halted(SyncError::Store(e)))?;
        let engine = SyncContext {
            api: api.clone(),
            store: Arc::clone(self.store),
            app,
            state_folder: self.workshop.state.path().to_path_buf(),
            observer: Arc::new(NoopRunObserver),
            run_id: 0,
            started_at,
            resumes_from: resume_start(goes_on_from.as_deref(), started_at),
            retained_since: retained_since(job, &self.workshop.settings.retention, started_at),
            full,
        };
        let price = estimate_job(&engine, job, &start, looks).await;
        looks.settle(before, api.calls_sent());
        price.map_err(halted)
    }

    /// The past runs of all jobs.
    pub(super) fn past(&self) -> Result<RunHistory, CommandError> {
        RunHistory::read(self.store.path()).map_err(|e| CommandError::new(ExitStatus::Storage, e))
    }

    /// Calls of a job in the last 24 hours.
    pub(super) fn spent(&self, job: &Job) -> Result<u32, CommandError> {
        let now = SystemClock::new().now();
        let who = self.workshop.ledger_identity(self.credentials);
        self.workshop.state.calls_by_job(&who, self.spends(job), now).map_err(ledger_error)
    }

    /// What is left of the day; to the run of a fire, what is left to that.
    pub(super) fn left(&self, due: Option<DueFire>) -> Result<RemainingBudget, CommandError> {
        let (usage, ceilings) = self.usage(due)?;
        Ok(RemainingBudget::from_usage(&usage, ceilings))
    }

    /// What a day holds.
    pub(super) fn whole_day(&self) -> Result<RemainingBudget, CommandError> {
        let (usage, ceilings) = self.usage(None)?;
        Ok(RemainingBudget::whole_day(&usage, ceilings))
    }

    /// The share of the day that a run leaves alone. First runs leave that of the jobs which have been
    /// there for long: fifty new ones must not spend it.
    pub(super) fn reserve(&self, due: Option<DueFire>) -> f64 {
        let settings = &self.workshop.settings;
        match due {
            Some(due) if due.is_new => settings.limits.reserve.max(1.0 - settings.schedule.first_run_share),
            _ => settings.limits.reserve,
        }
    }

    fn usage(&self, due: Option<DueFire>) -> Result<(LedgerUsage, CallCeilings), CommandError> {
        let ceilings = CallCeilings { reserve: self.reserve(due), ..self.workshop.ceilings(self.credentials)? };
        let who = self.workshop.ledger_identity(self.credentials);
        let usage = self.workshop.state.usage(&who, ceilings, SystemClock::new().now()).map_err(ledger_error)?;
        Ok((usage, ceilings))
    }
}

/// A halt that ends a command.
pub(super) fn halted(halt: SyncError) -> CommandError {
    let hint = halt.hint();
    let exit = if matches!(halt, SyncError::InvalidJob(_)) { ExitStatus::Usage } else { ExitStatus::Storage };
    let failure = CommandError::new(exit, halt);
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}
