//! Pending deliveries: messages with the channels that have not delivered them, and unsent pings about
//! finished runs.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{AlertKind, AlertScope, AlertState, AlertStore, OpenAlert};
use crate::notify::message::{AlertEvent, AlertMessage};

/// A message that could not be delivered within this time is dropped.
const DELIVERY_DEADLINE: TimeDelta = TimeDelta::hours(24);
/// The path of the ping about the start of a run.
pub(in crate::notify) const START_PING: &str = "start";
/// The pause between two attempts.
pub(super) const RETRY_PAUSE: TimeDelta = TimeDelta::minutes(5);
/// The maximum number of pending messages.
const MAX_MESSAGES: usize = 100;
/// A channel for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::notify) enum DeliveryChannel {
    /// `notify.webhook_url`
    Webhook,
    /// `notify.command`
    Command,
}

impl DeliveryChannel {
    pub(in crate::notify) const ALL: [DeliveryChannel; 2] = [DeliveryChannel::Webhook, DeliveryChannel::Command];

    /// The setting of the channel.
    pub(in crate::notify) fn setting(self) -> &'static str {
        match self {
            DeliveryChannel::Webhook => "notify.webhook_url",
            DeliveryChannel::Command => "notify.command",
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PendingMessage {
    message: AlertMessage,
    /// The channels that have not delivered it yet.
    #[serde(default = "all_channels")]
    ways: Vec<DeliveryChannel>,
    from: DateTime<Utc>,
    tried: Option<DateTime<Utc>>,
}

fn all_channels() -> Vec<DeliveryChannel> {
    DeliveryChannel::ALL.to_vec()
}

/// A ping about the start or the end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::notify) struct RunPing {
    /// `start`, or the exit code.
    pub what: String,
    /// The id that connects the start and the end of a run.
    pub rid: String,
    /// The last lines of the report.
    pub body: String,
}

impl RunPing {
    /// Whether the ping is about the end of a run.
    pub(in crate::notify) fn is_end(&self) -> bool {
        self.what != START_PING
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PendingPing {
    ping: RunPing,
    from: DateTime<Utc>,
    tried: DateTime<Utc>,
}

impl AlertState {
    /// Deletes the messages and pings that mention a user or are about a job that read for the user, and digests, which
    /// are about everyone. Returns their number.
    pub(super) fn forget_deliveries(
        &mut self,
        is_mentioned: impl Fn(&str) -> bool,
        read_for_them: impl Fn(&str) -> bool,
    ) -> usize {
        let before = self.undelivered.len() + self.pings.len();
        self.undelivered.retain(|PendingMessage { message, .. }| {
            let is_about_them = read_for_them(&message.job)
                || message.event == AlertEvent::Digest
                || is_mentioned(&message.text)
                || message.details.iter().any(|detail| is_mentioned(detail));
            !is_about_them
        });
        self.pings.retain(|job, it| !read_for_them(job) && !is_mentioned(&it.ping.body));
        before - self.undelivered.len() - self.pings.len()
    }
}

/// Whether a delivery that was last tried at this time may be tried again.
fn is_retry_due(tried: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    tried.is_none_or(|at| (now - at).abs() >= RETRY_PAUSE)
}

impl AlertStore {
    /// Whether a pending message or ping may be tried now.
    pub fn has_undelivered(&self, now: DateTime<Utc>) -> bool {
        let state = self.read().unwrap_or_default();
        state.undelivered.iter().any(|it| is_retry_due(it.tried, now))
            || state.pings.values().any(|it| is_retry_due(Some(it.tried), now))
    }

    /// The delivery channels that do not work, by setting, with the time since when.
    pub fn failing_channels(&self) -> Vec<(String, DateTime<Utc>)> {
        let state = self.read().unwrap_or_default();
        let of = |(key, open): (&String, &BTreeMap<AlertKind, OpenAlert>)| {
            let setting = key.strip_prefix(AlertScope::Channel("").key().as_str())?.to_owned();
            Some((setting, open.values().map(|it| it.since).min()?))
        };
        state.open.iter().filter_map(of).collect()
    }

    /// The numbers of messages and pings that no channel has taken yet, and the time of the oldest.
    pub fn undelivered(&self) -> (usize, usize, Option<DateTime<Utc>>) {
        let state = self.read().unwrap_or_default();
        let times = state.undelivered.iter().map(|it| it.from).chain(state.pings.values().map(|it| it.from));
        (state.undelivered.len(), state.pings.len(), times.min())
    }

    /// Stores a message until each of these channels has delivered it.
    pub(in crate::notify) fn queue_message(
        &self,
        message: &AlertMessage,
        ways: &[DeliveryChannel],
        now: DateTime<Utc>,
    ) {
        let kept = self.update(|state| {
            let (message, ways) = (message.clone(), ways.to_vec());
            state.undelivered.push(PendingMessage { message, ways, from: now, tried: None });
            if state.undelivered.len() > MAX_MESSAGES {
                state.undelivered.remove(0);
            }
            ((), true)
        });
        if let Err(e) = kept {
            tracing::debug!(path = %self.file.display(), "cannot save a message, so it is tried only once: {e}");
            self.unsaved.borrow_mut().push((message.clone(), ways.to_vec()));
        }
    }

    /// The messages to deliver now, each with its pending channels out of `ways`. Each message goes to one
    /// process at a time.
    pub(in crate::notify) fn take_messages(
        &self,
        ways: &[DeliveryChannel],
        now: DateTime<Utc>,
    ) -> Vec<(AlertMessage, Vec<DeliveryChannel>)> {
        let mut unkept = self.unsaved.take();
        if !self.has_undelivered(now) {
            return unkept;
        }
        let taken = self.update(|state| {
            let before = state.undelivered.len();
            state.undelivered.iter_mut().for_each(|it| it.ways.retain(|way| ways.contains(way)));
            for old in state.undelivered.extract_if(.., |it| it.ways.is_empty() || now - it.from >= DELIVERY_DEADLINE) {
                for way in old.ways {
                    let (job, event) = (old.message.job.as_str(), old.message.event.as_str());
                    tracing::warn!(job, event, "dropping notification: `{}` failed for 24 h", way.setting());
                }
            }
            let mut taken = Vec::new();
            for it in state.undelivered.iter_mut().filter(|it| is_retry_due(it.tried, now)) {
                it.tried = Some(now);
                taken.push((it.message.clone(), it.ways.clone()));
            }
            let changed = !taken.is_empty() || state.undelivered.len() < before;
            (taken, changed)
        });
        unkept.extend(taken.unwrap_or_default());
        unkept
    }

    /// Records that a channel has delivered a message.
    pub(in crate::notify) fn mark_delivered(&self, message: &AlertMessage, way: DeliveryChannel) {
        // If this cannot be saved, the message is delivered again, which is better than never.
        let _ = self.update(|state| {
            for it in state.undelivered.iter_mut().filter(|it| it.message == *message) {
                it.ways.retain(|left| *left != way);
            }
            state.undelivered.retain(|it| !it.ways.is_empty());
            ((), true)
        });
    }

    /// Stores the ping about a finished run until it is delivered. It replaces an older ping of the job, which
    /// would give a wrong picture if it arrived later.
    pub(in crate::notify) fn keep_ping(&self, job: &str, ping: RunPing, now: DateTime<Utc>) {
        let kept = self.update(|state| {
            state.pings.insert(job.to_owned(), PendingPing { ping, from: now, tried: now });
            ((), true)
        });
        if let Err(e) = kept {
            tracing::warn!(path = %self.file.display(), job, "cannot save a ping: {e}");
        }
    }

    /// The pings to send now, by job. Each ping goes to one process at a time.
    pub(in crate::notify) fn take_pings(&self, now: DateTime<Utc>) -> Vec<(String, RunPing)> {
        if !self.read().is_ok_and(|state| state.pings.values().any(|it| is_retry_due(Some(it.tried), now))) {
            return Vec::new();
        }
        let taken = self.update(|state| {
            state.pings.retain(|_, it| now - it.from < DELIVERY_DEADLINE);
            let mut taken = Vec::new();
            for (job, it) in state.pings.iter_mut().filter(|(_, it)| is_retry_due(Some(it.tried), now)) {
                it.tried = now;
                taken.push((job.clone(), it.ping.clone()));
            }
            (taken, true)
        });
        taken.unwrap_or_default()
    }

    /// Deletes all pending pings.
    pub(in crate::notify) fn forget_pings(&self) {
        if self.read().is_ok_and(|state| !state.pings.is_empty()) {
            let _ = self.update(|state| (state.pings.clear(), true));
        }
    }

    /// Deletes the pending ping of a job, or only the one with this `rid`.
    pub(in crate::notify) fn forget_ping(&self, job: &str, rid: Option<&str>) {
        let is_it = |it: &PendingPing| rid.is_none_or(|rid| it.ping.rid == rid);
        if !self.read().is_ok_and(|state| state.pings.get(job).is_some_and(is_it)) {
            return;
        }
        let _ = self.update(|state| {
            let found = state.pings.get(job).is_some_and(is_it);
            if found {
                state.pings.remove(job);
            }
            ((), found)
        });
    }
}
