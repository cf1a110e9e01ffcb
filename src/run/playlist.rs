//! The items of one playlist: one call says whether it changed and brings the first page.

use chrono::TimeDelta;

use super::decide;
use super::engine::{Engine, FetchFrame, Tally};
use super::halt::Halt;
use super::list::{List, ListEnd, Opening};
use super::look::is_about_the_list;
use super::unit::UnitEnd;
use crate::ingest::{self, Shape, Trouble};
use crate::store::{Checkpoint, ListKey, ListRow, Requested};
use crate::stream::{Order, Paging};
use spotify_client::Kind;
use spotify_client::client::{Answer, Request, Unusable};
use spotify_client::error::ApiError;
use spotify_client::family::Family;
use spotify_client::page::{RawPage, Wrapping};
use spotify_client::refusal::Refusal;
use spotify_client::state::AppClass;
use spotify_client::wire::Playlist;

/// Without it, episodes come back as tracks that are none, or null.
const BOTH_TYPES: (&str, &str) = ("additional_types", "track,episode");

/// Pages of a playlist's items, behind those that come with it.
pub(super) const ITEM_PAGES: Paging = Paging::Offset { development: 50, extended: 100 };

/// What the answer about a playlist said.
pub(super) struct Head {
    body: bytes::Bytes,
    pub snapshot_id: Option<String>,
    etag: Option<String>,
    pub page: Option<RawPage>,
    /// Its contents came under the old name alone.
    pub old_name: bool,
    /// They came under both.
    pub both: bool,
}

/// A playlist that was read to its end and is to be proved together with others.
pub(super) struct Waiting {
    pub id: String,
    pub list: List,
    pub row: ListRow,
    pub at: Checkpoint,
    pub requested: Vec<Requested>,
}

/// What came of reading a playlist.
pub(super) enum Items {
    Done(UnitEnd),
    Waiting(Box<Waiting>),
}

impl Engine {
    /// Reads a playlist's items unless its snapshot is the one that stands.
    pub(super) async fn playlist_items(&self, frame: &FetchFrame, playlist: &str) -> Result<UnitEnd, Halt> {
        match self.playlist_items_up_to_proof(frame, playlist, false).await? {
            Items::Done(end) => Ok(end),
            Items::Waiting(_) => Err(Halt::Job(format!("a defect of cratedigger: {playlist} was not proved"))),
        }
    }

