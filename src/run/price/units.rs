//! The price of things by id, of albums' tracks and of searches.

use super::totals::Total;
use super::{Calls, News, Price, Pricing, because, count};
use chrono::TimeDelta;

use crate::ingest;
use crate::run::decide;
use crate::run::engine::FetchFrame;

use crate::run::halt::Halt;
use crate::run::search::{DEEPEST, PAGING, Search};
use crate::run::stalest::Placed;
use crate::run::things::{Things, album_tracks_key};
use crate::run::units::Unit;
use crate::store::Table;
use crate::stream::Paging;
use spotify_client::error::ApiError;
use spotify_client::family::Family;
use spotify_client::state::AppClass;
use spotify_client::{Kind, Reference};

/// Tracks that an album's own answer holds, and that a page of the rest does.
const ALBUM_PAGE: u16 = 50;

impl Pricing<'_> {
    /// What a unit of a fetch costs.
    pub(super) async fn unit(&mut self, frame: &FetchFrame, unit: &Unit) -> Result<Price, Halt> {
        match unit {
            Unit::Things(things, references) => self.things(frame, *things, references).await,
            Unit::AlbumTracks(albums) => self.album_tracks(frame, albums).await,
            Unit::Search(search) => self.search(frame, search).await,
            Unit::Playlist(id) => {
                let refused = self.engine.were_refused(frame, std::slice::from_ref(id)).await?;
                if refused == [true] { Ok(Price::free()) } else { self.playlist(frame, id).await }
            }
            Unit::List(list) => {
                let parent = &list.key.parent_id;
                let refused = !parent.is_empty()
                    && self.engine.were_refused(frame, std::slice::from_ref(parent)).await? == [true];
                if refused { Ok(Price::free()) } else { self.list(frame, list).await }
            }
            Unit::Own(fetch) => self.own(fetch, frame).await,
        }
    }

    async fn things(&mut self, frame: &FetchFrame, things: Things, references: &[Placed]) -> Result<Price, Halt> {
        let (ids, mut price) = self.codes(frame, references).await?;
        let (fresh, _) = self.engine.fresh(frame, things, &ids).await?;
        let refused = self.engine.were_refused(frame, &ids).await?;
        let read = self.read.entry(ingest::table_of(things.kind).name).or_default();
        let mut wanted = 0;
        for (id, free) in ids.into_iter().zip(fresh.into_iter().zip(refused).map(|(fresh, refused)| fresh || refused)) {
            price.asked += 1;
            if free || !read.insert(id) {
                price.free += 1;
            } else {
                wanted += 1;
            }
        }
        if wanted > 0 {
            price.news = price.news.and(News::UpTo(wanted as u64));
        }
        self.by_id(things, wanted, &mut price)?;
        Ok(price)
    }

    /// Calls for so many ids that are to be read.
    fn by_id(&mut self, things: Things, wanted: usize, price: &mut Price) -> Result<(), Halt> {
        if wanted == 0 {
            return Ok(());
        }
        let many = self.engine.batch_size(things, wanted)?.max(1);
        let (single, batches) = (wanted as u64, wanted.div_ceil(many) as u64);
        let class = self.engine.app.class().map_err(ApiError::from)?;
        let mut calls = if many == 1 || class == Some(AppClass::Extended) {
            Calls::exactly(batches)
        } else {
            price.because(because::CLASS);
            let refused = u64::from(!std::mem::replace(&mut self.tried_batch, true));
            Calls::between(batches, single + refused)
        };
        if self.brought.contains(&things.kind) {
            price.because(because::ALONG);
            calls.least = 0;
        }
        price.spend(things.family, calls);
        Ok(())
    }

    /// The ids that references mean as far as that is known, and what finding out the rest costs.
    async fn codes(&mut self, frame: &FetchFrame, references: &[Placed]) -> Result<(Vec<String>, Price), Halt> {
        let (mut ids, mut price) = (Vec::with_capacity(references.len()), Price::default());
        for reference in references {
            let (kind, code, written) = match &reference.reference {
                Reference::Id(id) => {
                    ids.push(id.as_str().to_owned());
                    continue;
                }
                Reference::Isrc(code) => (Kind::Track, code, format!("isrc:{code}")),
                Reference::Upc(code) => (Kind::Album, code, format!("upc:{code}")),
            };
            if let Some(id) = self.engine.known_meaning(kind, code).await? {
                ids.push(id);
                continue;
            }
            price.asked += 1;
            let refused = self.engine.were_refused(frame, std::slice::from_ref(&written)).await? == [true];
            if refused || !self.read.entry("codes").or_default().insert(written) {
                price.free += 1;
                continue;
            }
            price.news = price.news.and(News::UpTo(1));
            price.spend(Family::SEARCH, Calls::exactly(1));
            if kind == Kind::Album {
                // A search brings tracks whole, of albums only what lists have.
                price.spend(Family::ALBUMS, Calls::between(0, 1));
                price.because(because::CODES);
            }
        }
        Ok((ids, price))
    }

    async fn album_tracks(&mut self, frame: &FetchFrame, references: &[Placed]) -> Result<Price, Halt> {
        let (albums, mut price) = self.codes(frame, references).await?;
        let asked = frame.asked(self.engine.now());
        let refused = self.engine.were_refused(frame, &albums).await?;
        let (of, keys) =
            (albums.clone(), albums.iter().map(|album| album_tracks_key(album, &asked)).collect::<Vec<_>>());
        let when = self.engine.fresh_in(TimeDelta::zero());
        let (rows, totals, answered) = self
            .engine
            .store
            .write(move |s| {
                let rows = keys.iter().map(|key| s.find_list(key)).collect::<Result<Vec<_>, _>>()?;
                Ok((rows, s.tracks_of_albums(&of)?, s.fresh(Table::albums(), &of, &when)?))
            })
            .await?;
        let mut heads = 0;
        for (place, album) in albums.into_iter().enumerate() {
            price.asked += 1;
            let row = rows[place].clone().unwrap_or_default();
            // What this run has asked for by then is not asked for again: its answer held the tracks, or
            // they are a list of their own.
            let by_then = self.read.get(Table::albums().name).is_some_and(|read| read.contains(&album));
            let asked_for = row.checkpoint.is_none() && (answered[place] || by_then);
            let first = self.read.entry("album_tracks").or_default().insert(album);
            let came = by_then && totals[place].is_some_and(|total| total <= i64::from(ALBUM_PAGE));
            if !first || came || refused[place] || self.engine.is_of_this_run(row.checked_at.as_ref()) {
                price.free += 1;
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
                    let rest = count(decide::pages(total - served, ALBUM_PAGE));
                    let counted = Total::of(&row, None);
                    price.spend(Family::ALBUM_TRACKS, counted.calls(rest, 0));
                    price = price.but(counted.because());
                }
                Some(_) => {}
                None => {
                    price.spend(Family::ALBUM_TRACKS, Calls::at_least(0));
                    price.because(because::ALBUMS);
                }
            }
            if row.checkpoint.is_some() {
                price.because(because::GOES_ON);
            }
        }
        self.by_id(Things::album_heads(), heads, &mut price)?;
        if price.calls() != Calls::NONE {
            price.news = News::Unknown;
        }
        Ok(price)
    }

    async fn search(&mut self, frame: &FetchFrame, search: &Search) -> Result<Price, Halt> {
        let key = search.key(frame);
        let row = self.engine.store.write(move |s| s.find_list(&key)).await?.unwrap_or_default();
        if self.engine.is_of_this_run(row.checked_at.as_ref()) {
            return Ok(Price::free());
        }
        let wanted = search.most.clamp(1, DEEPEST);
        let largest = self.engine.app.page_size(Family::SEARCH, "/search", PAGING).map_err(ApiError::from)?;
        let unsure = self.is_unsure(Family::SEARCH, PAGING, largest)?;
        let Paging::Offset { development, .. } = PAGING else { return Ok(Price::default()) };
        let smallest = if unsure { development } else { largest };
        let pages = count(decide::pages(wanted, smallest));
        let learns = unsure && wanted > i64::from(smallest) && self.tried_pages.insert(Family::SEARCH);
        let price = Price::one(Family::SEARCH, Calls::between(1, pages + u64::from(learns)));
        let price = price.bringing(News::UpTo(count(wanted)));
        let price = if learns { price.but(because::CLASS) } else { price };
        Ok(if pages > 1 { price.but(because::HITS) } else { price })
    }

    /// Whether the first page may be refused and teach a smaller size.
    pub(super) fn is_unsure(&self, family: Family, paging: Paging, size: u16) -> Result<bool, Halt> {
        let Paging::Offset { development, extended } = paging else { return Ok(false) };
        let class = self.engine.app.class().map_err(ApiError::from)?;
        Ok(class.is_none() && family != Family::PLAYLIST_ITEMS && development < extended && size == extended)
    }
}
