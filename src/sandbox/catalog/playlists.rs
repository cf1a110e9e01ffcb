//! Playlists: the one part of the catalog that changes while it is read.
//!
//! A playlist nobody has edited is computed row by row from its seed; the first edit lists it. Each
//! edit raises the revision, and with it the snapshot id.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Kind, Music, Place, known, odd};
use crate::sandbox::clock::timestamp;
use crate::sandbox::dice;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Null,
    Track(Place),
    Episode(Place),
    Local(Box<Local>),
}

/// A file of the user's own, of which Spotify knows only its tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Local {
    pub(crate) artist: String,
    /// Without one the album is null.
    pub(crate) album: Option<String>,
    pub(crate) title: String,
    pub(crate) secs: Option<u64>,
}

impl Local {
    /// `spotify:local:ARTIST:ALBUM:TITLE:SECONDS`, encoded as a form is.
    pub(crate) fn uri(&self) -> String {
        let part = |text: &str| -> String {
            url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
        };
        format!(
            "spotify:local:{}:{}:{}:{}",
            part(&self.artist),
            part(self.album.as_deref().unwrap_or_default()),
            part(&self.title),
            self.secs.map(|secs| secs.to_string()).unwrap_or_default()
        )
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AddedBy {
    Null,
    /// A user's id; old rows have an empty one.
    User(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) added_at: Option<String>,
    pub(crate) added_by: AddedBy,
    pub(crate) content: Content,
    /// Whether `item` and `track` are both sent.
    pub(crate) both_keys: bool,
    pub(crate) extra_keys: bool,
}

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
    rows: Rows,
    revision: u64,
}

#[derive(Debug)]
enum Rows {
    Rolled {
        len: usize,
        seed: u64,
        of: usize,
        tail: Vec<Row>,
    },
    Listed(Vec<Row>),
}

impl Playlist {
    pub(crate) fn len(&self) -> usize {
        match &self.rows {
            Rows::Rolled { len, tail, .. } => len + tail.len(),
            Rows::Listed(rows) => rows.len(),
        }
    }

    /// The row at a position below `len`.
    pub(crate) fn row(&self, n: usize) -> Row {
        match &self.rows {
            Rows::Listed(rows) => rows[n].clone(),
            Rows::Rolled { len, tail, .. } if n >= *len => tail[n - len].clone(),
            Rows::Rolled { seed, of, .. } => Row {
                added_at: Some(timestamp(1_546_300_800_000 + n as i64 * 97 * 60_000)),
                added_by: AddedBy::User(self.owner.clone()),
                content: Content::Track((dice::mix(*seed, n as u64) % *of as u64) as usize),
                both_keys: false,
                extra_keys: false,
            },
        }
    }

    pub(crate) fn snapshot_id(&self) -> String {
        let digest = Sha256::digest(format!("{} {}", self.id, self.revision));
        let hex: String = digest
            .iter()
            .take(20)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        STANDARD.encode(format!("{},{hex}", self.revision))
    }

    /// Whether a user owns it or may edit it.
    pub(crate) fn belongs_to(&self, user: Option<&str>) -> bool {
        user.is_some_and(|user| self.owner == user || self.collaborators.iter().any(|c| c == user))
    }

    fn listed(&mut self) -> &mut Vec<Row> {
        if let Rows::Rolled { .. } = self.rows {
            let rows = (0..self.len()).map(|n| self.row(n)).collect();
            self.rows = Rows::Listed(rows);
        }
        match &mut self.rows {
            Rows::Listed(rows) => rows,
            Rows::Rolled { .. } => unreachable!("it was listed above"),
        }
    }
}

/// One change to a playlist; as JSON `{"do":"remove","playlist":"…","position":3,"count":1}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// Puts items in before a position.
    Insert {
        /// Id of the playlist.
        playlist: String,
        /// From 0; beyond the end means at the end.
        position: usize,
        /// Track or episode ids, or null for an item that is gone.
        items: Vec<Option<String>>,
    },
    /// Takes items out.
    Remove {
        /// Id of the playlist.
        playlist: String,
        /// The first one to go, from 0.
        position: usize,
        /// How many go.
        count: usize,
    },
    /// Moves items elsewhere in the list.
    Move {
        /// Id of the playlist.
        playlist: String,
        /// The first one to move, from 0.
        from: usize,
        /// How many move.
        count: usize,
        /// Where they stand afterwards, counted without them.
        to: usize,
    },
    /// Gives the playlist another name.
    Rename {
        /// Id of the playlist.
        playlist: String,
        /// The new name.
        name: String,
    },
    /// Deletes the playlist: 404 from now on.
    Delete {
        /// Id of the playlist.
        playlist: String,
    },
    /// Makes another edit each time that a page of the list has been served.
    WhenServed {
        /// Id of the playlist that is being read.
        playlist: String,
        /// Which page, from 0: offset divided by limit.
        page: usize,
        /// How often, so that a list can settle or keep moving.
        times: u32,
        /// What happens right after that page.
        edit: Box<Edit>,
    },
}

