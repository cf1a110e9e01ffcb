//! Things by id: only those that are not fresh, many in one call where the app has batch reads.

use crate::store::{children, etags, freshness, list_commit, lists, missing_ids, runs};
use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use chrono::TimeDelta;
use serde_json::value::RawValue;

use super::context::{FetchContext, RecordCounts, SyncContext, timestamp};
use super::error::SyncError;
use super::page_request::is_about_the_list;
use super::work_result::{MissingId, WorkResult};
use crate::ingest::{self, IngestContext, IngestError};
use crate::store::{
    Checkpoint, EntityTable, ListKey, ListProof, MarketAvailability, MarketTable, RequestedItem, WriteTx,
};
use crate::stream::{ALBUM_TRACKS, EntryKind};
use spotify_client::EntityKind;
use spotify_client::client::{ApiRequest, ApiResponse, UnusableResponse};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::forbidden::ForbiddenReason;
use spotify_client::page::{Envelope, RawPage, utf8};
use spotify_client::state::AppClass;

/// A kind of thing that is read by id, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntityReader {
    pub kind: EntityKind,
    pub family: EndpointFamily,
    /// Ids per batch call with Extended Quota.
    pub batch: u16,
    /// How old a row may be.
    pub refresh_after: TimeDelta,
    /// Read them whatever their age.
    pub ignore_age: bool,
    /// Of albums with more tracks than the answer holds, begin to read the list of them.
    pub start_tracks: bool,
}

impl EntityReader {
    /// Albums read for their tracks: at every fire, whatever age the albums themselves may have.
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

    /// `/albums`, which is also the key of a batch answer.
    fn plural(self) -> &'static str {
        self.kind.plural()
    }
}

impl SyncContext {
    /// Reads the things of these ids that are not fresh.
    pub(super) async fn read_entities(
        &self,
        frame: &FetchContext,
        things: EntityReader,
        ids: &[String],
    ) -> Result<WorkResult, SyncError> {
        let mut end = WorkResult::default();
        let (fresh, mut answered) = self.fresh_entities(frame, things, ids).await?;
        let stale: Vec<String> =
            ids.iter().zip(&fresh).filter(|(_, fresh)| !**fresh).map(|(id, _)| id.clone()).collect();
        let known_gaps = self.missing_ids(frame, &stale).await?;
        let mut gaps: HashMap<&String, MissingId> =
            stale.iter().zip(known_gaps).filter_map(|(id, gap)| Some((id, gap?))).collect();
        let mut wanted: Vec<String> = Vec::new();
        let mut seen = HashSet::new();
        for (id, fresh) in ids.iter().zip(fresh) {
            let again = !seen.insert(id);
            if let Some(gap) = gaps.remove(id) {
                end.add(WorkResult::from_missing(Vec::new(), gap));
            } else if fresh || again {
                end.counts.add(RecordCounts { unchanged: 1, stored: i64::from(fresh), ..RecordCounts::default() });
            } else {
                wanted.push(id.clone());
                continue;
            }
            self.observer.item_done(&frame.fetch);
        }
        let mut rest = wanted.as_slice();
        while !rest.is_empty() {
            let many = self.batch_size(things, rest.len())?;
            let (now, later) = rest.split_at(many.min(rest.len()));
            if many > 1 {
                match self.read_batch(frame, things, now, &mut answered).await {
                    Ok(batch) => end.add(batch),
                    Err(SyncError::Api(ApiError::Refused {
                        kind: ForbiddenReason::EndpointRemoved, message, ..
                    })) => {
                        let evidence = format!("a batch read of {} was refused: {message}", things.plural());
                        self.app.learn_development(&frame.bearer, &evidence).await?;
                        self.app.record_batch_refusal(things.family, &evidence).map_err(ApiError::from)?;
                        continue;
                    }
                    Err(SyncError::Api(e)) if is_about_the_list(&e) => {
                        // One id can spoil a batch for all; alone, each is judged by itself.
                        tracing::debug!(error = %e, ids = now.len(), "a batch read failed; one by one now");
                        let mut alone = WorkResult::default();
                        for id in now {
                            alone.add(self.read_entity(frame, things, id, &mut answered).await?);
                        }
                        // A route that is not there, while each of its ids is, is gone for all batches.
                        let no_route = matches!(e, ApiError::NotFound { .. } | ApiError::Gone { .. });
                        if no_route && alone.counts.skipped == 0 {
                            let evidence = format!("a batch read of {} was refused: {e}", things.plural());
                            self.app.record_batch_refusal(things.family, &evidence).map_err(ApiError::from)?;
                        }
                        end.add(alone);
                    }
                    Err(e) => return Err(e),
                }
            } else {
                for id in now {
                    end.add(self.read_entity(frame, things, id, &mut answered).await?);
                }
            }
            rest = later;
        }
        // What stands in the store is what Spotify answered with, which may bear another id.
        let asked_for = |id: &String| RequestedItem {
            user_id: None,
            list_id: None,
            item_id: Some(answered.get(id).unwrap_or(id).clone()),
        };
        end.requested = ids.iter().map(asked_for).collect();
        Ok(end)
    }

