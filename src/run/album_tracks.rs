//! The tracks of albums: an album's own answer holds the first of them, or all.

use std::collections::HashSet;

use chrono::TimeDelta;

use super::engine::{Engine, FetchFrame, Tally};
use super::halt::Halt;
use super::list::{List, ListEnd, Opening};
use super::stalest::Placed;
use super::things::{Things, album_tracks_key};
use super::unit::UnitEnd;
use crate::ingest::Shape;
use crate::store::{Requested, Table};
use crate::stream::{Order, Paging};
use spotify_client::family::Family;
use spotify_client::page::Wrapping;
use spotify_client::{Kind, path_segment};

impl Engine {
    /// The tracks of albums: an album's own answer holds the first of them, or all.
    pub(super) async fn album_tracks(&self, frame: &FetchFrame, references: &[Placed]) -> Result<UnitEnd, Halt> {
        let (albums, places, without) = self.ids_of(frame, references).await?;
        let albums = &albums;
        let asked = frame.asked(self.now());
        // One lock for all albums: a batch begins twenty lists, and locks taken one by one could
        // wait for each other.
        let _reading = self.lock_list(&album_tracks_key("", &asked)).await?;
        let when = self.fresh_in(TimeDelta::zero());
        let all = albums.clone();
        let answered = self.store.write(move |s| s.fresh(Table::albums(), &all, &when)).await?;
        // An album that this run has asked for already is not asked for again: its tracks are a list
        // of their own.
        let (mut wanted, mut listed) = (Vec::new(), HashSet::new());
        for (album, answered) in albums.iter().zip(answered) {
            let list = self.open_list(&album_tracks_key(album, &asked)).await?;
            if !self.is_of_this_run(list.checked_at.as_ref()) && list.checkpoint.is_none() {
                if answered {
                    listed.insert(album);
                } else {
                    wanted.push(album.clone());
                }
            }
        }
        let things = Things::album_heads();
        let heads = self.things(frame, things, &wanted).await?;
        let mut end =
            UnitEnd { trouble: heads.trouble, troubles: heads.troubles, hints: heads.hints, ..UnitEnd::default() };
        end.tally.skipped = heads.tally.skipped;
        end.add(without);
        for album in albums {
            let key = album_tracks_key(album, &asked);
            // What the answer about the album has just begun is no earlier read, whatever is read anew.
            let known = if wanted.contains(album) {
                let key = key.clone();
                self.store.write(move |s| s.list(&key)).await?
            } else {
                self.open_list(&key).await?
            };
            let requested = vec![Requested { user_id: None, list_id: Some(known.id), item_id: None }];
            let stands = self.is_of_this_run(known.checked_at.as_ref());
            let to_be_read = known.checkpoint.is_some() || (listed.contains(album) && !stands);
            let came_with_it = wanted.contains(album);
            let done = match (to_be_read, stands) {
                (true, _) => {
                    let list = List {
                        key,
                        family: Family::ALBUM_TRACKS,
                        path: format!("/albums/{}/tracks", path_segment(album)),
                        query: frame.query(),
                        shape: Shape::AlbumTracks,
                        wrapping: Wrapping::Bare,
                        paging: Paging::Offset { development: 50, extended: 50 },
                        order: Order::Other,
                        most: None,
                        version: None,
                        proved_later: false,
                        parent: Some(Kind::Album),
                    };
                    let opening = Opening { just_begun: came_with_it, ..Opening::default() };
                    match self.read_list(frame, &list, &known, opening).await? {
                        ListEnd::Whole(tally) => UnitEnd::whole(requested, tally),
                        ListEnd::Awaits(_) => UnitEnd { requested, ..UnitEnd::default() },
                        ListEnd::Refused(e) => self.gap(frame, album, requested, &e).await?,
                        ListEnd::Unproved { reason, detail } => {
                            self.unproved(frame, album, &known, requested, (reason, detail)).await?
                        }
                    }
                }
                (false, true) => {
                    let stored = known.stored.unwrap_or(0);
                    let (served, unchanged) = if came_with_it { (stored, 0) } else { (0, 1) };
                    UnitEnd::whole(requested, Tally { unchanged, served, stored, ..Tally::default() })
                }
                (false, false) => UnitEnd { requested, ..UnitEnd::default() },
            };
            end.add(done);
        }
        end.places = places;
        Ok(end)
    }
}
