//! The made-up catalog: what exists, before anybody asks for it in some shape.
//!
//! Nothing here knows JSON, app classes or markets asked for; `render` does. Things refer to each
//! other by their place in these lists, so 50,000 tracks take some 20 MB.

mod generate;
pub mod known;
mod libraries;
mod lists;
mod names;
mod odd;
mod playlists;
mod truth;

use rustc_hash::FxHashMap;

pub(crate) use libraries::{Libraries, Library, Saved, plays_before};
pub use libraries::{LibraryEdit, Shelf};
pub(crate) use lists::truth_of;
pub(crate) use names::{MARKETS, market_lists};
pub(crate) use playlists::{AddedBy, Content, Images, Local, Playlist, Playlists, Row};
pub use playlists::{Edit, EditRefused};
pub use truth::TrueRow;
pub(crate) use truth::true_rows;

/// Where a thing stands in its list.
pub(crate) type Place = usize;

#[derive(Debug, Clone)]
pub(crate) struct Artist {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) genres: Vec<&'static str>,
    pub(crate) followers: u64,
    pub(crate) popularity: u64,
    /// Albums of the artist's own, then those that it appears on.
    pub(crate) albums: Vec<Place>,
    pub(crate) appears_on: Vec<Place>,
    /// Up to a hundred tracks, for the top list.
    pub(crate) tracks: Vec<Place>,
}

#[derive(Debug, Clone)]
pub(crate) struct Album {
    pub(crate) id: String,
    pub(crate) name: String,
    /// `album`, `single` or `compilation`; null in places.
    pub(crate) kind: Option<&'static str>,
    pub(crate) artists: Vec<Place>,
    pub(crate) tracks: Vec<Place>,
    pub(crate) release_date: String,
    pub(crate) precision: &'static str,
    pub(crate) label: String,
    pub(crate) upc: String,
    pub(crate) popularity: u64,
    /// Which of the lists of markets it is for sale in.
    pub(crate) markets: usize,
    pub(crate) no_images: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Track {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) artists: Vec<Place>,
    pub(crate) album: Place,
    pub(crate) duration_ms: u64,
    pub(crate) explicit: bool,
    pub(crate) disc_number: u64,
    pub(crate) track_number: u64,
    pub(crate) isrc: Option<String>,
    pub(crate) popularity: u64,
    pub(crate) markets: usize,
    pub(crate) oddity: Option<Box<Oddity>>,
}

/// What is odd about the answer for a track, beyond odd values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Oddity {
    /// How `duration_ms` is written, if not as an integer.
    pub(crate) duration_as: Option<&'static str>,
    /// How `popularity` and `track_number` are written, if not as integers.
    pub(crate) floats: bool,
    /// Why nobody may play it.
    pub(crate) restriction: Option<&'static str>,
    /// Keys that no documentation knows.
    pub(crate) extra_keys: bool,
    /// Which track is served in its stead when a market is named.
    pub(crate) relinks_to: Option<Place>,
}

#[derive(Debug, Clone)]
pub(crate) struct Show {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) publisher: String,
    pub(crate) language: &'static str,
    pub(crate) explicit: bool,
    /// Newest first; a null stands where an episode was withdrawn.
    pub(crate) episodes: Vec<Option<Place>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Episode {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) show: Place,
    pub(crate) duration_ms: u64,
    pub(crate) explicit: bool,
    pub(crate) release_date: String,
    pub(crate) precision: &'static str,
}

#[derive(Debug, Clone)]
pub(crate) struct Audiobook {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) authors: Vec<String>,
    pub(crate) narrators: Vec<String>,
    pub(crate) publisher: String,
    pub(crate) edition: Option<&'static str>,
    pub(crate) chapters: Vec<Place>,
}

#[derive(Debug, Clone)]
pub(crate) struct Chapter {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) book: Place,
    pub(crate) number: u64,
    pub(crate) duration_ms: u64,
    pub(crate) release_date: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Category {
    pub(crate) id: String,
    pub(crate) name: &'static str,
}

/// A kind of thing that an id can stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
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
pub(crate) struct Music {
    pub(crate) seed: u64,
    pub(crate) artists: Vec<Artist>,
    pub(crate) albums: Vec<Album>,
    pub(crate) tracks: Vec<Track>,
    pub(crate) shows: Vec<Show>,
    pub(crate) episodes: Vec<Episode>,
    pub(crate) audiobooks: Vec<Audiobook>,
    pub(crate) chapters: Vec<Chapter>,
    pub(crate) categories: Vec<Category>,
    /// Tracks that were rolled; the known and odd ones come after them.
    pub(crate) plain_tracks: usize,
    places: FxHashMap<(Kind, String), Place>,
}

impl Music {
    pub(crate) fn find(&self, kind: Kind, id: &str) -> Option<Place> {
        self.places.get(&(kind, id.to_owned())).copied()
    }

    /// Albums by date, newest first.
    pub(crate) fn new_releases(&self) -> Vec<Place> {
        let mut places: Vec<Place> = (0..self.albums.len()).collect();
        places.sort_by(|a, b| {
            let (a, b) = (&self.albums[*a], &self.albums[*b]);
            (&b.release_date, &b.id).cmp(&(&a.release_date, &a.id))
        });
        places.truncate(100);
        places
    }

    fn index(&mut self) {
        let mut places = FxHashMap::default();
        let mut note = |kind, n, id: &String| {
            places.insert((kind, id.clone()), n);
        };
        let lists = self.artists.iter().enumerate();
        lists.for_each(|(n, it)| note(Kind::Artist, n, &it.id));
        let lists = self.albums.iter().enumerate();
        lists.for_each(|(n, it)| note(Kind::Album, n, &it.id));
        let lists = self.tracks.iter().enumerate();
        lists.for_each(|(n, it)| note(Kind::Track, n, &it.id));
        let lists = self.shows.iter().enumerate();
        lists.for_each(|(n, it)| note(Kind::Show, n, &it.id));
        let lists = self.episodes.iter().enumerate();
        lists.for_each(|(n, it)| note(Kind::Episode, n, &it.id));
        let lists = self.audiobooks.iter().enumerate();
        lists.for_each(|(n, it)| note(Kind::Audiobook, n, &it.id));
        let lists = self.chapters.iter().enumerate();
        lists.for_each(|(n, it)| note(Kind::Chapter, n, &it.id));
        self.places = places;
    }
}
