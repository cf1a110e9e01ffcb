//! What a run decides before it asks: which lists stand as they are, which are read from their head,
//! how many pages there are and which proof is the cheapest.
//!
//! These are functions of what is known and nothing else, so that a price is worked out by the code
//! that spends it.

use crate::store::{ListRow, Span};
use crate::stream::Order;

/// Whether what stands of a list is of a whole read that still counts.
pub fn was_read_whole(list: &ListRow, full: bool, whole: &Span) -> bool {
    !full && whole.holds(list.whole_at.as_deref())
}

/// Whether a list with a version stands as it is: no item of it is asked for then.
pub fn stands(list: &ListRow, full: bool, whole: &Span, snapshot_id: Option<&str>) -> bool {
    was_read_whole(list, full, whole) && snapshot_id.is_some() && list.snapshot_id.as_deref() == snapshot_id
}

/// Whether a list is read from its head to what is known, and not whole.
pub fn from_the_head(list: &ListRow, order: Order, most: Option<i64>, full: bool, whole: &Span) -> bool {
    order == Order::NewestFirst
        && most.is_none()
        && list.announced.is_some()
        && list.served.is_some_and(|served| served > 0)
        && was_read_whole(list, full, whole)
}

/// Calls that a list of so many items takes: an empty one takes one too.
pub fn pages(items: i64, page: u16) -> i64 {
    let page = i64::from(page.max(1));
    (items.max(1) + page - 1) / page
}

/// How the playlists of one user that were read in several calls are proved not to have moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proving {
    /// Each by a call of its own.
    OneByOne,
    /// By the pages of the list of playlists on which they stand.
    ByTheList,
}

/// The cheapest proof for so many playlists that stand on so many pages of the list of playlists.
pub fn proving(waiting: usize, pages: usize) -> Proving {
    if pages < waiting { Proving::ByTheList } else { Proving::OneByOne }
}
