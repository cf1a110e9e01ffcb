//! Playlists, the only part of the catalog that can change during a read.
//!
//! The rows of an unedited playlist are computed from its seed. The first edit stores them. Every edit increments
//! the revision and thereby changes the snapshot id.

mod edits;
mod initial;
mod row;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};

use crate::clock::timestamp;
use crate::rng;
pub use edits::{EditError, PlaylistEdit};
pub(crate) use row::{LocalFile, OddShape, PlaylistRow, RowAddedBy, RowContent};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlaylistImages {
    Some,
    Null,
    Empty,
}

#[derive(Debug)]
pub(crate) struct CatalogPlaylist {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) owner: String,
    pub(crate) collaborators: Vec<String>,
    pub(crate) public: Option<bool>,
    pub(crate) followers: u64,
    pub(crate) images: PlaylistImages,
    /// The difference between `total` and the real length.
    pub(crate) excess_total: usize,
    /// Whether every page has a `next` link.
    pub(crate) endless_next: bool,
    /// Whether `items` and `tracks` are both sent.
    pub(crate) both_keys: bool,
    /// Whether `total` is null in lists of playlists.
    pub(crate) null_total_in_lists: bool,
    /// The first rows, which are computed when they are requested.
    generated: GeneratedRows,
    /// The rows after those.
    stored_rows: Vec<PlaylistRow>,
    revision: u64,
}

/// Rows that are computed from a seed.
#[derive(Debug, Clone, Copy, Default)]
struct GeneratedRows {
    len: usize,
    seed: u64,
    /// Number of catalog tracks to select from.
    track_count: usize,
}

impl CatalogPlaylist {
    pub(crate) fn len(&self) -> usize {
        self.generated.len + self.stored_rows.len()
    }

    /// The row at a position below `len`.
    pub(crate) fn row(&self, n: usize) -> PlaylistRow {
        let GeneratedRows { len, seed, track_count: of } = self.generated;
        if n >= len {
            return self.stored_rows[n - len].clone();
        }
        PlaylistRow {
            added_at: Some(timestamp(1_546_300_800_000 + n as i64 * 97 * 60_000)),
            added_by: RowAddedBy::User(self.owner.clone()),
            content: RowContent::Track((rng::mix(seed, n as u64) % of as u64) as usize),
            both_keys: false,
            extra_keys: false,
        }
    }

    pub(crate) fn snapshot_id(&self) -> String {
        let digest = Sha256::digest(format!("{} {}", self.id, self.revision));
        let hex: String = digest.iter().take(20).map(|byte| format!("{byte:02x}")).collect();
        STANDARD.encode(format!("{},{hex}", self.revision))
    }

    /// Whether a user owns the playlist or may edit it.
    pub(crate) fn is_owned_or_shared_with(&self, user: Option<&str>) -> bool {
        user.is_some_and(|user| self.owner == user || self.collaborators.iter().any(|c| c == user))
    }

    /// Stores all rows, so that they can be edited.
    fn materialize_rows(&mut self) -> &mut Vec<PlaylistRow> {
        if self.generated.len > 0 {
            self.stored_rows = (0..self.len()).map(|n| self.row(n)).collect();
            self.generated = GeneratedRows::default();
        }
        &mut self.stored_rows
    }
}

/// All playlists and the scheduled edits.
#[derive(Debug, Default)]
pub(crate) struct PlaylistCollection {
    all: Vec<CatalogPlaylist>,
    index_by_id: FxHashMap<String, usize>,
    scheduled_edits: Vec<edits::ScheduledEdit>,
}

impl PlaylistCollection {
    fn add(&mut self, list: CatalogPlaylist) {
        self.index_by_id.insert(list.id.clone(), self.all.len());
        self.all.push(list);
    }

    pub(crate) fn get(&self, id: &str) -> Option<&CatalogPlaylist> {
        self.index_by_id.get(id).map(|index| &self.all[*index])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &CatalogPlaylist> {
        self.all.iter().filter(|list| self.index_by_id.contains_key(&list.id))
    }

    fn get_mut(&mut self, id: &str) -> Result<&mut CatalogPlaylist, EditError> {
        match self.index_by_id.get(id) {
            Some(index) => Ok(&mut self.all[*index]),
            None => Err(EditError(format!("playlist {id}"))),
        }
    }
}