/// An edit that names something the sandbox doesn't have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox has no {0}")]
pub struct EditRefused(pub String);

#[derive(Debug)]
struct Ambush {
    playlist: String,
    page: usize,
    left: u32,
    edit: Edit,
}

/// All playlists, and the edits that wait for a page to be served.
#[derive(Debug, Default)]
pub(crate) struct Playlists {
    all: Vec<Playlist>,
    places: FxHashMap<String, usize>,
    ambushes: Vec<Ambush>,
}

impl Playlists {
    /// The known ones, and plain ones as many and as long as asked for.
    pub(crate) fn rolled(music: &Music, count: usize, items: usize) -> Self {
        let mut lists = Self::default();
        let plain = |n: usize, len: usize| Rows::Rolled {
            len,
            seed: dice::mix(music.seed, 0x11575 + n as u64),
            of: music.plain_tracks.max(1),
            tail: Vec::new(),
        };
        let mut odd = playlist(
            known::ODD_PLAYLIST,
            "Odd \"things\"; sorted, badly 🙃",
            known::HOME,
        );
        odd.rows = Rows::Listed(odd::rows(music));
        odd.description = Some(odd::long_description());
        odd.images = Images::Null;
        odd.public = None;
        odd.total_too_large_by = 7;
        odd.endless_next = true;
        odd.both_keys = true;
        lists.add(odd);
        let mut large = playlist(known::LARGE_PLAYLIST, "Everything, ever", known::HOME);
        let tail = odd::tail(music);
        let len = known::LARGE_PLAYLIST_ITEMS - tail.len();
        large.rows = match plain(0, len) {
            Rows::Rolled { len, seed, of, .. } => Rows::Rolled {
                len,
                seed,
                of,
                tail,
            },
            listed @ Rows::Listed(_) => listed,
        };
        lists.add(large);
        let mut empty = playlist(known::EMPTY_PLAYLIST, "Nothing yet", known::HOME);
        empty.images = Images::Empty;
        empty.description = None;
        lists.add(empty);
        let mut home = playlist(known::HOME_PLAYLIST, "Kitchen radio", known::HOME);
        home.rows = plain(1, 120);
        lists.add(home);
        let mut ours = playlist(known::SHARED_PLAYLIST, "Ours", known::STUDIO);
        ours.rows = plain(2, 75);
        ours.collaborators.push(known::HOME.to_owned());
        ours.public = Some(false);
        lists.add(ours);
        let mut studio = playlist(known::STUDIO_PLAYLIST, "References", known::STUDIO);
        studio.rows = plain(3, 210);
        studio.public = Some(false);
        lists.add(studio);
        let mut foreign = playlist(
            known::FOREIGN_PLAYLIST,
            "Somebody else's hits",
            known::CURATOR,
        );
        foreign.rows = plain(4, 100);
        foreign.followers = 1_234_567;
        lists.add(foreign);
        for n in 0..count {
            let owner = [known::CURATOR, known::HOME, known::STUDIO][n % 3];
            let id = dice::id(music.seed, "playlist", n as u64);
            let mut list = playlist(&id, &format!("Crate {:03}", n + 1), owner);
            list.rows = plain(100 + n, items);
            lists.add(list);
        }
        lists
    }

