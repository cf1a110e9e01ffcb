//! The items of all playlists of a user: the list of playlists says which of them changed, and
//! proves, a page of it at a time, that those that were read did not move meanwhile.

use std::collections::HashMap;

use super::decide::{self, Proving};
use super::engine::{Engine, FetchFrame, Tally, stamp};
use super::halt::Halt;
use super::library::list_of;
use super::list::{List, ListEnd, Opening, RESTARTS};
use super::look::{Look, Place, is_about_the_list};
use super::playlist::{Items, Waiting, items_of, playlist_key};
use super::unit::{UnitEnd, reason};
use crate::ingest::Shape;
use crate::store::{Checkpoint, GapKey, ListRow, ListedPlaylist, ProvedBy};
use crate::stream::Stream;
use spotify_client::error::ApiError;
use spotify_client::page::Wrapping;
use spotify_client::state::AppClass;
use spotify_client::wire::Playlist;

impl Engine {
    /// The items of all lists that may be read.
    pub(super) async fn my_playlist_items(&self, frame: &FetchFrame) -> Result<UnitEnd, Halt> {
        let lists = list_of(my_playlists(), frame, Shape::Playlists, Wrapping::Bare);
        let mut end = self.whole_list(frame, &lists).await?;
        // The rows of this fetch are items; the lists are those of another stream.
        end.tally.stored = 0;
        let (user, market) = (frame.audience.clone(), frame.market.clone());
        let whole = self.whole_in(frame.full_every);
        let mine = self.store.write(move |s| s.playlists_of(&user, &market, &whole)).await?;
        self.progress.fetch_began(&frame.fetch, mine.len());
        let parts = FetchFrame { own: true, ..frame.clone() };
        let (own, foreign): (Vec<_>, Vec<_>) = mine.into_iter().partition(|list| list.own);
        let (changed, same): (Vec<_>, Vec<_>) = own.into_iter().partition(|list| self.has_changed(list));
        self.unchanged(frame, same, &mut end).await?;
        let changed = self.without_known_gaps(&parts, changed, &mut end).await?;
        let page = self.app.page_size(lists.family, &lists.path, lists.paging).map_err(ApiError::from)?;
        let page_of = |list: &ListedPlaylist| list.position / i64::from(page);
        // A page at a time: so few lists wait for their proof that each is locked for a short while.
        for group in changed.chunk_by(|a, b| page_of(a) == page_of(b)) {
            let offset = group.first().map_or(0, |list| page_of(list) * i64::from(page));
            let mut waiting = Vec::new();
            for list in group {
                match self.changed(&parts, list, true).await? {
                    Items::Done(done) => self.add(frame, &mut end, done),
                    Items::Waiting(one) => waiting.push(*one),
                }
            }
            self.prove_all(&parts, &lists, offset, waiting, &mut end).await?;
        }
        self.foreign(&parts, foreign, &mut end).await?;
        Ok(end)
    }

    pub(super) fn has_changed(&self, list: &ListedPlaylist) -> bool {
        self.full || list.snapshot_id.is_none() || list.snapshot_id != list.read_snapshot_id
    }

    /// Of these lists, those that were not refused within a week; the others are noted.
    async fn without_known_gaps(
        &self,
        parts: &FetchFrame,
        lists: Vec<ListedPlaylist>,
        end: &mut UnitEnd,
    ) -> Result<Vec<ListedPlaylist>, Halt> {
        let ids: Vec<String> = lists.iter().map(|list| list.id.clone()).collect();
        let gaps = self.known_gaps(parts, &ids).await?;
        let mut rest = Vec::with_capacity(lists.len());
        for (list, gap) in lists.into_iter().zip(gaps) {
            match gap {
                Some(gap) => self.add(parts, end, UnitEnd::known_gap(Vec::new(), gap)),
                None => rest.push(list),
            }
        }
        Ok(rest)
    }

    /// A playlist that is not as it was: read, unless it was read already and the list of playlists
    /// has proved that by now.
    async fn changed(&self, parts: &FetchFrame, list: &ListedPlaylist, proved_later: bool) -> Result<Items, Halt> {
        if list.ended && !self.full {
            let key = playlist_key(parts, &list.id);
            let _reading = self.lock_list(&key).await?;
            let row = self.open_list(&key).await?;
            if let Some(at) = row.checkpoint.clone().filter(|at| at.ended) {
                if list.proved && at.snapshot_id == list.snapshot_id {
                    // The route is of no matter any more.
                    let items = items_of(parts, &list.id, false, proved_later);
                    let stored = self.swap(parts, &items, row.id, &at, ProvedBy::Snapshot).await?;
                    let tally = items.count(&at, Tally { stored, ..Tally::default() });
                    return Ok(Items::Done(UnitEnd::whole(Vec::new(), tally)));
                }
                if proved_later {
                    let old_name = self.app.class().map_err(ApiError::from)? == Some(AppClass::Extended);
                    let list = items_of(parts, &list.id, old_name, true);
                    let id = list.key.parent_id.clone();
                    return Ok(Items::Waiting(Box::new(Waiting { id, list, row, at, requested: Vec::new() })));
                }
            }
        }
        self.playlist_items_up_to_proof(parts, &list.id, proved_later).await
    }

