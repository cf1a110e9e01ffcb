//! What a run and its price are given alike: the job's users, when it last ran, and an engine.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::budget::Left;
use super::workshop::{Most, Workshop, booked};
use super::{Context, Exit, Failure};
use crate::job::{Job, Users};
use crate::run::{Engine, Halt, JobPrice, Looks, Start, Unwatched, kept_since, price_job, stamp, went_on_from};
use crate::scheduler::{Due, JobPast, Past};
use crate::settings::credentials::Credentials;
use crate::store::{Store, place_of};
use spotify_client::http::clock::{Clock, SystemClock};
use spotify_client::http::observer::Silent;
use spotify_client::state::grants::Grants;
use spotify_client::state::{Ceilings, Job as Spends, Spender, Usage};

/// What the runs of a command have in common.
pub(super) struct Desk<'a> {
    pub context: &'a Context,
    pub workshop: &'a Workshop<'a>,
    pub credentials: &'a Credentials,
    pub store: &'a Arc<Store>,
}

impl Desk<'_> {
    /// Who spends the calls of a job.
    pub(super) fn spends(&self, job: &Job) -> Spends {
        Spends::of(&place_of(&self.workshop.database()), &job.name)
    }

    /// The grants, where the job has users.
    pub(super) fn grants(&self, job: &Job) -> Result<Option<Arc<Grants>>, Failure> {
        match job.users {
            Users::None => Ok(None),
            Users::Named(_) | Users::All => self.workshop.grants(self.credentials).map(Some),
        }
    }

    /// How a run of a job begins.
    pub(super) fn start(&self, past: &JobPast, fire_at: Option<DateTime<Utc>>, grants: Option<Arc<Grants>>) -> Start {
        let settings = &self.workshop.settings;
        Start {
            fire_at,
            last_run_at: past.last_good,
            default_market: settings.defaults.market.clone(),
            refresh_after: settings.refresh_after.clone(),
            grants,
            retention: settings.retention.clone(),
        }
    }

    /// What a run of a job would cost now.
    pub(super) async fn price(&self, job: &Job, full: bool, looks: &Looks) -> Result<JobPrice, Failure> {
        let spender = Some(Spender { job: self.spends(job), share: None });
        let before = looks.left();
        let calls = (before > 0 && before < u64::from(u32::MAX)).then_some(before);
        let (api, app) = self.workshop.api(self.credentials, Most { calls, spender }, Arc::new(Silent))?;
        let grants = self.grants(job)?;
        if let Some(grants) = &grants {
            drop(api.clone().with_grants(Arc::clone(grants), self.context.refresh_token()));
        }
        let start = self.start(&self.past()?.of(&job.name), None, grants);
        let started_at = api.now().wall;
        let (name, now) = (job.name.clone(), stamp(started_at));
        let goes_on_from = self.store.write(move |s| s.would_go_on_from(&name, &now)).await;
        let goes_on_from = goes_on_from.map_err(|e| halted(Halt::Store(e)))?;
        let engine = Engine {
            api: api.clone(),
            store: Arc::clone(self.store),
            app,
            locks: self.workshop.state.path().to_path_buf(),
            progress: Arc::new(Unwatched),
            run: 0,
            started_at,
            goes_on_from: went_on_from(goes_on_from.as_deref(), started_at),
            kept_since: kept_since(job, &self.workshop.settings.retention, started_at),
            full,
        };
        let price = price_job(&engine, job, &start, looks).await;
        looks.settle(before, api.calls());
        price.map_err(halted)
    }

    /// The past runs of all jobs.
    pub(super) fn past(&self) -> Result<Past, Failure> {
        Past::read(self.store.path()).map_err(|e| Failure::new(Exit::Storage, e))
    }

    /// Calls of a job in the last 24 hours.
    pub(super) fn spent(&self, job: &Job) -> Result<u32, Failure> {
        let now = SystemClock::new().now();
        let who = self.workshop.books_of(self.credentials);
        self.workshop.state.spent_by(&who, self.spends(job), now).map_err(booked)
    }

    /// What is left of the day; to the run of a fire, what is left to that.
    pub(super) fn left(&self, due: Option<Due>) -> Result<Left, Failure> {
        let (usage, ceilings) = self.usage(due)?;
        Ok(Left::of(&usage, ceilings))
    }

    /// What a day holds.
    pub(super) fn whole_day(&self) -> Result<Left, Failure> {
        let (usage, ceilings) = self.usage(None)?;
        Ok(Left::whole_day(&usage, ceilings))
    }

    /// The share of the day that a run leaves alone. First runs leave that of the jobs which have been
    /// there for long: fifty new ones must not spend it.
    pub(super) fn reserve(&self, due: Option<Due>) -> f64 {
        let settings = &self.workshop.settings;
        match due {
            Some(due) if due.first => settings.limits.reserve.max(1.0 - settings.schedule.first_run_share),
            _ => settings.limits.reserve,
        }
    }

    fn usage(&self, due: Option<Due>) -> Result<(Usage, Ceilings), Failure> {
        let ceilings = Ceilings { reserve: self.reserve(due), ..self.workshop.ceilings(self.credentials)? };
        let who = self.workshop.books_of(self.credentials);
        let usage = self.workshop.state.usage(&who, ceilings, SystemClock::new().now()).map_err(booked)?;
        Ok((usage, ceilings))
    }
}

/// A halt that ends a command.
pub(super) fn halted(halt: Halt) -> Failure {
    let hint = halt.hint();
    let exit = if matches!(halt, Halt::Job(_)) { Exit::Usage } else { Exit::Storage };
    let failure = Failure::new(exit, halt);
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}
