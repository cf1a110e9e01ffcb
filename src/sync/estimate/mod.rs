//! What a run would cost now, worked out by the code that spends it.
//!
//! A fetch is cut into the same units as in a run (`Engine::units`), and each is priced by what the run
//! goes by: which ids are fresh, which lists stand (`decide`), how many pages there are, whether ids may
//! be read in batches. Nothing is written. Where only Spotify knows, a price is a range with its reason,
//! unless it may be asked: a look costs a call and takes what it finds to be what the run will find.

mod job;
mod lists;
mod own_playlists;
mod playlists;
mod totals;
mod work_items;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::context::SyncContext;
use super::error::SyncError;
use super::page_request::is_about_the_list;
use crate::store::ListKey;
use spotify_client::EntityKind;
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::{Deferral, DeferralReason};

pub use job::{FetchEstimate, JobEstimate, estimate_job};

/// Calls: at least, and at most where that can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallRange {
    /// At least.
    pub at_least: u64,
    /// At most; `None`: nobody can say.
    pub at_most: Option<u64>,
    /// What to reckon with where nobody can say.
    expected: u64,
}

impl CallRange {
    /// None at all.
    pub const NONE: CallRange = CallRange { at_least: 0, at_most: Some(0), expected: 0 };

    /// So many.
    pub fn exactly(calls: u64) -> CallRange {
        CallRange { at_least: calls, at_most: Some(calls), expected: calls }
    }

    /// Between these.
    pub fn between(least: u64, most: u64) -> CallRange {
        CallRange { at_least: least.min(most), at_most: Some(most), expected: most }
    }

    /// So many or more.
    pub fn at_least(calls: u64) -> CallRange {
        CallRange { at_least: calls, at_most: None, expected: calls }
    }

    /// So many as far as is known, but at least these.
    pub fn roughly(calls: u64, least: u64) -> CallRange {
        CallRange { at_least: least.min(calls), at_most: None, expected: calls }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: CallRange) -> CallRange {
        CallRange {
            at_least: self.at_least + other.at_least,
            at_most: self.at_most.zip(other.at_most).map(|(one, two)| one + two),
            expected: self.expected + other.expected,
        }
    }

    /// The figure to reckon with: the highest that is known, or what is known by now.
    pub fn expected_calls(self) -> u64 {
        self.at_most.unwrap_or(self.expected)
    }
}

/// Why a price is a range.
pub(super) mod reasons {
    pub const CLASS: &str = "the class of the app is not known yet, and with it the sizes of pages and batches";
    pub const CHANGED: &str = "one call tells whether a playlist changed; it is read whole if it did";
    pub const NEVER: &str = "how long a list is that was never read, only Spotify knows";
    pub const LAST_TIME: &str = "lists are taken to be about as long as at the last look";
    pub const HEAD: &str = "lists that stand newest first are read as far as to what is known";
    pub const GOES_ON: &str = "an interrupted read goes on, unless its list changed meanwhile";
    pub const RESTLESS: &str = "a playlist whose version changes at every look is read until two reads are the same";
    pub const TOLD: &str = "a fetch before it may tell that a playlist is unchanged";
    pub const HITS: &str = "a search ends where its hits end";
    pub const CODES: &str = "a UPC costs a search, and the album another call if it is found";
    pub const ALONG: &str = "some may come along in the answers of the fetches before";
    pub const FOREIGN: &str = "whether the items of others' playlists may be read is not known yet";
    pub const ANNOUNCED: &str = "lists that were never read to their end are taken to be as long as Spotify says";
    pub const WRONG: &str = "Spotify was wrong about the length of a list before";
    pub const ALBUMS: &str = "how many tracks an album has that was never read, only Spotify knows";
}

