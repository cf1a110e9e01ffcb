//! Alerts about overdue data without a reported cause.

use chrono::{DateTime, TimeDelta, Utc};

use super::Reporter;
use crate::cli::local_time::format_local;
use crate::job::{Job, LoadedJobs};
use crate::notify::{AlertEvent, AlertKind, AlertScope, AlertTransition};
use crate::scheduler::{RunHistory, overdue};
use crate::settings::Settings;

/// A deferral of this length no longer explains overdue data.
const LONG_DEFERRAL: TimeDelta = TimeDelta::hours(24);

impl Reporter<'_> {
    /// Reports the jobs with overdue data.
    pub(in crate::cli) fn report_overdue(&self, jobs: &[Job], past: &RunHistory, now: DateTime<Utc>) {
        for (job, since) in self.overdue_jobs(jobs, past, now) {
            if self.start_alert(AlertScope::Job(&job.name), AlertKind::Overdue, "") != AlertTransition::New {
                continue;
            }
            let last = past.job(&job.name).and_then(|past| past.last_complete);
            let last =
                last.map_or_else(|| "there is no complete run".to_owned(), |at| format!("last: {}", format_local(at)));
            let text =
                format!("job {} is overdue: two scheduled times have passed without a complete run ({last})", job.name);
            self.context.warn(Some(&job.name), &text);
            let details =
                vec![format!("since {}; `cratedigger history {}` shows its runs", format_local(since), job.name)];
            self.send(AlertEvent::Overdue, &job.name, text, details, None);
        }
    }

    /// The jobs with overdue data for a reason that was not reported. A lost sign-in was reported, and
    /// a deferral of less than a day needs no report.
    fn overdue_jobs<'j>(
        &self,
        jobs: &'j [Job],
        past: &RunHistory,
        now: DateTime<Utc>,
    ) -> impl Iterator<Item = (&'j Job, DateTime<Utc>)> {
        let open = self.notifier.as_ref().map(|notifier| notifier.alerts().open_alerts()).unwrap_or_default();
        let is_explained = move |job: &Job| {
            open.iter().filter(|(of, ..)| of.is_empty() || *of == job.name).any(|(of, trouble, since)| match trouble {
                AlertKind::Person => true,
                AlertKind::Failed => of.is_empty(),
                AlertKind::Deferred => now - *since < LONG_DEFERRAL,
                _ => false,
            })
        };
        let found = jobs.iter().filter_map(|job| Some((job, overdue(job, past.job(&job.name)?, now)?)));
        found.filter(move |(job, _)| !is_explained(job)).collect::<Vec<_>>().into_iter()
    }

    /// Whether there is anything to report or deliver without a run.
    pub(in crate::cli) fn has_pending(
        &self,
        settings: &Settings,
        loaded: &LoadedJobs,
        past: &RunHistory,
        now: DateTime<Utc>,
    ) -> bool {
        let left_over = self.notifier.as_ref().is_some_and(|notifier| notifier.has_undelivered(now));
        left_over
            || self.overdue_jobs(&loaded.jobs, past, now).next().is_some()
            || !self.repaired_files(loaded).is_empty()
            || self.has_digest(settings, now)
    }
}
