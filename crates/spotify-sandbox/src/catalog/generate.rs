//! Generates the catalog: artists with albums until there are enough tracks, then shows and audiobooks, then
//! fixtures and edge cases.

use super::{
    BrowseCategory, CatalogAlbum, CatalogArtist, CatalogAudiobook, CatalogChapter, CatalogEpisode, CatalogIndex,
    CatalogShow, CatalogTrack, MusicCatalog,
};
use super::{edge_cases, fixtures, names};
use crate::rng::{self, SeededRng};

impl MusicCatalog {
    /// A catalog with this number of generated tracks.
    pub(crate) fn generate(seed: u64, tracks: usize) -> Self {
        let mut music = Self { seed, ..Self::default() };
        let mut rng = SeededRng::new(seed);
        let various = music.add_artist(None, "Various Artists".to_owned(), &mut rng);
        while music.tracks.len() < tracks {
            let name = names::artist_name(&mut rng);
            let artist = music.add_artist(None, name, &mut rng);
            for _ in 0..rng.in_range(2, 6) {
                let remaining = tracks - music.tracks.len();
                if remaining > 0 {
                    music.add_generated_album(artist, various, remaining, &mut rng);
                }
            }
        }
        music.plain_tracks = music.tracks.len();
        music.add_shows_and_audiobooks(&mut rng);
        music.add_fixtures(&mut rng);
        edge_cases::add_edge_cases(&mut music);
        music.sort_discographies();
        music.build_index();
        music
    }

    /// Sorts the releases of every artist, newest first.
    fn sort_discographies(&mut self) {
        for artist in &mut self.artists {
            for releases in [&mut artist.albums, &mut artist.appears_on] {
                releases.sort_by(|a, b| self.albums[*b].release_date.cmp(&self.albums[*a].release_date));
            }
        }
    }

    pub(super) fn add_artist(&mut self, id: Option<&str>, name: String, rng: &mut SeededRng) -> CatalogIndex {
        let index = self.artists.len();
        self.artists.push(CatalogArtist {
            id: self.fixed_or_generated_id(id, "artist", index),
            name,
            genres: names::pick_genres(rng),
            followers: rng.in_range(3, 4_000_000),
            popularity: rng.in_range(0, 100),
            albums: Vec::new(),
            appears_on: Vec::new(),
            tracks: Vec::new(),
        });
        index
    }

    pub(super) fn add_album(
        &mut self,
        id: Option<&str>,
        kind: &'static str,
        artists: Vec<CatalogIndex>,
        rng: &mut SeededRng,
    ) -> CatalogIndex {
        let index = self.albums.len();
        let (release_date, precision) = names::release_date(rng);
        for artist in &artists {
            self.artists[*artist].albums.push(index);
        }
        self.albums.push(CatalogAlbum {
            id: self.fixed_or_generated_id(id, "album", index),
            name: names::track_title(rng),
            kind: Some(kind),
            artists,
            tracks: Vec::new(),
            release_date,
            precision,
            label: names::label_name(rng),
            upc: format!("{:013}", 7_000_000_000_000 + index as u64),
            popularity: rng.in_range(0, 100),
            market_list: [0, 0, 0, 0, 1, 1, 1, 2][rng.in_range(0, 7) as usize],
            no_images: false,
        });
        index
    }

    pub(super) fn add_track(
        &mut self,
        id: Option<&str>,
        album: CatalogIndex,
        artists: Vec<CatalogIndex>,
        rng: &mut SeededRng,
    ) -> CatalogIndex {
        let index = self.tracks.len();
        for artist in &artists {
            let own = self.albums[album].artists.contains(artist);
            let artist = &mut self.artists[*artist];
            if artist.tracks.len() < 100 {
                artist.tracks.push(index);
            }
            if !own && artist.appears_on.last() != Some(&album) {
                artist.appears_on.push(album);
            }
        }
        let on = &mut self.albums[album];
        on.tracks.push(index);
        let (track_number, markets) = (on.tracks.len() as u64, on.market_list);
        self.tracks.push(CatalogTrack {
            id: self.fixed_or_generated_id(id, "track", index),
            name: names::track_title(rng),
            artists,
            album,
            duration_ms: rng.in_range(41_000, 620_000),
            explicit: rng.chance(12),
            disc_number: 1 + (track_number - 1) / 20,
            track_number: 1 + (track_number - 1) % 20,
            isrc: Some(format!("QZSB{:08}", index)),
            popularity: rng.in_range(0, 100),
            market_list: markets,
            edge_case: None,
        });
        index
    }

    fn add_generated_album(
        &mut self,
        artist: CatalogIndex,
        various: CatalogIndex,
        remaining: usize,
        rng: &mut SeededRng,
    ) {
        let (kind, most) = match rng.in_range(0, 9) {
            0 => ("compilation", 18),
            1..=4 => ("single", 3),
            _ => ("album", 14),
        };
        let by = if kind == "compilation" { various } else { artist };
        let album = self.add_album(None, kind, vec![by], rng);
        let count = (rng.in_range(most / 3, most) as usize).clamp(1, remaining);
        for _ in 0..count {
            let mut artists = vec![artist];
            let guest = 1 + (rng.next_u64() as usize) % (self.artists.len() - 1);
            if rng.chance(15) && guest != artist {
                artists.push(guest);
            }
            self.add_track(None, album, artists, rng);
        }
    }

