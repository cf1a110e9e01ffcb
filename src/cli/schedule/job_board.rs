//! The jobs of the scheduler: which of them run, and when each is checked again.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::cli::job_runner::next_start;
use crate::job::{Job, LoadedJobs};
use crate::scheduler::{DueFire, NextStart, RunHistory, ScheduleTime, SignInSummary};
use crate::settings::Settings;

pub(super) struct JobBoard {
    settings: Settings,
    places: BTreeMap<String, JobSlot>,
    /// Whether the folder of the job files was unreadable at the last attempt.
    folder_gone: bool,
    /// Since when the scheduler has been watching, without a suspend.
    watching_since: Option<DateTime<Utc>>,
}

struct JobSlot {
    job: Job,
    /// When to check the job next. `None` if time alone changes nothing.
    check_at: Option<DateTime<Utc>>,
    running_since: Option<DateTime<Utc>>,
    reported_hanging: bool,
    /// Whether the newest run needed a user action, so that a sign-in changes when the job is due.
    needs_user_action: bool,
    /// Whether the job is due and waits for the runs in progress to end.
    waits: bool,
    /// Whether the file is broken and the last valid version is in use.
    broken: bool,
    /// Whether the file was deleted; the job stays until its run has ended.
    is_removed: bool,
}

/// The result of a check.
pub(super) struct BoardCheck {
    /// The jobs to start.
    pub due: Vec<(Job, DueFire)>,
    /// The checked jobs that are not due.
    pub resting: Vec<Job>,
}

impl JobBoard {
    pub(super) fn new(settings: &Settings) -> JobBoard {
        JobBoard { settings: settings.clone(), places: BTreeMap::new(), folder_gone: false, watching_since: None }
    }

    /// Replaces the jobs with newly loaded ones. A broken file leaves its job as it was.
    pub(super) fn replace(&mut self, loaded: LoadedJobs) {
        if loaded.has_errors() && loaded.broken.is_empty() {
            // The folder itself cannot be read, for example before it is mounted. The jobs stay as they are.
            if !std::mem::replace(&mut self.folder_gone, true) {
                tracing::warn!("cannot read the job files; the last valid versions stay in use");
            }
            return;
        }
        if std::mem::take(&mut self.folder_gone) {
            tracing::info!("the job files can be read again");
        }
        let first = self.places.is_empty();
        for job in loaded.jobs {
            match self.places.get_mut(&job.name) {
                Some(place) => {
                    if place.job.hash != job.hash || place.is_removed {
                        tracing::info!(job = job.name, "the job file has changed; the next run uses it");
                        place.check_at = Some(DateTime::UNIX_EPOCH);
                    } else if place.broken {
                        tracing::info!(job = job.name, "the job file is valid again, without changes");
                    }
                    (place.is_removed, place.broken) = (false, false);
                    place.job = job;
                }
                None => {
                    if !first {
                        tracing::info!(job = job.name, "found a new job");
                    }
                    let look_at = job.schedule.is_some().then_some(DateTime::UNIX_EPOCH);
                    let place = JobSlot {
                        job,
                        check_at: look_at,
                        running_since: None,
                        reported_hanging: false,
                        needs_user_action: false,
                        waits: false,
                        broken: false,
                        is_removed: false,
                    };
                    self.places.insert(place.job.name.clone(), place);
                    continue;
                }
            }
        }
        let path_there = |place: &JobSlot| place.job.path.exists();
        for (name, place) in &mut self.places {
            if loaded.broken.contains(name) {
                if std::mem::replace(&mut place.broken, true) {
                    continue;
                }
                tracing::warn!(job = name, "the job file is invalid; the last valid version stays in use");
            } else if !path_there(place) && !place.is_removed {
                let how = if place.running_since.is_some() {
                    "its run continues to its end"
                } else {
                    "the job no longer runs"
                };
                tracing::info!(job = name, "the job file was deleted; {how}");
                place.is_removed = true;
            }
        }
        self.places.retain(|_, place| !place.is_removed || place.running_since.is_some());
    }

    /// The number of jobs with a schedule.
    pub(super) fn scheduled(&self) -> usize {
        self.places.values().filter(|place| place.job.schedule.is_some() && !place.is_removed).count()
    }

    pub(super) fn jobs(&self) -> Vec<Job> {
        self.places.values().map(|place| place.job.clone()).collect()
    }