/// What something costs.
#[derive(Debug, Clone, Default)]
pub struct CallEstimate {
    /// By endpoint family, as quotas are counted.
    pub by_family: BTreeMap<EndpointFamily, CallRange>,
    /// Ids, lists and searches that it is about.
    pub asked: u64,
    /// Of these, unchanged or fresh, and free.
    pub unchanged: u64,
    /// Why it is a range, or what it presumes.
    pub reasons: Vec<String>,
    /// What a fetch that goes by this one will find otherwise than it stands now.
    pub(super) changes: RowChanges,
}

/// How a run will leave the rows that a later fetch of it goes by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum RowChanges {
    /// As they stand.
    #[default]
    None,
    /// So many may come, at most, and others may go.
    UpTo(u64),
    /// Nobody can say.
    AnyChange,
}

impl RowChanges {
    fn plus(self, other: RowChanges) -> RowChanges {
        match (self, other) {
            (RowChanges::None, other) | (other, RowChanges::None) => other,
            (RowChanges::UpTo(one), RowChanges::UpTo(other)) => RowChanges::UpTo(one + other),
            _ => RowChanges::AnyChange,
        }
    }
}

impl CallEstimate {
    /// Calls in all.
    pub fn calls(&self) -> CallRange {
        self.by_family.values().fold(CallRange::NONE, |sum, calls| sum.plus(*calls))
    }

    /// Whether the run will cost just that, as things are now and if each call is answered at once: what
    /// has to be asked twice, since the answer was lost or refused, nobody can know before.
    pub fn is_exact(&self) -> bool {
        let calls = self.calls();
        calls.at_most == Some(calls.at_least) && self.reasons.is_empty()
    }

    /// Adds another.
    pub(super) fn add(&mut self, other: CallEstimate) {
        for (family, calls) in other.by_family {
            self.add_calls(family, calls);
        }
        self.asked += other.asked;
        self.unchanged += other.unchanged;
        other.reasons.iter().for_each(|reason| self.add_reason(reason));
        self.changes = self.changes.plus(other.changes);
    }

    fn add_calls(&mut self, family: EndpointFamily, calls: CallRange) {
        if calls != CallRange::NONE {
            let so_far = self.by_family.entry(family).or_insert(CallRange::NONE);
            *so_far = so_far.plus(calls);
        }
    }

    fn add_reason(&mut self, reason: &str) {
        if !self.reasons.iter().any(|known| known == reason) {
            self.reasons.push(reason.to_owned());
        }
    }

    /// Something that was read or found unchanged.
    fn for_unchanged() -> CallEstimate {
        CallEstimate { asked: 1, unchanged: 1, ..CallEstimate::default() }
    }

    /// One thing with its calls, whatever it may bring.
    fn for_one(family: EndpointFamily, calls: CallRange) -> CallEstimate {
        let mut price = CallEstimate { asked: 1, changes: RowChanges::AnyChange, ..CallEstimate::default() };
        price.add_calls(family, calls);
        price
    }

    /// The same, leaving the rows so.
    fn with_changes(mut self, news: RowChanges) -> CallEstimate {
        self.changes = news;
        self
    }

    fn with_reason<'r>(mut self, reason: impl Into<Option<&'r str>>) -> CallEstimate {
        if let Some(reason) = reason.into() {
            self.add_reason(reason);
        }
        self
    }
}

/// How often Spotify may be asked for the sake of prices.
#[derive(Debug)]
pub struct ProbeBudget {
    remaining: Cell<u64>,
    sent: Cell<u64>,
    /// As often as exact prices need.
    exact: bool,
    stopped_by: std::cell::RefCell<Option<String>>,
}

impl ProbeBudget {
    /// At most so often.
    pub fn at_most(looks: u64) -> ProbeBudget {
        ProbeBudget {
            remaining: Cell::new(looks),
            sent: Cell::new(0),
            exact: false,
            stopped_by: std::cell::RefCell::default(),
        }
    }

    /// As often as exact prices need, but at most so often.
    pub fn for_exact_estimates(looks: u64) -> ProbeBudget {
        ProbeBudget { exact: true, ..ProbeBudget::at_most(looks) }
    }

    /// How many are left.
    pub fn remaining(&self) -> u64 {
        self.remaining.get()
    }

