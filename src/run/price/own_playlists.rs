//! The price of the items of a user's own playlists: the list of playlists tells which changed, fifty a
//! call, and proves those that were read.

use std::collections::HashMap;

use super::playlists::{Now, Read, WITH_IT};
use super::totals::Total;
use super::{Calls, News, Price, Pricing, Seen, because, count};
use crate::ingest::Shape;
use crate::run::decide::{self, Proving};
use crate::run::engine::FetchFrame;
use crate::run::halt::Halt;
use crate::run::library::list_of;
use crate::run::list::List;
use crate::run::look::{Look, Place};
use crate::run::own_playlists::my_playlists;
use crate::run::playlist::{items_of, playlist_key};
use crate::store::{ListRow, ListedPlaylist};
use spotify_client::error::ApiError;
use spotify_client::family::Family;
use spotify_client::page::Wrapping;
use spotify_client::state::AppClass;
use spotify_client::wire::Playlist;

/// Lists that one page of the list of playlists may prove.
#[derive(Default)]
struct Group {
    /// Of those that will wait for it, how many.
    waiting: usize,
    /// There may be more, or they may not wait: as far as is known, any will.
    others: Option<bool>,
}

impl Group {
    fn add(&mut self, read: &Read) {
        if read.sure {
            self.waiting += usize::from(read.several);
        } else {
            self.others = Some(self.others == Some(true) || read.several);
        }
    }
}

impl Pricing<'_> {
    /// What the items of all of a user's playlists cost.
    pub(super) async fn my_playlist_items(&mut self, frame: &FetchFrame) -> Result<Price, Halt> {
        let lists = list_of(my_playlists(), frame, Shape::Playlists, Wrapping::Bare);
        let row = self.row(&lists).await?;
        let (user, market) = (frame.audience.clone(), frame.market.clone());
        let whole = self.engine.whole_in(frame.full_every);
        let known = self.engine.store.write(move |s| s.playlists_of(&user, &market, &whole)).await?;
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
            if !self.look() {
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
                // A list that stands there no more takes its rows along.
                let gone = known.values().any(|list| list.own && listed.iter().all(|(it, _)| it.id != list.id));
                let news = if gone { News::UpTo(0) } else { News::None };
                return Ok(Some((listed, Price::one(lists.family, Calls::exactly(pages)).bringing(news))));
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
        let (mut price, mut groups) = (Price::default(), HashMap::<i64, Group>::new());
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
                groups.entry(list.position / i64::from(size)).or_default().waiting += 1;
                let mut one = Price::one(Family::PLAYLIST_ITEMS, Calls::between(0, again)).but(because::GOES_ON);
                one.spend(Family::PLAYLISTS, Calls::between(0, 1));
                one.spend(lists.family, Calls::between(0, 1));
                price.add(one);
                continue;
            }
            let total = total.or(row.announced);
            let old_name = class == Some(AppClass::Extended);
            let counted = match total {
                Some(total) => self.counted(frame, &items_of(frame, &list.id, old_name, true), &row, total).await?,
                None => Total::Announced,
            };
            let now = Now { snapshot_id: list.snapshot_id.clone(), total, counted, first: WITH_IT, pages };
            let read = self.read(&row, &now);
            if !list.own && class.is_none() {
                let mut one = self.proved_alone(read);
                one.by_family.values_mut().for_each(|calls| calls.least = 0);
                price.add(one);
            } else if list.own {
                groups.entry(list.position / i64::from(size)).or_default().add(&read);
                price.add(read.price);
            } else {
                price.add(self.proved_alone(read));
            }
        }
        for Group { waiting, others } in groups.into_values() {
            match (decide::proving(waiting, 1), others) {
                (_, None) if waiting == 0 => {}
                (Proving::ByTheList, _) => price.spend(lists.family, Calls::exactly(1)),
                (Proving::OneByOne, None) => price.spend(Family::PLAYLISTS, Calls::exactly(waiting as u64)),
                // One that waits alone is asked for by itself, more of them by the list.
                (Proving::OneByOne, Some(any)) => {
                    price.spend(lists.family, Calls::about(u64::from(any || waiting > 0), 0));
                    price.spend(Family::PLAYLISTS, Calls::at_least(0));
                }
            }
        }
        Ok(price)
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
