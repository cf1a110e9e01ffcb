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

mod alert_store;
mod dispatcher;
mod hook_command;
mod message;
mod metrics;
mod webhook_client;

pub use alert_store::{AlertKind, AlertScope, AlertStore, AlertTransition, ResolvedAlert};
pub use message::{AlertEvent, AlertMessage};
pub use metrics::{GrantDays, JobMetrics, PrometheusMetrics};
pub use webhook_client::{RunPinger, new_run_id};

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::settings::NotifySettings;
use alert_store::DeliveryChannel;
use dispatcher::Dispatcher;
use webhook_client::WebhookClient;

/// Tells people.
pub struct Notifier {
    settings: NotifySettings,
    webhook_client: WebhookClient,
    alerts: AlertStore,
    prometheus_file: Option<PathBuf>,
    dispatcher: Dispatcher,
    /// Whoever started this wants to hear each time that somebody cannot be told.
    warns_every_time: bool,
}

impl Notifier {
    /// One that goes by these settings. `state_folder` keeps what was told about `store`; files are
    /// relative to `project`.
    pub fn new(
        settings: &NotifySettings,
        state_folder: &Path,
        store: &Path,
        project: &Path,
        warns_every_time: bool,
    ) -> Notifier {
        let prometheus_file = settings.prometheus_file.as_ref().map(|file| project.join(file));
        Notifier {
            webhook_client: WebhookClient::new(settings.timeout),
            alerts: AlertStore::new(state_folder, store),
            settings: settings.clone(),
            prometheus_file,
            dispatcher: Dispatcher::default(),
            warns_every_time,
        }
    }

    /// What was told.
    pub fn alerts(&self) -> &AlertStore {
        &self.alerts
    }

    /// The pings of a run, if there are to be any.
    pub fn ping(&self, job: &str) -> Option<RunPinger<'_>> {
        self.settings.ping_url.as_ref().map(|_| RunPinger::new(self, job))
    }

    /// Tells a message by webhook and command, if its event is one of `notify.on`.
    pub fn notify(&self, message: &AlertMessage, now: DateTime<Utc>) {
        let ways = self.channels();
        if self.settings.on.iter().any(|on| on == message.event.as_str()) && !ways.is_empty() {
            self.alerts.queue_message(message, &ways, now);
            self.dispatcher.message_ready();
        }
    }

    /// Whether an earlier message or ping is to be tried again now.
    pub fn has_undelivered(&self, now: DateTime<Utc>) -> bool {
        self.alerts.has_undelivered(now)
    }

    /// Writes the Prometheus file, if there is to be one.
    pub fn write_metrics(&self, metrics: &PrometheusMetrics) {
        let Some(path) = &self.prometheus_file else { return };
        let (setting, shown) = ("notify.prometheus_file", path.display().to_string());
        match metrics.write(path) {
            Ok(()) => self.channel_recovered(setting),
            Err(e) => self.channel_failed(setting, &shown, None, &format!("{shown} cannot be written: {e}")),
        }
    }

    /// Whether a Prometheus file is to be written.
    pub fn has_metrics(&self) -> bool {
        self.prometheus_file.is_some()
    }

    /// The ways that the settings name.
    fn channels(&self) -> Vec<DeliveryChannel> {
        let is_named = |way: &DeliveryChannel| match way {
            DeliveryChannel::Webhook => self.settings.webhook_url.is_some(),
            DeliveryChannel::Command => self.settings.command.is_some(),
        };
        DeliveryChannel::ALL.into_iter().filter(is_named).collect()
    }

    /// Notes that what a setting names does not do its work: a warning when it begins, for `whom`.
    fn channel_failed(&self, setting: &'static str, whom: &str, job: Option<&str>, why: &str) {
        let begun = self.alerts.start(AlertScope::Channel(setting), AlertKind::Untold, whom, Utc::now());
        if self.warns_every_time || begun == AlertTransition::New {
            tracing::warn!(job, "{setting}: {why}; it is tried again, and the job goes on");
        } else {
            tracing::debug!(job, "{setting}: {why}; it is tried again");
        }
    }

    /// Notes that it does.
    fn channel_recovered(&self, setting: &'static str) {
        if !self.alerts.resolve(AlertScope::Channel(setting), &[AlertKind::Untold]).is_empty() {
            tracing::info!("{setting}: it works again");
        }
    }
}