    /// How many calls were sent.
    pub fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Settles with what was really sent since there were so many left: a look may take two calls.
    pub fn settle(&self, before: u64, sent: u64) {
        self.sent.set(self.sent.get() + sent);
        self.remaining.set(self.remaining.get().min(before.saturating_sub(sent)));
    }

    /// Why no more was asked, where something stood in the way.
    pub fn stopped_by(&self) -> Option<String> {
        self.stopped_by.borrow().clone()
    }

    /// Takes one, if there is one.
    fn take(&self) -> bool {
        let left = self.remaining.get();
        self.remaining.set(left.saturating_sub(1));
        left > 0
    }
}

/// What came of a look.
enum ProbeOutcome<T> {
    /// What was looked for.
    Found(T),
    /// Spotify refuses it, as it will refuse the run.
    Refused,
    /// Nothing was asked.
    NotAsked,
}

/// What the pricing of a run's fetches knows of each other.
pub(super) struct JobEstimator<'a> {
    engine: &'a SyncContext,
    probes: &'a ProbeBudget,
    /// Ids that are read by then, by their table.
    read: HashMap<&'static str, HashSet<String>>,
    /// What the fetch in hand asks for will be known when another has been read: a look would tell nothing.
    skip_probes: Cell<bool>,
    /// Lists that are read by then.
    lists: HashSet<ListKey>,
    /// Versions of playlists that a look saw, and a fetch before will be told of.
    snapshots: HashMap<String, Option<String>>,
    /// A fetch before may be told of versions that no look saw.
    versions_may_be_known: bool,
    /// Kinds of which the fetches before may bring some along.
    included_kinds: HashSet<EntityKind>,
    /// A batch read of an app of unknown class was priced.
    tried_batch: bool,
    /// A page of an app of unknown class was priced, of these families.
    tried_pages: HashSet<EndpointFamily>,
}

impl<'a> JobEstimator<'a> {
    fn new(engine: &'a SyncContext, probes: &'a ProbeBudget) -> JobEstimator<'a> {
        JobEstimator {
            engine,
            probes,
            read: HashMap::new(),
            skip_probes: Cell::new(false),
            lists: HashSet::new(),
            snapshots: HashMap::new(),
            versions_may_be_known: false,
            included_kinds: HashSet::new(),
            tried_batch: false,
            tried_pages: HashSet::new(),
        }
    }

    /// Takes a look, if there is one and it tells something.
    fn take_probe(&self) -> bool {
        !self.skip_probes.get() && self.probes.take()
    }

    /// Sorts what came of a look.
    fn classify_probe<T>(&self, answer: Result<T, SyncError>) -> Result<ProbeOutcome<T>, SyncError> {
        match answer {
            Ok(found) => Ok(ProbeOutcome::Found(found)),
            Err(SyncError::Api(e)) if is_about_the_list(&e) => Ok(ProbeOutcome::Refused),
            Err(SyncError::Api(ApiError::State(e))) => Err(SyncError::Api(ApiError::State(e))),
            Err(SyncError::Api(e)) => {
                self.probes.remaining.set(0);
                if matches!(e, ApiError::Deferred(Deferral { reason: DeferralReason::MaxCalls, .. })) {
                    return Ok(ProbeOutcome::NotAsked);
                }
                self.probes.stopped_by.borrow_mut().get_or_insert_with(|| e.to_string());
                Ok(ProbeOutcome::NotAsked)
            }
            Err(e) => Err(e),
        }
    }
}

/// So many as calls; what cannot be is none.
fn call_count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// How long so many calls take at a pace, in seconds: the first two go at once.
pub fn seconds_for_calls(calls: u64, requests_per_second: f64) -> f64 {
    if requests_per_second > 0.0 { calls.saturating_sub(2) as f64 / requests_per_second } else { 0.0 }
}

/// When a run may begin that is held back now.
pub type NotBefore = Option<DateTime<Utc>>;
