//! Entities by id: those that are not fresh, many in one call where the app has batch reads.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use chrono::TimeDelta;
use serde_json::value::RawValue;

use super::album_list::{AlbumReading, IncludedTracks, write_album_tracks};
use super::context::{FetchContext, SyncContext};
use super::counts::RecordCounts;
use super::error::{SyncError, is_about_one_list};
use super::estimate::{CallEstimate, CallRange, JobEstimator, RowChanges, reasons};
use super::halving::Halving;
use super::missing;
use super::ordering::IndexedReference;
use super::references::{estimate_references, resolve_references};
use super::work_result::{MissingId, WorkResult};
use crate::ingest::{self, IngestError};
use crate::store::timestamp;
use crate::store::{
    EntityTable, MarketAvailability, MarketTable, RequestedItem, WriteTx, children, etags, freshness, missing_ids, runs,
};
use spotify_client::EntityKind;
use spotify_client::client::{ApiRequest, ApiResponse, UnusableResponse};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::forbidden::ForbiddenReason;
use spotify_client::page::utf8;
use spotify_client::state::AppClass;

/// A kind of entity that is read by id, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntityReader {
    pub kind: EntityKind,
    pub family: EndpointFamily,
    /// Ids per batch call with Extended Quota.
    pub batch: u16,
    /// How old a row may be.
    pub refresh_after: TimeDelta,
    /// Read the entities whatever their age.
    pub ignore_age: bool,
    /// Start to read the tracks of albums that have more of them than the answer.
    pub start_tracks: bool,
}

/// Which ids need not be requested.
#[derive(Debug, Default)]
pub(super) struct FreshEntities {
    /// For each id, whether its row is fresh.
    pub is_fresh: Vec<bool>,
    /// Ids that Spotify answered with another id.
    pub answered_as: HashMap<String, String>,
}

impl EntityReader {
    /// Albums that are read for their tracks: at every fire, whatever age the albums themselves may have.
    pub(super) fn for_album_tracks() -> EntityReader {
        EntityReader {
            kind: EntityKind::Album,
            family: EndpointFamily::ALBUMS,
            batch: 20,
            refresh_after: TimeDelta::zero(),
            ignore_age: true,
            start_tracks: true,
        }
    }

    /// Reads the entities of a work item. If an error stops that, the result has those that were read.
    pub(super) async fn read_references(
        self,
        sync: &SyncContext,
        context: &FetchContext,
        references: &[IndexedReference],
        result: &mut WorkResult,
    ) -> Result<(), SyncError> {
        let mut resolved = resolve_references(sync, context, references).await?;
        let ended = self.read(sync, context, &resolved.ids, result).await;
        let wrong = match &ended {
            Ok(()) => resolved.check_codes(sync, context).await?,
            Err(_) => resolved.unverified_ids(),
        };
        result.add(resolved.result);
        // The record keeps the order of the ids.
        let is_answered = |id: &&String| !result.unanswered.contains(*id);
        let keep: Vec<bool> = resolved.ids.iter().filter(is_answered).map(|id| !wrong.contains(id)).collect();
        let answered = resolved.ids.iter().zip(resolved.places).filter(|(id, _)| is_answered(id));
        result.places = answered.zip(&keep).filter(|(_, keep)| **keep).map(|((_, place), _)| place).collect();
        let mut kept = keep.iter();
        result.requested.retain(|_| kept.next().copied().unwrap_or(true));
        ended
    }