    /// Adds the fixtures that are not edge cases.
    fn add_fixtures(&mut self, rng: &mut SeededRng) {
        let busy = self.add_artist(Some(fixtures::BUSY_ARTIST), "Busy Hands".to_owned(), rng);
        for n in 0..63 {
            let kind = ["album", "single", "single", "compilation"][n % 4];
            let album = self.add_album(None, kind, vec![busy], rng);
            let id = (n == 0).then_some(fixtures::PLAIN_TRACK);
            let track = self.add_track(id, album, vec![busy], rng);
            if n == 0 {
                self.tracks[track].isrc = Some("QZSBX2600001".to_owned());
                self.tracks[track].market_list = 0;
                self.albums[album].upc = "0602445790098".to_owned();
            }
        }
        for n in 0..12 {
            let host_album = self.albums.len() - 1 - n * 3;
            if self.albums[host_album].artists != [busy] {
                continue;
            }
            let other = self.add_artist(None, format!("Host No. {}", n + 1), rng);
            let album = self.add_album(None, "album", vec![other], rng);
            self.add_track(None, album, vec![other, busy], rng);
        }
        let long = self.add_album(Some(fixtures::LONG_ALBUM), "compilation", vec![busy], rng);
        for _ in 0..120 {
            self.add_track(None, long, vec![busy], rng);
        }
        self.categories = names::CATEGORIES
            .iter()
            .enumerate()
            .map(|(n, name)| BrowseCategory {
                id: format!("0JQ5{}", &rng::generate_id(self.seed, "category", n as u64)[..18]),
                name,
            })
            .collect();
    }

    fn add_shows_and_audiobooks(&mut self, rng: &mut SeededRng) {
        for n in 0..12 {
            let episodes = if n == 0 { 64 } else { rng.in_range(3, 60) as usize };
            self.add_show((n == 0).then_some(fixtures::SHOW), episodes, rng);
        }
        for n in 0..8 {
            let chapters = if n == 0 { 55 } else { rng.in_range(2, 40) as usize };
            self.add_audiobook((n == 0).then_some(fixtures::AUDIOBOOK), chapters, rng);
        }
    }

    fn add_show(&mut self, id: Option<&str>, episodes: usize, rng: &mut SeededRng) {
        let show = self.shows.len();
        let mut listed = Vec::new();
        for n in 0..episodes {
            let index = self.episodes.len();
            let fixed_id = (id.is_some() && n == 0).then_some(fixtures::EPISODE);
            let day = episodes - n;
            self.episodes.push(CatalogEpisode {
                id: self.fixed_or_generated_id(fixed_id, "episode", index),
                name: format!("#{} {}", day, names::track_title(rng)),
                description: format!("We talk about {} for once.", names::track_title(rng)),
                show,
                duration_ms: rng.in_range(600_000, 9_000_000),
                explicit: rng.chance(20),
                release_date: format!("{}-{:02}-{:02}", 2024 + day / 336, 1 + day / 28 % 12, 1 + day % 28),
                precision: "day",
            });
            listed.push((id.is_none() || n != 21).then_some(index));
        }
        self.shows.push(CatalogShow {
            id: self.fixed_or_generated_id(id, "show", show),
            name: format!("{} Talks", names::artist_name(rng)),
            description: "A made-up podcast about made-up music.".to_owned(),
            publisher: names::label_name(rng),
            language: rng.pick(&["en", "de", "es", "pt-BR"]),
            explicit: rng.chance(20),
            episodes: listed,
        });
    }

    fn add_audiobook(&mut self, id: Option<&str>, chapters: usize, rng: &mut SeededRng) {
        let book = self.audiobooks.len();
        let (release_date, _) = names::release_date(rng);
        let mut listed = Vec::new();
        for n in 0..chapters {
            let index = self.chapters.len();
            let fixed_id = (id.is_some() && n == 0).then_some(fixtures::CHAPTER);
            self.chapters.push(CatalogChapter {
                id: self.fixed_or_generated_id(fixed_id, "chapter", index),
                name: format!("Chapter {}: {}", n + 1, names::track_title(rng)),
                book,
                number: n as u64,
                duration_ms: rng.in_range(300_000, 3_000_000),
                release_date: release_date.clone(),
            });
            listed.push(index);
        }
        self.audiobooks.push(CatalogAudiobook {
            id: self.fixed_or_generated_id(id, "audiobook", book),
            name: format!("The Book of {}", names::track_title(rng)),
            authors: vec![names::artist_name(rng)],
            narrators: vec![names::artist_name(rng), names::artist_name(rng)],
            publisher: names::label_name(rng),
            edition: rng.chance(50).then_some("Unabridged"),
            chapters: listed,
        });
    }

    fn fixed_or_generated_id(&self, fixed_id: Option<&str>, kind: &str, index: CatalogIndex) -> String {
        fixed_id.map_or_else(|| rng::generate_id(self.seed, kind, index as u64), str::to_owned)
    }
}
