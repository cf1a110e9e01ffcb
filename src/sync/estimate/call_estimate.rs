//! What something costs, by endpoint family, with the reasons why that is not exact.

use std::collections::BTreeMap;

use super::calls::CallRange;
use spotify_client::family::EndpointFamily;

/// Why an estimate is a range.
pub(in crate::sync) mod reasons {
    pub const CLASS: &str = "the class of the app is not known yet, and with it the sizes of pages and batches";
    pub const CHANGED: &str = "one call tells whether a playlist changed; it is read whole if it did";
    pub const NEVER: &str = "the length of a list is not known before its first read";
    pub const LAST_TIME: &str = "each list is assumed to be about as long as when it was last read";
    pub const HEAD: &str = "lists with the newest items first are read down to the known items";
    pub const CONTINUES: &str = "an interrupted read continues, unless its list changed meanwhile";
    pub const RESTLESS: &str = "a playlist with a new version at every check is read until two reads are the same";
    pub const FOUND_EARLIER: &str = "an earlier fetch may find that a playlist is unchanged";
    pub const NEWEST: &str = "the read of a list shows where its newest items are";
    pub const REFUSED: &str =
        "ids that Spotify refused before are requested again, and a second time if they are refused again";
    pub const HITS: &str = "a search ends where its hits end";
    pub const CODES: &str = "a UPC costs a search, and the album another call if it is found";
    pub const ALONG: &str = "some may come along in the answers of the fetches before";
    pub const FOREIGN: &str = "Spotify may refuse the items of other people's playlists, which only a request shows";
    pub const ANNOUNCED: &str = "a list that was never read to its end is assumed to be as long as Spotify says";
    pub const WRONG: &str = "Spotify was wrong about the length of a list before";
    pub const UNREAD: &str = "items that could not be read before are requested again, one by one";
    pub const GAPS: &str =
        "what was missing from a list before is looked at again, and the list is read whole if it came";
    pub const ALBUMS: &str = "the number of tracks of an album is not known before its first read";
}

/// What something costs.
#[derive(Debug, Clone, Default)]
pub struct CallEstimate {
    /// Calls by endpoint family, as quotas are counted.
    pub by_family: BTreeMap<EndpointFamily, CallRange>,
    /// Ids, lists and searches that the estimate is about.
    pub asked: u64,
    /// Of these, unchanged or fresh, and free.
    pub unchanged: u64,
    /// Why it is a range, or its assumptions.
    pub reasons: Vec<String>,
    /// How the run will change the rows that later fetches take their ids from.
    pub(in crate::sync) changes: RowChanges,
}

/// How a run will change the rows that a later fetch takes its ids from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::sync) enum RowChanges {
    /// Not at all.
    #[default]
    None,
    /// At most this many rows are added. Others may be removed.
    UpTo(u64),
    /// That is not known.
    AnyChange,
}

impl RowChanges {
    pub(in crate::sync) fn plus(self, other: RowChanges) -> RowChanges {
        match (self, other) {
            (RowChanges::None, other) | (other, RowChanges::None) => other,
            (RowChanges::UpTo(one), RowChanges::UpTo(other)) => RowChanges::UpTo(one + other),
            _ => RowChanges::AnyChange,
        }
    }
}

impl CallEstimate {
    /// Calls of all families together.
    pub fn calls(&self) -> CallRange {
        self.by_family.values().fold(CallRange::NONE, |sum, calls| sum.plus(*calls))
    }

    /// Whether the run will cost exactly this, as things are now and if each call is answered at once. A
    /// call that has to be sent twice, because its answer was lost or refused, cannot be foreseen.
    pub fn is_exact(&self) -> bool {
        let calls = self.calls();
        calls.at_most == Some(calls.at_least) && self.reasons.is_empty()
    }

    /// Adds another estimate.
    pub(in crate::sync) fn add(&mut self, other: CallEstimate) {
        for (family, calls) in other.by_family {
            self.add_calls(family, calls);
        }
        self.asked += other.asked;
        self.unchanged += other.unchanged;
        other.reasons.iter().for_each(|reason| self.add_reason(reason));
        self.changes = self.changes.plus(other.changes);
    }

    pub(in crate::sync) fn add_calls(&mut self, family: EndpointFamily, calls: CallRange) {
        if calls != CallRange::NONE {
            let so_far = self.by_family.entry(family).or_insert(CallRange::NONE);
            *so_far = so_far.plus(calls);
        }
    }

    pub(in crate::sync) fn add_reason(&mut self, reason: &str) {
        if !self.reasons.iter().any(|known| known == reason) {
            self.reasons.push(reason.to_owned());
        }
    }

    /// Lowers the lower bound of every family to zero: the calls may turn out not to be needed.
    pub(in crate::sync) fn make_optional(&mut self) {
        self.by_family.values_mut().for_each(|calls| calls.at_least = 0);
    }

    /// Something that was read before, or found unchanged.
    pub(in crate::sync) fn for_unchanged() -> CallEstimate {
        CallEstimate { asked: 1, unchanged: 1, ..CallEstimate::default() }
    }

    /// One id, list or search with its calls, whatever rows they bring.
    pub(in crate::sync) fn for_one(family: EndpointFamily, calls: CallRange) -> CallEstimate {
        let mut estimate = CallEstimate { asked: 1, changes: RowChanges::AnyChange, ..CallEstimate::default() };
        estimate.add_calls(family, calls);
        estimate
    }

    /// The same estimate with these changes of rows.
    pub(in crate::sync) fn with_changes(mut self, changes: RowChanges) -> CallEstimate {
        self.changes = changes;
        self
    }

    /// The same estimate with another reason, if there is one.
    pub(in crate::sync) fn with_reason<'r>(mut self, reason: impl Into<Option<&'r str>>) -> CallEstimate {
        if let Some(reason) = reason.into() {
            self.add_reason(reason);
        }
        self
    }
}