    /// Reads the entities of these ids that are not fresh. If an error stops that, those that were not read are
    /// unanswered.
    pub(super) async fn read(
        self,
        sync: &SyncContext,
        context: &FetchContext,
        ids: &[String],
        result: &mut WorkResult,
    ) -> Result<(), SyncError> {
        let FreshEntities { is_fresh, answered_as } = self.find_fresh(sync, context, ids).await?;
        let stale: Vec<String> =
            ids.iter().zip(&is_fresh).filter(|(_, fresh)| !**fresh).map(|(id, _)| id.clone()).collect();
        let known = missing::missing_ids(sync, context, &stale).await?;
        let mut missing: HashMap<&String, MissingId> =
            stale.iter().zip(known).filter_map(|(id, missing)| Some((id, missing?))).collect();
        let mut wanted: Vec<String> = Vec::new();
        let mut seen = HashSet::new();
        for (id, fresh) in ids.iter().zip(is_fresh) {
            let is_repeated = !seen.insert(id);
            if let Some(missing) = missing.remove(id) {
                result.add(WorkResult::from_missing(missing));
            } else if fresh || is_repeated {
                let stored = i64::from(fresh);
                result.counts.add(RecordCounts { unchanged: 1, stored, ..RecordCounts::default() });
            } else {
                wanted.push(id.clone());
                continue;
            }
            sync.observer.item_done(&context.fetch);
        }
        let mut requests = EntityRequests { sync, context, reader: self, answered_as };
        let ended = requests.read_all(&wanted, result).await;
        if ended.is_err() {
            result.unanswered.extend(wanted.into_iter().filter(|id| !requests.answered_as.contains_key(id)));
        }
        // The store has the id that Spotify answered with, which may be another one.
        let requested = |id: &String| RequestedItem {
            user_id: None,
            list_id: None,
            item_id: Some(requests.answered_as.get(id).unwrap_or(id).clone()),
        };
        let answered = ids.iter().filter(|id| !result.unanswered.contains(*id));
        result.requested = answered.map(requested).collect();
        ended
    }

    /// Which of these ids need not be requested.
    async fn find_fresh(
        self,
        sync: &SyncContext,
        context: &FetchContext,
        ids: &[String],
    ) -> Result<FreshEntities, SyncError> {
        if self.ignore_age {
            return Ok(FreshEntities { is_fresh: vec![false; ids.len()], answered_as: HashMap::new() });
        }
        let span = sync.fresh_span(self.refresh_after);
        let (all, table, market) = (ids.to_vec(), EntityTable::for_kind(self.kind), context.market.clone());
        let found = sync.store.write(move |s| {
            let mut is_fresh = freshness::are_fresh(s, table, &all, &span)?;
            let mut answered_as = HashMap::new();
            if self.kind == EntityKind::Track {
                for (id, fresh) in all.iter().zip(&mut is_fresh).filter(|(_, fresh)| !**fresh) {
                    if let Some(other) = freshness::relinked_track(s, id, &market, &span)? {
                        *fresh = true;
                        answered_as.insert(id.clone(), other);
                    }
                }
            }
            Ok(FreshEntities { is_fresh, answered_as })
        });
        Ok(found.await?)
    }

    /// How many ids the next call may carry. A first batch of an app of unknown class finds out.
    fn batch_size(self, sync: &SyncContext, left: usize) -> Result<usize, SyncError> {
        let class = sync.app.class().map_err(ApiError::from)?;
        let is_single = left < 2
            || class == Some(AppClass::Development)
            || !sync.app.may_read_in_batches(self.family).map_err(ApiError::from)?;
        Ok(if is_single { 1 } else { usize::from(self.batch) })
    }

