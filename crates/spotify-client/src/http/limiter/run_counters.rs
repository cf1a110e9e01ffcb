//! What one run has sent, waited and been refused so far.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use rustc_hash::FxHashMap;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::CallLimiter;
use crate::deferral::{Deferral, DeferralReason};
use crate::http::breaker::CircuitBreaker;
use crate::http::clock::Clock;
use crate::http::family::EndpointFamily;
use crate::state::{NewRefusal, StateError};

/// This number of failed resources in a row means that Spotify cannot be reached.
const FAILED_RESOURCES_OF_AN_OUTAGE: usize = 4;

/// The same, before the first answer of the run.
const FAILED_RESOURCES_AT_FIRST: usize = 3;

/// What came instead of an answer of Spotify in all calls of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingAnswer {
    /// Nothing at all, for one resource or more.
    Silence,
    /// Only statuses of 500 and above.
    Errors,
    /// The page of a proxy, or of the sign-in to a network.
    Foreign,
}

/// The counters of one run.
#[derive(Debug, Default)]
pub(super) struct RunCounters {
    pub(super) calls: u64,
    pub(super) retries: u64,
    pub(super) waited: TimeDelta,
    pub(super) charged_until: Option<DateTime<Utc>>,
    pub(super) announced: Option<DateTime<Utc>>,
    pub(super) closed: Option<Deferral>,
    pub(super) breaker: CircuitBreaker,
    /// The server has answered a call of the run, with any status below 500.
    pub(super) has_answered: bool,
    /// One of these answers may come from Spotify.
    pub(super) has_spotify_answered: bool,
    /// One of these answers is the page of a proxy or of the sign-in to a network.
    pub(super) has_foreign_answers: bool,
    /// Resources that were given up since the last answer.
    pub(super) given_up: BTreeSet<String>,
    /// One of these got no response at all.
    pub(super) is_silent: bool,
    /// Resources for which something else than Spotify has answered since its last answer.
    pub(super) foreign: BTreeSet<String>,
    /// For each family the last URL for which Spotify has sent what was requested, and the family of the last one. Profiles do
    /// not count: a network lets single calls through before it shows its page.
    pub(super) answered: FxHashMap<EndpointFamily, Url>,
    pub(super) answered_last: Option<EndpointFamily>,
    pub(super) unstated_refusals: u32,
    pub(super) family_refusals: FxHashMap<EndpointFamily, u32>,
}

impl RunCounters {
    /// Records a response that shows that the server is there.
    pub(super) fn record_answer(&mut self) {
        self.has_answered = true;
        self.given_up.clear();
        self.is_silent = false;
        self.breaker.record_success();
    }
}

impl CallLimiter {
    /// Records that a resource was given up after all its attempts. Returns whether enough different ones were
    /// given up in a row to blame the server instead of the resources.
    pub fn record_given_up(&self, resource: &str, is_lost: bool) -> bool {
        let mut run = self.counters();
        run.given_up.insert(resource.to_owned());
        run.is_silent |= is_lost;
        let limit = if run.has_answered { FAILED_RESOURCES_OF_AN_OUTAGE } else { FAILED_RESOURCES_AT_FIRST };
        run.given_up.len() >= limit
    }

    /// Records that Spotify has sent what was requested.
    pub fn record_spotify_answer(&self, family: EndpointFamily, url: &Url) {
        let mut run = self.counters();
        run.answered.insert(family, url.clone());
        run.answered_last = Some(family);
        run.foreign.clear();
    }

    /// What Spotify has answered in this run: the last request of the family, else the last one of any family.
    pub fn last_answered(&self, family: EndpointFamily) -> Option<(EndpointFamily, Url)> {
        let run = self.counters();
        let of = |family: EndpointFamily| run.answered.get(&family).map(|url| (family, url.clone()));
        of(family).or_else(|| run.answered_last.and_then(of))
    }

    /// Records that a resource was given up because something else than Spotify seems to have answered.
    pub fn record_foreign_answer(&self, resource: &str) {
        self.counters().foreign.insert(resource.to_owned());
    }

    /// Whether Spotify has sent what was requested, and not one resource after the other has had another answer since then.
    pub fn is_spotify_answering(&self) -> bool {
        let run = self.counters();
        run.answered_last.is_some() && run.foreign.len() < FAILED_RESOURCES_OF_AN_OUTAGE
    }

    /// Records who has sent a response below 500.
    pub fn record_sender(&self, is_foreign: bool) {
        let mut run = self.counters();
        if is_foreign {
            run.has_foreign_answers = true;
        } else {
            run.has_spotify_answered = true;
        }
    }

    /// What has answered instead of Spotify, if Spotify has answered no call of the run, as far as calls were sent. One
    /// resource with a 5xx does not show that.
    pub fn missing_answer(&self) -> Option<MissingAnswer> {
        let run = self.counters();
        if run.has_foreign_answers && !run.has_spotify_answered {
            return Some(MissingAnswer::Foreign);
        }
        match run.is_silent {
            _ if run.has_answered => None,
            true => Some(MissingAnswer::Silence),
            false => (run.given_up.len() > 1).then_some(MissingAnswer::Errors),
        }
    }

    /// Stops the run: all waits end, and nothing more is sent.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// The token that ends all waits.
    pub fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// The source of time.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Calls sent in this run.
    pub fn calls_sent(&self) -> u64 {
        self.counters().calls
    }

    /// Whether the run may retry once more. It has 20 retries, and one more for every ten calls.
    pub fn may_retry(&self) -> bool {
        let run = self.counters();
        run.retries < 20 + run.calls / 10
    }

    /// Counts a retry.
    pub fn count_retry(&self) {
        self.counters().retries += 1;
    }

    /// Refusals in a row: those without a stated time, and those of one family.
    pub fn refusals(&self, family: EndpointFamily) -> (u32, u32) {
        let run = self.counters();
        (run.unstated_refusals, run.family_refusals.get(&family).copied().unwrap_or(0))
    }

    /// Records a refusal, which holds its scope back in every process. A deadline that is further ahead stays.
    ///
    /// # Errors
    ///
    /// If it cannot be recorded. Nothing more is sent then.
    pub fn record_refusal(&self, family: EndpointFamily, refused: NewRefusal<'_>) -> Result<(), StateError> {
        {
            let mut run = self.counters();
            if matches!(refused.reason, DeferralReason::RateLimit | DeferralReason::Quota) {
                *run.family_refusals.entry(family).or_default() += 1;
            }
            if !refused.wait_is_stated {
                run.unstated_refusals += 1;
            }
        }
        let (ceilings, now) = (self.rates().ceilings, self.clock.now());
        self.state.cool_downs().record_refusal(&self.identity, family.as_str(), refused, ceilings, now)?;
        Ok(())
    }
}