    /// The same; if it is proved later, what came in several answers is not in place yet.
    pub(super) async fn playlist_items_up_to_proof(
        &self,
        frame: &FetchFrame,
        playlist: &str,
        proved_later: bool,
    ) -> Result<Items, Halt> {
        let key = playlist_key(frame, playlist);
        let _reading = self.lock_list(&key).await?;
        let known = self.open_list(&key).await?;
        let requested = vec![Requested { user_id: None, list_id: Some(known.id), item_id: Some(playlist.to_owned()) }];
        let unchanged = Tally { unchanged: 1, stored: known.stored.unwrap_or(0), ..Tally::default() };
        if self.is_of_this_run(known.checked_at.as_ref()) {
            return Ok(Items::Done(UnitEnd::whole(requested, unchanged)));
        }
        let whole = self.whole_in(frame.full_every);
        let told = self.snapshot_told(playlist).await?;
        if decide::stands(&known, self.full, &whole, told.as_deref()) {
            self.confirm(known.id).await?;
            return Ok(Items::Done(UnitEnd::whole(requested, unchanged)));
        }
        let readable = decide::was_read_whole(&known, self.full, &whole);
        let etag = known.etag.clone().filter(|_| readable && known.checkpoint.is_none());
        let head = match self.playlist_head(frame, playlist, etag).await {
            Ok(Some(head)) => head,
            Ok(None) => {
                self.confirm(known.id).await?;
                return Ok(Items::Done(UnitEnd::whole(requested, unchanged)));
            }
            Err(Halt::Api(e)) if is_about_the_list(&e) => {
                return Ok(Items::Done(self.gap(frame, playlist, requested, &e).await?));
            }
            Err(e) => return Err(e),
        };
        self.write_head(frame, &head).await?;
        if decide::stands(&known, self.full, &whole, head.snapshot_id.as_deref()) {
            self.confirm(known.id).await?;
            self.answers_again(frame, playlist).await?;
            return Ok(Items::Done(UnitEnd::whole(requested, unchanged)));
        }
        if head.page.is_none()
            && !head.old_name
            && self.app.class().map_err(ApiError::from)? != Some(AppClass::Extended)
        {
            // Development Mode gives foreign playlists without their contents: asking for the items
            // would be a call for a 403.
            self.app.learn(AppClass::Development, "a playlist came without its contents").map_err(ApiError::from)?;
            let words = "Spotify gave the playlist without its items, as it does for lists of others".to_owned();
            let e =
                ApiError::Refused { family: Family::PLAYLIST_ITEMS, kind: Refusal::NotYourPlaylist, message: words };
            return Ok(Items::Done(self.gap(frame, playlist, requested, &e).await?));
        }
        // Where both names hold entries, the route is that of the class.
        let old_name =
            head.old_name || (head.both && self.app.class().map_err(ApiError::from)? == Some(AppClass::Extended));
        if head.old_name {
            self.app
                .learn(AppClass::Extended, "a playlist came with its contents under the old name")
                .map_err(ApiError::from)?;
        }
        let list = items_of(frame, playlist, old_name, proved_later);
        let opening = Opening { page: head.page, snapshot_id: head.snapshot_id, etag: head.etag, ..Opening::default() };
        let end = self.read_list(frame, &list, &known, opening).await?;
        let waiting = Waiting { id: playlist.to_owned(), list, row: known, at: Checkpoint::default(), requested };
        self.came_to(frame, waiting, end).await
    }

    /// The version of a playlist that an earlier fetch of this run was told of: by the playlist itself, or
    /// by a list of playlists.
    async fn snapshot_told(&self, playlist: &str) -> Result<Option<String>, Halt> {
        let (id, when) = (playlist.to_owned(), self.fresh_in(TimeDelta::zero()));
        Ok(self.store.write(move |s| s.snapshot_told(&id, &when)).await?)
    }

    /// What the end of a read means for the playlist.
    pub(super) async fn came_to(&self, frame: &FetchFrame, read: Waiting, end: ListEnd) -> Result<Items, Halt> {
        Ok(match end {
            ListEnd::Awaits(at) => Items::Waiting(Box::new(Waiting { at: *at, ..read })),
            ListEnd::Whole(tally) => {
                self.answers_again(frame, &read.id).await?;
                Items::Done(UnitEnd::whole(read.requested, tally))
            }
            ListEnd::Refused(e) => Items::Done(self.gap(frame, &read.id, read.requested, &e).await?),
            ListEnd::Unproved { reason, detail } => {
                Items::Done(self.unproved(frame, &read.id, &read.row, read.requested, (reason, detail)).await?)
            }
        })
    }

