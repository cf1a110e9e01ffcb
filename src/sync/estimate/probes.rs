//! Probes: calls that an estimate may send where only Spotify knows what a run will find.

use std::cell::{Cell, RefCell};

use spotify_client::error::ApiError;

/// How many calls may be sent for estimates.
#[derive(Debug)]
pub struct ProbeBudget {
    remaining: Cell<u64>,
    sent: Cell<u64>,
    /// As many probes as exact estimates need.
    is_exact: bool,
    stopped_by: RefCell<Option<String>>,
}

impl ProbeBudget {
    /// At most this many probes.
    pub fn at_most(probes: u64) -> ProbeBudget {
        ProbeBudget {
            remaining: Cell::new(probes),
            sent: Cell::new(0),
            is_exact: false,
            stopped_by: RefCell::default(),
        }
    }

    /// As many probes as exact estimates need, but at most this many.
    pub fn for_exact_estimates(probes: u64) -> ProbeBudget {
        ProbeBudget { is_exact: true, ..ProbeBudget::at_most(probes) }
    }

    /// How many probes are left.
    pub fn remaining(&self) -> u64 {
        self.remaining.get()
    }

    /// How many calls were sent.
    pub fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Counts the calls that were really sent since `before` probes were left: a probe can take two calls.
    pub fn settle(&self, before: u64, sent: u64) {
        self.sent.set(self.sent.get() + sent);
        self.remaining.set(self.remaining.get().min(before.saturating_sub(sent)));
    }

    /// Why no further probe was sent, if something prevented it.
    pub fn stopped_by(&self) -> Option<String> {
        self.stopped_by.borrow().clone()
    }

    /// Whether as many probes may be sent as exact estimates need.
    pub(in crate::sync) fn is_exact(&self) -> bool {
        self.is_exact
    }

    /// Takes one probe, if one is left.
    pub(super) fn take(&self) -> bool {
        let remaining = self.remaining.get();
        self.remaining.set(remaining.saturating_sub(1));
        remaining > 0
    }

    /// Sends no further probe, because of `reason` if one is given.
    pub(super) fn stop(&self, reason: Option<String>) {
        self.remaining.set(0);
        if let Some(reason) = reason {
            self.stopped_by.borrow_mut().get_or_insert(reason);
        }
    }
}

/// What came of a probe.
pub(in crate::sync) enum ProbeOutcome<T> {
    /// The answer.
    Found(T),
    /// Spotify refuses it, as it will refuse the run.
    Refused(ApiError),
    /// Nothing was sent.
    NotAsked,
}
