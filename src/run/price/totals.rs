//! What a total is worth before the list has been read: Spotify is wrong about the length of some lists.
//!
//! A list that announces more than it has costs calls that find nothing, one that announces less costs
//! pages that nobody foresaw. So a price is exact only where nothing hangs on the total (the list came in
//! one answer), where Spotify counted the list right when it was read whole, or where a look at the end
//! shows the last item in its place and nothing behind it.

use super::{Calls, Pricing, Seen, because};
use crate::run::engine::FetchFrame;
use crate::run::halt::Halt;
use crate::run::list::List;
use crate::run::look::{Look, Place};
use crate::store::ListRow;
use crate::stream::Paging;
use spotify_client::page::RawPage;

/// Calls that a list takes which ends before it has served what it announced: one finds nothing there,
/// and one makes sure of that.
const ENDS_EARLY: u64 = 2;

/// How far the length that Spotify announces for a list may be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Total {
    /// It was right before, or the end was looked at.
    Counted,
    /// Nobody has read the list to its end yet.
    Announced,
    /// It was wrong when the list was read whole.
    Wrong,
}

impl Total {
    /// What is known from the last whole read, of a list of which so many are wanted at most.
    pub(super) fn of(row: &ListRow, most: Option<i64>) -> Total {
        let wanted = |items: i64| most.map_or(items, |most| most.min(items));
        match row.announced.zip(row.served) {
            Some((announced, served)) if wanted(announced) == wanted(served) => Total::Counted,
            Some(_) => Total::Wrong,
            None => Total::Announced,
        }
    }

    /// So many calls if the total is right, and so many whatever it is.
    pub(super) fn calls(self, calls: u64, least: u64) -> Calls {
        match self {
            Total::Counted => Calls::exactly(calls),
            Total::Announced => Calls::about(calls, least),
            Total::Wrong => Calls::about(calls + ENDS_EARLY, least),
        }
    }

    /// Why that is no exact price.
    pub(super) fn because(self) -> Option<&'static str> {
        match self {
            Total::Counted => None,
            Total::Announced => Some(because::ANNOUNCED),
            Total::Wrong => Some(because::WRONG),
        }
    }
}

/// Whether a page that begins a list is all of it, by what it holds and what it announces.
pub(super) fn is_all(page: &RawPage, wanted: i64) -> bool {
    page.served() >= wanted && !page.more
}

impl Pricing<'_> {
    /// The same, made sure of by a look at the end of the list where looks are not counted.
    pub(super) async fn counted(
        &mut self,
        frame: &FetchFrame,
        list: &List,
        row: &ListRow,
        total: i64,
    ) -> Result<Total, Halt> {
        let known = Total::of(row, list.most);
        let by_offset = matches!(list.paging, Paging::Offset { .. });
        if !by_offset || known != Total::Announced || !self.looks.probing || !self.look() {
            return Ok(known);
        }
        let offset = (total - 1).max(0);
        let looked = self.engine.look(frame, list, Place { offset, cursor: None, etag: None }).await;
        Ok(match self.seen(looked)? {
            Seen::Found(Look::Page(page)) if offset + page.served() == total && !page.more => Total::Counted,
            _ => known,
        })
    }
}
