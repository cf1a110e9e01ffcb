//! The price of playlists' items: one call tells whether a list changed; a user's own are told of by
//! the list of playlists, fifty a call.

use std::collections::HashMap;

use super::{Calls, Price, Pricing, Seen, because, count};
use crate::ingest::Shape;
use crate::run::decide::{self, Proving};
use crate::run::engine::FetchFrame;
use crate::run::halt::Halt;
use crate::run::library::list_of;
use crate::run::list::List;
use crate::run::look::{Look, Place};
use crate::run::own_playlists::my_playlists;
use crate::run::playlist::{ITEM_PAGES, items_path, playlist_key};
use crate::spotify::error::ApiError;
use crate::spotify::family::Family;
use crate::spotify::page::Wrapping;
use crate::spotify::wire::Playlist;
use crate::state::AppClass;
use crate::store::{ListRow, ListedPlaylist};

/// Items that come with the playlist itself.
const WITH_IT: i64 = 100;

/// What Spotify says of a playlist now, or is taken to say.
struct Now {
    snapshot_id: Option<String>,
    total: Option<i64>,
    /// Items that come with the playlist.
    first: i64,
    /// Sizes that the pages behind them may have: the smallest and the largest.
    pages: (u16, u16),
}

/// What reading a changed playlist costs.
struct Read {
    /// Asking for it, and the pages behind.
    price: Price,
    /// It came in several answers, so it has to be proved.
    several: bool,
}

