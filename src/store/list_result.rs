//! The result of committing a list.

use super::KeptRow;

/// The result of committing a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListCommit {
    /// Rows after the commit.
    pub stored: i64,
    /// Whether the list differs from the previous read.
    pub changed: bool,
    /// Items added, removed or moved, where that is recorded.
    pub changes: i64,
    /// Items that Spotify did not send, but that keep their rows.
    pub kept: Vec<KeptRow>,
    /// Places at which Spotify sent no usable item.
    pub empty_places: Vec<i64>,
}
