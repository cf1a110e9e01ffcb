//! Changes to playlists, now or while a client reads them.

use serde::{Deserialize, Serialize};

use super::{PlaylistCollection, PlaylistRow, RowAddedBy, RowContent};
use crate::catalog::{CatalogKind, MusicCatalog};
use crate::clock::timestamp;

/// A change to a playlist. As JSON: `{"do":"remove","playlist":"…","position":3,"count":1}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum PlaylistEdit {
    /// Inserts items before a position.
    Insert {
        /// Id of the playlist.
        playlist: String,
        /// Position from 0; a position after the end means the end.
        position: usize,
        /// Track or episode ids, or null for a removed item.
        items: Vec<Option<String>>,
    },
    /// Removes items.
    Remove {
        /// Id of the playlist.
        playlist: String,
        /// Position of the first item from 0.
        position: usize,
        /// Number of items.
        count: usize,
    },
    /// Moves items within the list.
    Move {
        /// Id of the playlist.
        playlist: String,
        /// Position of the first item from 0.
        from: usize,
        /// Number of items.
        count: usize,
        /// New position in the list without the moved items.
        to: usize,
    },
    /// Renames the playlist.
    Rename {
        /// Id of the playlist.
        playlist: String,
        /// The new name.
        name: String,
    },
    /// Changes the snapshot id of the playlist only.
    Touch {
        /// Id of the playlist.
        playlist: String,
    },
    /// Deletes the playlist; it is 404 from now on.
    Delete {
        /// Id of the playlist.
        playlist: String,
    },
    /// Makes another edit whenever a page of the list has been served.
    WhenServed {
        /// Id of the playlist that is served.
        playlist: String,
        /// Number of the page from 0: offset divided by limit.
        page: usize,
        /// How often the edit is made.
        times: u32,
        /// The edit that is made after that page.
        edit: Box<PlaylistEdit>,
    },
}

/// An edit names an unknown id or position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox has no {0}")]
pub struct EditError(pub String);

/// An edit that is made when a page has been served.
#[derive(Debug)]
pub(super) struct ScheduledEdit {
    playlist: String,
    page: usize,
    remaining: u32,
    edit: PlaylistEdit,
}

impl PlaylistCollection {
    /// Makes an edit.
    ///
    /// # Errors
    /// If it names an unknown playlist, track or episode. The playlists are unchanged then.
    pub(crate) fn edit(&mut self, edit: PlaylistEdit, music: &MusicCatalog, now_ms: i64) -> Result<(), EditError> {
        let id = match edit {
            PlaylistEdit::WhenServed { playlist, page, times, edit } => {
                self.get_mut(&playlist)?;
                let ambush = ScheduledEdit { playlist, page, remaining: times, edit: *edit };
                self.scheduled_edits.push(ambush);
                return Ok(());
            }
            PlaylistEdit::Delete { playlist } => {
                self.get_mut(&playlist)?;
                self.index_by_id.remove(&playlist);
                return Ok(());
            }
            PlaylistEdit::Touch { playlist } => playlist,
            PlaylistEdit::Rename { playlist, name } => {
                self.get_mut(&playlist)?.name = name;
                playlist
            }
            PlaylistEdit::Insert { playlist, position, items } => {
                let list = self.get_mut(&playlist)?;
                let added_by = RowAddedBy::User(list.owner.clone());
                let mut rows = Vec::new();
                for item in items {
                    rows.push(PlaylistRow {
                        added_at: Some(timestamp(now_ms)),
                        added_by: added_by.clone(),
                        content: find_content(music, item.as_deref())?,
                        both_keys: false,
                        extra_keys: false,
                    });
                }
                let into = list.materialize_rows();
                let position = position.min(into.len());
                into.splice(position..position, rows);
                playlist
            }
            PlaylistEdit::Remove { playlist, position, count } => {
                let from = self.get_mut(&playlist)?.materialize_rows();
                let start = position.min(from.len());
                from.drain(start..start.saturating_add(count).min(from.len()));
                playlist
            }
            PlaylistEdit::Move { playlist, from, count, to } => {
                let rows = self.get_mut(&playlist)?.materialize_rows();
                let start = from.min(rows.len());
                let end = start.saturating_add(count).min(rows.len());
                let moved: Vec<PlaylistRow> = rows.drain(start..end).collect();
                let to = to.min(rows.len());
                rows.splice(to..to, moved);
                playlist
            }
        };
        self.get_mut(&id)?.revision += 1;
        Ok(())
    }

    /// Makes the edits that are scheduled for a page of a list.
    pub(crate) fn run_scheduled_edits(&mut self, id: &str, page: usize, music: &MusicCatalog, now_ms: i64) {
        let mut due = Vec::new();
        for ambush in &mut self.scheduled_edits {
            if ambush.remaining > 0 && ambush.playlist == id && ambush.page == page {
                ambush.remaining -= 1;
                due.push(ambush.edit.clone());
            }
        }
        self.scheduled_edits.retain(|ambush| ambush.remaining > 0);
        for edit in due {
            if let Err(refused) = self.edit(edit, music, now_ms) {
                tracing::warn!(%refused, "failed to make a scheduled edit");
            }
        }
    }
}

fn find_content(music: &MusicCatalog, id: Option<&str>) -> Result<RowContent, EditError> {
    let Some(id) = id else {
        return Ok(RowContent::Null);
    };
    let track = music.find(CatalogKind::Track, id).map(RowContent::Track);
    track
        .or_else(|| music.find(CatalogKind::Episode, id).map(RowContent::Episode))
        .ok_or_else(|| EditError(format!("track or episode {id}")))
}
