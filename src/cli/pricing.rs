//! The price of a job, and the budget that is left for it.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::app::{App, RunCallLimits};
use super::budget::RemainingBudget;
use super::error_exits::{ledger_error, sync_error};
use super::{CommandError, ExitStatus, OrExit};
use crate::job::{Job, JobUsers};
use crate::scheduler::{DueFire, JobHistory, RunHistory};
use crate::store::timestamp;
use crate::store::{canonical_path, runs};
use crate::sync::{
    JobEstimate, NoopRunObserver, ProbeBudget, RunParameters, SyncContext, SyncError, estimate_job, resume_start,
    retained_since,
};
use spotify_client::http::observer::NoopObserver;
use spotify_client::state::grants::GrantStore;
use spotify_client::state::{CallCeilings, CallSpender, CallsByJob, JobKey, LedgerUsage};

/// The most calls that may be sent to find out prices, without `--probe` or `--offline`.
const MAX_LOOKUPS: u64 = 10;

/// They are at most this part of the calls that are left today.
const LOOKUP_DIVISOR: u64 = 20;

/// The calls that may be sent to find out prices, if this many are left today.
pub(super) fn lookups(left: Option<u64>) -> u64 {
    left.map_or(MAX_LOOKUPS, |left| left.div_ceil(LOOKUP_DIVISOR).min(MAX_LOOKUPS))
}

/// The job in the call ledger.
pub(super) fn job_key(app: &App<'_>, job: &Job) -> JobKey {
    JobKey::new(&canonical_path(&app.database_path()), &job.name)
}

/// The grants, if the job has users.
pub(super) fn grants_for(app: &App<'_>, job: &Job) -> Result<Option<Arc<GrantStore>>, CommandError> {
    match job.users {
        JobUsers::None => Ok(None),
        JobUsers::Named(_) | JobUsers::All(_) => app.grants().map(|grants| Some(Arc::clone(grants))),
    }
}

/// The parameters of a run that settings and history provide.
pub(super) fn run_parameters(
    app: &App<'_>,
    history: &JobHistory,
    fire_at: Option<DateTime<Utc>>,
    grants: Option<Arc<GrantStore>>,
) -> RunParameters {
    RunParameters {
        fire_at,
        last_run_at: history.last_good,
        default_market: app.settings.defaults.market.clone(),
        refresh_after: app.settings.refresh_after.clone(),
        grants,
        retention: app.settings.retention.clone(),
        accept: None,
    }
}

/// The price of running a job now. `probes` limits the calls that may be sent to find it out.
pub(super) async fn price_job(
    app: &App<'_>,
    job: &Job,
    history: &JobHistory,
    full: bool,
    probes: &ProbeBudget,
) -> Result<JobEstimate, CommandError> {
    let spender = Some(CallSpender { job: job_key(app, job), share: None });
    let before = probes.remaining();
    let calls = (before > 0 && before < u64::from(u32::MAX)).then_some(before);
    let (client, facts) =
        app.open_client(RunCallLimits { calls, spender, ..RunCallLimits::default() }, Arc::new(NoopObserver))?;
    let grants = grants_for(app, job)?;
    if let Some(grants) = &grants {
        drop(client.clone().with_grants(Arc::clone(grants), app.context.refresh_token()));
    }
    let parameters = run_parameters(app, history, None, grants);
    let started_at = client.now().wall;
    let (name, now) = (job.name.clone(), timestamp(started_at));
    let store = app.store()?;
    let resumes_from = store.write(move |s| runs::would_resume_since(s, &name, &now)).await;
    let resumes_from = resumes_from.map_err(|e| sync_error(SyncError::Store(e)))?;
    let sync = SyncContext {
        api: client.clone(),
        store: Arc::clone(store),
        app: facts,
        state_folder: app.state.path().to_path_buf(),
        observer: Arc::new(NoopRunObserver),
        run_id: 0,
        started_at,
        resumes_from: resume_start(resumes_from.as_deref(), started_at),
        retained_since: retained_since(job, &app.settings.retention, started_at),
        full,
    };
    let price = estimate_job(&sync, job, &parameters, probes).await;
    probes.settle(before, client.calls_sent());
    price.map_err(sync_error)
}

/// Reads the past runs of all jobs.
pub(super) fn read_history(app: &App<'_>) -> Result<RunHistory, CommandError> {
    RunHistory::read(&app.database_path()).or_exit(ExitStatus::Storage)
}

/// The calls of a job in the last 24 hours.
pub(super) fn calls_spent(app: &App<'_>, job: &Job) -> Result<CallsByJob, CommandError> {
    let now = app.context.clock.now();
    app.state.ledger().calls_by_job(&app.ledger_identity()?, job_key(app, job), now).map_err(ledger_error)
}

/// The budget that is left today, for the run of a fire or for any run.
pub(super) fn remaining_budget(app: &App<'_>, due: Option<DueFire>) -> Result<RemainingBudget, CommandError> {
    let (usage, ceilings) = usage_and_ceilings(app, due)?;
    Ok(RemainingBudget::from_usage(&usage, ceilings))
}

/// The budget of a whole day.
pub(super) fn whole_day_budget(app: &App<'_>) -> Result<RemainingBudget, CommandError> {
    let (usage, ceilings) = usage_and_ceilings(app, None)?;
    Ok(RemainingBudget::whole_day(&usage, ceilings))
}

/// The fraction of the day that a run must not use. First runs of new jobs leave the share of established
/// jobs alone, so that fifty new jobs cannot use it up.
pub(super) fn reserve(app: &App<'_>, due: Option<DueFire>) -> f64 {
    match due {
        Some(due) if due.is_new => app.settings.limits.reserve.max(1.0 - app.settings.schedule.first_run_share),
        _ => app.settings.limits.reserve,
    }
}

fn usage_and_ceilings(app: &App<'_>, due: Option<DueFire>) -> Result<(LedgerUsage, CallCeilings), CommandError> {
    let ceilings = CallCeilings { reserve: reserve(app, due), ..app.call_ceilings()? };
    Ok((app.usage(ceilings)?, ceilings))
}
