//! The figures for Prometheus, gathered from store and state folder.

use chrono::{DateTime, Utc};

use super::herald::Herald;
use super::runner::Runner;
use crate::job::Job;
use crate::notify::{GrantDays, JobFigures, Metrics};
use crate::scheduler::{Past, overdue};
use crate::state::grants::{self, GrantState};
use crate::store::run_totals;

impl Runner<'_> {
    /// Writes the file for Prometheus, if there is to be one. What cannot be read is left out.
    pub(super) fn write_metrics(&self, herald: &Herald<'_>, jobs: &[Job]) {
        let Some(notifier) = herald.notifier().filter(|notifier| notifier.has_metrics()) else { return };
        let now = Utc::now();
        let database = self.workshop.database();
        let past = Past::read(&database).unwrap_or_default();
        let totals = run_totals(&database).unwrap_or_default();
        let mut metrics = Metrics { at: now, ..Metrics::default() };
        for job in jobs {
            let of_job = past.of(&job.name);
            let mine = || totals.iter().filter(|total| total.job == job.name);
            let last = of_job.runs.iter().find(|run| run.exit_code.is_some()).and_then(|run| {
                let began: DateTime<Utc> = run.started_at.parse().ok()?;
                Some((began, run.exit_code?, run.calls, run.rows))
            });
            metrics.jobs.push(JobFigures {
                job: job.name.clone(),
                runs: mine().map(|total| (total.state.clone(), total.runs)).collect(),
                totals: (mine().map(|total| total.calls).sum(), mine().map(|total| total.rows).sum()),
                last,
                last_complete: of_job.last_complete,
                overdue: overdue(job, &of_job, now).is_some(),
            });
        }
        if let Ok(usage) = self.usage() {
            for family in std::iter::once(&usage.account).chain(&usage.families) {
                metrics.calls_used.push((family.family.clone(), family.used));
                metrics.calls_left.extend(family.left.map(|left| (family.family.clone(), left)));
            }
            metrics.held_until = usage.all_held_until();
        }
        let list = self.grants().ok().and_then(|grants| grants.list().ok()).unwrap_or_default();
        metrics.grants =
            list.iter().map(|grant| GrantDays { user: grant.user.clone(), days: days_left(grant, now) }).collect();
        notifier.write_metrics(&metrics);
    }
}

/// Days until a user must sign in again; 0 if the grant is lost.
pub(super) fn days_left(grant: &grants::Grant, now: DateTime<Utc>) -> u32 {
    match grant.state {
        GrantState::NeedsSignIn => 0,
        _ => grants::end(grant).map_or(0, |end| end.days_left(now)),
    }
}