    /// Which of these ids need not be asked for, and, where Spotify answered with another id, which.
    pub(super) async fn fresh_entities(
        &self,
        frame: &FetchContext,
        things: EntityReader,
        ids: &[String],
    ) -> Result<(Vec<bool>, HashMap<String, String>), SyncError> {
        if things.ignore_age {
            return Ok((vec![false; ids.len()], HashMap::new()));
        }
        let when = self.fresh_span(things.refresh_after);
        let (all, table, market) = (ids.to_vec(), EntityTable::for_kind(things.kind), frame.market.clone());
        let found = self.store.write(move |s| {
            let mut fresh = freshness::are_fresh(s, table, &all, &when)?;
            let mut answered = HashMap::new();
            if things.kind == EntityKind::Track {
                for (id, fresh) in all.iter().zip(&mut fresh).filter(|(_, fresh)| !**fresh) {
                    if let Some(other) = freshness::relinked_track(s, id, &market, &when)? {
                        *fresh = true;
                        answered.insert(id.clone(), other);
                    }
                }
            }
            Ok((fresh, answered))
        });
        Ok(found.await?)
    }

    /// How many ids the next call may carry. A first batch in an app of unknown class finds out.
    pub(super) fn batch_size(&self, things: EntityReader, left: usize) -> Result<usize, SyncError> {
        let class = self.app.class().map_err(ApiError::from)?;
        if left < 2
            || class == Some(AppClass::Development)
            || !self.app.may_read_in_batches(things.family).map_err(ApiError::from)?
        {
            return Ok(1);
        }
        Ok(usize::from(things.batch))
    }

    async fn read_batch(
        &self,
        frame: &FetchContext,
        things: EntityReader,
        ids: &[String],
        answered: &mut HashMap<String, String>,
    ) -> Result<WorkResult, SyncError> {
        let plural = things.plural();
        let mut request = ApiRequest::new(things.family, format!("/{plural}"));
        request.query = frame.query();
        request = request.with_query("ids", ids.join(","));
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
        let body = self.api.get_checked(&frame.bearer, &request, check).await?;
        self.app
            .learn(AppClass::Extended, &format!("a batch read of {plural} was answered"))
            .map_err(ApiError::from)?;
        let (asked, run) = (frame.asked(self.now()), self.run_id);
        let wanted = ids.to_vec();
        let calls = self.calls();
        let came: Vec<Result<String, String>> = self
            .store
            .write(move |s| {
                // Both were checked when the answer came.
                let Ok(text) = std::str::from_utf8(&body) else { return Ok(Vec::new()) };
                let Ok(entries) = batch_entries(text, plural) else { return Ok(Vec::new()) };
                let mut came = Vec::with_capacity(entries.len());
                for (id, entry) in wanted.iter().zip(entries) {
                    came.push(match entry.map(|raw| write_entity(s, things, id, raw.get(), &asked, run)) {
                        None => Err("Spotify answers null for it".to_owned()),
                        Some(Ok(id)) => Ok(id),
                        Some(Err(IngestError::Malformed(detail))) => Err(detail),
                        Some(Err(IngestError::Store(e))) => return Err(e),
                    });
                }
                let items = came.iter().filter(|came| came.is_ok()).count();
                runs::update_counts(s, run, calls, i64::try_from(items).unwrap_or(i64::MAX))?;
                Ok(came)
            })
            .await?;
        let mut end = WorkResult::default();
        for (id, came) in ids.iter().zip(came) {
            end.add(match came {
                Ok(other) => {
                    self.clear_missing(frame, id).await?;
                    answered.insert(id.clone(), other);
                    WorkResult::whole(Vec::new(), one_record())
                }
                Err(message) => {
                    let e = ApiError::NotFound { family: things.family, message };
                    self.record_missing(frame, id, Vec::new(), &e).await?
                }
            });
            self.observer.item_done(&frame.fetch);
        }
        Ok(end)
    }

