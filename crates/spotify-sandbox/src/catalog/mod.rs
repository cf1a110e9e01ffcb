//! The generated catalog.
//!
//! Nothing here knows about JSON, quota modes or requested markets; that is the task of `render`. Objects refer
//! to each other by their index in these lists, so 50,000 tracks take about 20 MB.

mod edge_cases;
mod expected_lists;
mod expected_rows;
pub mod fixtures;
mod generate;
mod libraries;
mod names;
mod playlists;

use rustc_hash::FxHashMap;

pub(crate) use expected_lists::expected_ids;
pub use expected_rows::ExpectedRow;
pub(crate) use expected_rows::{expected_rows, expected_track};
pub use libraries::{LibraryEdit, LibrarySection};
pub(crate) use libraries::{SavedItem, UserLibraries, UserLibrary, recent_plays};
pub(crate) use names::{MARKETS, market_lists};
pub(crate) use playlists::{
    CatalogPlaylist, LocalFile, OddShape, PlaylistCollection, PlaylistImages, PlaylistRow, RowAddedBy, RowContent,
};
pub use playlists::{EditError, PlaylistEdit};

/// The index of an object in its list.
pub(crate) type CatalogIndex = usize;

#[derive(Debug, Clone)]
pub(crate) struct CatalogArtist {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) genres: Vec<&'static str>,
    pub(crate) followers: u64,
    pub(crate) popularity: u64,
    /// Albums of the artist, without those in `appears_on`.
    pub(crate) albums: Vec<CatalogIndex>,
    pub(crate) appears_on: Vec<CatalogIndex>,
    /// Up to a hundred tracks, for the top tracks.
    pub(crate) tracks: Vec<CatalogIndex>,
}

#[derive(Debug, Clone)]
pub(crate) struct CatalogAlbum {
    pub(crate) id: String,
    pub(crate) name: String,
    /// `album`, `single` or `compilation`; null for some albums.
    pub(crate) kind: Option<&'static str>,
    pub(crate) artists: Vec<CatalogIndex>,
    pub(crate) tracks: Vec<CatalogIndex>,
    pub(crate) release_date: String,
    pub(crate) precision: &'static str,
    pub(crate) label: String,
    pub(crate) upc: String,
    pub(crate) popularity: u64,
    /// Index of its list of markets.
    pub(crate) market_list: usize,
    pub(crate) no_images: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct CatalogTrack {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) artists: Vec<CatalogIndex>,
    pub(crate) album: CatalogIndex,
    pub(crate) duration_ms: u64,
    pub(crate) explicit: bool,
    pub(crate) disc_number: u64,
    pub(crate) track_number: u64,
    pub(crate) isrc: Option<String>,
    pub(crate) popularity: u64,
    pub(crate) market_list: usize,
    pub(crate) edge_case: Option<Box<TrackEdgeCase>>,
}

/// An unusual form of the JSON of a track.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrackEdgeCase {
    /// The text of `duration_ms`, if it is not an integer.
    pub(crate) duration_text: Option<&'static str>,
    /// Whether `popularity` and `track_number` are floats.
    pub(crate) numbers_as_floats: bool,
    /// The reason why the track cannot be played.
    pub(crate) restriction: Option<&'static str>,
    /// Whether undocumented keys are sent.
    pub(crate) extra_keys: bool,
    /// The track that replaces it when the request has a market.
    pub(crate) relinks_to: Option<CatalogIndex>,
}

#[derive(Debug, Clone)]
pub(crate) struct CatalogShow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) publisher: String,
    pub(crate) language: &'static str,
    pub(crate) explicit: bool,
    /// Newest first; null for a withdrawn episode.
    pub(crate) episodes: Vec<Option<CatalogIndex>>,
}

#[derive(Debug, Clone)]
pub(crate) struct CatalogEpisode {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) show: CatalogIndex,
    pub(crate) duration_ms: u64,
    pub(crate) explicit: bool,
    pub(crate) release_date: String,
    pub(crate) precision: &'static str,
}

#[derive(Debug, Clone)]
pub(crate) struct CatalogAudiobook {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) authors: Vec<String>,
    pub(crate) narrators: Vec<String>,
    pub(crate) publisher: String,
    pub(crate) edition: Option<&'static str>,
    pub(crate) chapters: Vec<CatalogIndex>,
}

#[derive(Debug, Clone)]
pub(crate) struct CatalogChapter {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) book: CatalogIndex,
    pub(crate) number: u64,
    pub(crate) duration_ms: u64,
    pub(crate) release_date: String,
}

#[derive(Debug, Clone)]
pub(crate) struct BrowseCategory {
    pub(crate) id: String,
    pub(crate) name: &'static str,
}

/// The kinds of objects that have ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CatalogKind {
    Artist,
    Album,
    Track,
    Show,
    Episode,
    Audiobook,
    Chapter,
}

/// The catalog without playlists, users and libraries. It does not change.
#[derive(Debug, Default)]
pub(crate) struct MusicCatalog {
    pub(crate) seed: u64,
    pub(crate) artists: Vec<CatalogArtist>,
    pub(crate) albums: Vec<CatalogAlbum>,
    pub(crate) tracks: Vec<CatalogTrack>,
    pub(crate) shows: Vec<CatalogShow>,
    pub(crate) episodes: Vec<CatalogEpisode>,
    pub(crate) audiobooks: Vec<CatalogAudiobook>,
    pub(crate) chapters: Vec<CatalogChapter>,
    pub(crate) categories: Vec<BrowseCategory>,
    /// Number of generated tracks. Fixtures and edge cases follow them.
    pub(crate) plain_tracks: usize,
    index_by_id: FxHashMap<(CatalogKind, String), CatalogIndex>,
}

impl MusicCatalog {
    pub(crate) fn find(&self, kind: CatalogKind, id: &str) -> Option<CatalogIndex> {
        self.index_by_id.get(&(kind, id.to_owned())).copied()
    }

    /// Albums by date, newest first.
    pub(crate) fn new_releases(&self) -> Vec<CatalogIndex> {
        let mut indexes: Vec<CatalogIndex> = (0..self.albums.len()).collect();
        indexes.sort_by(|a, b| {
            let (a, b) = (&self.albums[*a], &self.albums[*b]);
            (&b.release_date, &b.id).cmp(&(&a.release_date, &a.id))
        });
        indexes.truncate(100);
        indexes
    }

    fn build_index(&mut self) {
        let mut indexes = FxHashMap::default();
        let mut note = |kind, n, id: &String| {
            indexes.insert((kind, id.clone()), n);
        };
        let lists = self.artists.iter().enumerate();
        lists.for_each(|(n, it)| note(CatalogKind::Artist, n, &it.id));
        let lists = self.albums.iter().enumerate();
        lists.for_each(|(n, it)| note(CatalogKind::Album, n, &it.id));
        let lists = self.tracks.iter().enumerate();
        lists.for_each(|(n, it)| note(CatalogKind::Track, n, &it.id));
        let lists = self.shows.iter().enumerate();
        lists.for_each(|(n, it)| note(CatalogKind::Show, n, &it.id));
        let lists = self.episodes.iter().enumerate();
        lists.for_each(|(n, it)| note(CatalogKind::Episode, n, &it.id));
        let lists = self.audiobooks.iter().enumerate();
        lists.for_each(|(n, it)| note(CatalogKind::Audiobook, n, &it.id));
        let lists = self.chapters.iter().enumerate();
        lists.for_each(|(n, it)| note(CatalogKind::Chapter, n, &it.id));
        self.index_by_id = indexes;
    }
}
