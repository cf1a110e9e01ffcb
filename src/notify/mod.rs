//! Telling people: what happened to a job, once per change of its state, by the ways that
//! `[notify]` names.
//!
//! What lasts (a failing job, a lost sign-in, data that are overdue) is news when it begins, and its
//! end is news. Between the two nothing is told, however often a timer looks; [`Memory`] knows what
//! was told, over all processes of a project. Telling only notes a message: it is delivered beside
//! the work ([`Notifier::beside`]), so that nobody who hangs holds a run up. What a webhook, a command
//! or the host of the pings did not take is kept and tried again for a day, with that one alone.
//!
//! Nothing here ever fails a job: trouble is a warning in the log when it begins, and names the host of
//! an address at most, since the rest of it is a secret.

mod command;
mod courier;
mod memory;
mod message;
mod metrics;
mod post;

pub use memory::{Begun, Ended, Memory, Subject, Trouble};
pub use message::{Event, Message};
pub use metrics::{GrantDays, JobFigures, Metrics};
pub use post::{Ping, run_id};

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::settings::Notify;
use courier::Courier;
use memory::Way;
use post::Poster;

/// Tells people.
pub struct Notifier {
    settings: Notify,
    poster: Poster,
    memory: Memory,
    prometheus_file: Option<PathBuf>,
    courier: Courier,
    /// Whoever started this wants to hear each time that somebody cannot be told.
    says_all: bool,
}

impl Notifier {
    /// One that goes by these settings. `state_folder` keeps what was told about `store`; files are
    /// relative to `project`.
    pub fn new(settings: &Notify, state_folder: &Path, store: &Path, project: &Path, says_all: bool) -> Notifier {
        let prometheus_file = settings.prometheus_file.as_ref().map(|file| project.join(file));
        Notifier {
            poster: Poster::new(settings.timeout),
            memory: Memory::new(state_folder, store),
            settings: settings.clone(),
            prometheus_file,
            courier: Courier::default(),
            says_all,
        }
    }

    /// What was told.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The pings of a run, if there are to be any.
    pub fn ping(&self, job: &str) -> Option<Ping<'_>> {
        self.settings.ping_url.as_ref().map(|_| Ping::new(self, job))
    }

    /// Tells a message by webhook and command, if its event is one of `notify.on`.
    pub fn tell(&self, message: &Message, now: DateTime<Utc>) {
        let ways = self.ways();
        if self.settings.on.iter().any(|on| on == message.event.word()) && !ways.is_empty() {
            self.memory.to_deliver(message, &ways, now);
            self.courier.ring();
        }
    }

    /// Whether an earlier message or ping is to be tried again now.
    pub fn has_left_over(&self, now: DateTime<Utc>) -> bool {
        self.memory.has_undelivered(now)
    }

    /// Writes the Prometheus file, if there is to be one.
    pub fn write_metrics(&self, metrics: &Metrics) {
        let Some(path) = &self.prometheus_file else { return };
        let (setting, shown) = ("notify.prometheus_file", path.display().to_string());
        match metrics.write(path) {
            Ok(()) => self.works(setting),
            Err(e) => self.fails(setting, &shown, None, &format!("{shown} cannot be written: {e}")),
        }
    }

    /// Whether a Prometheus file is to be written.
    pub fn has_metrics(&self) -> bool {
        self.prometheus_file.is_some()
    }

    /// The ways that the settings name.
    fn ways(&self) -> Vec<Way> {
        let is_named = |way: &Way| match way {
            Way::Webhook => self.settings.webhook_url.is_some(),
            Way::Command => self.settings.command.is_some(),
        };
        Way::ALL.into_iter().filter(is_named).collect()
    }

    /// Notes that what a setting names does not do its work: a warning when it begins, for `whom`.
    fn fails(&self, setting: &'static str, whom: &str, job: Option<&str>, why: &str) {
        let begun = self.memory.begins(Subject::Way(setting), Trouble::Untold, whom, Utc::now());
        if self.says_all || begun == Begun::New {
            tracing::warn!(job, "{setting}: {why}; it is tried again, and the job goes on");
        } else {
            tracing::debug!(job, "{setting}: {why}; it is tried again");
        }
    }

    /// Notes that it does.
    fn works(&self, setting: &'static str) {
        if !self.memory.ends(Subject::Way(setting), &[Trouble::Untold]).is_empty() {
            tracing::info!("{setting}: it works again");
        }
    }
}
