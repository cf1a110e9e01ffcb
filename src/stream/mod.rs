//! The table of streams: everything that can be fetched, and everything that makes it work.
//!
//! `check`, `plan`, `run`, `export`, `streams`, the store, the JSON Schema and `docs/streams.md` all read this
//! table, and no other module compares the name of a stream. To add a stream, add one [`Stream`] to the file of its
//! noun, its view in `store::views`, and, if Spotify's answer has a new form, a parser in `spotify_client::wire`.
//!
//! There is one file per noun of Spotify's API. This file contains what the streams have in common.

mod album;
mod artist;
mod audiobook;
mod browse;
mod column;
mod library;
mod playlist;
mod search;
mod show;
mod table;
mod track;

pub use column::{Column, ColumnType};
pub use table::{MembershipTable, ParentColumn, StreamTable};

use spotify_client::EntityKind;
use spotify_client::family::EndpointFamily;
use spotify_client::page::Envelope;

/// Name of the stream of playlist items. Lists of both playlist streams are stored under this name.
pub const PLAYLIST_ITEMS: &str = "playlist_items";
/// Name of the stream of the playlists in a user's library.
pub const MY_PLAYLISTS: &str = "my_playlists";
/// Name of the stream of album tracks, which is also filled by reading albums.
pub const ALBUM_TRACKS: &str = "album_tracks";

/// Which app classes may read a stream, as of February 2026.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamAccess {
    /// Apps in Development Mode and apps with Extended Quota.
    Both,
    /// Removed for apps in Development Mode, which get a 403.
    ExtendedOnly,
    /// Readable in Development Mode only with the token of the owner or a collaborator.
    OwnerInDevelopment,
}

/// The input of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamInput {
    /// Ids of one kind: `ids`, `ids_file`, or `from` another fetch.
    Ids(EntityKind),
    /// No input.
    Nothing,
    /// Search expressions: `query`, `queries` or `queries_file`.
    Queries,
    /// A signed-in user: the job's `user` or `users`.
    User,
}

/// Whether a CSV file shows the current state or everything ever stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowMode {
    /// The CSV file shows the current state of a list or an entity.
    CurrentState,
    /// The CSV file shows all rows of a log, or those within the job's `window`.
    Log,
}

/// How a run finds out whether a stream has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeDetection {
    /// By the age of the stored row; see `refresh_after`.
    Age,
    /// By a version that Spotify states for the list.
    Version,
    /// The list is sorted newest first, so new entries are at its start.
    NewestFirst,
    /// Only a read of the whole list shows what has changed.
    WholeList,
    /// Each run reads it again.
    EveryRead,
}

/// How an endpoint splits its answer into pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// One call per id, or several ids per call for apps with batch reads.
    ById {
        /// Maximum number of ids per call with Extended Quota; 1 if there is no batch read.
        batch: u16,
    },
    /// `limit` and `offset`, with the largest `limit` that each app class accepts.
    Offset {
        /// Largest page in Development Mode.
        development: u16,
        /// Largest page with Extended Quota.
        extended: u16,
    },
    /// A cursor from the server (`after`, or `before` in time), with the largest `limit`.
    Cursor {
        /// Largest page, the same for both app classes.
        limit: u16,
    },
    /// One answer contains everything.
    Whole,
}

/// The entries of a list, as Spotify sends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// Entries of a playlist.
    PlaylistItems,
    /// Simplified albums.
    Albums,
    /// Full tracks.
    Tracks,
    /// Simplified tracks of the parent album.
    AlbumTracks,
    /// Episodes of the parent show.
    Episodes,
    /// Chapters of the parent audiobook.
    Chapters,
    /// Simplified playlists.
    Playlists,
    /// Full artists.
    Artists,
    /// Browse categories.
    Categories,
    /// Two-letter country codes.
    Markets,
    /// `{added_at, …}` around an entity of this kind.
    Saved(EntityKind),
}

impl EntryKind {
    /// Whether the entries have release dates, which tell the newest of them.
    pub fn has_release_dates(self) -> bool {
        matches!(self, EntryKind::Albums | EntryKind::Episodes | EntryKind::Chapters)
    }
}

/// How a run reads a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadStrategy {
    /// Entities by id, oldest row first.
    ById,
    /// One list per parent, or a single list.
    List,
    /// One list per artist and album group.
    Discography,
    /// One playlist per id.
    Playlist,
    /// Albums by id, and the rest of their tracks as lists.
    AlbumTracks,
    /// One search per expression and kind.
    Search,
    /// The profile of the user.
    Profile,
    /// One list of the user.
    UserList,
    /// One list of the user per time range.
    TopLists,
    /// The latest plays of the user.
    Plays,
    /// Each playlist of the user.
    OwnPlaylists,
}

