//! What the estimates of a run's fetches know of each other.

use std::collections::{HashMap, HashSet};

use super::probes::{ProbeBudget, ProbeOutcome};
use crate::store::{ListKey, ListRow, lists};
use crate::stream::{Paging, Stream};
use crate::sync::context::SyncContext;
use crate::sync::error::{SyncError, is_about_one_list};
use spotify_client::EntityKind;
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::{Deferral, DeferralReason};

/// The state of an estimate of one run.
pub(in crate::sync) struct JobEstimator<'a> {
    pub sync: &'a SyncContext,
    pub probes: &'a ProbeBudget,
    /// Ids that the fetches before have read by then, by their table.
    pub read: HashMap<&'static str, HashSet<String>>,
    /// What the current fetch requests is not known before another fetch is read: a probe tells nothing.
    pub skip_probes: bool,
    /// Lists that the fetches before have read by then.
    pub lists: HashSet<ListKey>,
    /// Versions of playlists that a probe found, and that an earlier fetch will find.
    pub snapshots: HashMap<String, Option<String>>,
    /// An earlier fetch may find versions that no probe found.
    pub versions_may_be_known: bool,
    /// Kinds that the answers of earlier fetches include.
    pub included_kinds: HashSet<EntityKind>,
    /// Parents of lists that a list before has requested for their names.
    pub named_parents: HashSet<(EntityKind, String)>,
    /// The streams of the fetches before.
    pub streams_before: Vec<&'static Stream>,
    /// The estimate has a batch read by an app of unknown class.
    pub tried_batch: bool,
    /// How many probes were answered.
    pub probe_answers: u64,
    /// Families with a page that the estimate counts for an app of unknown class.
    pub tried_pages: HashSet<EndpointFamily>,
}

impl<'a> JobEstimator<'a> {
    pub(in crate::sync) fn new(sync: &'a SyncContext, probes: &'a ProbeBudget) -> JobEstimator<'a> {
        JobEstimator {
            sync,
            probes,
            read: HashMap::new(),
            skip_probes: false,
            lists: HashSet::new(),
            snapshots: HashMap::new(),
            versions_may_be_known: false,
            included_kinds: HashSet::new(),
            named_parents: HashSet::new(),
            streams_before: Vec::new(),
            tried_batch: false,
            probe_answers: 0,
            tried_pages: HashSet::new(),
        }
    }

    /// Takes a probe, if one is left and it tells something.
    pub(in crate::sync) fn take_probe(&self) -> bool {
        !self.skip_probes && self.probes.take()
    }

    /// Sorts the answer to a probe.
    pub(in crate::sync) fn classify_probe<T>(
        &mut self,
        answer: Result<T, SyncError>,
    ) -> Result<ProbeOutcome<T>, SyncError> {
        let is_refusal = |e: &SyncError| matches!(e, SyncError::Api(e) if is_about_one_list(e));
        self.probe_answers += u64::from(answer.as_ref().err().is_none_or(is_refusal));
        match answer {
            Ok(found) => Ok(ProbeOutcome::Found(found)),
            Err(SyncError::Api(e)) if is_about_one_list(&e) => Ok(ProbeOutcome::Refused(e)),
            Err(SyncError::Api(ApiError::State(e))) => Err(SyncError::Api(ApiError::State(e))),
            Err(SyncError::Api(e)) => {
                let is_own_limit = matches!(e, ApiError::Deferred(Deferral { reason: DeferralReason::MaxCalls, .. }));
                self.probes.stop((!is_own_limit).then(|| e.to_string()));
                Ok(ProbeOutcome::NotAsked)
            }
            Err(e) => Err(e),
        }
    }

    /// The stored row of a list; an empty one if there is none.
    pub(in crate::sync) async fn stored_row(&self, key: &ListKey) -> Result<ListRow, SyncError> {
        let (key, full) = (key.clone(), self.sync.full);
        let row = self.sync.store.write(move |s| lists::find(s, &key)).await?.unwrap_or_default();
        Ok(ListRow { checkpoint: row.checkpoint.filter(|_| !full), ..row })
    }

    /// Whether the first page may be refused, and teach a smaller page size.
    pub(in crate::sync) fn may_learn_page_size(
        &self,
        family: EndpointFamily,
        paging: Paging,
        size: u16,
    ) -> Result<bool, SyncError> {
        let Paging::Offset { development, extended } = paging else { return Ok(false) };
        let class = self.sync.app.class().map_err(ApiError::from)?;
        Ok(class.is_none() && family != EndpointFamily::PLAYLIST_ITEMS && development < extended && size == extended)
    }
}
