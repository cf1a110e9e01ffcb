//! Telling people: what happened to a job, once per change of its state, by the ways that
//! `[notify]` names.
//!
//! What lasts (a failing job, a lost sign-in, data that are overdue) is news when it begins, and its
//! end is news. Between the two nothing is told, however often a timer looks; [`Memory`] knows what
//! was told, over all processes of a project. What a webhook, a command or the host of the pings did
//! not take is kept there and tried again for a day, with that one alone. Nothing here ever fails a job: trouble is a warning in the log, and
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
use memory::Way;
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
        Some(Ping::new(&self.poster, &self.memory, self.settings.ping_url.as_ref()?, job))
    }

    /// Tells a message by webhook and command, if its event is one of `notify.on`, and with it what
    /// could not be delivered earlier.
    pub async fn tell(&self, message: Message, now: DateTime<Utc>) {
        let ways = self.ways();
        if self.settings.on.iter().any(|on| on == message.event.word()) && !ways.is_empty() {
            self.memory.to_deliver(message, &ways, now);
        }
        self.deliver(now).await;
    }

    /// Whether an earlier message or ping is to be tried again now.
    pub fn has_left_over(&self, now: DateTime<Utc>) -> bool {
        self.memory.has_undelivered(now)
    }

    /// Delivers what is left over: to each way what it has not taken yet.
    pub async fn deliver(&self, now: DateTime<Utc>) {
        for (message, ways) in self.memory.undelivered(&self.ways(), now) {
            for way in ways {
                let delivered = match way {
                    Way::Webhook => match &self.settings.webhook_url {
                        Some(url) => self.poster.webhook(url, &message).await,
                        None => Ok(()),
                    },
                    Way::Command => match &self.settings.command {
                        Some(command) => command::run(command, &message, self.settings.timeout).await,
                        None => Ok(()),
                    },
                };
                match delivered {
                    Ok(()) => self.memory.delivered(&message, way),
                    Err(why) => {
                        let (job, event) = (message.job.as_str(), message.event.word());
                        tracing::warn!(job, event, "{}: {why}; it is tried again", way.setting());
                    }
                }
            }
        }
        let Some(url) = &self.settings.ping_url else { return self.memory.forget_pings() };
        for (job, ping) in self.memory.waiting_pings(now) {
            Ping::new(&self.poster, &self.memory, url, &job).end_again(ping).await;
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

    /// The ways that the settings name.
    fn ways(&self) -> Vec<Way> {
        let is_named = |way: &Way| match way {
            Way::Webhook => self.settings.webhook_url.is_some(),
            Way::Command => self.settings.command.is_some(),
        };
        Way::ALL.into_iter().filter(is_named).collect()
    }
}
