//! Delivers beside the work: nothing that is told waits for whoever is told.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio::sync::Notify;
use url::Url;

use super::memory::{RunPing, Way};
use super::message::Message;
use super::{Notifier, command};

/// How often it is looked whether something waits that others left over.
const LOOK: Duration = Duration::from_secs(5 * 60);

/// One that failed is let alone for so long: what waits behind would only wait for it too. Shorter than
/// the pause between two tries of a message, so that each try finds it awake.
const REST: Duration = Duration::from_secs(4 * 60);

/// The setting of the pings.
const PINGS: &str = "notify.ping_url";

/// What is on its way, and who waits for it.
#[derive(Default)]
pub(super) struct Courier {
    /// Pings of this process, in their order.
    pings: RefCell<VecDeque<(String, RunPing)>>,
    /// Since when what a setting names does not do its work.
    failed: RefCell<BTreeMap<&'static str, Instant>>,
    messages_bell: Notify,
    pings_bell: Notify,
    /// The work is done: what is left goes now, or later by another process.
    closing: Cell<bool>,
}

impl Courier {
    /// There is a message.
    pub(super) fn ring(&self) {
        self.messages_bell.notify_one();
    }

    /// There is a ping.
    pub(super) fn ping(&self, job: &str, ping: RunPing) {
        self.pings.borrow_mut().push_back((job.to_owned(), ping));
        self.pings_bell.notify_one();
    }

    fn rests(&self, setting: &'static str) -> bool {
        self.failed.borrow().get(setting).is_some_and(|at| at.elapsed() < REST)
    }
}

impl Notifier {
    /// Does the work, and delivers beside it what is told meanwhile and what earlier runs left over.
    /// What is left at its end is still delivered, until `patience` is over.
    pub async fn beside<T>(&self, work: impl Future<Output = T>, patience: impl Future<Output = ()>) -> T {
        let mut work = pin!(work);
        let mut deliveries = pin!(async { tokio::join!(self.deliver_messages(), self.send_pings()) });
        let done = tokio::select! {
            biased;
            done = &mut work => done,
            // They end when they are told to, which is below.
            _ = &mut deliveries => work.await,
        };
        self.courier.closing.set(true);
        self.courier.messages_bell.notify_one();
        self.courier.pings_bell.notify_one();
        tokio::select! {
            _ = deliveries => {}
            () = patience => {}
        }
        self.keep_pings();
        done
    }

    async fn deliver_messages(&self) {
        loop {
            let closing = self.courier.closing.get();
            let waiting = self.memory.undelivered(&self.ways(), Utc::now());
            tokio::join!(self.deliver_by(Way::Webhook, &waiting), self.deliver_by(Way::Command, &waiting));
            if closing {
                return;
            }
            let _ = tokio::time::timeout(LOOK, self.courier.messages_bell.notified()).await;
        }
    }

    /// Delivers by one way what it has not taken yet, up to the first that it does not take.
    async fn deliver_by(&self, way: Way, waiting: &[(Message, Vec<Way>)]) {
        for (message, _) in waiting.iter().filter(|(_, ways)| ways.contains(&way)) {
            if self.courier.rests(way.setting()) {
                return;
            }
            let (whom, taken) = match (way, &self.settings.webhook_url, &self.settings.command) {
                (Way::Webhook, Some(url), _) => {
                    (url.host_str().unwrap_or_default(), self.poster.webhook(url, message).await)
                }
                (Way::Command, _, Some(program)) => {
                    let taken = command::run(program, message, self.settings.timeout).await;
                    (program.first().map_or("", String::as_str), taken)
                }
                _ => return,
            };
            match taken {
                Ok(()) => {
                    self.memory.delivered(message, way);
                    self.worked(way.setting());
                }
                Err(why) => self.failed(way.setting(), whom, &message.job, &why),
            }
        }
    }

    async fn send_pings(&self) {
        let Some(url) = &self.settings.ping_url else { return self.memory.forget_pings() };
        loop {
            let closing = self.courier.closing.get();
            // It stays in its place until somebody has taken it, should nobody wait for that any more.
            let front = || self.courier.pings.borrow().front().cloned();
            while let Some((job, ping)) = front() {
                match self.send_ping(url, &job, &ping).await {
                    true if ping.is_end() => self.memory.forget_ping(&job, None),
                    false if ping.is_end() => self.memory.keep_ping(&job, ping, Utc::now()),
                    // The start of a run would be no news later.
                    _ => {}
                }
                self.courier.pings.borrow_mut().pop_front();
            }
            for (job, ping) in self.memory.waiting_pings(Utc::now()) {
                if self.send_ping(url, &job, &ping).await {
                    self.memory.forget_ping(&job, Some(&ping.rid));
                }
            }
            if closing {
                return;
            }
            let _ = tokio::time::timeout(LOOK, self.courier.pings_bell.notified()).await;
        }
    }

    /// Sends a ping; whether it was taken.
    async fn send_ping(&self, url: &Url, job: &str, ping: &RunPing) -> bool {
        if self.courier.rests(PINGS) {
            return false;
        }
        match self.poster.ping(url, job, ping).await {
            Ok(()) => {
                self.worked(PINGS);
                true
            }
            Err(why) => {
                self.failed(PINGS, url.host_str().unwrap_or_default(), job, &why);
                false
            }
        }
    }

    /// Keeps the ends of runs that were not sent in time.
    fn keep_pings(&self) {
        for (job, ping) in self.courier.pings.take() {
            if ping.is_end() {
                self.memory.keep_ping(&job, ping, Utc::now());
            }
        }
    }

    fn failed(&self, setting: &'static str, whom: &str, job: &str, why: &str) {
        self.courier.failed.borrow_mut().insert(setting, Instant::now());
        self.fails(setting, whom, Some(job).filter(|job| !job.is_empty()), why);
    }

    fn worked(&self, setting: &'static str) {
        self.courier.failed.borrow_mut().remove(setting);
        self.works(setting);
    }
}