    async fn read_entity(
        &self,
        frame: &FetchContext,
        things: EntityReader,
        id: &str,
        answered: &mut HashMap<String, String>,
    ) -> Result<WorkResult, SyncError> {
        let mut request =
            ApiRequest::new(things.family, format!("/{}/{}", things.plural(), spotify_client::path_segment(id)));
        request.query = frame.query();
        // A list that comes inside is needed whatever it is.
        let tag = EntityTagKey {
            table: EntityTable::for_kind(things.kind),
            audience: frame.audience.clone(),
            request: request_text(&request),
        };
        if !self.full && !things.ignore_age {
            let (tag, id) = (tag.clone(), id.to_owned());
            request.etag =
                self.store.write(move |s| etags::find(s, tag.table, &id, &tag.audience, &tag.request)).await?;
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
        let answer = self.api.get_checked(&frame.bearer, &request, check).await;
        self.observer.item_done(&frame.fetch);
        let (body, etag) = match answer {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                let (id, kind, now) = (id.to_owned(), things.kind, timestamp(self.now()));
                self.store.write(move |s| etags::mark_entity_unchanged(s, tag.table, kind.as_str(), &id, &now)).await?;
                return Ok(WorkResult::whole(Vec::new(), RecordCounts { stored: 1, ..RecordCounts::default() }));
            }
            Err(e) if is_about_the_list(&e) => return self.record_missing(frame, id, Vec::new(), &e).await,
            Err(e) => return Err(e.into()),
        };
        let (asked, run, calls) = (frame.asked(self.now()), self.run_id, self.calls());
        let (gap, wanted) = (frame.missing_key(id), id.to_owned());
        let came = self
            .store
            .write(move |s| {
                let text = std::str::from_utf8(&body).unwrap_or_default();
                match write_entity(s, things, &wanted, text, &asked, run) {
                    Ok(id) => {
                        // What answers under another id would be asked for under this one.
                        let etag = etag.filter(|_| id == wanted);
                        etags::save(s, &tag.audience, &tag.request, etag.as_deref())?;
                        runs::update_counts(s, run, calls, 1)?;
                        missing_ids::clear(s, &gap).map(|()| Ok(id))
                    }
                    Err(IngestError::Malformed(detail)) => Ok(Err(detail)),
                    Err(IngestError::Store(e)) => Err(e),
                }
            })
            .await?;
        match came {
            Ok(other) => {
                answered.insert(id.to_owned(), other);
                Ok(WorkResult::whole(Vec::new(), one_record()))
            }
            Err(what) => {
                let e = ApiError::Unusable { family: things.family, what, attempts: 1 };
                self.record_missing(frame, id, Vec::new(), &e).await
            }
        }
    }
}

/// Writes a thing and returns the id that it bears; of an album also the tracks that the answer holds, as
/// the list they are: whole where they are all there, else as the beginning of a read if one is asked for.
fn write_entity(
    s: &mut WriteTx,
    things: EntityReader,
    wanted: &str,
    raw: &str,
    asked: &IngestContext,
    run: i64,
) -> Result<String, IngestError> {
    let id = ingest::ingest_entity(s, things.kind, raw, asked)?;
    if things.kind == EntityKind::Track && id != wanted {
        // Apps in Development Mode are not told where a track comes from.
        let fact = MarketAvailability { linked_from: Some(wanted), ..MarketAvailability::default() };
        children::set_market(s, MarketTable::Tracks, &id, &asked.market, fact, &asked.now)?;
    }
    if things.kind != EntityKind::Album {
        return Ok(id);
    }
    let answer = ApiResponse { status: 200, body: Bytes::copy_from_slice(raw.as_bytes()), etag: None };
    let Ok(Some(page)) = RawPage::read(&answer, Envelope::Key("tracks")) else { return Ok(id) };
    let whole = page.total.is_none_or(|total| page.served() >= total);
    if !whole && !things.start_tracks {
        return Ok(id);
    }
    let key = album_tracks_key(&id, asked);
    let list = lists::open(s, &key)?.id;
    lists::discard_checkpoint(s, list)?;
    let staged = ingest::stage_entries(s, list, EntryKind::AlbumTracks, &id, 0, &page.entries(), asked)?;
    let skipped = i64::try_from(staged.unstored.len()).unwrap_or(i64::MAX);
    if whole {
        let proof = ListProof { announced: page.total, served: page.served(), skipped, ..ListProof::default() };
        list_commit::commit(s, list, &key, &proof, run, &asked.now)?;
    } else {
        let at = Checkpoint { next_offset: page.served(), announced: page.total, skipped, ..Checkpoint::default() };
        lists::save_checkpoint(s, list, run, &at, &asked.now)?;
    }
    Ok(id)
}

/// The list of an album's tracks.
pub(super) fn album_tracks_key(album: &str, asked: &IngestContext) -> ListKey {
    ListKey {
        kind: ALBUM_TRACKS,
        parent_id: album.to_owned(),
        audience: asked.user_id.clone().unwrap_or_else(|| "app".into()),
        market: asked.market.clone(),
        variant: String::new(),
    }
}

fn batch_entries<'a>(text: &'a str, key: &str) -> Result<Vec<Option<&'a RawValue>>, UnusableResponse> {
    let unusable =
        |e: serde_json::Error| UnusableResponse::new(format!("the answer is not what Spotify documents: {e}"));
    let mut keys: HashMap<&str, &RawValue> = serde_json::from_str(text).map_err(unusable)?;
    let inside = keys.remove(key).ok_or_else(|| UnusableResponse::new(format!("the answer has no {key}")))?;
    serde_json::from_str(inside.get()).map_err(unusable)
}

/// Where the entity tag of a thing is kept.
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
