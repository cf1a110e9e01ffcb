//! The made-up catalog: what exists, before anybody asks for it in some shape.
//!
//! Nothing here knows JSON, app classes or markets asked for; `render` does. Things refer to each
//! other by their place in these lists, so 50,000 tracks take some 20 MB.

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
pub(crate) use expected_rows::expected_rows;
pub use libraries::{LibraryEdit, LibrarySection};
pub(crate) use libraries::{SavedItem, UserLibraries, UserLibrary, recent_plays};
pub(crate) use names::{MARKETS, market_lists};
pub(crate) use playlists::{
    CatalogPlaylist, LocalFile, PlaylistCollection, PlaylistImages, PlaylistRow, RowAddedBy, RowContent,
};
pub use playlists::{EditError, PlaylistEdit};

/// Where a thing stands in its list.
pub(crate) type CatalogIndex = usize;

#[derive(Debug, Clone)]
pub(crate) struct CatalogArtist {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) genres: Vec<&'static str>,
    pub(crate) followers: u64,
    pub(crate) popularity: u64,
    /// Albums of the artist's own, then those that it appears on.
    pub(crate) albums: Vec<CatalogIndex>,
    pub(crate) appears_on: Vec<CatalogIndex>,
    /// Up to a hundred tracks, for the top list.
    pub(crate) tracks: Vec<CatalogIndex>,
}

#[derive(Debug, Clone)]
pub(crate) struct CatalogAlbum {
    pub(crate) id: String,
    pub(crate) name: String,
    /// `album`, `single` or `compilation`; null in places.
    pub(crate) kind: Option<&'static str>,
    pub(crate) artists: Vec<CatalogIndex>,
    pub(crate) tracks: Vec<CatalogIndex>,
    pub(crate) release_date: String,
    pub(crate) precision: &'static str,
    pub(crate) label: String,
    pub(crate) upc: String,
    pub(crate) popularity: u64,
    /// Which of the lists of markets it is for sale in.
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

/// What is odd about the answer for a track, beyond odd values.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrackEdgeCase {
    /// How `duration_ms` is written, if not as an integer.
    pub(crate) duration_text: Option<&'static str>,
    /// How `popularity` and `track_number` are written, if not as integers.
    pub(crate) numbers_as_floats: bool,
    /// Why nobody may play it.
    pub(crate) restriction: Option<&'static str>,
    /// Keys that no documentation knows.
    pub(crate) extra_keys: bool,
    /// Which track is served in its stead when a market is named.
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
    /// Newest first; a null stands where an episode was withdrawn.
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

/// A kind of thing that an id can stand for.
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

/// Everything but playlists, users and libraries; it never changes.
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
    /// Tracks that were rolled; the known and odd ones come after them.
    pub(crate) plain_tracks: usize,
    index_by_id: FxHashMap<(CatalogKind, String), CatalogIndex>,
}

impl MusicCatalog {
    pub(crate) fn find(&self, kind: CatalogKind, id: &str) -> Option<CatalogIndex> {
        self.index_by_id.get(&(kind, id.to_owned())).copied()
    }

    /// Albums by date, newest first.
    pub(crate) fn new_releases(&self) -> Vec<CatalogIndex> {
        let mut places: Vec<CatalogIndex> = (0..self.albums.len()).collect();
        places.sort_by(|a, b| {
            let (a, b) = (&self.albums[*a], &self.albums[*b]);
            (&b.release_date, &b.id).cmp(&(&a.release_date, &a.id))
        });
        places.truncate(100);
        places
    }

    fn build_index(&mut self) {
        let mut places = FxHashMap::default();
        let mut note = |kind, n, id: &String| {
            places.insert((kind, id.clone()), n);
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
        self.index_by_id = places;
    }
}
