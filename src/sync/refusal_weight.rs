//! Weighs a refusal: one 404 does not show that a resource is gone.
//!
//! Spotify has answered 404 once for a playlist that it listed a second before. So a refusal of an id that a listing
//! of the run names, or that was read before, is requested once more at the end of its fetch. If that fails too, the
//! fetch is partial, and the next run requests it again. The refusal is settled, and from then on looked at once a
//! week, when there is enough evidence. Ids that a person wrote down and that never answered are settled at once.

use chrono::TimeDelta;

use super::context::{FetchContext, SyncContext};
use crate::store::{
    EntityTable, MissingIdKey, StoreError, WriteTx, freshness, library_playlists, lists, missing_ids, timestamp,
};
use crate::stream::{PLAYLIST_ITEMS, Stream, StreamInput, StreamTable};

/// Two refusals this far apart show that something is gone. It is a little less than a day, so that the next run of a
/// daily schedule counts.
const GONE_AFTER: TimeDelta = TimeDelta::hours(23);

/// How much a refusal of an id says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RefusalWeight {
    /// It may be a mistake of one answer: the id is requested once more in this run.
    pub wants_second_look: bool,
    /// It is remembered for a week. Otherwise the next run requests the id again.
    pub is_settled: bool,
    /// The resource does not exist any more.
    pub is_gone: bool,
}

impl RefusalWeight {
    /// A refusal that says nothing about the next request.
    pub(super) const PASSING: RefusalWeight =
        RefusalWeight { wants_second_look: false, is_settled: false, is_gone: false };
}

/// What a refusal is weighed by.
#[derive(Debug, Clone)]
pub(super) struct RefusalScale {
    stream: &'static Stream,
    /// A listing of this run names the id.
    is_listed: bool,
    is_second_look: bool,
    run_started_at: String,
    /// A refusal before this time and one now show that something is gone.
    gone_since: String,
}

impl RefusalScale {
    pub(super) fn new(sync: &SyncContext, context: &FetchContext) -> RefusalScale {
        RefusalScale {
            stream: context.stream,
            is_listed: context.is_listed,
            is_second_look: context.is_second_look,
            run_started_at: timestamp(sync.started_at),
            gone_since: timestamp(sync.now() - GONE_AFTER),
        }
    }

    /// Weighs a refusal before it is recorded.
    pub(super) fn weigh(&self, s: &WriteTx, key: &MissingIdKey, reason: &str) -> Result<RefusalWeight, StoreError> {
        let is_not_found = reason == "not_found";
        let was_read = self.was_read(s, key)?;
        let before = missing_ids::refused_since(s, key, reason)?;
        let is_old = before.as_ref().is_some_and(|(since, _)| *since <= self.gone_since);
        let is_unlisted = is_not_found
            && self.stream.table == StreamTable::PlaylistItems
            && library_playlists::was_removed(s, &key.id)?;
        let is_gone = is_not_found && (is_old || is_unlisted);
        let is_listed = self.is_listed && is_not_found;
        if !is_listed && !was_read || is_gone {
            return Ok(RefusalWeight { wants_second_look: false, is_settled: true, is_gone });
        }
        // Until two refusals are a day apart, each run requests the id again. An id that a person wrote down gets a second
        // look in the first run that it is refused in; later runs request it once.
        let is_second_run = before.is_some_and(|(_, checked)| checked < self.run_started_at);
        let wants_second_look = !self.is_second_look && !is_old && (is_listed || !is_second_run);
        Ok(RefusalWeight { wants_second_look, is_settled: is_old, is_gone })
    }

    /// Whether Spotify ever answered for the id.
    fn was_read(&self, s: &WriteTx, key: &MissingIdKey) -> Result<bool, StoreError> {
        match self.stream.table {
            StreamTable::PlaylistItems => lists::was_read(s, PLAYLIST_ITEMS, &key.id, &key.audience),
            StreamTable::Entities(_) => {
                let StreamInput::Ids(kind) = self.stream.input else { return Ok(false) };
                let read = freshness::fetched_at(s, EntityTable::for_kind(kind), std::slice::from_ref(&key.id))?;
                Ok(read.iter().any(Option::is_some))
            }
            _ => lists::was_read(s, self.stream.name, &key.id, &key.audience),
        }
    }
}
