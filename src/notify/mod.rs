//! Sends alerts about jobs through the channels of `[notify]`, once per change.
//!
//! A lasting problem (a failing job, a lost sign-in, overdue data) is reported when it starts and when it
//! ends. In between nothing is reported, however often a timer runs. [`AlertStore`] knows the open alerts
//! of all processes of a project. Messages are queued and delivered in the background
//! ([`Notifier::run_with_deliveries`]), so that a slow receiver delays no run. A message that a webhook, a
//! command or the ping service did not accept is tried again for a day.
//!
//! A delivery error never fails a job. It is logged as a warning when it starts, and names only the host of
//! an address, since the rest is a secret.

mod alert_store;
mod dispatcher;
mod hook_command;
mod message;
mod metrics;
mod webhook_body;
mod webhook_client;

pub use alert_store::{AlertKind, AlertScope, AlertStore, AlertTransition, ResolvedAlert, normalize_reason};
pub use message::{AlertEvent, AlertMessage};
pub use metrics::{GrantDays, JobMetrics, PrometheusMetrics};
pub use webhook_client::{RunPinger, new_run_id};

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::settings::NotifySettings;
use alert_store::DeliveryChannel;
use dispatcher::Dispatcher;
use webhook_client::WebhookClient;

/// Sends alerts, pings and metrics.
pub struct Notifier {
    settings: NotifySettings,
    webhook_client: WebhookClient,
    alerts: AlertStore,
    prometheus_file: Option<PathBuf>,
    dispatcher: Dispatcher,
    /// Whether to log each delivery error, not only the first.
    warns_every_time: bool,
}

impl Notifier {
    /// `state_folder` contains the alerts of `store`; files in the settings are relative to `project`.
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

    /// The open alerts.
    pub fn alerts(&self) -> &AlertStore {
        &self.alerts
    }

    /// The pings of a run, if they are configured.
    pub fn ping(&self, job: &str) -> Option<RunPinger<'_>> {
        self.settings.ping_url.as_ref().map(|_| RunPinger::new(self, job))
    }

    /// Queues a message for the webhook and the command, if `notify.on` includes its event.
    pub fn notify(&self, message: &AlertMessage, now: DateTime<Utc>) {
        let ways = self.channels();
        if self.settings.on.iter().any(|on| on == message.event.as_str()) && !ways.is_empty() {
            self.alerts.queue_message(message, &ways, now);
            self.dispatcher.message_ready();
        }
    }

    /// Whether an earlier message or ping may be tried again now.
    pub fn has_undelivered(&self, now: DateTime<Utc>) -> bool {
        self.alerts.has_undelivered(now)
    }

    /// Writes the Prometheus file, if one is configured.
    pub fn write_metrics(&self, metrics: &PrometheusMetrics) {
        let Some(path) = &self.prometheus_file else { return };
        let (setting, shown) = ("notify.prometheus_file", path.display().to_string());
        match metrics.write(path) {
            Ok(()) => self.channel_recovered(setting),
            Err(e) => self.channel_failed(setting, &shown, None, &format!("failed to write {shown}: {e}")),
        }
    }

    /// Whether a Prometheus file is configured.
    pub fn has_metrics(&self) -> bool {
        self.prometheus_file.is_some()
    }

    /// The configured channels.
    fn channels(&self) -> Vec<DeliveryChannel> {
        let is_named = |way: &DeliveryChannel| match way {
            DeliveryChannel::Webhook => self.settings.webhook_url.is_some(),
            DeliveryChannel::Command => self.settings.command.is_some(),
        };
        DeliveryChannel::ALL.into_iter().filter(is_named).collect()
    }

    /// Records that a channel does not work, and logs a warning if that is new for `whom`.
    fn channel_failed(&self, setting: &'static str, whom: &str, job: Option<&str>, why: &str) {
        let begun = self.alerts.start(AlertScope::Channel(setting), AlertKind::Untold, whom, Utc::now());
        if self.warns_every_time || begun == AlertTransition::New {
            tracing::warn!(job, "{setting}: {why}; it is tried again later, and the job continues");
        } else {
            tracing::debug!(job, "{setting}: {why}; it is tried again later");
        }
    }

    /// Records that a channel works.
    fn channel_recovered(&self, setting: &'static str) {
        if !self.alerts.resolve(AlertScope::Channel(setting), &[AlertKind::Untold]).is_empty() {
            tracing::info!("{setting}: works again");
        }
    }
}