/// One kind of data that can be fetched.
#[derive(Debug)]
pub struct Stream {
    /// The name in job files, tables and docs.
    pub name: &'static str,
    /// What one row is, for the docs.
    pub about: &'static str,
    /// The input of a fetch.
    pub input: StreamInput,
    /// Which app classes may read it.
    pub access: StreamAccess,
    /// The endpoint as Spotify documents it, without the base address.
    pub endpoint: &'static str,
    /// The endpoint family of its calls, for budgets and cool-downs.
    pub family: EndpointFamily,
    /// Other families that a fetch always needs calls of.
    pub more_families: &'static [EndpointFamily],
    /// Parameters that are part of every call.
    pub query: &'static [(&'static str, &'static str)],
    /// Scopes that a user's grant needs.
    pub scopes: &'static [&'static str],
    /// Scopes with which a user's grant can also read private entities, for streams that need no scope otherwise.
    pub private_scopes: &'static [&'static str],
    /// How its answer is split into pages.
    pub paging: Paging,
    /// Where the page is in the answer.
    pub envelope: Envelope,
    /// The entries of its list, if it reads lists.
    pub entries: Option<EntryKind>,
    /// How a run reads it.
    pub strategy: ReadStrategy,
    /// The names of streams under which its lists are stored; empty for its own name.
    pub lists: &'static [&'static str],
    /// How a run finds out whether it has changed.
    pub changes: ChangeDetection,
    /// Whether its rows contain the versions of playlists.
    pub yields_versions: bool,
    /// Whether Spotify is known to announce more entries than there are.
    pub total_is_unreliable: bool,
    /// Entities that its answers contain in full, so that they need not be read again.
    pub full_entities: &'static [EntityKind],
    /// Whether its endpoint accepts a market. A user's token implies the account's country; lists of playlists and
    /// the browse lists are the same in every market.
    pub takes_market: bool,
    /// Whether Spotify hides it from an app that names no market, as it does with podcasts.
    pub needs_market: bool,
    /// State or log.
    pub row_mode: RowMode,
    /// Where its rows are in the store.
    pub table: StreamTable,
    /// Optional keys of a `[[fetch]]` that it accepts.
    pub options: &'static [&'static str],
    /// Columns that together identify a row of its CSV file.
    pub keys: &'static [&'static str],
    /// All columns of its view `csv_NAME`, in order.
    pub columns: &'static [&'static [Column]],
    /// Columns with ids of other entities, for `from`.
    pub references: &'static [(EntityKind, &'static str)],
    /// Whether the CSV profile `exportify` has columns for it.
    pub has_exportify: bool,
}

/// Defaults of the properties that most streams share.
const BASE: Stream = Stream {
    name: "",
    about: "",
    input: StreamInput::Nothing,
    access: StreamAccess::Both,
    endpoint: "",
    family: EndpointFamily::ME,
    more_families: &[],
    query: &[],
    scopes: &[],
    private_scopes: &[],
    paging: Paging::Whole,
    envelope: Envelope::Bare,
    entries: None,
    strategy: ReadStrategy::List,
    lists: &[],
    changes: ChangeDetection::WholeList,
    yields_versions: false,
    total_is_unreliable: false,
    full_entities: &[],
    takes_market: false,
    needs_market: false,
    row_mode: RowMode::CurrentState,
    table: StreamTable::PlaylistItems,
    options: &[],
    keys: &[],
    columns: &[],
    references: &[],
    has_exportify: false,
};

impl Stream {
    /// The placeholder in file names that makes one file for each of its lists.
    pub fn list_placeholder(&self) -> Option<&'static str> {
        match (self.strategy, self.table) {
            (ReadStrategy::Playlist | ReadStrategy::OwnPlaylists, _) => Some("playlist"),
            (_, StreamTable::Members(MembershipTable { parent: Some((column, ParentColumn::Id)), .. })) => {
                column.strip_suffix("_id").filter(|kind| ["artist", "show", "album", "audiobook"].contains(kind))
            }
            _ => None,
        }
    }

    /// The endpoint families that a fetch always calls.
    pub fn families(&self) -> Vec<EndpointFamily> {
        std::iter::once(self.family).chain(self.more_families.iter().copied()).collect()
    }

    /// The names under which its lists are stored.
    pub fn list_names(&self) -> Vec<&'static str> {
        if self.lists.is_empty() { vec![self.name] } else { self.lists.to_vec() }
    }

    /// The entries of its list.
    ///
    /// # Panics
    ///
    /// For a stream that reads no lists.
    pub fn entry_kind(&self) -> EntryKind {
        self.entries.expect("a stream that reads lists states their entries")
    }

    /// The scopes that a user should grant for it.
    pub fn sign_in_scopes(&self) -> &'static [&'static str] {
        if self.scopes.is_empty() { self.private_scopes } else { self.scopes }
    }

    /// The columns of its view, in order.
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> {
        self.columns.iter().flat_map(|group| group.iter())
    }

    /// The column with this name.
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns().find(|c| c.name == name)
    }

    /// The columns of a CSV file if its job names none.
    pub fn default_columns(&self) -> impl Iterator<Item = &'static Column> {
        self.columns().filter(|c| c.in_default_csv)
    }

    /// The SQLite view behind its CSV file.
    pub fn view(&self) -> String {
        format!("csv_{}", self.name)
    }

    /// The column with ids of `kind`, if it has one.
    pub fn reference_column(&self, kind: EntityKind) -> Option<&'static str> {
        self.references.iter().find(|(k, _)| *k == kind).map(|(_, column)| *column)
    }

    /// Whether it reads the data of a signed-in user.
    pub fn needs_user(&self) -> bool {
        self.input == StreamInput::User
    }
}

/// All streams, in the order in which `streams` prints them.
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

/// The stream with this name.
pub fn find(name: &str) -> Option<&'static Stream> {
    all().find(|s| s.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_and_references_are_columns() {
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

    #[test]
    fn lists_are_stored_in_known_streams() {
        for name in all().flat_map(Stream::list_names) {
            assert!(find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn lists_have_entries() {
        for stream in all() {
            let by_id = matches!(stream.strategy, ReadStrategy::ById | ReadStrategy::Profile | ReadStrategy::Search);
            assert_eq!(stream.entries.is_none(), by_id, "{}", stream.name);
        }
    }
}
