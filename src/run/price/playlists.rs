//! The price of playlists' items: one call tells whether a list changed.

use super::totals::{Total, is_all};
use super::{Calls, News, Price, Pricing, Seen, because, count};
use crate::run::decide;
use crate::run::engine::FetchFrame;
use crate::run::halt::Halt;
use crate::run::playlist::{ITEM_PAGES, items_of, items_path, playlist_key};
use crate::store::{ListRow, Span};
use spotify_client::error::ApiError;
use spotify_client::family::Family;
use spotify_client::state::AppClass;

/// Items that come with the playlist itself.
pub(super) const WITH_IT: i64 = 100;

/// What Spotify says of a playlist now, or is taken to say.
pub(super) struct Now {
    pub snapshot_id: Option<String>,
    pub total: Option<i64>,
    /// How far that may be relied on.
    pub counted: Total,
    /// Items that come with the playlist.
    pub first: i64,
    /// Sizes that the pages behind them may have: the smallest and the largest.
    pub pages: (u16, u16),
}

/// What reading a changed playlist costs.
pub(super) struct Read {
    /// Asking for it, and the pages behind.
    pub price: Price,
    /// It comes in several answers, so it has to be proved.
    pub several: bool,
    /// That is as good as certain; else its end will tell.
    pub sure: bool,
}

