//! Saved items, followed artists and plays of the users.
//!
//! A library is computed from the seed when it is first requested. It strides through the catalog, so that no
//! item occurs twice. The newest item comes first, as at Spotify.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::{CatalogIndex, CatalogKind, EditError, MusicCatalog, fixtures};
use crate::rng::mix;

/// The newest item was saved on 2026-05-28.
const NEWEST_AT_MS: i64 = 1_779_926_400_000;
/// Every user plays a track every seven minutes, day and night.
const PLAY_EVERY_MS: i64 = 7 * 60_000;
/// Spotify does not return older plays.
const MAX_RECENT_PLAYS: i64 = 50;

/// One saved item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SavedItem {
    pub(crate) index: CatalogIndex,
    pub(crate) added_at_ms: i64,
    /// Whether null is served for the item.
    pub(crate) served_as_null: bool,
}

/// A list of saved items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LibrarySection {
    /// `/me/tracks`
    Tracks,
    /// `/me/albums`
    Albums,
    /// `/me/shows`
    Shows,
    /// `/me/episodes`
    Episodes,
}

/// A change to the saved items of a user. As JSON: `{"do":"save","user":"…","shelf":"tracks","id":"…"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum LibraryEdit {
    /// Saves an item. An earlier entry of the same item is removed, unless `twice` is set.
    Save {
        /// Id of the user.
        user: String,
        /// The list.
        #[serde(rename = "shelf")]
        section: LibrarySection,
        /// Id of the item.
        id: String,
        /// Milliseconds since 1970, which decide its position; now by default.
        #[serde(default)]
        added_at_ms: Option<i64>,
        /// Whether an earlier entry of the item stays.
        #[serde(default)]
        twice: bool,
    },
    /// Removes an item.
    Remove {
        /// Id of the user.
        user: String,
        /// The list.
        #[serde(rename = "shelf")]
        section: LibrarySection,
        /// Position from 0.
        position: usize,
    },
    /// Serves null for an item from now on.
    Lose {
        /// Id of the user.
        user: String,
        /// The list.
        #[serde(rename = "shelf")]
        section: LibrarySection,
        /// Position from 0.
        position: usize,
    },
    /// Makes other changes as soon as a page that begins at an offset was served, so that the list changes while it is
    /// read.
    WhenServed {
        /// Id of the user.
        user: String,
        /// The list.
        #[serde(rename = "shelf")]
        section: LibrarySection,
        /// The offset.
        offset: usize,
        /// The changes, in this order.
        edits: Vec<LibraryEdit>,
    },
}

/// Changes that wait until a page was served.
#[derive(Debug)]
struct WaitingEdits {
    user: String,
    section: LibrarySection,
    offset: usize,
    edits: Vec<LibraryEdit>,
}

/// The libraries of all users with their edits.
#[derive(Debug)]
pub(crate) struct UserLibraries {
    digger_tracks: usize,
    by_user: FxHashMap<String, UserLibrary>,
    waiting: Vec<WaitingEdits>,
}

impl UserLibraries {
    pub(crate) fn new(digger_tracks: usize) -> Self {
        Self { digger_tracks, by_user: FxHashMap::default(), waiting: Vec::new() }
    }

    pub(crate) fn library(&mut self, music: &MusicCatalog, user: &str) -> &UserLibrary {
        self.library_mut(music, user)
    }

    fn library_mut(&mut self, music: &MusicCatalog, user: &str) -> &mut UserLibrary {
        let digger_tracks = self.digger_tracks;
        self.by_user.entry(user.to_owned()).or_insert_with(|| {
            let mut library = UserLibrary::generate(music, user);
            if user == fixtures::DIGGER_USER {
                library.tracks = stride(music.seed, digger_tracks, music.plain_tracks);
            }
            library
        })
    }

    /// Makes an edit.
    ///
    /// # Errors
    /// If it names an unknown id or position. The library is unchanged then.
    pub(crate) fn edit(&mut self, edit: LibraryEdit, music: &MusicCatalog, now_ms: i64) -> Result<(), EditError> {
        if let LibraryEdit::WhenServed { user, section, offset, edits } = edit {
            self.waiting.push(WaitingEdits { user, section, offset, edits });
            return Ok(());
        }
        let (LibraryEdit::Save { user, section, .. }
        | LibraryEdit::Remove { user, section, .. }
        | LibraryEdit::Lose { user, section, .. }
        | LibraryEdit::WhenServed { user, section, .. }) = &edit;
        let library = self.library_mut(music, user);
        let (list, kind) = match section {
            LibrarySection::Tracks => (&mut library.tracks, CatalogKind::Track),
            LibrarySection::Albums => (&mut library.albums, CatalogKind::Album),
            LibrarySection::Shows => (&mut library.shows, CatalogKind::Show),
            LibrarySection::Episodes => (&mut library.episodes, CatalogKind::Episode),
        };
        match edit {
            LibraryEdit::Save { id, added_at_ms, twice, .. } => {
                let index = music.find(kind, &id).ok_or_else(|| EditError(format!("{kind:?} {id}")))?;
                if !twice {
                    list.retain(|saved| saved.index != index || saved.served_as_null);
                }
                let saved = SavedItem { index, added_at_ms: added_at_ms.unwrap_or(now_ms), served_as_null: false };
                let at = list.iter().position(|other| other.added_at_ms <= saved.added_at_ms).unwrap_or(list.len());
                list.insert(at, saved);
            }
            LibraryEdit::Remove { position, .. } if position < list.len() => drop(list.remove(position)),
            LibraryEdit::Lose { position, .. } if position < list.len() => list[position].served_as_null = true,
            LibraryEdit::Remove { position, .. } | LibraryEdit::Lose { position, .. } => {
                return Err(EditError(format!("position {position}")));
            }
            LibraryEdit::WhenServed { .. } => {}
        }
        Ok(())
    }

