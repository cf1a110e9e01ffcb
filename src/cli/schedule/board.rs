//! Which jobs there are, which of them run, and when each is to be looked at again.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::cli::runner::due_now;
use crate::job::{Job, Loaded};
use crate::scheduler::{Due, Past, SignIns, look_again};
use crate::settings::Settings;

/// The jobs of the project.
pub(super) struct Board {
    settings: Settings,
    places: BTreeMap<String, Place>,
}

struct Place {
    job: Job,
    /// When to look at it next; none: nothing will change by itself.
    look_at: Option<DateTime<Utc>>,
    running_since: Option<DateTime<Utc>>,
    told_hanging: bool,
    /// It is due, and goes when the runs under way have ended.
    waits: bool,
    /// Its file is broken; it is as it was read last.
    broken: bool,
    /// Its file is gone; it stays until its run has ended.
    gone: bool,
}

/// What a look found.
pub(super) struct LookedAt {
    /// To be started.
    pub due: Vec<(Job, Due)>,
    /// Looked at, and not due.
    pub resting: Vec<Job>,
}

impl Board {
    pub(super) fn new(settings: &Settings) -> Board {
        Board { settings: settings.clone(), places: BTreeMap::new() }
    }

    /// Takes over what the files say now. What a broken one said before holds on.
    pub(super) fn replace(&mut self, loaded: Loaded) {
        let first = self.places.is_empty();
        for job in loaded.jobs {
            match self.places.get_mut(&job.name) {
                Some(place) => {
                    if place.job.hash != job.hash || place.gone {
                        tracing::info!(job = job.name, "the job file has changed: it holds from the next run");
                        place.look_at = Some(DateTime::UNIX_EPOCH);
                    }
                    (place.gone, place.broken) = (false, false);
                    place.job = job;
                }
                None => {
                    if !first {
                        tracing::info!(job = job.name, "a new job");
                    }
                    let look_at = job.schedule.is_some().then_some(DateTime::UNIX_EPOCH);
                    let place = Place {
                        job,
                        look_at,
                        running_since: None,
                        told_hanging: false,
                        waits: false,
                        broken: false,
                        gone: false,
                    };
                    self.places.insert(place.job.name.clone(), place);
                    continue;
                }
            }
        }
        let path_there = |place: &Place| place.job.path.exists();
        for (name, place) in &mut self.places {
            if loaded.broken.contains(name) {
                if std::mem::replace(&mut place.broken, true) {
                    continue;
                }
                tracing::warn!(job = name, "the job file is broken: the last good version holds on");
            } else if !path_there(place) && !place.gone {
                let how = if place.running_since.is_some() { "its run goes on to its end" } else { "it runs no more" };
                tracing::info!(job = name, "the job file is gone: {how}");
                place.gone = true;
            }
        }
        self.places.retain(|_, place| !place.gone || place.running_since.is_some());
    }

    /// Jobs with a schedule.
    pub(super) fn scheduled(&self) -> usize {
        self.places.values().filter(|place| place.job.schedule.is_some() && !place.gone).count()
    }

    /// All jobs.
    pub(super) fn jobs(&self) -> Vec<Job> {
        self.places.values().map(|place| place.job.clone()).collect()
    }

    pub(super) fn look_at_all(&mut self) {
        for place in self.places.values_mut().filter(|place| place.job.schedule.is_some()) {
            place.look_at = Some(DateTime::UNIX_EPOCH);
        }
    }

    /// Puts a look at a job off for so long.
    pub(super) fn later(&mut self, job: &str, now: DateTime<Utc>, pause: Duration) {
        if let Some(place) = self.places.get_mut(job) {
            place.look_at = Some(now + TimeDelta::from_std(pause).unwrap_or_default());
        }
    }

    /// Lets a job wait until a run ends, or so long.
    pub(super) fn waits(&mut self, job: &str, now: DateTime<Utc>, pause: Duration) {
        self.later(job, now, pause);
        if let Some(place) = self.places.get_mut(job) {
            place.waits = true;
        }
    }

    pub(super) fn all_later(&mut self, now: DateTime<Utc>, pause: Duration) {
        let names: Vec<String> = self.places.keys().cloned().collect();
        names.iter().for_each(|name| self.later(name, now, pause));
    }

    pub(super) fn begins(&mut self, job: &str, now: DateTime<Utc>) {
        if let Some(place) = self.places.get_mut(job) {
            (place.running_since, place.told_hanging, place.waits) = (Some(now), false, false);
        }
    }

    pub(super) fn ends(&mut self, job: &str) {
        if let Some(place) = self.places.get_mut(job) {
            place.running_since = None;
        }
        for place in self.places.values_mut().filter(|place| place.waits) {
            (place.look_at, place.waits) = (Some(DateTime::UNIX_EPOCH), false);
        }
        self.places.retain(|_, place| !place.gone || place.running_since.is_some());
    }

    /// Whether any job is to be looked at now.
    pub(super) fn wants_a_look(&self, now: DateTime<Utc>) -> bool {
        self.places.values().any(|place| place.wants_a_look(now))
    }

    /// Looks at the jobs whose time it is.
    pub(super) fn look(&mut self, past: &Past, now: DateTime<Utc>, sign_ins: &dyn Fn(&Job) -> SignIns) -> LookedAt {
        let (mut due, mut resting) = (Vec::new(), Vec::new());
        for place in self.places.values_mut().filter(|place| place.wants_a_look(now)) {
            let of_job = past.of(&place.job.name);
            match due_now(&place.job, of_job.clone(), &self.settings.schedule, now, sign_ins) {
                // It stays to be looked at until it has begun.
                Some(fire) => due.push((place.job.clone(), fire)),
                None => {
                    place.look_at = look_again(&place.job, &of_job, &self.settings.schedule, now);
                    resting.push(place.job.clone());
                }
            }
        }
        LookedAt { due, resting }
    }

    /// For how long nothing can become due by itself.
    pub(super) fn rest(&self, now: DateTime<Utc>) -> Duration {
        let next = self.next().map(|(at, _)| (at - now).to_std().unwrap_or(Duration::from_secs(1)));
        next.unwrap_or(Duration::MAX)
    }

    /// The next job to be looked at, and when.
    pub(super) fn next(&self) -> Option<(DateTime<Utc>, &str)> {
        let waiting = self.places.values().filter(|place| place.running_since.is_none() && !place.gone);
        waiting.filter_map(|place| Some((place.look_at?, place.job.name.as_str()))).min()
    }

    /// Our runs that take too long and were not told of yet.
    pub(super) fn hanging(&mut self, now: DateTime<Utc>, most: Duration) -> Vec<(String, DateTime<Utc>)> {
        let mut hanging = Vec::new();
        for (name, place) in &mut self.places {
            let Some(since) = place.running_since else { continue };
            if !place.told_hanging && (now - since).to_std().is_ok_and(|took| took > most) {
                place.told_hanging = true;
                hanging.push((name.clone(), since));
            }
        }
        hanging
    }
}

impl Place {
    fn wants_a_look(&self, now: DateTime<Utc>) -> bool {
        self.running_since.is_none() && !self.gone && self.look_at.is_some_and(|at| at <= now)
    }
}
