//! What is a user's own: profile, playlists, library, followed artists, tops and plays.

use super::context::{FetchContext, RecordCounts, SyncContext};
use super::error::SyncError;
use super::list::{ListOutcome, ListRequest, Prefetch};
use super::page_request::is_about_the_list;
use super::work_result::WorkResult;
use crate::ingest::{self, IngestError};
use crate::job::{Fetch, TimeRange};
use crate::store::{EntityTable, ListKey, ListProof, RequestedItem};
use crate::store::{freshness, list_commit, lists};
use crate::stream::{EntryKind, ReadStrategy, Stream};
use spotify_client::EntityKind;
use spotify_client::client::{ApiRequest, ApiResponse, UnusableResponse};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::page::{Envelope, RawPage, utf8};

impl SyncContext {
    /// One fetch of a stream of a user's.
    pub(super) async fn read_user_stream(&self, fetch: &Fetch, frame: &FetchContext) -> Result<WorkResult, SyncError> {
        let stream = frame.stream;
        match stream.strategy {
            ReadStrategy::Profile => self.read_profile(frame).await,
            ReadStrategy::OwnPlaylists => self.read_own_playlists(frame).await,
            ReadStrategy::Plays => self.read_plays(frame).await,
            _ => {
                let mut end = WorkResult::default();
                for list in user_stream_lists(fetch, frame) {
                    end.add(self.read_user_list(frame, &list).await?);
                }
                Ok(end)
            }
        }
    }

    /// Reads a list of the user's whole and puts it in place.
    pub(super) async fn read_user_list(
        &self,
        frame: &FetchContext,
        list: &ListRequest,
    ) -> Result<WorkResult, SyncError> {
        let _reading = self.lock_list(&list.key).await?;
        let known = self.open_list(&list.key).await?;
        let requested = vec![requested_list(frame, known.id)];
        if self.is_from_this_run(known.checked_at.as_ref()) {
            let tally = RecordCounts { unchanged: 1, stored: known.stored.unwrap_or(0), ..RecordCounts::default() };
            return Ok(WorkResult::whole(requested, tally));
        }
        match self.read_list(frame, list, &known, Prefetch::default()).await? {
            ListOutcome::Whole(tally) => {
                self.clear_missing(frame, frame.stream.name).await?;
                Ok(WorkResult::whole(requested, tally))
            }
            ListOutcome::AwaitsVerification(_) => Ok(WorkResult { requested, ..WorkResult::default() }),
            ListOutcome::Refused(e) => self.record_missing(frame, frame.stream.name, requested, &e).await,
            ListOutcome::Unproved { reason, detail } => {
                self.record_unproved(frame, "", &known, requested, (reason, detail)).await
            }
        }
    }

    async fn read_profile(&self, frame: &FetchContext) -> Result<WorkResult, SyncError> {
        let requested = vec![RequestedItem { user_id: Some(frame.audience.clone()), list_id: None, item_id: None }];
        let (id, when) = (frame.audience.clone(), self.fresh_span(chrono::TimeDelta::zero()));
        let known = self
            .store
            .write(move |s| freshness::are_fresh(s, EntityTable::for_kind(EntityKind::User), &[id], &when))
            .await?;
        if known == [true] {
            return Ok(WorkResult::whole(
                requested,
                RecordCounts { unchanged: 1, stored: 1, ..RecordCounts::default() },
            ));
        }
        let check = |answer: &ApiResponse| utf8(&answer.body).map(|_| answer.body.clone());
        let body = match self.api.get_checked(&frame.bearer, &ApiRequest::new(EndpointFamily::ME, "/me"), check).await {
            Ok(body) => body,
            Err(e) if is_about_the_list(&e) => {
                return self.record_missing(frame, frame.stream.name, requested, &e).await;
            }
            Err(e) => return Err(e.into()),
        };
        let asked = frame.asked(self.now());
        let written = self.store.write(move |s| {
            match ingest::ingest_entity(s, EntityKind::User, std::str::from_utf8(&body).unwrap_or_default(), &asked) {
                Ok(_) => Ok(None),
                Err(IngestError::Malformed(detail)) => Ok(Some(detail)),
                Err(IngestError::Store(e)) => Err(e),
            }
        });
        match written.await? {
            None => {
                self.clear_missing(frame, frame.stream.name).await?;
                Ok(WorkResult::whole(requested, RecordCounts { served: 1, stored: 1, ..RecordCounts::default() }))
            }
            Some(what) => {
                let e = ApiError::Unusable { family: EndpointFamily::ME, what, attempts: 1 };
                self.record_missing(frame, frame.stream.name, requested, &e).await
            }
        }
    }