    /// Makes the edits that waited until this page was served.
    pub(crate) fn page_served(
        &mut self,
        (user, section, offset): (&str, LibrarySection, usize),
        music: &MusicCatalog,
        now_ms: i64,
    ) {
        let is_due = |one: &mut WaitingEdits| one.user == user && one.section == section && one.offset == offset;
        let due: Vec<WaitingEdits> = self.waiting.extract_if(.., is_due).collect();
        for edit in due.into_iter().flat_map(|one| one.edits) {
            // An edit that does not fit the list any more changes nothing.
            let _ = self.edit(edit, music, now_ms);
        }
    }
}

/// A track that a user played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrackPlay {
    pub(crate) track: CatalogIndex,
    pub(crate) played_at_ms: i64,
}

/// The library of a user.
#[derive(Debug, Clone)]
pub(crate) struct UserLibrary {
    pub(crate) tracks: Vec<SavedItem>,
    pub(crate) albums: Vec<SavedItem>,
    pub(crate) shows: Vec<SavedItem>,
    pub(crate) episodes: Vec<SavedItem>,
    pub(crate) audiobooks: Vec<SavedItem>,
    pub(crate) artists: Vec<SavedItem>,
}

impl UserLibrary {
    /// Generates the library of a user. That of the curator is empty.
    pub(crate) fn generate(music: &MusicCatalog, user: &str) -> Self {
        let salt = user.bytes().fold(music.seed, |h, b| mix(h, u64::from(b)));
        let counts = match user {
            fixtures::HOME_USER => [260, 63, 5, 23, 3, 64],
            fixtures::STUDIO_USER => [55, 12, 2, 3, 1, 12],
            _ => [0; 6],
        };
        let of = [
            music.plain_tracks,
            music.albums.len(),
            music.shows.len(),
            music.episodes.len(),
            music.audiobooks.len(),
            music.artists.len(),
        ];
        let mut lists = [0, 1, 2, 3, 4, 5].map(|n| stride(salt + n as u64, counts[n], of[n]));
        if user == fixtures::HOME_USER {
            // The last tracks of the catalog are edge cases.
            let edge_cases = music.tracks.len() - 8..music.tracks.len();
            lists[0].extend(edge_cases.map(|index| SavedItem { index, added_at_ms: 0, served_as_null: false }));
        }
        let [tracks, albums, shows, episodes, audiobooks, artists] = lists;
        Self { tracks, albums, shows, episodes, audiobooks, artists }
    }

    /// The top items of a user in a time range.
    pub(crate) fn top_items(music: &MusicCatalog, user: &str, range: &str, of: usize) -> Vec<CatalogIndex> {
        let salt = [user, range].concat();
        let salt = salt.bytes().fold(music.seed, |h, b| mix(h, u64::from(b)));
        stride(salt, 130, of).into_iter().map(|saved| saved.index).collect()
    }
}

fn stride(salt: u64, count: usize, of: usize) -> Vec<SavedItem> {
    let steps = [7_919, 104_729, 13, 1];
    let step = steps.into_iter().find(|step| !of.is_multiple_of(*step) || *step == 1).unwrap_or(1);
    let start = if of == 0 { 0 } else { mix(salt, 0) as usize % of };
    (0..count.min(of))
        .map(|n| SavedItem {
            index: (start + n * step) % of,
            added_at_ms: NEWEST_AT_MS - n as i64 * 3 * 3_600_000,
            served_as_null: false,
        })
        .collect()
}

/// The plays that Spotify returns, newest first.
pub(crate) fn recent_plays(music: &MusicCatalog, user: &str, now_ms: i64) -> Vec<TrackPlay> {
    let salt = user.bytes().fold(music.seed, |h, b| mix(h, u64::from(b)));
    let newest = now_ms / PLAY_EVERY_MS;
    let of = music.plain_tracks.max(1) as u64;
    (newest - MAX_RECENT_PLAYS + 1..=newest)
        .rev()
        .map(|n| TrackPlay {
            track: (mix(salt, n.unsigned_abs()) % of) as usize,
            played_at_ms: n * PLAY_EVERY_MS + 123,
        })
        .filter(|play| play.played_at_ms <= now_ms)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn library_has_no_duplicates() {
        for tracks in [40, 300, 7_919] {
            let music = MusicCatalog::generate(1, tracks);
            let library = UserLibrary::generate(&music, fixtures::HOME_USER);
            for list in [library.tracks, library.albums, library.shows, library.episodes, library.artists] {
                let distinct: HashSet<CatalogIndex> = list.iter().map(|saved| saved.index).collect();
                assert_eq!(distinct.len(), list.len());
            }
        }
    }

    #[test]
    fn only_last_fifty_plays_are_served() {
        let music = MusicCatalog::generate(1, 40);
        let now_ms = 1_780_000_000_000;
        let plays = recent_plays(&music, fixtures::HOME_USER, now_ms);
        assert!((49..=50).contains(&plays.len()));
        assert!(plays.iter().all(|play| play.played_at_ms <= now_ms));
        let later = recent_plays(&music, fixtures::HOME_USER, now_ms + PLAY_EVERY_MS);
        assert_eq!(later[1], plays[0]);
    }
}
