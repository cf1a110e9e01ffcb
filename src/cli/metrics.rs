//! Collects the Prometheus metrics from the store and the state folder.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::app::App;
use super::reporter::Reporter;
use super::{CommandContext, sign_in_status};
use crate::job::Job;
use crate::notify::{GrantDays, JobMetrics, PrometheusMetrics};
use crate::scheduler::{RunHistory, overdue};
use crate::settings::Settings;
use crate::store::{RunState, RunTotal, StoreError, run_totals};
use crate::sync::mark_crashed_runs;
use spotify_client::state::grants::{self, GrantState};

/// Writes the Prometheus file if one is configured, even if no job ran. If the store cannot be read, the
/// file stays unchanged. Metrics that need a missing state folder or missing credentials are left out.
pub(super) fn write_metrics(context: &CommandContext, settings: &Settings, reporter: &Reporter<'_>, jobs: &[Job]) {
    let Some(notifier) = reporter.notifier().filter(|notifier| notifier.has_metrics()) else { return };
    let now = Utc::now();
    let jobs = match job_metrics(context, settings, jobs, now) {
        Ok(jobs) => jobs,
        Err(error) => return tracing::debug!(%error, "cannot update the Prometheus file"),
    };
    let mut metrics = PrometheusMetrics { at: now, jobs, ..PrometheusMetrics::default() };
    let has_state = context.state_dir(settings).is_ok_and(|dir| dir.path().exists());
    let usage = || {
        let app = App::open(context, settings).ok()?;
        app.usage(app.call_ceilings().ok()?).ok()
    };
    if let Some(usage) = has_state.then(usage).flatten() {
        for family in std::iter::once(&usage.account).chain(&usage.families) {
            metrics.calls_used.push((family.family.clone(), family.used));
            metrics.calls_left.extend(family.left.map(|left| (family.family.clone(), left)));
        }
        metrics.held_until = usage.blocked_until();
    }
    let grants = sign_in_status::open_existing_grants(context, settings).ok().flatten();
    let list = grants.and_then(|grants| grants.list().ok()).unwrap_or_default();
    metrics.grants =
        list.iter().map(|grant| GrantDays { user: grant.user.clone(), days: days_left(grant, now) }).collect();
    notifier.write_metrics(&metrics);
}

fn job_metrics(
    context: &CommandContext,
    settings: &Settings,
    jobs: &[Job],
    now: DateTime<Utc>,
) -> Result<Vec<JobMetrics>, StoreError> {
    let database = context.project.database(settings);
    let past = RunHistory::read(&database)?;
    let totals = if database.exists() { run_totals(&database)? } else { Vec::new() };
    let state = context.state_dir(settings).ok();
    let figures = |job: &Job| {
        let mut of_job = past.job_or_default(&job.name);
        let killed =
            state.as_ref().map_or(0, |state| mark_crashed_runs(state.path(), &database, of_job.runs.first_mut()));
        let mine = || totals.iter().filter(|total| total.job == job.name);
        let last = of_job.runs.iter().find(|run| run.exit_code.is_some()).and_then(|run| {
            let began: DateTime<Utc> = run.started_at.parse().ok()?;
            Some((began, run.exit_code?, run.calls, run.rows))
        });
        JobMetrics {
            job: job.name.clone(),
            runs: runs_by_state(mine(), i64::try_from(killed).unwrap_or(0)),
            totals: (mine().map(|total| total.calls).sum(), mine().map(|total| total.rows).sum()),
            last_run: last,
            last_complete: of_job.last_complete,
            overdue: overdue(job, &of_job, now).is_some(),
        }
    };
    Ok(jobs.iter().map(figures).collect())
}

/// The number of runs by state. `killed` runs are recorded as running but have crashed.
fn runs_by_state<'t>(totals: impl Iterator<Item = &'t RunTotal>, killed: i64) -> Vec<(String, i64)> {
    let mut runs: BTreeMap<String, i64> = totals.map(|total| (total.state.clone(), total.runs)).collect();
    if killed > 0 {
        *runs.entry(RunState::Running.as_str().to_owned()).or_default() -= killed;
        *runs.entry(RunState::Failed.as_str().to_owned()).or_default() += killed;
    }
    runs.into_iter().filter(|(_, runs)| *runs > 0).collect()
}

/// The days until a user must sign in again; 0 if the grant is lost.
pub(super) fn days_left(grant: &grants::Grant, now: DateTime<Utc>) -> u32 {
    match grant.state {
        GrantState::NeedsSignIn => 0,
        _ => grants::grant_end(grant).map_or(0, |end| end.days_left(now)),
    }
}
