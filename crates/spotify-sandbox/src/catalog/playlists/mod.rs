//! Playlists: the one part of the catalog that changes while it is read.
//!
//! A playlist nobody has edited is computed row by row from its seed; the first edit lists it. Each
//! edit raises the revision, and with it the snapshot id.

mod edits;
mod rolled;
mod row;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};

use crate::clock::timestamp;
use crate::dice;
pub use edits::{Edit, EditRefused};
pub(crate) use row::{AddedBy, Content, Local, Row};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Images {
    Some,
    Null,
    Empty,
}

#[derive(Debug)]
pub(crate) struct Playlist {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) owner: String,
    pub(crate) collaborators: Vec<String>,
    pub(crate) public: Option<bool>,
    pub(crate) followers: u64,
    pub(crate) images: Images,
    /// How much larger `total` is than the list.
    pub(crate) total_too_large_by: usize,
    /// Whether every page names a next one.
    pub(crate) endless_next: bool,
    /// Whether `items` and `tracks` are both sent.
    pub(crate) both_keys: bool,
    /// Whether lists of playlists don't know its length.
    pub(crate) null_total_in_lists: bool,
    /// The first items, computed as they are read.
    rolled: Rolled,
    /// The items after those, one by one.
    listed: Vec<Row>,
    revision: u64,
}

/// Items that follow from a seed.
#[derive(Debug, Clone, Copy, Default)]
struct Rolled {
    len: usize,
    seed: u64,
    /// How many tracks of the catalog are rolled from.
    of: usize,
}

impl Playlist {
    pub(crate) fn len(&self) -> usize {
        self.rolled.len + self.listed.len()
    }

    /// The row at a position below `len`.
    pub(crate) fn row(&self, n: usize) -> Row {
        let Rolled { len, seed, of } = self.rolled;
        if n >= len {
            return self.listed[n - len].clone();
        }
        Row {
            added_at: Some(timestamp(1_546_300_800_000 + n as i64 * 97 * 60_000)),
            added_by: AddedBy::User(self.owner.clone()),
            content: Content::Track((dice::mix(seed, n as u64) % of as u64) as usize),
            both_keys: false,
            extra_keys: false,
        }
    }

    pub(crate) fn snapshot_id(&self) -> String {
        let digest = Sha256::digest(format!("{} {}", self.id, self.revision));
        let hex: String = digest.iter().take(20).map(|byte| format!("{byte:02x}")).collect();
        STANDARD.encode(format!("{},{hex}", self.revision))
    }

    /// Whether a user owns it or may edit it.
    pub(crate) fn belongs_to(&self, user: Option<&str>) -> bool {
        user.is_some_and(|user| self.owner == user || self.collaborators.iter().any(|c| c == user))
    }

    /// All rows one by one, to be edited.
    fn listed(&mut self) -> &mut Vec<Row> {
        if self.rolled.len > 0 {
            self.listed = (0..self.len()).map(|n| self.row(n)).collect();
            self.rolled = Rolled::default();
        }
        &mut self.listed
    }
}

/// All playlists, and the edits that wait for a page to be served.
#[derive(Debug, Default)]
pub(crate) struct Playlists {
    all: Vec<Playlist>,
    places: FxHashMap<String, usize>,
    ambushes: Vec<edits::Ambush>,
}

impl Playlists {
    fn add(&mut self, list: Playlist) {
        self.places.insert(list.id.clone(), self.all.len());
        self.all.push(list);
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Playlist> {
        self.places.get(id).map(|place| &self.all[*place])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Playlist> {
        self.all.iter().filter(|list| self.places.contains_key(&list.id))
    }

    fn get_mut(&mut self, id: &str) -> Result<&mut Playlist, EditRefused> {
        match self.places.get(id) {
            Some(place) => Ok(&mut self.all[*place]),
            None => Err(EditRefused(format!("playlist {id}"))),
        }
    }
}
