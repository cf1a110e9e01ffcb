//! What a run decides before it asks: which lists stand as they are, which are read from their head,
//! how many pages there are and which proof is the cheapest.
//!
//! These are functions of what is known and nothing else, so that a price is worked out by the code
//! that spends it.

use crate::store::{ListRow, TimeSpan};
use crate::stream::ChangeDetection;

/// Whether what stands of a list is of a whole read that still counts.
pub fn is_full_read_recent(list: &ListRow, full: bool, whole: &TimeSpan) -> bool {
    !full && whole.contains(list.whole_at.as_deref())
}

/// Whether a list with a version stands as it is: no item of it is asked for then.
pub fn is_unchanged(list: &ListRow, full: bool, whole: &TimeSpan, snapshot_id: Option<&str>) -> bool {
    is_full_read_recent(list, full, whole) && snapshot_id.is_some() && list.snapshot_id.as_deref() == snapshot_id
}

/// Whether a list is read from its head to what is known, and not whole.
pub fn can_read_incrementally(
    list: &ListRow,
    changes: ChangeDetection,
    most: Option<i64>,
    full: bool,
    whole: &TimeSpan,
) -> bool {
    changes == ChangeDetection::NewestFirst
        && most.is_none()
        && list.announced.is_some()
        && list.served.is_some_and(|served| served > 0)
        && is_full_read_recent(list, full, whole)
}

/// Calls that a list of so many items takes: an empty one takes one too.
pub fn page_count(items: i64, page: u16) -> i64 {
    let page = i64::from(page.max(1));
    (items.max(1) + page - 1) / page
}

/// How the playlists of one user that were read in several calls are proved not to have moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofMethod {
    /// Each by a call of its own.
    OneByOne,
    /// By the pages of the list of playlists on which they stand.
    ByPlaylistList,
}

/// The cheapest proof for so many playlists that stand on so many pages of the list of playlists.
pub fn cheapest_proof(waiting: usize, pages: usize) -> ProofMethod {
    if pages < waiting { ProofMethod::ByPlaylistList } else { ProofMethod::OneByOne }
}