    /// What Spotify says about a playlist; `None` if nothing changed since `etag`.
    pub(super) async fn playlist_head(
        &self,
        frame: &FetchFrame,
        playlist: &str,
        etag: Option<String>,
    ) -> Result<Option<Head>, Halt> {
        let mut request = Request::new(Family::PLAYLISTS, format!("/playlists/{playlist}"));
        request.query = frame.query();
        request = request.with(BOTH_TYPES.0, BOTH_TYPES.1);
        request.etag = etag;
        let check = |answer: &Answer| {
            if answer.status == 304 {
                return Ok(None);
            }
            let object: Playlist<'_> = serde_json::from_slice(&answer.body)
                .map_err(|e| Unusable::new(format!("the answer is not what Spotify documents: {e}")))?;
            if object.id.value().is_none() {
                return Err(Unusable::new("the playlist has no id"));
            }
            Ok(Some(Head {
                body: answer.body.clone(),
                snapshot_id: object.snapshot_id.value().map(|s| s.to_string()),
                etag: answer.etag.clone(),
                page: RawPage::read(answer, Wrapping::InPlaylist)?.filter(|page| page.offset.unwrap_or(0) == 0),
                both: [&object.tracks, &object.items]
                    .into_iter()
                    .all(|page| page.as_ref().is_some_and(|page| page.items.is_some())),
                old_name: object.tracks.is_some() && object.items.as_ref().is_none_or(|page| page.items.is_none()),
            }))
        };
        Ok(self.api.get_checked(&frame.bearer, &request, check).await?)
    }

    async fn write_head(&self, frame: &FetchFrame, head: &Head) -> Result<(), Halt> {
        let (body, asked) = (head.body.clone(), frame.asked(self.now()));
        let written = self.store.write(move |s| {
            // It was read once already, so it can be read again.
            let Ok(object) = serde_json::from_slice::<Playlist<'_>>(&body) else { return Ok(()) };
            match ingest::playlist(s, &object, &asked, true) {
                Ok(_) | Err(Trouble::Malformed(_)) => Ok(()),
                Err(Trouble::Store(e)) => Err(e),
            }
        });
        Ok(written.await?)
    }

    /// Records that a list could not be proved whole; the old one stays, if there is one.
    pub(super) async fn unproved(
        &self,
        frame: &FetchFrame,
        parent: &str,
        known: &ListRow,
        requested: Vec<Requested>,
        (reason, detail): (&'static str, String),
    ) -> Result<UnitEnd, Halt> {
        let parent_id = Some(parent.to_owned()).filter(|p| !p.is_empty());
        let text = Some(detail.clone());
        let (fetch, stream) = (frame.fetch.clone(), frame.stream.name);
        self.skip(crate::store::Skip { fetch, stream, parent_id, reason, detail: text, ..Default::default() }).await?;
        let tally = Tally { skipped: 1, stored: known.stored.unwrap_or(0), ..Tally::default() };
        let kept = if known.whole_at.is_some() { "the last whole list stays" } else { "it was never read whole" };
        let what = if parent.is_empty() { reason.to_owned() } else { format!("{parent}: {reason}") };
        Ok(UnitEnd::lacking(requested, tally, format!("{what}: {detail}; {kept}")))
    }
}

/// Where a playlist's items are, under the name that the app's class has for them.
pub(super) fn items_path(playlist: &str, old_name: bool) -> String {
    format!("/playlists/{playlist}/{}", if old_name { "tracks" } else { "items" })
}

/// The list of a playlist's items.
pub(super) fn playlist_key(frame: &FetchFrame, playlist: &str) -> ListKey {
    ListKey {
        kind: "playlist_items",
        parent_id: playlist.to_owned(),
        audience: frame.audience.clone(),
        market: frame.market.clone(),
        variant: String::new(),
    }
}

/// How a playlist's items are asked for.
pub(super) fn items_of(frame: &FetchFrame, playlist: &str, old_name: bool, proved_later: bool) -> List {
    let mut query = frame.query();
    query.push((BOTH_TYPES.0, BOTH_TYPES.1.to_owned()));
    let version = Request::new(Family::PLAYLISTS, format!("/playlists/{playlist}")).with("fields", "snapshot_id");
    List {
        key: playlist_key(frame, playlist),
        family: Family::PLAYLIST_ITEMS,
        path: items_path(playlist, old_name),
        query,
        shape: Shape::PlaylistItems,
        wrapping: Wrapping::Bare,
        paging: ITEM_PAGES,
        order: Order::Other,
        most: None,
        version: Some(version),
        proved_later,
        parent: Some(Kind::Playlist),
    }
}
