//! The price of things by id, of albums' tracks and of searches.

use super::totals::TotalTrust;
use super::{CallEstimate, CallRange, JobEstimator, RowChanges, call_count, reasons};
use crate::store::{entity, freshness, lists};
use chrono::TimeDelta;

use crate::sync::change_detection;
use crate::sync::context::FetchContext;

use crate::store::EntityTable;
use crate::stream::{ALBUM_TRACKS, Paging};
use crate::sync::by_id::{EntityReader, album_tracks_key};
use crate::sync::error::SyncError;
use crate::sync::ordering::IndexedReference;
use crate::sync::search::{MAX_SEARCH_OFFSET, SEARCH_PAGING, SearchRequest};
use crate::sync::work_items::WorkItem;
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::state::AppClass;
use spotify_client::{EntityKind, Reference};

/// Tracks that an album's own answer holds, and that a page of the rest does.
const ALBUM_PAGE: u16 = 50;

impl JobEstimator<'_> {
    /// What a unit of a fetch costs.
    pub(super) async fn estimate_item(
        &mut self,
        frame: &FetchContext,
        unit: &WorkItem,
    ) -> Result<CallEstimate, SyncError> {
        match unit {
            WorkItem::Entities(things, references) => self.estimate_entities(frame, *things, references).await,
            WorkItem::AlbumTracks(albums) => self.estimate_album_tracks(frame, albums).await,
            WorkItem::Search(search) => self.estimate_search(frame, search).await,
            WorkItem::Playlist(id) => {
                let refused = self.engine.are_missing(frame, std::slice::from_ref(id)).await?;
                if refused == [true] {
                    Ok(CallEstimate::for_unchanged())
                } else {
                    self.estimate_playlist(frame, id).await
                }
            }
            WorkItem::List(list) => {
                let parent = &list.key.parent_id;
                let refused =
                    !parent.is_empty() && self.engine.are_missing(frame, std::slice::from_ref(parent)).await? == [true];
                if refused { Ok(CallEstimate::for_unchanged()) } else { self.estimate_list(frame, list).await }
            }
            WorkItem::UserStream(fetch) => self.estimate_user_stream(fetch, frame).await,
        }
    }

    async fn estimate_entities(
        &mut self,
        frame: &FetchContext,
        things: EntityReader,
        references: &[IndexedReference],
    ) -> Result<CallEstimate, SyncError> {
        let (ids, mut price) = self.resolve_references(frame, references).await?;
        let (fresh, _) = self.engine.fresh_entities(frame, things, &ids).await?;
        let refused = self.engine.are_missing(frame, &ids).await?;
        let read = self.read.entry(EntityTable::for_kind(things.kind).name).or_default();
        let mut wanted = 0;
        for (id, free) in ids.into_iter().zip(fresh.into_iter().zip(refused).map(|(fresh, refused)| fresh || refused)) {
            price.asked += 1;
            if free || !read.insert(id) {
                price.unchanged += 1;
            } else {
                wanted += 1;
            }
        }
        if wanted > 0 {
            price.changes = price.changes.plus(RowChanges::UpTo(wanted as u64));
        }
        self.add_entity_calls(things, wanted, &mut price)?;
        Ok(price)
    }

    /// Calls for so many ids that are to be read.
    fn add_entity_calls(
        &mut self,
        things: EntityReader,
        wanted: usize,
        price: &mut CallEstimate,
    ) -> Result<(), SyncError> {
        if wanted == 0 {
            return Ok(());
        }
        let many = self.engine.batch_size(things, wanted)?.max(1);
        let (single, batches) = (wanted as u64, wanted.div_ceil(many) as u64);
        let class = self.engine.app.class().map_err(ApiError::from)?;
        let mut calls = if many == 1 || class == Some(AppClass::Extended) {
            CallRange::exactly(batches)
        } else {
            price.add_reason(reasons::CLASS);
            let refused = u64::from(!std::mem::replace(&mut self.tried_batch, true));
            CallRange::between(batches, single + refused)
        };
        if self.included_kinds.contains(&things.kind) {
            price.add_reason(reasons::ALONG);
            calls.at_least = 0;
        }
        price.add_calls(things.family, calls);
        Ok(())
    }

    /// The ids that references mean as far as that is known, and what finding out the rest costs.
    async fn resolve_references(
        &mut self,
        frame: &FetchContext,
        references: &[IndexedReference],
    ) -> Result<(Vec<String>, CallEstimate), SyncError> {
        let (mut ids, mut price) = (Vec::with_capacity(references.len()), CallEstimate::default());
        for reference in references {
            let (kind, code, written) = match &reference.reference {
                Reference::Id(id) => {
                    ids.push(id.as_str().to_owned());
                    continue;
                }
                Reference::Isrc(code) => (EntityKind::Track, code, format!("isrc:{code}")),
                Reference::Upc(code) => (EntityKind::Album, code, format!("upc:{code}")),
            };
            if let Some(id) = self.engine.cached_code(kind, code).await? {
                ids.push(id);
                continue;
            }
            price.asked += 1;
            let refused = self.engine.are_missing(frame, std::slice::from_ref(&written)).await? == [true];
            if refused || !self.read.entry("codes").or_default().insert(written) {
                price.unchanged += 1;
                continue;
            }
            price.changes = price.changes.plus(RowChanges::UpTo(1));
            price.add_calls(EndpointFamily::SEARCH, CallRange::exactly(1));
            if kind == EntityKind::Album {
                // A search brings tracks whole, of albums only what lists have.
                price.add_calls(EndpointFamily::ALBUMS, CallRange::between(0, 1));
                price.add_reason(reasons::CODES);
            }
        }
        Ok((ids, price))
    }

    async fn estimate_album_tracks(
        &mut self,
        frame: &FetchContext,
        references: &[IndexedReference],
    ) -> Result<CallEstimate, SyncError> {
        let (albums, mut price) = self.resolve_references(frame, references).await?;
        let asked = frame.asked(self.engine.now());
        let refused = self.engine.are_missing(frame, &albums).await?;
        let (of, keys) =
            (albums.clone(), albums.iter().map(|album| album_tracks_key(album, &asked)).collect::<Vec<_>>());
        let when = self.engine.fresh_span(TimeDelta::zero());
        let (rows, totals, answered) = self
            .engine
            .store
            .write(move |s| {
                let rows = keys.iter().map(|key| lists::find(s, key)).collect::<Result<Vec<_>, _>>()?;
                Ok((
                    rows,
                    entity::album_track_counts(s, &of)?,
                    freshness::are_fresh(s, EntityTable::albums(), &of, &when)?,
                ))
            })
            .await?;
        let mut heads = 0;
        for (place, album) in albums.into_iter().enumerate() {
            price.asked += 1;
            let row = rows[place].clone().unwrap_or_default();
            // What this run has asked for by then is not asked for again: its answer held the tracks, or
            // they are a list of their own.
            let by_then = self.read.get(EntityTable::albums().name).is_some_and(|read| read.contains(&album));
            let asked_for = row.checkpoint.is_none() && (answered[place] || by_then);
            let first = self.read.entry(ALBUM_TRACKS).or_default().insert(album);
            let came = by_then && totals[place].is_some_and(|total| total <= i64::from(ALBUM_PAGE));
            if !first || came || refused[place] || self.engine.is_from_this_run(row.checked_at.as_ref()) {
                price.unchanged += 1;
                continue;
            }
            let served = match &row.checkpoint {
                Some(at) => at.next_offset,
                None if asked_for => 0,
                None => {
                    heads += 1;
                    i64::from(ALBUM_PAGE)
                }
            };
            match totals[place] {
                Some(total) if total > served => {
                    let rest = call_count(change_detection::page_count(total - served, ALBUM_PAGE));
                    let counted = TotalTrust::from_last_read(&row, None);
                    price.add_calls(EndpointFamily::ALBUM_TRACKS, counted.calls(rest, 0));
                    price = price.with_reason(counted.reason());
                }
                Some(_) => {}
                None => {
                    price.add_calls(EndpointFamily::ALBUM_TRACKS, CallRange::at_least(0));
                    price.add_reason(reasons::ALBUMS);
                }
            }
            if row.checkpoint.is_some() {
                price.add_reason(reasons::GOES_ON);
            }
        }
        self.add_entity_calls(EntityReader::for_album_tracks(), heads, &mut price)?;
        if price.calls() != CallRange::NONE {
            price.changes = RowChanges::AnyChange;
        }
        Ok(price)
    }

    async fn estimate_search(
        &mut self,
        frame: &FetchContext,
        search: &SearchRequest,
    ) -> Result<CallEstimate, SyncError> {
        let key = search.key(frame);
        let row = self.engine.store.write(move |s| lists::find(s, &key)).await?.unwrap_or_default();
        if self.engine.is_from_this_run(row.checked_at.as_ref()) {
            return Ok(CallEstimate::for_unchanged());
        }
        let wanted = search.max_hits.clamp(1, MAX_SEARCH_OFFSET);
        let largest =
            self.engine.app.page_size(EndpointFamily::SEARCH, "/search", SEARCH_PAGING).map_err(ApiError::from)?;
        let unsure = self.may_learn_page_size(EndpointFamily::SEARCH, SEARCH_PAGING, largest)?;
        let Paging::Offset { development, .. } = SEARCH_PAGING else { return Ok(CallEstimate::default()) };
        let smallest = if unsure { development } else { largest };
        let pages = call_count(change_detection::page_count(wanted, smallest));
        let learns = unsure && wanted > i64::from(smallest) && self.tried_pages.insert(EndpointFamily::SEARCH);
        let price = CallEstimate::for_one(EndpointFamily::SEARCH, CallRange::between(1, pages + u64::from(learns)));
        let price = price.with_changes(RowChanges::UpTo(call_count(wanted)));
        let price = if learns { price.with_reason(reasons::CLASS) } else { price };
        Ok(if pages > 1 { price.with_reason(reasons::HITS) } else { price })
    }

    /// Whether the first page may be refused and teach a smaller size.
    pub(super) fn may_learn_page_size(
        &self,
        family: EndpointFamily,
        paging: Paging,
        size: u16,
    ) -> Result<bool, SyncError> {
        let Paging::Offset { development, extended } = paging else { return Ok(false) };
        let class = self.engine.app.class().map_err(ApiError::from)?;
        Ok(class.is_none() && family != EndpointFamily::PLAYLIST_ITEMS && development < extended && size == extended)
    }
}