    fn add(&mut self, list: Playlist) {
        self.places.insert(list.id.clone(), self.all.len());
        self.all.push(list);
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Playlist> {
        self.places.get(id).map(|place| &self.all[*place])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Playlist> {
        self.all
            .iter()
            .filter(|list| self.places.contains_key(&list.id))
    }

    fn get_mut(&mut self, id: &str) -> Result<&mut Playlist, EditRefused> {
        match self.places.get(id) {
            Some(place) => Ok(&mut self.all[*place]),
            None => Err(EditRefused(format!("playlist {id}"))),
        }
    }

    /// Makes one edit.
    ///
    /// # Errors
    /// If it names a playlist, track or episode that doesn't exist; nothing has changed then.
    pub(crate) fn edit(
        &mut self,
        edit: Edit,
        music: &Music,
        now_ms: i64,
    ) -> Result<(), EditRefused> {
        let id = match edit {
            Edit::WhenServed {
                playlist,
                page,
                times,
                edit,
            } => {
                self.get_mut(&playlist)?;
                let ambush = Ambush {
                    playlist,
                    page,
                    left: times,
                    edit: *edit,
                };
                self.ambushes.push(ambush);
                return Ok(());
            }
            Edit::Delete { playlist } => {
                self.get_mut(&playlist)?;
                self.places.remove(&playlist);
                return Ok(());
            }
            Edit::Rename { playlist, name } => {
                self.get_mut(&playlist)?.name = name;
                playlist
            }
            Edit::Insert {
                playlist,
                position,
                items,
            } => {
                let list = self.get_mut(&playlist)?;
                let added_by = AddedBy::User(list.owner.clone());
                let mut rows = Vec::new();
                for item in items {
                    rows.push(Row {
                        added_at: Some(timestamp(now_ms)),
                        added_by: added_by.clone(),
                        content: content(music, item.as_deref())?,
                        both_keys: false,
                        extra_keys: false,
                    });
                }
                let into = list.listed();
                let position = position.min(into.len());
                into.splice(position..position, rows);
                playlist
            }
            Edit::Remove {
                playlist,
                position,
                count,
            } => {
                let from = self.get_mut(&playlist)?.listed();
                let start = position.min(from.len());
                from.drain(start..start.saturating_add(count).min(from.len()));
                playlist
            }
            Edit::Move {
                playlist,
                from,
                count,
                to,
            } => {
                let rows = self.get_mut(&playlist)?.listed();
                let start = from.min(rows.len());
                let end = start.saturating_add(count).min(rows.len());
                let moved: Vec<Row> = rows.drain(start..end).collect();
                let to = to.min(rows.len());
                rows.splice(to..to, moved);
                playlist
            }
        };
        self.get_mut(&id)?.revision += 1;
        Ok(())
    }

    /// Makes the edits that waited for this page of this list.
    pub(crate) fn served(&mut self, id: &str, page: usize, music: &Music, now_ms: i64) {
        let mut due = Vec::new();
        for ambush in &mut self.ambushes {
            if ambush.left > 0 && ambush.playlist == id && ambush.page == page {
                ambush.left -= 1;
                due.push(ambush.edit.clone());
            }
        }
        self.ambushes.retain(|ambush| ambush.left > 0);
        for edit in due {
            if let Err(refused) = self.edit(edit, music, now_ms) {
                tracing::warn!(%refused, "an edit that waited for a page could not be made");
            }
        }
    }
}

fn content(music: &Music, id: Option<&str>) -> Result<Content, EditRefused> {
    let Some(id) = id else {
        return Ok(Content::Null);
    };
    let track = music.find(Kind::Track, id).map(Content::Track);
    track
        .or_else(|| music.find(Kind::Episode, id).map(Content::Episode))
        .ok_or_else(|| EditRefused(format!("track or episode {id}")))
}

fn playlist(id: &str, name: &str, owner: &str) -> Playlist {
    Playlist {
        id: id.to_owned(),
        name: name.to_owned(),
        description: Some(String::new()),
        owner: owner.to_owned(),
        collaborators: Vec::new(),
        public: Some(true),
        followers: 0,
        images: Images::Some,
        total_too_large_by: 0,
        endless_next: false,
        both_keys: false,
        rows: Rows::Listed(Vec::new()),
        revision: 1,
    }
}
