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
        let mut dice = SeededRng::new(seed);
        let various = music.add_artist(None, "Various Artists".to_owned(), &mut dice);
        while music.tracks.len() < tracks {
            let name = names::artist_name(&mut dice);
            let artist = music.add_artist(None, name, &mut dice);
            for _ in 0..dice.in_range(2, 6) {
                let room = tracks - music.tracks.len();
                if room > 0 {
                    music.add_generated_album(artist, various, room, &mut dice);
                }
            }
        }
        music.plain_tracks = music.tracks.len();
        music.add_shows_and_audiobooks(&mut dice);
        music.add_fixtures(&mut dice);
        edge_cases::add_edge_cases(&mut music);
        music.build_index();
        music
    }

    pub(super) fn add_artist(&mut self, id: Option<&str>, name: String, dice: &mut SeededRng) -> CatalogIndex {
        let place = self.artists.len();
        self.artists.push(CatalogArtist {
            id: self.fixed_or_generated_id(id, "artist", place),
            name,
            genres: names::pick_genres(dice),
            followers: dice.in_range(3, 4_000_000),
            popularity: dice.in_range(0, 100),
            albums: Vec::new(),
            appears_on: Vec::new(),
            tracks: Vec::new(),
        });
        place
    }

    pub(super) fn add_album(
        &mut self,
        id: Option<&str>,
        kind: &'static str,
        artists: Vec<CatalogIndex>,
        dice: &mut SeededRng,
    ) -> CatalogIndex {
        let place = self.albums.len();
        let (release_date, precision) = names::release_date(dice);
        for artist in &artists {
            self.artists[*artist].albums.push(place);
        }
        self.albums.push(CatalogAlbum {
            id: self.fixed_or_generated_id(id, "album", place),
            name: names::track_title(dice),
            kind: Some(kind),
            artists,
            tracks: Vec::new(),
            release_date,
            precision,
            label: names::label_name(dice),
            upc: format!("{:013}", 7_000_000_000_000 + place as u64),
            popularity: dice.in_range(0, 100),
            market_list: [0, 0, 0, 0, 1, 1, 1, 2][dice.in_range(0, 7) as usize],
            no_images: false,
        });
        place
    }

    pub(super) fn add_track(
        &mut self,
        id: Option<&str>,
        album: CatalogIndex,
        artists: Vec<CatalogIndex>,
        dice: &mut SeededRng,
    ) -> CatalogIndex {
        let place = self.tracks.len();
        for artist in &artists {
            let own = self.albums[album].artists.contains(artist);
            let artist = &mut self.artists[*artist];
            if artist.tracks.len() < 100 {
                artist.tracks.push(place);
            }
            if !own && artist.appears_on.last() != Some(&album) {
                artist.appears_on.push(album);
            }
        }
        let on = &mut self.albums[album];
        on.tracks.push(place);
        let (track_number, markets) = (on.tracks.len() as u64, on.market_list);
        self.tracks.push(CatalogTrack {
            id: self.fixed_or_generated_id(id, "track", place),
            name: names::track_title(dice),
            artists,
            album,
            duration_ms: dice.in_range(41_000, 620_000),
            explicit: dice.chance(12),
            disc_number: 1 + (track_number - 1) / 20,
            track_number: 1 + (track_number - 1) % 20,
            isrc: Some(format!("QZSB{:08}", place)),
            popularity: dice.in_range(0, 100),
            market_list: markets,
            edge_case: None,
        });
        place
    }

    fn add_generated_album(&mut self, artist: CatalogIndex, various: CatalogIndex, room: usize, dice: &mut SeededRng) {
        let (kind, most) = match dice.in_range(0, 9) {
            0 => ("compilation", 18),
            1..=4 => ("single", 3),
            _ => ("album", 14),
        };
        let by = if kind == "compilation" { various } else { artist };
        let album = self.add_album(None, kind, vec![by], dice);
        let count = (dice.in_range(most / 3, most) as usize).clamp(1, room);
        for _ in 0..count {
            let mut artists = vec![artist];
            let guest = 1 + (dice.next_u64() as usize) % (self.artists.len() - 1);
            if dice.chance(15) && guest != artist {
                artists.push(guest);
            }
            self.add_track(None, album, artists, dice);
        }
    }

    /// Adds the fixtures that are not edge cases.
    fn add_fixtures(&mut self, dice: &mut SeededRng) {
        let busy = self.add_artist(Some(fixtures::BUSY_ARTIST), "Busy Hands".to_owned(), dice);
        for n in 0..63 {
            let kind = ["album", "single", "single", "compilation"][n % 4];
            let album = self.add_album(None, kind, vec![busy], dice);
            let id = (n == 0).then_some(fixtures::PLAIN_TRACK);
            let track = self.add_track(id, album, vec![busy], dice);
            if n == 0 {
                self.tracks[track].isrc = Some("QZSBX2600001".to_owned());
                self.tracks[track].market_list = 0;
                self.albums[album].upc = "0602445790098".to_owned();
            }
        }
        for n in 0..12 {
            let host = self.albums.len() - 1 - n * 3;
            if self.albums[host].artists != [busy] {
                continue;
            }
            let other = self.add_artist(None, format!("Host No. {}", n + 1), dice);
            let album = self.add_album(None, "album", vec![other], dice);
            self.add_track(None, album, vec![other, busy], dice);
        }
        let long = self.add_album(Some(fixtures::LONG_ALBUM), "compilation", vec![busy], dice);
        for _ in 0..120 {
            self.add_track(None, long, vec![busy], dice);
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

    fn add_shows_and_audiobooks(&mut self, dice: &mut SeededRng) {
        for n in 0..12 {
            let episodes = if n == 0 { 64 } else { dice.in_range(3, 60) as usize };
            self.add_show((n == 0).then_some(fixtures::SHOW), episodes, dice);
        }
        for n in 0..8 {
            let chapters = if n == 0 { 55 } else { dice.in_range(2, 40) as usize };
            self.add_audiobook((n == 0).then_some(fixtures::AUDIOBOOK), chapters, dice);
        }
    }

    fn add_show(&mut self, id: Option<&str>, episodes: usize, dice: &mut SeededRng) {
        let show = self.shows.len();
        let mut listed = Vec::new();
        for n in 0..episodes {
            let place = self.episodes.len();
            let known = (id.is_some() && n == 0).then_some(fixtures::EPISODE);
            let day = episodes - n;
            self.episodes.push(CatalogEpisode {
                id: self.fixed_or_generated_id(known, "episode", place),
                name: format!("#{} {}", day, names::track_title(dice)),
                description: format!("We talk about {} for once.", names::track_title(dice)),
                show,
                duration_ms: dice.in_range(600_000, 9_000_000),
                explicit: dice.chance(20),
                release_date: format!("{}-{:02}-{:02}", 2024, 1 + day / 28 % 12, 1 + day % 28),
                precision: "day",
            });
            listed.push((id.is_none() || n != 21).then_some(place));
        }
        self.shows.push(CatalogShow {
            id: self.fixed_or_generated_id(id, "show", show),
            name: format!("{} Talks", names::artist_name(dice)),
            description: "A made-up podcast about made-up music.".to_owned(),
            publisher: names::label_name(dice),
            language: dice.pick(&["en", "de", "es", "pt-BR"]),
            explicit: dice.chance(20),
            episodes: listed,
        });
    }

    fn add_audiobook(&mut self, id: Option<&str>, chapters: usize, dice: &mut SeededRng) {
        let book = self.audiobooks.len();
        let (release_date, _) = names::release_date(dice);
        let mut listed = Vec::new();
        for n in 0..chapters {
            let place = self.chapters.len();
            let known = (id.is_some() && n == 0).then_some(fixtures::CHAPTER);
            self.chapters.push(CatalogChapter {
                id: self.fixed_or_generated_id(known, "chapter", place),
                name: format!("Chapter {}: {}", n + 1, names::track_title(dice)),
                book,
                number: n as u64,
                duration_ms: dice.in_range(300_000, 3_000_000),
                release_date: release_date.clone(),
            });
            listed.push(place);
        }
        self.audiobooks.push(CatalogAudiobook {
            id: self.fixed_or_generated_id(id, "audiobook", book),
            name: format!("The Book of {}", names::track_title(dice)),
            authors: vec![names::artist_name(dice)],
            narrators: vec![names::artist_name(dice), names::artist_name(dice)],
            publisher: names::label_name(dice),
            edition: dice.chance(50).then_some("Unabridged"),
            chapters: listed,
        });
    }

    fn fixed_or_generated_id(&self, known: Option<&str>, kind: &str, place: CatalogIndex) -> String {
        known.map_or_else(|| rng::generate_id(self.seed, kind, place as u64), str::to_owned)
    }
}
