//! Data that are older than their schedule promises, where nobody was told why.

use chrono::{DateTime, TimeDelta, Utc};

use super::Herald;
use crate::cli::workshop::local;
use crate::job::{Job, Loaded};
use crate::notify::{Begun, Event, Subject, Trouble};
use crate::scheduler::{Past, overdue};

/// A job that Spotify has held back for so long is told of, once its data are overdue.
const LONG_HELD: TimeDelta = TimeDelta::hours(24);

impl Herald<'_> {
    /// Tells of jobs whose data are overdue.
    pub(in crate::cli) fn look_for_overdue(&self, jobs: &[Job], past: &Past, now: DateTime<Utc>) {
        for (job, since) in self.overdue_jobs(jobs, past, now) {
            if self.begins(Subject::Job(&job.name), Trouble::Overdue, "") != Begun::New {
                continue;
            }
            let last = past.get(&job.name).and_then(|past| past.last_complete);
            let last = last.map_or_else(|| "it was never complete".to_owned(), |at| format!("last {}", local(at)));
            let text =
                format!("job {} is overdue: two of its fires have passed without a complete run ({last})", job.name);
            self.context.warn(Some(&job.name), &text);
            let details =
                vec![format!("since {}; `cratedigger history {}` shows what came of them", local(since), job.name)];
            self.send(Event::Overdue, &job.name, text, details, None);
        }
    }

    /// The jobs whose data are overdue, and nobody was told what keeps them from running: a lost
    /// sign-in has been told, and a ban that is over within a day is no news either.
    fn overdue_jobs<'j>(
        &self,
        jobs: &'j [Job],
        past: &Past,
        now: DateTime<Utc>,
    ) -> impl Iterator<Item = (&'j Job, DateTime<Utc>)> {
        let open = self.notifier.as_ref().map(|notifier| notifier.memory().open()).unwrap_or_default();
        let is_explained = move |job: &Job| {
            open.iter().filter(|(of, ..)| of.is_empty() || *of == job.name).any(|(of, trouble, since)| match trouble {
                Trouble::Person => true,
                Trouble::Failed => of.is_empty(),
                Trouble::Deferred => now - *since < LONG_HELD,
                _ => false,
            })
        };
        let found = jobs.iter().filter_map(|job| Some((job, overdue(job, past.get(&job.name)?, now)?)));
        found.filter(move |(job, _)| !is_explained(job)).collect::<Vec<_>>().into_iter()
    }

    /// Whether there is anything to tell of now, without any run.
    pub(in crate::cli) fn has_something(&self, loaded: &Loaded, past: &Past, now: DateTime<Utc>) -> bool {
        let left_over = self.notifier.as_ref().is_some_and(|notifier| notifier.has_left_over(now));
        left_over || self.overdue_jobs(&loaded.jobs, past, now).next().is_some() || !self.mended(loaded).is_empty()
    }
}
