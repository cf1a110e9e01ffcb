//! The tracks of albums: an album's own answer holds the first of them, or all.

use crate::store::{freshness, lists};
use std::collections::HashSet;

use chrono::TimeDelta;

use super::by_id::{EntityReader, album_tracks_key};
use super::context::{FetchContext, RecordCounts, SyncContext};
use super::error::SyncError;
use super::list::{ListOutcome, ListRequest, Prefetch};
use super::ordering::IndexedReference;
use super::work_result::WorkResult;
use crate::store::{EntityTable, RequestedItem};
use crate::stream::{ChangeDetection, EntryKind, Paging};
use spotify_client::family::EndpointFamily;
use spotify_client::page::Envelope;
use spotify_client::{EntityKind, path_segment};

impl SyncContext {
    /// The tracks of albums: an album's own answer holds the first of them, or all.
    pub(super) async fn album_tracks(
        &self,
        frame: &FetchContext,
        references: &[IndexedReference],
    ) -> Result<WorkResult, SyncError> {
        let (albums, places, without) = self.resolve_ids(frame, references).await?;
        let albums = &albums;
        let asked = frame.asked(self.now());
        // One lock for all albums: a batch begins twenty lists, and locks taken one by one could
        // wait for each other.
        let _reading = self.lock_list(&album_tracks_key("", &asked)).await?;
        let when = self.fresh_span(TimeDelta::zero());
        let all = albums.clone();
        let answered = self.store.write(move |s| freshness::are_fresh(s, EntityTable::albums(), &all, &when)).await?;
        // An album that this run has asked for already is not asked for again: its tracks are a list
        // of their own.
        let (mut wanted, mut listed) = (Vec::new(), HashSet::new());
        for (album, answered) in albums.iter().zip(answered) {
            let list = self.open_list(&album_tracks_key(album, &asked)).await?;
            if !self.is_from_this_run(list.checked_at.as_ref()) && list.checkpoint.is_none() {
                if answered {
                    listed.insert(album);
                } else {
                    wanted.push(album.clone());
                }
            }
        }
        let things = EntityReader::for_album_tracks();
        let heads = self.read_entities(frame, things, &wanted).await?;
        let mut end = WorkResult {
            problem: heads.problem,
            problem_count: heads.problem_count,
            hints: heads.hints,
            ..WorkResult::default()
        };
        end.counts.skipped = heads.counts.skipped;
        end.add(without);
        for album in albums {
            let key = album_tracks_key(album, &asked);
            // What the answer about the album has just begun is no earlier read, whatever is read anew.
            let known = if wanted.contains(album) {
                let key = key.clone();
                self.store.write(move |s| lists::open(s, &key)).await?
            } else {
                self.open_list(&key).await?
            };
            let requested = vec![RequestedItem { user_id: None, list_id: Some(known.id), item_id: None }];
            let stands = self.is_from_this_run(known.checked_at.as_ref());
            let to_be_read = known.checkpoint.is_some() || (listed.contains(album) && !stands);
            let came_with_it = wanted.contains(album);
            let done = match (to_be_read, stands) {
                (true, _) => {
                    let list = ListRequest {
                        key,
                        family: EndpointFamily::ALBUM_TRACKS,
                        path: format!("/albums/{}/tracks", path_segment(album)),
                        query: frame.query(),
                        entry_kind: EntryKind::AlbumTracks,
                        envelope: Envelope::Bare,
                        paging: Paging::Offset { development: 50, extended: 50 },
                        changes: ChangeDetection::WholeList,
                        total_is_unreliable: false,
                        max_items: None,
                        version: None,
                        deferred_verification: false,
                        parent: Some(EntityKind::Album),
                    };
                    let opening = Prefetch { is_from_parent: came_with_it, ..Prefetch::default() };
                    match self.read_list(frame, &list, &known, opening).await? {
                        ListOutcome::Whole(tally) => WorkResult::whole(requested, tally),
                        ListOutcome::AwaitsVerification(_) => WorkResult { requested, ..WorkResult::default() },
                        ListOutcome::Refused(e) => self.record_missing(frame, album, requested, &e).await?,
                        ListOutcome::Unproved { reason, detail } => {
                            self.record_unproved(frame, album, &known, requested, (reason, detail)).await?
                        }
                    }
                }
                (false, true) => {
                    let stored = known.stored.unwrap_or(0);
                    let (served, unchanged) = if came_with_it { (stored, 0) } else { (0, 1) };
                    WorkResult::whole(requested, RecordCounts { unchanged, served, stored, ..RecordCounts::default() })
                }
                (false, false) => WorkResult { requested, ..WorkResult::default() },
            };
            end.add(done);
        }
        end.places = places;
        Ok(end)
    }
}
