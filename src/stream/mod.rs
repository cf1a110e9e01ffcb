//! The table of streams: everything that can be fetched, and what each one's rows look like.
//!
//! `check`, `plan`, `run`, `export`, `streams`, the JSON Schema and `docs/streams.md` all read this
//! one table, so none of them can promise what another does not do. Adding a stream is adding one
//! [`Stream`] here, its view in `store::views`, and, where Spotify answers in a new shape, a parser
//! in `spotify::wire`.
//!
//! One file per noun of Spotify's; this file holds what they have in common.

mod album;
mod artist;
mod audiobook;
mod browse;
mod column;
mod library;
mod playlist;
mod search;
mod show;
mod track;

pub use column::{Column, ColumnType};

use spotify_client::EntityKind;
use spotify_client::family::EndpointFamily;

/// Which apps may read a stream, as of February 2026.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamAccess {
    /// Apps in Development Mode and apps with Extended Quota.
    Both,
    /// Removed for apps in Development Mode; answers 403 there.
    ExtendedOnly,
    /// Readable in Development Mode only with the token of the owner or a collaborator.
    OwnerInDevelopment,
}

/// What a fetch of this stream must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamInput {
    /// Ids of one kind: `ids`, `ids_file`, or `from` another fetch.
    Ids(EntityKind),
    /// Nothing at all.
    Nothing,
    /// Search expressions: `query`, `queries` or `queries_file`.
    Queries,
    /// A signed-in user: the job's `user` or `users`.
    User,
}

/// Whether a CSV shows what stands there now or everything ever kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowMode {
    /// A list or a thing: the CSV shows its present state.
    CurrentState,
    /// A log: every row kept, or those of the job's `window`.
    Log,
}

/// In which order a list comes, which says whether its beginning tells what changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListOrder {
    /// The newest first: what is new stands at the head, and below it what was known.
    NewestFirst,
    /// Some other order, or one that Spotify does not promise: only the whole list tells.
    Other,
}

/// How an endpoint hands out its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// One call per id; several ids in one call where the app has batch reads (the maximum given).
    ById {
        /// Ids per batch call with Extended Quota; 1 where there is no batch read.
        batch: u16,
    },
    /// `limit` and `offset`, with the largest `limit` each app class accepts.
    Offset {
        /// Largest page in Development Mode.
        development: u16,
        /// Largest page with Extended Quota.
        extended: u16,
    },
    /// A cursor of the server's (`after`, or `before` in time), with the largest `limit`.
    Cursor {
        /// Largest page, the same in both classes.
        limit: u16,
    },
    /// One answer holds everything.
    Whole,
}

/// One kind of thing that can be fetched.
#[derive(Debug)]
pub struct Stream {
    /// Its name in job files, tables and docs.
    pub name: &'static str,
    /// What one row is, in a sentence.
    pub about: &'static str,
    /// What a fetch must be given.
    pub input: StreamInput,
    /// Which apps may read it.
    pub access: StreamAccess,
    /// The endpoint as Spotify documents it, without the base.
    pub endpoint: &'static str,
    /// The endpoint family that its calls are booked under.
    pub family: &'static str,
    /// Scopes that a user's grant must have for it.
    pub scopes: &'static [&'static str],
    /// How its pages come.
    pub paging: Paging,
    /// In which order its list comes.
    pub order: ListOrder,
    /// State or log.
    pub row_mode: RowMode,
    /// Optional keys of a `[[fetch]]` that it understands.
    pub options: &'static [&'static str],
    /// Columns that together name one row of its CSV.
    pub keys: &'static [&'static str],
    /// All columns of its view `csv_NAME`, in order.
    pub columns: &'static [&'static [Column]],
    /// Which column of its rows names things of another kind, for `from`.
    pub references: &'static [(EntityKind, &'static str)],
}

impl Stream {
    /// The endpoint families whose calls a fetch of it cannot do without.
    pub fn families(&self) -> Vec<EndpointFamily> {
        let mut families = vec![EndpointFamily::from_name(self.family).unwrap_or(EndpointFamily::SEARCH)];
        match self.name {
            "playlist_items" => families.push(EndpointFamily::PLAYLISTS),
            "my_playlist_items" => families.extend([EndpointFamily::PLAYLISTS, EndpointFamily::MY_PLAYLISTS]),
            "album_tracks" => families.push(EndpointFamily::ALBUMS),
            _ => {}
        }
        families
    }

    /// Whether the CSV profile `exportify` has columns for it: it knows lists of tracks only.
    pub fn has_exportify(&self) -> bool {
        matches!(self.name, "playlist_items" | "my_playlist_items" | "saved_tracks")
    }

    /// Whether its endpoint can be asked for a market. With a user's token the account's country decides;
    /// lists of playlists, and what Spotify shows to everyone, are the same in all of them.
    pub fn takes_market(&self) -> bool {
        match self.input {
            StreamInput::User => {
                matches!(self.name, "my_playlist_items" | "saved_tracks" | "saved_albums" | "saved_episodes")
            }
            StreamInput::Nothing => false,
            StreamInput::Ids(_) | StreamInput::Queries => self.name != "user_playlists",
        }
    }

    /// The columns of its view, in order, flattened.
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> {
        self.columns.iter().flat_map(|group| group.iter())
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns().find(|c| c.name == name)
    }

    /// The columns of a CSV whose job names none: all but the ones that would churn or clutter.
    pub fn default_columns(&self) -> impl Iterator<Item = &'static Column> {
        self.columns().filter(|c| c.in_default_csv)
    }

    /// The SQLite view that its CSV is a copy of.
    pub fn view(&self) -> String {
        format!("csv_{}", self.name)
    }

    /// The column of this stream's rows that names things of `kind`, if it has one.
    pub fn reference_column(&self, kind: EntityKind) -> Option<&'static str> {
        self.references.iter().find(|(k, _)| *k == kind).map(|(_, column)| *column)
    }

    /// Whether it reads a signed-in user's own data.
    pub fn needs_user(&self) -> bool {
        self.input == StreamInput::User
    }
}

/// Every stream, in the order in which `streams` prints them.
pub fn all() -> impl Iterator<Item = &'static Stream> {
    [
        album::STREAMS,
        artist::STREAMS,
        track::STREAMS,
        playlist::STREAMS,
        show::STREAMS,
        audiobook::STREAMS,
        browse::STREAMS,
        search::STREAMS,
        library::STREAMS,
    ]
    .into_iter()
    .flatten()
}

/// The stream of this name.
pub fn find(name: &str) -> Option<&'static Stream> {
    all().find(|s| s.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_key_and_reference_is_a_column_of_its_stream() {
        for stream in all() {
            for key in stream.keys {
                assert!(stream.column(key).is_some(), "{}: key {key}", stream.name);
            }
            for (kind, column) in stream.references {
                assert!(stream.column(column).is_some(), "{}: {kind:?} {column}", stream.name);
            }
        }
    }

    #[test]
    fn no_stream_names_a_column_twice() {
        for stream in all() {
            let mut seen = HashSet::new();
            for column in stream.columns() {
                assert!(seen.insert(column.name), "{}.{}", stream.name, column.name);
            }
        }
    }

    #[test]
    fn stream_names_are_unique() {
        let mut seen = HashSet::new();
        assert!(all().all(|s| seen.insert(s.name)));
    }
}
