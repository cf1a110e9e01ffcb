//! Telling people: what happened to a job, once per change of its state, by the ways that
//! `[notify]` names.
//!
//! What lasts (a failing job, a lost sign-in, data that are overdue) is news when it begins, and its
//! end is news. Between the two nothing is told, however often a timer looks; [`Memory`] knows what
//! was told, over all processes of a project. A message that could not be delivered is kept there
//! and tried again for a day. Nothing here ever fails a job: trouble is a warning in the log, and
//! names the host of an address at most, since the rest of it is a secret.

mod command;
mod memory;
mod message;
mod metrics;
mod post;

pub use memory::{Ended, Memory, Trouble};
pub use message::{Event, Message};
pub use metrics::{GrantDays, JobFigures, Metrics};
pub use post::{Ping, run_id};

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::settings::Notify;
use post::Poster;

/// Tells people.
pub struct Notifier {
    settings: Notify,
    poster: Poster,
    memory: Memory,
    prometheus_file: Option<PathBuf>,
}

impl Notifier {
    /// One that goes by these settings. `state_folder` keeps what was told about `store`; files are
    /// relative to `project`.
    pub fn new(settings: &Notify, state_folder: &Path, store: &Path, project: &Path) -> Notifier {
        let prometheus_file = settings.prometheus_file.as_ref().map(|file| project.join(file));
        Notifier {
            poster: Poster::new(settings.timeout),
            memory: Memory::new(state_folder, store),
            settings: settings.clone(),
            prometheus_file,
        }
    }

    /// What was told.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The ping of a run that begins. Send its start beside the run.
    pub fn ping(&self, job: &str) -> Option<Ping<'_>> {
        Some(Ping::new(&self.poster, self.settings.ping_url.as_ref()?, job))
    }

    /// Tells a message by webhook and command, if its event is one of `notify.on`, and with it what
    /// could not be delivered earlier.
    pub async fn tell(&self, message: Message, now: DateTime<Utc>) {
        if self.settings.on.iter().any(|on| on == message.event.word()) && self.has_a_way() {
            self.memory.to_deliver(message, now);
        }
        self.deliver(now).await;
    }

    /// Whether an earlier message is to be tried again now.
    pub fn has_left_over(&self, now: DateTime<Utc>) -> bool {
        self.memory.has_undelivered(now)
    }

    /// Delivers what is left over.
    pub async fn deliver(&self, now: DateTime<Utc>) {
        for message in self.memory.undelivered(now) {
            let posted = match &self.settings.webhook_url {
                Some(url) => self.poster.webhook(url, &message).await,
                None => Ok(()),
            };
            let ran = match &self.settings.command {
                Some(command) => command::run(command, &message, self.settings.timeout).await,
                None => Ok(()),
            };
            let ways = [("webhook_url", posted), ("command", ran)];
            let failed = ways.iter().filter(|(_, result)| result.is_err()).count();
            let asked = usize::from(self.settings.webhook_url.is_some()) + usize::from(self.settings.command.is_some());
            // Where one way worked, somebody knows; twice would be worse.
            if failed < asked || asked == 0 {
                self.memory.delivered(&message);
            }
            for (way, why) in ways.into_iter().filter_map(|(way, result)| Some((way, result.err()?))) {
                tracing::warn!(job = message.job, event = message.event.word(), "notify.{way}: {why}");
            }
        }
    }

    /// Writes the Prometheus file, if there is to be one.
    pub fn write_metrics(&self, metrics: &Metrics) {
        let Some(path) = &self.prometheus_file else { return };
        if let Err(e) = metrics.write(path) {
            tracing::warn!(path = %path.display(), "notify.prometheus_file cannot be written: {e}");
        }
    }

    /// Whether a Prometheus file is to be written.
    pub fn has_metrics(&self) -> bool {
        self.prometheus_file.is_some()
    }

    fn has_a_way(&self) -> bool {
        self.settings.webhook_url.is_some() || self.settings.command.is_some()
    }
}
