//! Delivers messages and pings in the background, so that a slow receiver delays no run.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio::sync::Notify;
use url::Url;

use super::alert_store::{DeliveryChannel, RunPing};
use super::message::AlertMessage;
use super::{Notifier, hook_command};

/// How often to check for messages that other processes left over.
const POLL_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// A channel that failed is paused for this time, so that further messages do not wait for it too. It is
/// shorter than the pause between two attempts for a message, so that it never blocks an attempt.
const FAILURE_PAUSE: Duration = Duration::from_secs(4 * 60);

/// The setting for pings.
const PING_SETTING: &str = "notify.ping_url";

/// The deliveries in progress.
#[derive(Default)]
pub(super) struct Dispatcher {
    /// The pings of this process in order.
    pings: RefCell<VecDeque<(String, RunPing)>>,
    /// When each channel failed, by setting.
    failed: RefCell<BTreeMap<&'static str, Instant>>,
    message_signal: Notify,
    ping_signal: Notify,
    /// Whether the work is done, so that the rest is delivered now or later by another process.
    closing: Cell<bool>,
}

impl Dispatcher {
    pub(super) fn message_ready(&self) {
        self.message_signal.notify_one();
    }

    pub(super) fn queue_ping(&self, job: &str, ping: RunPing) {
        self.pings.borrow_mut().push_back((job.to_owned(), ping));
        self.ping_signal.notify_one();
    }

    fn is_paused(&self, setting: &'static str) -> bool {
        self.failed.borrow().get(setting).is_some_and(|at| at.elapsed() < FAILURE_PAUSE)
    }
}

impl Notifier {
    /// Runs `work`, and meanwhile delivers new messages and those that earlier runs left over. Deliveries that
    /// are left at its end continue until `patience` is over.
    pub async fn run_with_deliveries<T>(&self, work: impl Future<Output = T>, patience: impl Future<Output = ()>) -> T {
        let mut work = pin!(work);
        let mut deliveries = pin!(async { tokio::join!(self.deliver_messages(), self.send_pings()) });
        let done = tokio::select! {
            biased;
            done = &mut work => done,
            // The deliveries end only after `closing` is set below.
            _ = &mut deliveries => work.await,
        };
        self.dispatcher.closing.set(true);
        self.dispatcher.message_signal.notify_one();
        self.dispatcher.ping_signal.notify_one();
        tokio::select! {
            _ = deliveries => {}
            () = patience => {}
        }
        self.keep_pings();
        done
    }

    async fn deliver_messages(&self) {
        loop {
            let closing = self.dispatcher.closing.get();
            let waiting = self.alerts.take_messages(&self.channels(), Utc::now());
            tokio::join!(
                self.deliver_by(DeliveryChannel::Webhook, &waiting),
                self.deliver_by(DeliveryChannel::Command, &waiting)
            );
            if closing {
                return;
            }
            let _ = tokio::time::timeout(POLL_INTERVAL, self.dispatcher.message_signal.notified()).await;
        }
    }

    /// Delivers the pending messages of one channel, up to the first that fails.
    async fn deliver_by(&self, way: DeliveryChannel, waiting: &[(AlertMessage, Vec<DeliveryChannel>)]) {
        for (message, _) in waiting.iter().filter(|(_, ways)| ways.contains(&way)) {
            if self.dispatcher.is_paused(way.setting()) {
                return;
            }
            let (whom, taken) = match (way, &self.settings.webhook_url, &self.settings.command) {
                (DeliveryChannel::Webhook, Some(url), _) => {
                    (url.host_str().unwrap_or_default(), self.webhook_client.webhook(url, message).await)
                }
                (DeliveryChannel::Command, _, Some(program)) => {
                    let taken = hook_command::run_hook(program, message, self.settings.timeout).await;
                    (program.first().map_or("", String::as_str), taken)
                }
                _ => return,
            };
            match taken {
                Ok(()) => {
                    self.alerts.mark_delivered(message, way);
                    self.delivery_succeeded(way.setting());
                }
                Err(why) => self.delivery_failed(way.setting(), whom, &message.job, &why),
            }
        }
    }

    async fn send_pings(&self) {
        let Some(url) = &self.settings.ping_url else { return self.alerts.forget_pings() };
        loop {
            let closing = self.dispatcher.closing.get();
            // The ping stays in the queue until it is delivered, in case this future is dropped.
            let front = || self.dispatcher.pings.borrow().front().cloned();
            while let Some((job, ping)) = front() {
                match self.send_ping(url, &job, &ping).await {
                    true if ping.is_end() => self.alerts.forget_ping(&job, None),
                    false if ping.is_end() => self.alerts.keep_ping(&job, ping, Utc::now()),
                    // A late ping about the start of a run is useless.
                    _ => {}
                }
                self.dispatcher.pings.borrow_mut().pop_front();
            }
            for (job, ping) in self.alerts.take_pings(Utc::now()) {
                if self.send_ping(url, &job, &ping).await {
                    self.alerts.forget_ping(&job, Some(&ping.rid));
                }
            }
            if closing {
                return;
            }
            let _ = tokio::time::timeout(POLL_INTERVAL, self.dispatcher.ping_signal.notified()).await;
        }
    }

    /// Sends a ping and returns whether it was delivered.
    async fn send_ping(&self, url: &Url, job: &str, ping: &RunPing) -> bool {
        if self.dispatcher.is_paused(PING_SETTING) {
            return false;
        }
        match self.webhook_client.ping(url, job, ping).await {
            Ok(()) => {
                self.delivery_succeeded(PING_SETTING);
                true
            }
            Err(why) => {
                self.delivery_failed(PING_SETTING, url.host_str().unwrap_or_default(), job, &why);
                false
            }
        }
    }

    /// Stores the pings about finished runs that could not be sent in time.
    fn keep_pings(&self) {
        for (job, ping) in self.dispatcher.pings.take() {
            if ping.is_end() {
                self.alerts.keep_ping(&job, ping, Utc::now());
            }
        }
    }

    fn delivery_failed(&self, setting: &'static str, whom: &str, job: &str, why: &str) {
        self.dispatcher.failed.borrow_mut().insert(setting, Instant::now());
        self.channel_failed(setting, whom, Some(job).filter(|job| !job.is_empty()), why);
    }

    fn delivery_succeeded(&self, setting: &'static str) {
        self.dispatcher.failed.borrow_mut().remove(setting);
        self.channel_recovered(setting);
    }
}