    /// Lists of others: Development Mode gives them without their items. They are listed, and that is
    /// all there is to have.
    async fn foreign(&self, parts: &FetchFrame, lists: Vec<ListedPlaylist>, end: &mut UnitEnd) -> Result<(), Halt> {
        if lists.is_empty() {
            return Ok(());
        }
        if self.class_for_foreign(parts).await? != Some(AppClass::Extended) {
            lists.iter().for_each(|_| self.progress.unit_done(&parts.fetch));
            return Ok(());
        }
        let (changed, same): (Vec<_>, Vec<_>) = lists.into_iter().partition(|list| self.has_changed(list));
        self.unchanged(parts, same, end).await?;
        for list in self.without_known_gaps(parts, changed, end).await? {
            if let Items::Done(done) = self.changed(parts, &list, false).await? {
                self.add(parts, end, done);
            }
        }
        Ok(())
    }

    /// The class of the app, which tells whether lists of others can be had; found out if nothing has
    /// told it yet. Where the call that would tell brings neither answer nor refusal, the limits of an
    /// unknown class hold, and it is not sent again for a week.
    async fn class_for_foreign(&self, parts: &FetchFrame) -> Result<Option<AppClass>, Halt> {
        let known = self.app.class().map_err(ApiError::from)?;
        let told_nothing = GapKey {
            stream: "markets",
            id: "the class of the app".to_owned(),
            audience: "app".to_owned(),
            market: String::new(),
        };
        if known.is_some() || self.was_refused(&told_nothing).await? {
            return Ok(known);
        }
        match self.app.probe(&parts.bearer).await {
            Ok(class) => Ok(class),
            Err(e) if says_nothing_of_the_run(&e) => {
                tracing::debug!(error = %e, "the class of the app could not be found out");
                let (text, now) = (e.to_string(), stamp(self.now()));
                self.store.write(move |s| s.note_gap(&told_nothing, reason(&e), &text, &now)).await?;
                Ok(None)
            }
            Err(e) => Err(e.into()),
        }
    }

    async fn unchanged(&self, frame: &FetchFrame, lists: Vec<ListedPlaylist>, end: &mut UnitEnd) -> Result<(), Halt> {
        for list in &lists {
            end.tally.add(Tally { unchanged: 1, stored: list.stored, ..Tally::default() });
            self.progress.unit_done(&frame.fetch);
        }
        let ids: Vec<String> = lists.into_iter().map(|list| list.id).collect();
        let (user, market, now) = (frame.audience.clone(), frame.market.clone(), stamp(self.now()));
        Ok(self.store.write(move |s| s.confirm_playlists(&ids, &user, &market, &now)).await?)
    }

    /// Adds what came of one playlist; that the list of playlists was asked for stands for all.
    fn add(&self, frame: &FetchFrame, end: &mut UnitEnd, mut done: UnitEnd) {
        done.requested.clear();
        end.add(done);
        self.progress.unit_done(&frame.fetch);
    }

    /// Proves lists that stand on one page of the list of playlists, and puts them in place. What
    /// moved is read and proved again.
    async fn prove_all(
        &self,
        parts: &FetchFrame,
        lists: &List,
        offset: i64,
        mut waiting: Vec<Waiting>,
        end: &mut UnitEnd,
    ) -> Result<(), Halt> {
        while !waiting.is_empty() {
            let listed = match decide::proving(waiting.len(), 1) {
                Proving::ByTheList => self.listed(parts, lists, offset).await?,
                Proving::OneByOne => HashMap::new(),
            };
            let mut again = Vec::new();
            for one in waiting {
                match self.prove(parts, &listed, one).await? {
                    Items::Done(done) => self.add(parts, end, done),
                    Items::Waiting(one) => again.push(*one),
                }
            }
            waiting = again;
        }
        Ok(())
    }