    /// The latest plays. Spotify has about 50 and no more, so where none of them was known before,
    /// some in between may be lost.
    async fn read_plays(&self, frame: &FetchContext) -> Result<WorkResult, SyncError> {
        let list = user_list_request(frame.stream, frame);
        let _reading = self.lock_list(&list.key).await?;
        let known = self.open_list(&list.key).await?;
        let requested = vec![requested_list(frame, known.id)];
        if self.is_from_this_run(known.checked_at.as_ref()) {
            return Ok(WorkResult::whole(requested, RecordCounts { unchanged: 1, ..RecordCounts::default() }));
        }
        let request = ApiRequest::new(list.family, list.path.clone()).with_query("limit", "50");
        let check = |answer: &ApiResponse| {
            RawPage::read(answer, Envelope::Bare)?.ok_or_else(|| UnusableResponse::new("the answer holds no page"))
        };
        let page = match self.api.get_checked(&frame.bearer, &request, check).await {
            Ok(page) => page,
            Err(e) if is_about_the_list(&e) => {
                return self.record_missing(frame, frame.stream.name, requested, &e).await;
            }
            Err(e) => return Err(e.into()),
        };
        let (asked, key, run, id) = (frame.asked(self.now()), list.key.clone(), self.run_id, known.id);
        let served = page.served();
        let (stored, skipped) = self
            .store
            .write(move |s| {
                lists::discard_checkpoint(s, id)?;
                let staged =
                    ingest::stage_entries(s, id, EntryKind::Saved(EntityKind::Track), "", 0, &page.entries(), &asked)?;
                let skipped = i64::try_from(staged.unstored.len()).unwrap_or(i64::MAX);
                let proof = ListProof { served, skipped, ..ListProof::default() };
                Ok((list_commit::commit(s, id, &key, &proof, run, &asked.now)?.stored, skipped))
            })
            .await?;
        let mut end = WorkResult::whole(requested, RecordCounts { served, stored, skipped, ..RecordCounts::default() });
        // `stored` counts plays that are new: as many as were served means that none was known.
        if known.whole_at.is_some() && served > 0 && stored >= served - skipped {
            end.warnings.push(format!(
                "all {served} plays are new, so plays before them may be missing: Spotify keeps about 50; run the job \
                 at least every 25 minutes (schedule = \"*/25 * * * *\")"
            ));
        }
        Ok(end)
    }
}

fn requested_list(frame: &FetchContext, list: i64) -> RequestedItem {
    RequestedItem { user_id: Some(frame.audience.clone()), list_id: Some(list), item_id: None }
}

/// The lists that a fetch of a user's own reads one by one.
pub(super) fn user_stream_lists(fetch: &Fetch, frame: &FetchContext) -> Vec<ListRequest> {
    let stream = frame.stream;
    if stream.strategy != ReadStrategy::TopLists {
        return vec![user_list_request(stream, frame)];
    }
    let ranges = if fetch.time_range.is_empty() { &[TimeRange::MediumTerm][..] } else { &fetch.time_range };
    let list = |range: &TimeRange| {
        let mut list = user_list_request(stream, frame);
        range.as_str().clone_into(&mut list.key.variant);
        list.query.push(("time_range", range.as_str().to_owned()));
        list
    };
    ranges.iter().map(list).collect()
}

/// The request for a list of the user.
pub(super) fn user_list_request(stream: &Stream, frame: &FetchContext) -> ListRequest {
    let market = if stream.takes_market { frame.query() } else { Vec::new() };
    let fixed = stream.query.iter().map(|(name, value)| (*name, (*value).to_owned()));
    ListRequest {
        key: ListKey {
            kind: stream.name,
            parent_id: String::new(),
            audience: frame.audience.clone(),
            market: frame.market_for(stream),
            variant: String::new(),
        },
        family: stream.family,
        path: stream.endpoint.to_owned(),
        query: market.into_iter().chain(fixed).collect(),
        entry_kind: stream.entry_kind(),
        envelope: stream.envelope,
        paging: stream.paging,
        changes: stream.changes,
        total_is_unreliable: stream.total_is_unreliable,
        max_items: None,
        version: None,
        deferred_verification: false,
        parent: None,
    }
}