impl Pricing<'_> {
    /// What the items of one playlist cost.
    pub(super) async fn playlist(&mut self, frame: &FetchFrame, id: &str) -> Result<Price, Halt> {
        let row = self.playlist_row(frame, id).await?;
        if !self.lists.insert(playlist_key(frame, id)) || self.engine.is_of_this_run(row.checked_at.as_ref()) {
            return Ok(Price::free());
        }
        let whole = self.engine.whole_in(frame.full_every);
        let told = self.snapshots.get(id).cloned();
        if told.as_ref().is_some_and(|told| decide::stands(&row, self.engine.full, &whole, told.as_deref())) {
            return Ok(Price::free());
        }
        let price = self.playlist_asked(frame, id, &row, &whole).await?;
        Ok(if told.is_none() && self.tells_versions && decide::was_read_whole(&row, self.engine.full, &whole) {
            let mut price = price.but(because::TOLD);
            price.by_family.values_mut().for_each(|calls| calls.least = 0);
            price
        } else {
            price
        })
    }

    /// The same, of which nothing before it tells.
    async fn playlist_asked(
        &mut self,
        frame: &FetchFrame,
        id: &str,
        row: &ListRow,
        whole: &Span,
    ) -> Result<Price, Halt> {
        if self.look() {
            let looked = self.engine.playlist_head(frame, id, None).await;
            match self.seen(looked)? {
                Seen::Found(Some(head)) => {
                    let class = self.engine.app.class().map_err(ApiError::from)?;
                    let stands = decide::stands(row, self.engine.full, whole, head.snapshot_id.as_deref());
                    if stands || (head.page.is_none() && !head.old_name && class != Some(AppClass::Extended)) {
                        let price = Price::one(Family::PLAYLISTS, Calls::exactly(1)).bringing(News::None);
                        return Ok(if stands { Price { free: 1, ..price } } else { price });
                    }
                    let page = head.page.as_ref();
                    let old_name = head.old_name || (head.both && class == Some(AppClass::Extended));
                    let total = page.map_or(Some(0), |page| page.total);
                    let counted = match (page, total) {
                        (Some(page), Some(total)) if !is_all(page, total) => {
                            let list = items_of(frame, id, old_name, false);
                            self.counted(frame, &list, row, total).await?
                        }
                        _ => Total::Counted,
                    };
                    let now = Now {
                        snapshot_id: head.snapshot_id.clone(),
                        total,
                        counted,
                        first: page.map_or(0, spotify_client::page::RawPage::served),
                        pages: (self.page_of(id, old_name)?, self.page_of(id, old_name)?),
                    };
                    return Ok(self.proved_alone(self.read(row, &now)));
                }
                Seen::Found(None) | Seen::Refused => {
                    return Ok(Price::one(Family::PLAYLISTS, Calls::exactly(1)).bringing(News::None));
                }
                Seen::Nothing => {}
            }
        }
        self.unseen_playlist(id, row, decide::was_read_whole(row, self.engine.full, whole))
    }

    /// A playlist that nobody looks at.
    pub(super) fn unseen_playlist(&self, id: &str, row: &ListRow, may_stand: bool) -> Result<Price, Halt> {
        let Some(last) = row.announced.or(row.served) else {
            return Ok(Price::one(Family::PLAYLISTS, Calls::at_least(1)).but(because::NEVER));
        };
        let pages = self.pages_of(id)?;
        let now = |total: i64| {
            let total = Some(total.max(0));
            Ok::<_, Halt>(Now { snapshot_id: None, total, counted: Total::of(row, None), first: WITH_IT, pages })
        };
        let around = 5.max(last / 10);
        let mut price =
            self.proved_alone(self.read(&ListRow { checkpoint: None, ..row.clone() }, &now(last + around)?));
        let least = self.proved_alone(self.read(&ListRow { checkpoint: None, ..row.clone() }, &now(last - around)?));
        for (family, calls) in &mut price.by_family {
            calls.least = match (may_stand, *family) {
                (true, Family::PLAYLISTS) => 1,
                (true, _) => 0,
                (false, family) => least.by_family.get(&family).map_or(0, |calls| calls.least),
            };
        }
        if row.checkpoint.is_some() {
            price.by_family.entry(Family::PLAYLIST_ITEMS).or_default().least = 0;
            price.because(because::GOES_ON);
        }
        price.because(because::LAST_TIME);
        Ok(if may_stand { price.but(because::CHANGED) } else { price })
    }

    /// What it costs to read a changed playlist up to its proof.
    pub(super) fn read(&self, row: &ListRow, now: &Now) -> Read {
        let mut price = Price::one(Family::PLAYLISTS, Calls::exactly(1));
        let Some(total) = now.total else {
            price.spend(Family::PLAYLIST_ITEMS, Calls::at_least(0));
            price.spend(Family::PLAYLISTS, Calls::at_least(0));
            return Read { price: price.but(because::NEVER), several: true, sure: false };
        };
        price.news = News::UpTo(count(total));
        let same = |at: &&crate::store::Checkpoint| at.snapshot_id.is_some() && at.snapshot_id == now.snapshot_id;
        let went_on = row.checkpoint.as_ref().filter(same);
        let served =
            went_on.map_or(now.first, |at| at.next_offset.max(if at.next_offset == 0 { now.first } else { 0 }));
        let ended = went_on.is_some_and(|at| at.ended);
        let (smallest, largest) = now.pages;
        let rest = |page| if total > served && !ended { count(decide::pages(total - served, page)) } else { 0 };
        if rest(smallest) != rest(largest) {
            price.because(because::CLASS);
        }
        let (counted, least) = (if ended { Total::Counted } else { now.counted }, rest(largest));
        let rest = rest(smallest);
        match counted {
            Total::Counted => price.spend(Family::PLAYLIST_ITEMS, Calls::between(least, rest)),
            _ => {
                price.spend(Family::PLAYLIST_ITEMS, counted.calls(rest, 0));
                // A total that is wrong twice over is asked after once.
                price.spend(Family::PLAYLISTS, Calls::at_least(0));
                price = price.but(counted.because());
            }
        }
        if row.restless {
            let again = count(decide::pages(total, smallest));
            price.spend(Family::PLAYLIST_ITEMS, Calls::between(0, again * 2));
            price.because(because::RESTLESS);
        }
        let several = rest > 0 || served > now.first || ended;
        Read { price, several, sure: counted == Total::Counted }
    }

    /// With the call that proves one list by itself.
    pub(super) fn proved_alone(&self, read: Read) -> Price {
        let mut price = read.price;
        if read.several {
            let sure = read.sure && price.reasons.is_empty();
            price.spend(Family::PLAYLISTS, if sure { Calls::exactly(1) } else { Calls::between(0, 1) });
        }
        price
    }

    pub(super) async fn playlist_row(&self, frame: &FetchFrame, id: &str) -> Result<ListRow, Halt> {
        let (key, full) = (playlist_key(frame, id), self.engine.full);
        let row = self.engine.store.write(move |s| s.find_list(&key)).await?.unwrap_or_default();
        Ok(ListRow { checkpoint: row.checkpoint.filter(|_| !full), ..row })
    }

    /// The sizes that the pages behind the first may have, the smallest first.
    pub(super) fn pages_of(&self, id: &str) -> Result<(u16, u16), Halt> {
        Ok(match self.engine.app.class().map_err(ApiError::from)? {
            Some(class) => {
                let page = self.page_of(id, class == AppClass::Extended)?;
                (page, page)
            }
            None => (self.page_of(id, false)?, self.page_of(id, true)?),
        })
    }

    /// The size of the pages behind the first.
    fn page_of(&self, id: &str, old_name: bool) -> Result<u16, Halt> {
        let path = self.engine.app.path(&items_path(id, old_name)).map_err(ApiError::from)?;
        Ok(self.engine.app.page_size(Family::PLAYLIST_ITEMS, &path, ITEM_PAGES).map_err(ApiError::from)?)
    }
}