    /// What reading the entities of a work item costs.
    pub(super) async fn estimate(
        self,
        estimator: &mut JobEstimator<'_>,
        context: &FetchContext,
        references: &[IndexedReference],
    ) -> Result<CallEstimate, SyncError> {
        let (ids, mut estimate) = estimate_references(estimator, context, references).await?;
        let fresh = self.find_fresh(estimator.sync, context, &ids).await?.is_fresh;
        let refused = missing::are_missing(estimator.sync, context, &ids).await?;
        // An id that was refused before is requested once more if it is refused again.
        let doubtful = match context.is_listed {
            true => missing::were_refused(estimator.sync, context, &ids).await?,
            false => vec![false; ids.len()],
        };
        let read = estimator.read.entry(EntityTable::for_kind(self.kind).name).or_default();
        let (mut wanted, mut refused_before) = (0, 0);
        let is_free = fresh.into_iter().zip(refused).map(|(fresh, refused)| fresh || refused);
        for ((id, is_free), is_doubtful) in ids.into_iter().zip(is_free).zip(doubtful) {
            estimate.asked += 1;
            if is_free || !read.insert(id) {
                estimate.unchanged += 1;
            } else {
                wanted += 1;
                refused_before += u64::from(is_doubtful);
            }
        }
        if refused_before > 0 {
            estimate.add_calls(self.family, CallRange::between(0, refused_before));
            estimate.add_reason(reasons::REFUSED);
        }
        estimator.versions_may_be_known |= self.kind == EntityKind::Playlist && wanted > 0;
        if wanted > 0 {
            estimate.changes = estimate.changes.plus(RowChanges::UpTo(wanted as u64));
        }
        self.add_calls(estimator, wanted, &mut estimate)?;
        Ok(estimate)
    }

    /// Adds the calls for this many ids.
    pub(super) fn add_calls(
        self,
        estimator: &mut JobEstimator<'_>,
        wanted: usize,
        estimate: &mut CallEstimate,
    ) -> Result<(), SyncError> {
        if wanted == 0 {
            return Ok(());
        }
        let batch = self.batch_size(estimator.sync, wanted)?.max(1);
        let (single, batches) = (wanted as u64, wanted.div_ceil(batch) as u64);
        let class = estimator.sync.app.class().map_err(ApiError::from)?;
        let mut calls = if batch == 1 || class == Some(AppClass::Extended) {
            CallRange::exactly(batches)
        } else {
            estimate.add_reason(reasons::CLASS);
            let refused = u64::from(!std::mem::replace(&mut estimator.tried_batch, true));
            CallRange::between(batches, single + refused)
        };
        if estimator.included_kinds.contains(&self.kind) {
            estimate.add_reason(reasons::ALONG);
            calls.at_least = 0;
        }
        estimate.add_calls(self.family, calls);
        Ok(())
    }
}

/// Whether an answer may say that an app has no batch reads of a kind.
fn is_batch_refusal(e: &ApiError) -> bool {
    let is_removed = matches!(e, ApiError::Refused { kind: ForbiddenReason::EndpointRemoved, .. });
    is_removed || matches!(e, ApiError::NotFound { .. } | ApiError::Gone { .. })
}

/// Whether Spotify refused a request for what it asks: one id of a batch may be the reason.
fn is_refused_request(e: &ApiError) -> bool {
    is_about_one_list(e) && !e.is_failure() && !is_batch_refusal(e)
}

/// The requests for the entities of one work item.
struct EntityRequests<'a> {
    sync: &'a SyncContext,
    context: &'a FetchContext,
    reader: EntityReader,
    /// Ids that Spotify answered with, by the ids that were requested.
    answered_as: HashMap<String, String>,
}

