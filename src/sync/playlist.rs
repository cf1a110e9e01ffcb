//! The items of one playlist: one call says whether it changed and brings the first page.

use crate::store::freshness;
use chrono::TimeDelta;

use super::change_detection;
use super::context::{FetchContext, RecordCounts, SyncContext};
use super::error::SyncError;
use super::list::{ListOutcome, ListRequest, Prefetch};
use super::page_request::is_about_the_list;
use super::work_result::WorkResult;
use crate::ingest::{self, IngestError};
use crate::store::{Checkpoint, ListKey, ListRow, RequestedItem};
use crate::stream::{ChangeDetection, EntryKind, PLAYLIST_ITEMS, Paging};
use spotify_client::EntityKind;
use spotify_client::client::{ApiRequest, ApiResponse, UnusableResponse};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::forbidden::ForbiddenReason;
use spotify_client::page::{Envelope, RawPage};
use spotify_client::state::AppClass;
use spotify_client::wire::Playlist;

/// Without it, episodes come back as tracks that are none, or null.
const ITEM_TYPES: (&str, &str) = ("additional_types", "track,episode");

/// Pages of a playlist's items, behind those that come with it.
pub(super) const ITEM_PAGES: Paging = Paging::Offset { development: 50, extended: 100 };

/// What the answer about a playlist said.
pub(super) struct PlaylistMetadata {
    body: bytes::Bytes,
    pub snapshot_id: Option<String>,
    etag: Option<String>,
    pub page: Option<RawPage>,
    /// Its contents came under the old name alone.
    pub is_old_route_only: bool,
    /// They came under both.
    pub is_on_both_routes: bool,
}

/// A playlist that was read to its end and is to be proved together with others.
pub(super) struct PendingVerification {
    pub id: String,
    pub list: ListRequest,
    pub row: ListRow,
    pub at: Checkpoint,
    pub requested: Vec<RequestedItem>,
}

/// What came of reading a playlist.
pub(super) enum PlaylistOutcome {
    Done(WorkResult),
    Pending(Box<PendingVerification>),
}

impl SyncContext {
    /// Reads a playlist's items unless its snapshot is the one that stands.
    pub(super) async fn read_playlist(&self, frame: &FetchContext, playlist: &str) -> Result<WorkResult, SyncError> {
        match self.read_playlist_until_verification(frame, playlist, false).await? {
            PlaylistOutcome::Done(end) => Ok(end),
            PlaylistOutcome::Pending(_) => {
                Err(SyncError::InvalidJob(format!("a defect of cratedigger: {playlist} was not proved")))
            }
        }
    }