    /// Proves one list by its version now, or reads it again.
    async fn prove(
        &self,
        parts: &FetchFrame,
        listed: &HashMap<String, Option<String>>,
        read: Waiting,
    ) -> Result<Items, Halt> {
        let snapshot_id = match (listed.get(&read.id), &read.list.version) {
            (Some(snapshot_id), _) => snapshot_id.clone(),
            (None, Some(version)) => match self.version(parts, version).await {
                Ok(snapshot_id) => snapshot_id,
                Err(Halt::Api(e)) if is_about_the_list(&e) => {
                    return Ok(Items::Done(self.gap(parts, &read.id, read.requested, &e).await?));
                }
                Err(e) => return Err(e),
            },
            (None, None) => None,
        };
        // While it waited, anybody could read it: what is staged may not be ours any more.
        let _reading = self.lock_list(&read.list.key).await?;
        let key = read.list.key.clone();
        let row = self.store.write(move |s| s.list(&key)).await?;
        if row.checkpoint.as_ref() != Some(&read.at) {
            return self.read_by_another(parts, read, &row).await;
        }
        let at = &read.at;
        if snapshot_id.is_some() && snapshot_id == at.snapshot_id {
            let stored = self.swap(parts, &read.list, read.row.id, at, ProvedBy::Snapshot).await?;
            self.answers_again(parts, &read.id).await?;
            let (announced, served, skipped) = (at.announced, at.next_offset, at.skipped);
            let tally = Tally { announced, served, stored, skipped, ..Tally::default() };
            return Ok(Items::Done(UnitEnd::whole(read.requested, read.list.count(at, tally))));
        }
        if at.restarts >= RESTARTS {
            self.give_up(read.row.id, at, snapshot_id, "moved").await?;
            return self.came_to(parts, read, ListEnd::moved()).await;
        }
        let id = read.row.id;
        let content = Some(self.store.write(move |s| s.staged_hash(id)).await?);
        self.unskip(parts, &read.list).await?;
        let opening = Opening { snapshot_id, content, ..Opening::default() };
        let begun: Checkpoint = self.begin(id, &opening, at.restarts + 1).await?;
        let row = ListRow { checkpoint: Some(begun), ..read.row.clone() };
        let end = self.read_list(parts, &read.list, &row, opening).await?;
        self.came_to(parts, read, end).await
    }

    /// Another run has taken the list up meanwhile: it put it in place, or this one reads it again.
    async fn read_by_another(&self, parts: &FetchFrame, read: Waiting, row: &ListRow) -> Result<Items, Halt> {
        if row.checkpoint.is_none() && self.is_of_this_run(row.checked_at.as_ref()) {
            let tally = Tally { unchanged: 1, stored: row.stored.unwrap_or(0), ..Tally::default() };
            return Ok(Items::Done(UnitEnd::whole(read.requested, tally)));
        }
        let snapshot_id = row.checkpoint.as_ref().and_then(|at| at.snapshot_id.clone());
        let opening = Opening { snapshot_id, ..Opening::default() };
        let list = List { proved_later: false, ..read.list.clone() };
        let row = ListRow { checkpoint: None, ..row.clone() };
        let end = self.read_list(parts, &list, &row, opening).await?;
        self.came_to(parts, read, end).await
    }

    /// The versions that a page of the list of playlists names now.
    async fn listed(
        &self,
        parts: &FetchFrame,
        lists: &List,
        offset: i64,
    ) -> Result<HashMap<String, Option<String>>, Halt> {
        let page = match self.look(parts, lists, Place { offset, cursor: None, etag: None }).await {
            Ok(Look::Page(page)) => page,
            // Each can still be asked by itself.
            Ok(Look::Unchanged) => return Ok(HashMap::new()),
            Err(Halt::Api(e)) if is_about_the_list(&e) => return Ok(HashMap::new()),
            Err(e) => return Err(e),
        };
        let read = |entry: Option<&str>| {
            let list: Playlist<'_> = serde_json::from_str(entry?).ok()?;
            Some((list.id.value()?.to_string(), list.snapshot_id.value().map(|id| id.to_string())))
        };
        Ok(page.entries().into_iter().filter_map(read).collect())
    }
}

/// Whether what came of a probe concerns that one endpoint: nothing else of the run would meet it.
fn says_nothing_of_the_run(e: &ApiError) -> bool {
    match e {
        ApiError::Deferred { why, .. } => why.family().is_some(),
        e => is_about_the_list(e),
    }
}

/// What `my_playlist_items` needs of its other half.
pub(super) fn my_playlists() -> &'static Stream {
    crate::stream::find("my_playlists").expect("my_playlists is in the table of streams")
}