impl EntityRequests<'_> {
    async fn read_all(&mut self, wanted: &[String], result: &mut WorkResult) -> Result<(), SyncError> {
        let (sync, reader) = (self.sync, self.reader);
        let mut rest = wanted;
        while !rest.is_empty() {
            let size = reader.batch_size(sync, rest.len())?;
            let (now, later) = rest.split_at(size.min(rest.len()));
            if size == 1 {
                self.read_one_by_one(now, result).await?;
                rest = later;
                continue;
            }
            let mut read = self.read_batch(now, None).await;
            let has_batch_reads = sync.app.has_batch_reads(reader.family).map_err(ApiError::from)?;
            // One refusal may be a mistake. Whether an app of unknown class has batch reads is found out otherwise.
            if matches!(&read, Err(SyncError::Api(e)) if is_refused_request(e) || has_batch_reads && is_batch_refusal(e))
            {
                read = self.read_batch(now, None).await;
            }
            match read {
                Ok(batch) => result.add(batch),
                Err(SyncError::Api(ApiError::Refused { kind: ForbiddenReason::EndpointRemoved, message, .. })) => {
                    let evidence = format!("a batch read of {} was refused: {message}", reader.kind.plural());
                    sync.app.learn_development(&self.context.bearer, &evidence).await?;
                    sync.app.record_batch_refusal(reader.family, &evidence).map_err(ApiError::from)?;
                    continue;
                }
                Err(SyncError::Api(e)) if e.is_failure() || is_refused_request(&e) => {
                    tracing::debug!(error = %e, ids = now.len(), "a batch read failed; it is read in halves");
                    result.add(self.read_in_halves(now).await?);
                }
                Err(SyncError::Api(e)) if is_about_one_list(&e) => {
                    // One id can spoil a batch for all others. Alone, each is judged by itself.
                    tracing::debug!(error = %e, ids = now.len(), "a batch read failed; the ids are read one by one");
                    let mut alone = WorkResult::default();
                    let ended = self.read_one_by_one(now, &mut alone).await;
                    // A route that is missing while each of its ids answers is missing for all batches.
                    let is_route_missing = matches!(e, ApiError::NotFound { .. } | ApiError::Gone { .. });
                    if ended.is_ok() && is_route_missing && alone.counts.skipped == 0 && alone.unanswered.is_empty() {
                        let evidence = format!("a batch read of {} was refused: {e}", reader.kind.plural());
                        sync.app.record_batch_refusal(reader.family, &evidence).map_err(ApiError::from)?;
                    }
                    result.add(alone);
                    ended?;
                }
                Err(e) => return Err(e),
            }
            rest = later;
        }
        Ok(())
    }

    async fn read_one_by_one(&mut self, ids: &[String], result: &mut WorkResult) -> Result<(), SyncError> {
        for id in ids {
            result.add(self.read_one(id).await?);
        }
        Ok(())
    }

    /// Reads a batch that failed, so that one bad id costs itself only.
    async fn read_in_halves(&mut self, ids: &[String]) -> Result<WorkResult, SyncError> {
        let mut result = WorkResult::default();
        let mut halving = Halving::new(0..i64::try_from(ids.len()).unwrap_or(0));
        while let Some(range) = halving.next_range() {
            let (from, to) = (usize::try_from(range.start).unwrap_or(0), usize::try_from(range.end).unwrap_or(0));
            let part = ids.get(from..to).unwrap_or_default();
            if let [one] = part {
                let read = self.read_one(one).await?;
                match read.counts.skipped {
                    0 => halving.record_success(range.end),
                    _ => drop(halving.record_failure()),
                }
                result.add(read);
                continue;
            }
            match self.read_batch(part, Some(1)).await {
                Ok(read) => {
                    result.add(read);
                    halving.record_success(range.end);
                }
                Err(SyncError::Api(e)) if is_about_one_list(&e) => drop(halving.record_failure()),
                Err(e) => return Err(e),
            }
        }
        Ok(result)
    }

    async fn read_batch(&mut self, ids: &[String], max_attempts: Option<u32>) -> Result<WorkResult, SyncError> {
        let (sync, context, reader) = (self.sync, self.context, self.reader);
        let plural = reader.kind.plural();
        let mut request = ApiRequest::new(reader.family, format!("/{plural}"));
        request.query = context.query();
        request = request.with_query("ids", ids.join(","));
        request.max_attempts = max_attempts;
        let wanted = ids.len();
        let check = |answer: &ApiResponse| {
            let text = utf8(&answer.body)?;
            let entries = batch_entries(text, plural)?;
            if entries.len() == wanted {
                Ok(answer.body.clone())
            } else {
                Err(UnusableResponse::new(format!("{} things came for {wanted} ids", entries.len())))
            }
        };
        let body = sync.api.get_checked(&context.bearer, &request, check).await?;
        sync.app
            .learn(AppClass::Extended, &format!("a batch read of {plural} was answered"))
            .map_err(ApiError::from)?;
        sync.app.record_batch_answer(reader.family).map_err(ApiError::from)?;
        let (reading, run, calls) = (AlbumReading::new(sync, context), sync.run_id, sync.calls());
        let wanted = ids.to_vec();
        let written = sync.store.write(move |s| {
            // Both were checked when the answer came.
            let Ok(text) = std::str::from_utf8(&body) else { return Ok(Vec::new()) };
            let Ok(entries) = batch_entries(text, plural) else { return Ok(Vec::new()) };
            let mut written = Vec::with_capacity(entries.len());
            for (id, entry) in wanted.iter().zip(entries) {
                written.push(match entry.map(|raw| write_entity(s, reader, id, raw.get(), &reading)) {
                    None => Err("Spotify answers null for it".to_owned()),
                    Some(Ok(written)) => Ok(written),
                    Some(Err(IngestError::Malformed(detail))) => Err(detail),
                    Some(Err(IngestError::Store(e))) => return Err(e),
                });
            }
            let items = written.iter().filter(|written| written.is_ok()).count();
            runs::update_counts(s, run, calls, i64::try_from(items).unwrap_or(i64::MAX))?;
            Ok(written)
        });
        let written: Vec<Result<WrittenEntity, String>> = written.await?;
        let mut result = WorkResult::default();
        for (id, written) in ids.iter().zip(written) {
            result.add(match written {
                Ok(written) => {
                    missing::clear_missing(sync, context, id).await?;
                    self.written_result(id, written, one_record())
                }
                Err(message) => {
                    let e = ApiError::NotFound { family: reader.family, message };
                    missing::record_missing(sync, context, id, &e).await?
                }
            });
            sync.observer.item_done(&context.fetch);
        }
        Ok(result)
    }

    /// The result of an entity that was written. A list that was left out makes it incomplete.
    fn written_result(&mut self, id: &str, written: WrittenEntity, counts: RecordCounts) -> WorkResult {
        self.answered_as.insert(id.to_owned(), written.id);
        let IncludedTracks { skipped, left_out } = written.tracks;
        let counts = RecordCounts { skipped, ..counts };
        match left_out {
            None => WorkResult::complete(Vec::new(), counts),
            Some(problem) => {
                let counts = RecordCounts { skipped: skipped + 1, read: 1, ..counts };
                WorkResult::incomplete(Vec::new(), counts, problem)
            }
        }
    }

    async fn read_one(&mut self, id: &str) -> Result<WorkResult, SyncError> {
        let (sync, context, reader) = (self.sync, self.context, self.reader);
        let path = format!("/{}/{}", reader.kind.plural(), spotify_client::path_segment(id));
        let mut request = ApiRequest::new(reader.family, path);
        request.query = context.query();
        request.max_attempts = context.progress.max_attempts(id);
        let tag = EntityTagKey {
            table: EntityTable::for_kind(reader.kind),
            audience: context.audience.clone(),
            request: request_text(&request),
        };
        // A list that comes inside the answer is needed whatever it is.
        if !sync.full && !reader.ignore_age {
            let (tag, id) = (tag.clone(), id.to_owned());
            request.etag =
                sync.store.write(move |s| etags::find(s, tag.table, &id, &tag.audience, &tag.request)).await?;
        }
        let check = |answer: &ApiResponse| {
            if answer.status == 304 {
                return Ok(None);
            }
            let text = utf8(&answer.body)?;
            let raw: &RawValue = serde_json::from_str(text)
                .map_err(|e| UnusableResponse::new(format!("the answer is not JSON: {e}")))?;
            if raw.get().starts_with('{') {
                Ok(Some((answer.body.clone(), answer.etag.clone())))
            } else {
                Err(UnusableResponse::new("the answer is not an object"))
            }
        };
        let answer = sync.api.get_checked(&context.bearer, &request, check).await;
        sync.observer.item_done(&context.fetch);
        let (body, etag) = match answer {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                self.answered_as.insert(id.to_owned(), id.to_owned());
                let (id, kind, now) = (id.to_owned(), reader.kind, timestamp(sync.now()));
                sync.store.write(move |s| etags::mark_entity_unchanged(s, tag.table, kind.as_str(), &id, &now)).await?;
                return Ok(WorkResult::complete(Vec::new(), RecordCounts { stored: 1, ..RecordCounts::default() }));
            }
            Err(e) if is_about_one_list(&e) => return missing::record_missing(sync, context, id, &e).await,
            Err(e) => return Err(e.into()),
        };
        let (reading, run, calls) = (AlbumReading::new(sync, context), sync.run_id, sync.calls());
        let (missing_key, wanted) = (context.missing_key(id), id.to_owned());
        let written = sync.store.write(move |s| {
            let text = std::str::from_utf8(&body).unwrap_or_default();
            match write_entity(s, reader, &wanted, text, &reading) {
                Ok(written) => {
                    // An entity that answers with another id would be requested by this one. A list that was left
                    // out has to come again.
                    let etag = etag.filter(|_| written.id == wanted && written.tracks.left_out.is_none());
                    etags::save(s, &tag.audience, &tag.request, etag.as_deref())?;
                    runs::update_counts(s, run, calls, 1)?;
                    missing_ids::clear(s, &missing_key).map(|()| Ok(written))
                }
                Err(IngestError::Malformed(detail)) => Ok(Err(detail)),
                Err(IngestError::Store(e)) => Err(e),
            }
        });
        match written.await? {
            Ok(written) => Ok(self.written_result(id, written, one_record())),
            Err(what) => {
                let e = ApiError::Unusable { family: reader.family, what, attempts: 1, is_json: true };
                missing::record_missing(sync, context, id, &e).await
            }
        }
    }
}

