//! Decides before the first request: which lists are unchanged, which can be read incrementally, how many
//! pages there are, and which proof is the cheapest.
//!
//! These are pure functions of known facts, so that a run and its estimate decide by the same code.

use crate::store::{ListRow, TimeSpan};
use crate::stream::ChangeDetection;

/// Whether the last whole read of a list is recent enough.
pub fn is_full_read_recent(list: &ListRow, full: bool, whole: &TimeSpan) -> bool {
    !full && whole.contains(list.whole_at.as_deref())
}

/// Whether a list with a version is unchanged, so that none of its items is requested. The published rows count:
/// another reader of the playlist may have put another version in their place.
pub fn is_unchanged(list: &ListRow, full: bool, whole: &TimeSpan, snapshot_id: Option<&str>) -> bool {
    is_full_read_recent(list, full, whole) && snapshot_id.is_some() && list.published_version() == snapshot_id
}

/// Whether a list is read from its start to the first known items, and not whole.
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

/// The number of calls that a list with this number of items takes. An empty list takes one too.
pub fn page_count(items: i64, page: u16) -> i64 {
    let page = i64::from(page.max(1));
    (items.max(1) + page - 1) / page
}

/// How to prove that the playlists of a user did not change while they were read in several calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofMethod {
    /// Each by a call of its own.
    OneByOne,
    /// By the pages of the list of playlists that name them.
    ByPlaylistList,
}

/// The cheapest proof for a number of playlists that are on a number of pages of the list of playlists.
pub fn cheapest_proof(waiting: usize, pages: usize) -> ProofMethod {
    if pages < waiting { ProofMethod::ByPlaylistList } else { ProofMethod::OneByOne }
}