    /// The same; if it is proved later, what came in several answers is not in place yet.
    pub(super) async fn read_playlist_until_verification(
        &self,
        frame: &FetchContext,
        playlist: &str,
        proved_later: bool,
    ) -> Result<PlaylistOutcome, SyncError> {
        let key = playlist_key(frame, playlist);
        let _reading = self.lock_list(&key).await?;
        let known = self.open_list(&key).await?;
        let requested =
            vec![RequestedItem { user_id: None, list_id: Some(known.id), item_id: Some(playlist.to_owned()) }];
        let unchanged = RecordCounts { unchanged: 1, stored: known.stored.unwrap_or(0), ..RecordCounts::default() };
        if self.is_from_this_run(known.checked_at.as_ref()) {
            return Ok(PlaylistOutcome::Done(WorkResult::whole(requested, unchanged)));
        }
        let whole = self.full_read_span(frame.full_every);
        let told = self.known_snapshot(playlist).await?;
        if change_detection::is_unchanged(&known, self.full, &whole, told.as_deref()) {
            self.mark_unchanged(known.id).await?;
            return Ok(PlaylistOutcome::Done(WorkResult::whole(requested, unchanged)));
        }
        let readable = change_detection::is_full_read_recent(&known, self.full, &whole);
        let etag = known.etag.clone().filter(|_| readable && known.checkpoint.is_none());
        let head = match self.request_playlist(frame, playlist, etag).await {
            Ok(Some(head)) => head,
            Ok(None) => {
                self.mark_unchanged(known.id).await?;
                return Ok(PlaylistOutcome::Done(WorkResult::whole(requested, unchanged)));
            }
            Err(SyncError::Api(e)) if is_about_the_list(&e) => {
                return Ok(PlaylistOutcome::Done(self.record_missing(frame, playlist, requested, &e).await?));
            }
            Err(e) => return Err(e),
        };
        self.write_playlist(frame, &head).await?;
        if change_detection::is_unchanged(&known, self.full, &whole, head.snapshot_id.as_deref()) {
            self.mark_unchanged(known.id).await?;
            self.clear_missing(frame, playlist).await?;
            return Ok(PlaylistOutcome::Done(WorkResult::whole(requested, unchanged)));
        }
        if head.page.is_none()
            && !head.is_old_route_only
            && self.app.class().map_err(ApiError::from)? != Some(AppClass::Extended)
        {
            // Development Mode gives foreign playlists without their contents: asking for the items
            // would be a call for a 403.
            self.app.learn(AppClass::Development, "a playlist came without its contents").map_err(ApiError::from)?;
            let words = "Spotify gave the playlist without its items, as it does for lists of others".to_owned();
            let e = ApiError::Refused {
                family: EndpointFamily::PLAYLIST_ITEMS,
                kind: ForbiddenReason::NotYourPlaylist,
                message: words,
            };
            return Ok(PlaylistOutcome::Done(self.record_missing(frame, playlist, requested, &e).await?));
        }
        // Where both names hold entries, the route is that of the class.
        let old_name = head.is_old_route_only
            || (head.is_on_both_routes && self.app.class().map_err(ApiError::from)? == Some(AppClass::Extended));
        if head.is_old_route_only {
            self.app
                .learn(AppClass::Extended, "a playlist came with its contents under the old name")
                .map_err(ApiError::from)?;
        }
        let list = playlist_items_request(frame, playlist, old_name, proved_later);
        let opening =
            Prefetch { page: head.page, snapshot_id: head.snapshot_id, etag: head.etag, ..Prefetch::default() };
        let end = self.read_list(frame, &list, &known, opening).await?;
        let waiting =
            PendingVerification { id: playlist.to_owned(), list, row: known, at: Checkpoint::default(), requested };
        self.finish_playlist(frame, waiting, end).await
    }

    /// The version of a playlist that an earlier fetch of this run was told of: by the playlist itself, or
    /// by a list of playlists.
    async fn known_snapshot(&self, playlist: &str) -> Result<Option<String>, SyncError> {
        let (id, when) = (playlist.to_owned(), self.fresh_span(TimeDelta::zero()));
        Ok(self.store.write(move |s| freshness::known_snapshot(s, &id, &when)).await?)
    }

    /// What the end of a read means for the playlist.
    pub(super) async fn finish_playlist(
        &self,
        frame: &FetchContext,
        read: PendingVerification,
        end: ListOutcome,
    ) -> Result<PlaylistOutcome, SyncError> {
        Ok(match end {
            ListOutcome::AwaitsVerification(at) => {
                PlaylistOutcome::Pending(Box::new(PendingVerification { at: *at, ..read }))
            }
            ListOutcome::Whole(tally) => {
                self.clear_missing(frame, &read.id).await?;
                PlaylistOutcome::Done(WorkResult::whole(read.requested, tally))
            }
            ListOutcome::Refused(e) => {
                PlaylistOutcome::Done(self.record_missing(frame, &read.id, read.requested, &e).await?)
            }
            ListOutcome::Unproved { reason, detail } => PlaylistOutcome::Done(
                self.record_unproved(frame, &read.id, &read.row, read.requested, (reason, detail)).await?,
            ),
        })
    }