/// An entity that was written.
struct WrittenEntity {
    /// The id that Spotify answered with.
    id: String,
    /// The tracks of an album.
    tracks: IncludedTracks,
}

/// Writes an entity. Of an album it also writes the tracks that the answer holds.
fn write_entity(
    s: &mut WriteTx,
    reader: EntityReader,
    wanted: &str,
    raw: &str,
    reading: &AlbumReading,
) -> Result<WrittenEntity, IngestError> {
    let asked = &reading.asked;
    let id = ingest::ingest_entity(s, reader.kind, raw, asked)?;
    reading.notes.record_fields(s, None, &asked.take_findings(Some(&id)))?;
    if reader.kind == EntityKind::Track && id != wanted {
        // In Development Mode, Spotify does not say which track the answer replaces.
        let fact = MarketAvailability { linked_from: Some(wanted), ..MarketAvailability::default() };
        children::set_market(s, MarketTable::Tracks, &id, &asked.market, fact, &asked.now)?;
    }
    let mut tracks = IncludedTracks::default();
    if reader.kind == EntityKind::Album {
        let answer = ApiResponse { status: 200, body: Bytes::copy_from_slice(raw.as_bytes()), etag: None };
        tracks = write_album_tracks(s, (&id, &answer), reader.start_tracks, reading)?;
    }
    Ok(WrittenEntity { id, tracks })
}

fn batch_entries<'a>(text: &'a str, key: &str) -> Result<Vec<Option<&'a RawValue>>, UnusableResponse> {
    let unusable =
        |e: serde_json::Error| UnusableResponse::new(format!("the answer is not what Spotify documents: {e}"));
    let mut keys: HashMap<&str, &RawValue> = serde_json::from_str(text).map_err(unusable)?;
    let inside = keys.remove(key).ok_or_else(|| UnusableResponse::new(format!("the answer has no {key}")))?;
    serde_json::from_str(inside.get()).map_err(unusable)
}

/// Where the entity tag of an entity is stored.
#[derive(Clone)]
struct EntityTagKey {
    table: &'static EntityTable,
    audience: String,
    request: String,
}

/// Path and query of a request.
fn request_text(request: &ApiRequest) -> String {
    let query: Vec<String> = request.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if query.is_empty() { request.path.clone() } else { format!("{}?{}", request.path, query.join("&")) }
}

fn one_record() -> RecordCounts {
    RecordCounts { served: 1, stored: 1, ..RecordCounts::default() }
}