impl Pricing<'_> {
    /// What the items of one playlist cost.
    pub(super) async fn playlist(&mut self, frame: &FetchFrame, id: &str) -> Result<Price, Halt> {
        let row = self.playlist_row(frame, id).await?;
        if !self.lists.insert(playlist_key(frame, id)) || self.engine.is_of_this_run(row.checked_at.as_ref()) {
            return Ok(Price::free());
        }
        let since = decide::whole_since(self.engine.started_at, frame.full_every);
        if self.looks.take() {
            let looked = self.engine.playlist_head(frame, id, None).await;
            match self.seen(looked)? {
                Seen::Found(Some(head)) => {
                    let class = self.engine.app.class().map_err(ApiError::from)?;
                    let stands = decide::stands(&row, self.engine.full, &since, head.snapshot_id.as_deref());
                    if stands || (head.page.is_none() && !head.old_name && class != Some(AppClass::Extended)) {
                        let price = Price::one(Family::PLAYLISTS, Calls::exactly(1));
                        return Ok(if stands { Price { free: 1, ..price } } else { price });
                    }
                    let page = head.page.as_ref();
                    let old_name = head.old_name || (head.both && class == Some(AppClass::Extended));
                    let now = Now {
                        snapshot_id: head.snapshot_id.clone(),
                        total: page.map_or(Some(0), |page| page.total),
                        first: page.map_or(0, crate::spotify::page::RawPage::served),
                        pages: (self.page_of(id, old_name)?, self.page_of(id, old_name)?),
                    };
                    return Ok(self.proved_alone(self.read(&row, &now)));
                }
                Seen::Found(None) | Seen::Refused => return Ok(Price::one(Family::PLAYLISTS, Calls::exactly(1))),
                Seen::Nothing => {}
            }
        }
        self.unseen_playlist(id, &row, decide::was_read_whole(&row, self.engine.full, &since))
    }

    /// A playlist that nobody looks at.
    fn unseen_playlist(&self, id: &str, row: &ListRow, may_stand: bool) -> Result<Price, Halt> {
        let Some(last) = row.announced.or(row.served) else {
            return Ok(Price::one(Family::PLAYLISTS, Calls::at_least(1)).but(because::NEVER));
        };
        let pages = self.pages_of(id)?;
        let now = |total: i64| {
            let total = Some(total.max(0));
            Ok::<_, Halt>(Now { snapshot_id: None, total, first: WITH_IT, pages })
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
    fn read(&self, row: &ListRow, now: &Now) -> Read {
        let mut price = Price::one(Family::PLAYLISTS, Calls::exactly(1));
        let Some(total) = now.total else {
            price.spend(Family::PLAYLIST_ITEMS, Calls::at_least(0));
            return Read { price: price.but(because::NEVER), several: true };
        };
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
        price.spend(Family::PLAYLIST_ITEMS, Calls::between(rest(largest), rest(smallest)));
        let rest = rest(smallest);
        if row.announced.zip(row.served).is_some_and(|(announced, served)| announced != served) {
            price.spend(Family::PLAYLIST_ITEMS, Calls::between(0, 3));
            price.because(because::WRONG);
        }
        if row.restless {
            let again = count(decide::pages(total, smallest));
            price.spend(Family::PLAYLIST_ITEMS, Calls::between(0, again * 2));
            price.because(because::RESTLESS);
        }
        Read { price, several: rest > 0 || served > now.first || ended }
    }

    /// With the call that proves one list by itself.
    fn proved_alone(&self, read: Read) -> Price {
        let mut price = read.price;
        if read.several {
            let calls = if price.reasons.is_empty() { Calls::exactly(1) } else { Calls::between(0, 1) };
            price.spend(Family::PLAYLISTS, calls);
        }
        price
    }

    /// What the items of all of a user's playlists cost.
    pub(super) async fn my_playlist_items(&mut self, frame: &FetchFrame) -> Result<Price, Halt> {
        let lists = list_of(my_playlists(), frame, Shape::Playlists, Wrapping::Bare);
        let row = self.row(&lists).await?;
        let (user, market) = (frame.audience.clone(), frame.market.clone());
        let since = decide::whole_since(self.engine.started_at, frame.full_every);
        let known = self.engine.store.write(move |s| s.playlists_of(&user, &market, &since)).await?;
        if self.engine.is_of_this_run(row.checked_at.as_ref()) {
            let each = known.into_iter().map(|list| (list, None)).collect();
            let mut price = self.each(frame, &lists, each).await?;
            price.asked += 1;
            price.free += 1;
            return Ok(price);
        }
        // The list of playlists may be read by an earlier fetch of the same run.
        let listed_before = !self.lists.insert(lists.key.clone());
        if let Some((listed, mut price)) = self.listed_now(frame, &lists, &known).await? {
            if listed_before {
                price = Price::free();
            }
            price.add(self.each(frame, &lists, listed).await?);
            return Ok(price);
        }
        let mut price = self.unseen_own(&lists, &row)?;
        if listed_before {
            price.by_family.remove(&lists.family);
        }
        if row.announced.is_some() {
            for list in known.iter().filter(|list| list.own) {
                let row = self.playlist_row(frame, &list.id).await?;
                let read_before = !self.lists.insert(playlist_key(frame, &list.id));
                if read_before || self.engine.is_of_this_run(row.checked_at.as_ref()) {
                    price.add(Price::free());
                    continue;
                }
                let mut one = self.unseen_playlist(&list.id, &row, true)?;
                // The list of playlists tells whether it changed.
                let stands = list.read_snapshot_id.is_some();
                one.by_family.values_mut().for_each(|calls| calls.least = if stands { 0 } else { calls.least.min(1) });
                price.add(one);
            }
            price.because(because::CHANGED);
            price.because(because::LAST_TIME);
        }
        Ok(price)
    }

    /// The list of playlists without a look.
    fn unseen_own(&mut self, lists: &List, row: &ListRow) -> Result<Price, Halt> {
        let (size, _) = self.sizes(lists)?;
        Ok(match row.announced {
            Some(last) => {
                let around = 5.max(last / 10);
                let pages = |items: i64| count(decide::pages(items.max(0), size));
                Price::one(lists.family, Calls::between(pages(last - around), pages(last + around)))
            }
            None => {
                let mut price = Price::one(lists.family, Calls::at_least(1)).but(because::NEVER);
                price.spend(Family::PLAYLISTS, Calls::at_least(0));
                price.spend(Family::PLAYLIST_ITEMS, Calls::at_least(0));
                price
            }
        })
    }

    /// The list of playlists as it is now, with what that costs a run; nothing if it may not be asked for.
    async fn listed_now(
        &mut self,
        frame: &FetchFrame,
        lists: &List,
        known: &[ListedPlaylist],
    ) -> Result<Option<(Vec<(ListedPlaylist, Option<i64>)>, Price)>, Halt> {
        let known: HashMap<&str, &ListedPlaylist> = known.iter().map(|list| (list.id.as_str(), list)).collect();
        let (mut listed, mut offset, mut pages) = (Vec::new(), 0, 0);
        loop {
            if !self.looks.take() {
                return Ok(None);
            }
            let looked = self.engine.look(frame, lists, Place { offset, cursor: None, etag: None }).await;
            let page = match self.seen(looked)? {
                Seen::Found(Look::Page(page)) => page,
                Seen::Refused => return Ok(Some((listed, Price::one(lists.family, Calls::exactly(1))))),
                Seen::Found(Look::Unchanged) | Seen::Nothing => return Ok(None),
            };
            pages += 1;
            for (place, entry) in (offset..).zip(page.entries()) {
                let Some(list) = entry.and_then(|entry| serde_json::from_str::<Playlist<'_>>(entry).ok()) else {
                    continue;
                };
                listed.extend(listed_as(&list, place, &frame.audience, &known));
            }
            offset += page.served();
            if page.served() == 0 || (!page.more && page.total.is_none_or(|total| offset >= total)) {
                return Ok(Some((listed, Price::one(lists.family, Calls::exactly(pages)))));
            }
        }
    }

    /// What the playlists of a list cost, each with its length if that is known.
    async fn each(
        &mut self,
        frame: &FetchFrame,
        lists: &List,
        listed: Vec<(ListedPlaylist, Option<i64>)>,
    ) -> Result<Price, Halt> {
        let class = self.engine.app.class().map_err(ApiError::from)?;
        let (_, size) = self.sizes(lists)?;
        let (mut price, mut groups) = (Price::default(), HashMap::<i64, usize>::new());
        let foreign = listed.iter().any(|(list, _)| !list.own);
        if foreign && class.is_none() {
            price.spend(Family::MARKETS, Calls::between(0, 1));
            price.because(because::FOREIGN);
        }
        let ids: Vec<String> = listed.iter().map(|(list, _)| list.id.clone()).collect();
        let refused = self.engine.were_refused(frame, &ids).await?;
        for ((list, total), refused) in listed.into_iter().zip(refused) {
            if !list.own && class == Some(AppClass::Development) {
                continue;
            }
            let row = self.playlist_row(frame, &list.id).await?;
            let at = row.checkpoint.as_ref();
            let proved =
                at.is_some_and(|at| at.ended && at.snapshot_id.is_some() && at.snapshot_id == list.snapshot_id);
            let read_before = !self.lists.insert(playlist_key(frame, &list.id));
            if read_before
                || refused
                || !self.engine.has_changed(&list)
                || (proved && !self.engine.full)
                || self.engine.is_of_this_run(row.checked_at.as_ref())
            {
                price.add(Price::free());
                continue;
            }
            let pages = self.pages_of(&list.id)?;
            if list.own && at.is_some_and(|at| at.ended) && !self.engine.full {
                // What was read to its end waits for its proof, and is read again if that fails.
                let again = total.or(row.announced).map_or(0, |total| count(decide::pages(total, pages.0)));
                *groups.entry(list.position / i64::from(size)).or_default() += 1;
                let mut one = Price::one(Family::PLAYLIST_ITEMS, Calls::between(0, again)).but(because::GOES_ON);
                one.spend(Family::PLAYLISTS, Calls::between(0, 1));
                one.spend(lists.family, Calls::between(0, 1));
                price.add(one);
                continue;
            }
            let total = total.or(row.announced);
            let read = self.read(&row, &Now { snapshot_id: list.snapshot_id.clone(), total, first: WITH_IT, pages });
            if !list.own && class.is_none() {
                let mut one = self.proved_alone(read);
                one.by_family.values_mut().for_each(|calls| calls.least = 0);
                price.add(one);
            } else if list.own {
                *groups.entry(list.position / i64::from(size)).or_default() += usize::from(read.several);
                price.add(read.price);
            } else {
                price.add(self.proved_alone(read));
            }
        }
        for waiting in groups.into_values().filter(|waiting| *waiting > 0) {
            match decide::proving(waiting, 1) {
                Proving::ByTheList => price.spend(lists.family, Calls::exactly(1)),
                Proving::OneByOne => price.spend(Family::PLAYLISTS, Calls::exactly(waiting as u64)),
            }
        }
        Ok(price)
    }

    async fn playlist_row(&self, frame: &FetchFrame, id: &str) -> Result<ListRow, Halt> {
        let (key, full) = (playlist_key(frame, id), self.engine.full);
        let row = self.engine.store.write(move |s| s.find_list(&key)).await?.unwrap_or_default();
        Ok(ListRow { checkpoint: row.checkpoint.filter(|_| !full), ..row })
    }

    /// The sizes that the pages behind the first may have, the smallest first.
    fn pages_of(&self, id: &str) -> Result<(u16, u16), Halt> {
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

/// A playlist as the list of playlists has it now, beside what is known of its items.
fn listed_as(
    list: &Playlist<'_>,
    position: i64,
    user: &str,
    known: &HashMap<&str, &ListedPlaylist>,
) -> Option<(ListedPlaylist, Option<i64>)> {
    let id = list.id.value()?.to_string();
    let before = known.get(id.as_str());
    let owner = list.owner.value().and_then(|owner| owner.id.value().map(|id| id.to_string()));
    let total =
        [&list.items, &list.tracks].into_iter().flatten().find_map(|page| page.total.value().map(|total| total.0));
    let own = owner.as_deref() == Some(user) || list.collaborative.value().copied().unwrap_or(false);
    let listed = ListedPlaylist {
        snapshot_id: list.snapshot_id.value().map(|id| id.to_string()),
        own,
        read_snapshot_id: before.and_then(|list| list.read_snapshot_id.clone()),
        stored: before.map_or(0, |list| list.stored),
        position,
        proved: false,
        ended: false,
        id,
    };
    Some((listed, total))
}
