//! The price of a list: none where this run has read it, a page where it is read from its head to what
//! is known, else all of its pages.

use std::collections::HashSet;

use serde_json::Value;

use super::totals::{Total, is_all};
use super::{Calls, News, Price, Pricing, Seen, because, count};
use crate::ingest::Shape;
use crate::job::Fetch;
use crate::run::decide;
use crate::run::engine::FetchFrame;
use crate::run::halt::Halt;
use crate::run::head::{Head, Known};
use crate::run::library::lists_of_a_user;
use crate::run::list::List;
use crate::run::look::{Look, Place};
use crate::store::{ListRow, Standing};
use crate::stream::Paging;
use spotify_client::error::ApiError;
use spotify_client::family::Family;
use spotify_client::page::RawPage;
use spotify_client::wire::Playlist;

/// How many items a list may have won or lost since the last look, for a price without asking.
fn give_or_take(items: i64) -> i64 {
    5.max(items / 10)
}

impl Pricing<'_> {
    /// What a user's own costs.
    pub(super) async fn own(&mut self, fetch: &Fetch, frame: &FetchFrame) -> Result<Price, Halt> {
        match frame.stream.name {
            "me" => Ok(Price::one(Family::ME, Calls::exactly(1))),
            "my_playlist_items" => self.my_playlist_items(frame).await,
            _ => {
                let mut price = Price::default();
                for list in lists_of_a_user(fetch, frame) {
                    price.add(self.list(frame, &list).await?);
                }
                Ok(price)
            }
        }
    }

    /// What a list costs.
    pub(super) async fn list(&mut self, frame: &FetchFrame, list: &List) -> Result<Price, Halt> {
        let row = self.row(list).await?;
        if !self.lists.insert(list.key.clone()) || self.engine.is_of_this_run(row.checked_at.as_ref()) {
            return Ok(Price::free());
        }
        if list.paging == Paging::Whole || list.family == Family::RECENTLY_PLAYED {
            return Ok(Price::one(list.family, Calls::exactly(1)));
        }
        if self.look() {
            let place = Place { offset: 0, cursor: None, etag: None };
            let looked = self.engine.look(frame, list, place).await;
            match self.seen(looked)? {
                Seen::Found(Look::Page(page)) => return self.seen_list(frame, list, &row, &page).await,
                Seen::Found(Look::Unchanged) | Seen::Refused => {
                    return Ok(Price::one(list.family, Calls::exactly(1)).bringing(News::None));
                }
                Seen::Nothing => {}
            }
        }
        self.unseen_list(frame, list, &row)
    }

    /// What is known of a list, by its key.
    pub(super) async fn row(&self, list: &List) -> Result<ListRow, Halt> {
        let (key, full) = (list.key.clone(), self.engine.full);
        let row = self.engine.store.write(move |s| s.find_list(&key)).await?.unwrap_or_default();
        Ok(ListRow { checkpoint: row.checkpoint.filter(|_| !full), ..row })
    }

    /// The price of a list whose first page is in hand.
    async fn seen_list(
        &mut self,
        frame: &FetchFrame,
        list: &List,
        row: &ListRow,
        page: &RawPage,
    ) -> Result<Price, Halt> {
        // What has just worked.
        let (_, size) = self.sizes(list)?;
        let Some(total) = page.total else {
            let more = page.more && list.most.is_none_or(|most| page.served() < most);
            let calls = if more { Calls::at_least(2) } else { Calls::exactly(1) };
            let price = Price::one(list.family, calls);
            return Ok(if more { price.but(because::NEVER) } else { price });
        };
        let items = list.most.map_or(total, |most| most.min(total));
        let whole = count(decide::pages(items, size));
        let (id, kind) = (row.id, list.key.kind);
        let standing = self.engine.store.write(move |s| s.standing(id, kind)).await?;
        let served = rows_of(page, list.shape);
        if list.shape == Shape::Playlists {
            self.told(page);
        }
        if row.checkpoint.is_none() && is_all(page, items) {
            let came = news(&standing, &served, standing.len() == served.len());
            return Ok(Price::one(list.family, Calls::exactly(1)).bringing(came));
        }
        let when = self.engine.whole_in(frame.full_every);
        let all_new = News::UpTo(count(items));
        if row.checkpoint.is_some() {
            let rest = self.goes_on(list, row, Some(total), (size, size));
            return Ok(self.or_more(rest, list, row).bringing(all_new));
        }
        let known = Total::of(row, list.most);
        if !decide::from_the_head(row, list.order, list.most, self.engine.full, &when) {
            let counted = self.counted(frame, list, row, total).await?;
            let least = 1 + u64::from(page.more && page.served() < items);
            let price = Price::one(list.family, counted.calls(whole, least)).but(counted.because());
            return Ok(price.bringing(all_new));
        }
        let came = news(&standing, &served, row.announced == Some(total));
        let mut head = Head::new(Known::new(standing, row.served.unwrap_or(0), row.announced.unwrap_or(0)));
        head.take(served, page.served());
        if head.is_enough(total) {
            return Ok(Price::one(list.family, Calls::exactly(1)).bringing(came));
        }
        let whole = if known == Total::Counted { Calls::between(2, whole) } else { known.calls(whole, 2) };
        Ok(Price::one(list.family, whole).but(because::HEAD).but(known.because()).bringing(all_new))
    }

    /// Notes the versions of the playlists on a page that a run will read.
    fn told(&mut self, page: &RawPage) {
        let listed = page.entries().into_iter().filter_map(|entry| serde_json::from_str::<Playlist<'_>>(entry?).ok());
        let versions = listed.filter_map(|it| Some((it.id.value()?.to_string(), it.snapshot_id.value()?.to_string())));
        self.snapshots.extend(versions.map(|(id, version)| (id, Some(version))));
    }

    /// The price of a list that nobody looks at.
    fn unseen_list(&mut self, frame: &FetchFrame, list: &List, row: &ListRow) -> Result<Price, Halt> {
        let (smallest, largest) = self.sizes(list)?;
        let learns = u64::from(smallest < largest && self.tried_pages.insert(list.family));
        let mut price = if row.checkpoint.is_some() {
            self.goes_on(list, row, row.announced, (smallest, largest))
        } else if let Some(last) = row.announced.or(row.served) {
            let around = |more: i64| {
                let items = (last + more).max(0);
                list.most.map_or(items, |most| most.min(items))
            };
            let most = count(decide::pages(around(give_or_take(last)), smallest));
            let when = self.engine.whole_in(frame.full_every);
            if decide::from_the_head(row, list.order, list.most, self.engine.full, &when) {
                Price::one(list.family, Calls::between(1, most)).but(if most > 1 {
                    because::HEAD
                } else {
                    because::LAST_TIME
                })
            } else {
                let least = count(decide::pages(around(-give_or_take(last)), largest));
                Price::one(list.family, Calls::between(least, most)).but(because::LAST_TIME)
            }
        } else if let Some(most) = list.most {
            let most = count(decide::pages(most, smallest));
            let price = Price::one(list.family, Calls::between(1, most));
            if most > 1 { price.but(because::NEVER) } else { price }
        } else {
            Price::one(list.family, Calls::at_least(1)).but(because::NEVER)
        };
        if learns > 0 {
            price.spend(list.family, Calls::between(0, learns));
            price.because(because::CLASS);
        }
        Ok(self.or_more(price, list, row))
    }

    /// The price of a list that Spotify was wrong about, or of a half that nobody has compared with its total.
    fn or_more(&self, mut price: Price, list: &List, row: &ListRow) -> Price {
        let known = Total::of(row, list.most);
        let counts = row.checkpoint.is_some() || row.announced.is_some();
        if counts && known != Total::Counted {
            price.spend(list.family, Calls::at_least(0));
            return price.but(known.because());
        }
        price
    }

    /// The rest of a list whose read was interrupted, or all of it, should it have changed.
    fn goes_on(&self, list: &List, row: &ListRow, total: Option<i64>, (smallest, largest): (u16, u16)) -> Price {
        let Some(at) = &row.checkpoint else { return Price::default() };
        let Some(total) = at.announced.or(total) else {
            return Price::one(list.family, Calls::at_least(1)).but(because::GOES_ON);
        };
        let rest = count(decide::pages((total - at.next_offset).max(1), largest));
        let whole = count(decide::pages(total + give_or_take(total), smallest));
        Price::one(list.family, Calls::between(rest.min(1), rest + whole)).but(because::GOES_ON)
    }

    /// The smallest and the largest size that the pages of a list may have.
    pub(super) fn sizes(&self, list: &List) -> Result<(u16, u16), Halt> {
        let size = self.engine.app.page_size(list.family, &list.path, list.paging).map_err(ApiError::from)?;
        Ok(match list.paging {
            Paging::Offset { development, .. } if self.is_unsure(list.family, list.paging, size)? => {
                (development, size)
            }
            _ => (size, size),
        })
    }
}

/// What a first page brings to what stands; `as_many` says that no row went.
fn news(standing: &[Standing], served: &[Standing], as_many: bool) -> News {
    let known: HashSet<&str> = standing.iter().map(|row| row.id.as_str()).collect();
    let new = served.iter().filter(|row| !known.contains(row.id.as_str())).count();
    if new == 0 && as_many { News::None } else { News::UpTo(new as u64) }
}

/// The rows of a page as the arithmetic of heads wants them.
fn rows_of(page: &RawPage, shape: Shape) -> Vec<Standing> {
    let row = |(position, entry): (i64, Option<&str>)| {
        let entry: Value = serde_json::from_str(entry?).ok()?;
        let thing = match shape {
            Shape::Saved(kind) => &entry[kind.word()],
            _ => &entry,
        };
        let added_at = entry["added_at"].as_str().map(str::to_owned);
        Some(Standing { position, id: thing["id"].as_str()?.to_owned(), added_at })
    };
    (0..).zip(page.entries()).filter_map(row).collect()
}