    /// What Spotify says about a playlist; `None` if nothing changed since `etag`.
    pub(super) async fn request_playlist(
        &self,
        frame: &FetchContext,
        playlist: &str,
        etag: Option<String>,
    ) -> Result<Option<PlaylistMetadata>, SyncError> {
        let mut request = ApiRequest::new(EndpointFamily::PLAYLISTS, format!("/playlists/{playlist}"));
        request.query = frame.query();
        request = request.with_query(ITEM_TYPES.0, ITEM_TYPES.1);
        request.etag = etag;
        let check = |answer: &ApiResponse| {
            if answer.status == 304 {
                return Ok(None);
            }
            let object: Playlist<'_> = serde_json::from_slice(&answer.body)
                .map_err(|e| UnusableResponse::new(format!("the answer is not what Spotify documents: {e}")))?;
            if object.id.value().is_none() {
                return Err(UnusableResponse::new("the playlist has no id"));
            }
            Ok(Some(PlaylistMetadata {
                body: answer.body.clone(),
                snapshot_id: object.snapshot_id.value().map(|s| s.to_string()),
                etag: answer.etag.clone(),
                page: RawPage::read(answer, Envelope::InPlaylist)?.filter(|page| page.offset.unwrap_or(0) == 0),
                is_on_both_routes: [&object.tracks, &object.items]
                    .into_iter()
                    .all(|page| page.as_ref().is_some_and(|page| page.items.is_some())),
                is_old_route_only: object.tracks.is_some()
                    && object.items.as_ref().is_none_or(|page| page.items.is_none()),
            }))
        };
        Ok(self.api.get_checked(&frame.bearer, &request, check).await?)
    }

    async fn write_playlist(&self, frame: &FetchContext, head: &PlaylistMetadata) -> Result<(), SyncError> {
        let (body, asked) = (head.body.clone(), frame.asked(self.now()));
        let written = self.store.write(move |s| {
            // It was read once already, so it can be read again.
            let Ok(object) = serde_json::from_slice::<Playlist<'_>>(&body) else { return Ok(()) };
            match ingest::write_playlist(s, &object, &asked, true) {
                Ok(_) | Err(IngestError::Malformed(_)) => Ok(()),
                Err(IngestError::Store(e)) => Err(e),
            }
        });
        Ok(written.await?)
    }

    /// Records that a list could not be proved whole; the old one stays, if there is one.
    pub(super) async fn record_unproved(
        &self,
        frame: &FetchContext,
        parent: &str,
        known: &ListRow,
        requested: Vec<RequestedItem>,
        (reason, detail): (&'static str, String),
    ) -> Result<WorkResult, SyncError> {
        let parent_id = Some(parent.to_owned()).filter(|p| !p.is_empty());
        let text = Some(detail.clone());
        let (fetch, stream) = (frame.fetch.clone(), frame.stream.name);
        self.record_skip(crate::store::SkippedItem {
            fetch,
            stream,
            parent_id,
            reason,
            detail: text,
            ..Default::default()
        })
        .await?;
        let tally = RecordCounts { skipped: 1, stored: known.stored.unwrap_or(0), ..RecordCounts::default() };
        let kept = if known.whole_at.is_some() { "the last whole list stays" } else { "it was never read whole" };
        let what = if parent.is_empty() { reason.to_owned() } else { format!("{parent}: {reason}") };
        Ok(WorkResult::incomplete(requested, tally, format!("{what}: {detail}; {kept}")))
    }
}

/// Where a playlist's items are, under the name that the app's class has for them.
pub(super) fn items_path(playlist: &str, old_name: bool) -> String {
    format!("/playlists/{playlist}/{}", if old_name { "tracks" } else { "items" })
}

/// The list of a playlist's items.
pub(super) fn playlist_key(frame: &FetchContext, playlist: &str) -> ListKey {
    ListKey {
        kind: PLAYLIST_ITEMS,
        parent_id: playlist.to_owned(),
        audience: frame.audience.clone(),
        market: frame.market.clone(),
        variant: String::new(),
    }
}

/// How a playlist's items are asked for.
pub(super) fn playlist_items_request(
    frame: &FetchContext,
    playlist: &str,
    old_name: bool,
    proved_later: bool,
) -> ListRequest {
    let mut query = frame.query();
    query.push((ITEM_TYPES.0, ITEM_TYPES.1.to_owned()));
    let version = ApiRequest::new(EndpointFamily::PLAYLISTS, format!("/playlists/{playlist}"))
        .with_query("fields", "snapshot_id");
    ListRequest {
        key: playlist_key(frame, playlist),
        family: EndpointFamily::PLAYLIST_ITEMS,
        path: items_path(playlist, old_name),
        query,
        entry_kind: EntryKind::PlaylistItems,
        envelope: Envelope::Bare,
        paging: ITEM_PAGES,
        changes: ChangeDetection::Version,
        total_is_unreliable: false,
        max_items: None,
        version: Some(version),
        deferred_verification: proved_later,
        parent: Some(EntityKind::Playlist),
    }
}
