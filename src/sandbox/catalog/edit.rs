//! What may be changed while the sandbox serves.

use serde::{Deserialize, Serialize};

/// One change to a playlist or a library; as JSON `{"do":"remove","playlist":"…","position":3,"count":1}`.
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
    /// Saves something to a user's library, or saves it again: it stands where its date puts it.
    Save {
        /// Id of the user.
        user: String,
        /// Of a track, album, show, episode or audiobook, or of an artist to be followed.
        uri: String,
        /// When, in milliseconds since 1970; now without.
        #[serde(default)]
        added_at_ms: Option<i64>,
    },
    /// Takes something out of a user's library.
    Unsave {
        /// Id of the user.
        user: String,
        /// What goes.
        uri: String,
    },
    /// Makes another edit when so many calls of the Web API have been answered from now on.
    AfterCalls {
        /// How many.
        calls: u32,
        /// What happens then.
        edit: Box<Edit>,
    },
}

/// An edit that names something the sandbox doesn't have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox has no {0}")]
pub struct EditRefused(pub String);