    /// The jobs with errors in their files. They run as the last valid version says.
    pub(super) fn broken(&self) -> Vec<String> {
        self.places.iter().filter(|(_, place)| place.broken).map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn recheck_all(&mut self) {
        for place in self.places.values_mut().filter(|place| place.job.schedule.is_some()) {
            place.check_at = Some(DateTime::UNIX_EPOCH);
        }
    }

    /// Starts watching now. Earlier fires count as missed.
    pub(super) fn wake(&mut self, now: DateTime<Utc>) {
        self.watching_since = Some(now);
        self.recheck_all();
    }

    pub(super) fn watching_since(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.watching_since.unwrap_or(now)
    }

    /// Checks the jobs that wait for a sign-in. Writes of our own runs would hide a sign-in from the file watch.
    pub(super) fn recheck_sign_ins(&mut self) {
        for place in self.places.values_mut().filter(|place| place.needs_user_action && place.job.schedule.is_some()) {
            place.check_at = Some(DateTime::UNIX_EPOCH);
        }
    }

    /// Delays the next check of a job.
    pub(super) fn postpone(&mut self, job: &str, now: DateTime<Utc>, pause: Duration) {
        if let Some(place) = self.places.get_mut(job) {
            place.needs_user_action = false;
            place.check_at = Some(now + TimeDelta::from_std(pause).unwrap_or_default());
        }
    }

    /// Lets a job wait until a run ends or the pause is over.
    pub(super) fn wait_for_run_end(&mut self, job: &str, now: DateTime<Utc>, pause: Duration) {
        self.postpone(job, now, pause);
        if let Some(place) = self.places.get_mut(job) {
            place.waits = true;
        }
    }

    pub(super) fn postpone_all(&mut self, now: DateTime<Utc>, pause: Duration) {
        let names: Vec<String> = self.places.keys().cloned().collect();
        names.iter().for_each(|name| self.postpone(name, now, pause));
    }

    pub(super) fn start(&mut self, job: &str, now: DateTime<Utc>) {
        if let Some(place) = self.places.get_mut(job) {
            (place.running_since, place.reported_hanging, place.waits) = (Some(now), false, false);
        }
    }

    pub(super) fn finish(&mut self, job: &str) {
        if let Some(place) = self.places.get_mut(job) {
            place.running_since = None;
        }
        for place in self.places.values_mut().filter(|place| place.waits) {
            (place.check_at, place.waits) = (Some(DateTime::UNIX_EPOCH), false);
        }
        self.places.retain(|_, place| !place.is_removed || place.running_since.is_some());
    }

    /// Whether any job needs a check now.
    pub(super) fn needs_check(&self, now: DateTime<Utc>) -> bool {
        self.places.values().any(|place| place.wants_a_look(now))
    }

    /// Checks the jobs that are due for a check.
    pub(super) fn check(
        &mut self,
        past: &RunHistory,
        now: DateTime<Utc>,
        sign_ins: &dyn Fn(&Job) -> SignInSummary,
    ) -> BoardCheck {
        let (mut due, mut resting) = (Vec::new(), Vec::new());
        for place in self.places.values_mut().filter(|place| place.wants_a_look(now)) {
            let of_job = past.job_or_default(&place.job.name);
            place.needs_user_action = of_job.needed_user_action();
            let moment = ScheduleTime { at: now, watching_since: self.watching_since.unwrap_or(now) };
            let next = next_start(&place.job, of_job, &self.settings.schedule, moment, sign_ins);
            if let NextStart::Due(fire) = next {
                // The job is checked again until its run has started.
                due.push((place.job.clone(), fire));
                continue;
            }
            place.check_at = if let NextStart::At(at) = next { Some(at) } else { None };
            resting.push(place.job.clone());
        }
        BoardCheck { due, resting }
    }

    /// The time until a job may become due.
    pub(super) fn time_until_next(&self, now: DateTime<Utc>) -> Duration {
        let next = self.next().map(|(at, _)| (at - now).to_std().unwrap_or(Duration::from_secs(1)));
        next.unwrap_or(Duration::MAX)
    }

    /// The next job to check, and when.
    pub(super) fn next(&self) -> Option<(DateTime<Utc>, &str)> {
        let waiting = self.places.values().filter(|place| place.running_since.is_none() && !place.is_removed);
        waiting.filter_map(|place| Some((place.check_at?, place.job.name.as_str()))).min()
    }

    /// The runs that take too long and have not been reported yet.
    pub(super) fn hanging(&mut self, now: DateTime<Utc>, most: Duration) -> Vec<(String, DateTime<Utc>)> {
        let mut hanging = Vec::new();
        for (name, place) in &mut self.places {
            let Some(since) = place.running_since else { continue };
            if !place.reported_hanging && (now - since).to_std().is_ok_and(|took| took > most) {
                place.reported_hanging = true;
                hanging.push((name.clone(), since));
            }
        }
        hanging
    }
}

impl JobSlot {
    fn wants_a_look(&self, now: DateTime<Utc>) -> bool {
        self.running_since.is_none() && !self.is_removed && self.check_at.is_some_and(|at| at <= now)
    }
}
