//! Rolls the catalog: artists with albums of every kind until there are enough tracks, then the
//! spoken word, then the known and the odd things.

use super::{Album, Artist, Audiobook, Category, Chapter, Episode, Music, Place, Show, Track};
use super::{known, names, odd};
use crate::dice::{self, Dice};

impl Music {
    /// A catalog with that many plain tracks.
    pub(crate) fn rolled(seed: u64, tracks: usize) -> Self {
        let mut music = Self { seed, ..Self::default() };
        let mut dice = Dice::new(seed);
        let various = music.add_artist(None, "Various Artists".to_owned(), &mut dice);
        while music.tracks.len() < tracks {
            let name = names::artist(&mut dice);
            let artist = music.add_artist(None, name, &mut dice);
            for _ in 0..dice.between(2, 6) {
                let room = tracks - music.tracks.len();
                if room > 0 {
                    music.add_rolled_album(artist, various, room, &mut dice);
                }
            }
        }
        music.plain_tracks = music.tracks.len();
        music.add_spoken_word(&mut dice);
        music.add_known(&mut dice);
        odd::add(&mut music);
        music.index();
        music
    }

    pub(super) fn add_artist(&mut self, id: Option<&str>, name: String, dice: &mut Dice) -> Place {
        let place = self.artists.len();
        self.artists.push(Artist {
            id: self.id_or(id, "artist", place),
            name,
            genres: names::genres(dice),
            followers: dice.between(3, 4_000_000),
            popularity: dice.between(0, 100),
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
        artists: Vec<Place>,
        dice: &mut Dice,
    ) -> Place {
        let place = self.albums.len();
        let (release_date, precision) = names::date(dice);
        for artist in &artists {
            self.artists[*artist].albums.push(place);
        }
        self.albums.push(Album {
            id: self.id_or(id, "album", place),
            name: names::title(dice),
            kind: Some(kind),
            artists,
            tracks: Vec::new(),
            release_date,
            precision,
            label: names::label(dice),
            upc: format!("{:013}", 7_000_000_000_000 + place as u64),
            popularity: dice.between(0, 100),
            markets: [0, 0, 0, 0, 1, 1, 1, 2][dice.between(0, 7) as usize],
            no_images: false,
        });
        place
    }

    pub(super) fn add_track(&mut self, id: Option<&str>, album: Place, artists: Vec<Place>, dice: &mut Dice) -> Place {
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
        let (track_number, markets) = (on.tracks.len() as u64, on.markets);
        self.tracks.push(Track {
            id: self.id_or(id, "track", place),
            name: names::title(dice),
            artists,
            album,
            duration_ms: dice.between(41_000, 620_000),
            explicit: dice.chance(12),
            disc_number: 1 + (track_number - 1) / 20,
            track_number: 1 + (track_number - 1) % 20,
            isrc: Some(format!("QZSB{:08}", place)),
            popularity: dice.between(0, 100),
            markets,
            oddity: None,
        });
        place
    }

    fn add_rolled_album(&mut self, artist: Place, various: Place, room: usize, dice: &mut Dice) {
        let (kind, most) = match dice.between(0, 9) {
            0 => ("compilation", 18),
            1..=4 => ("single", 3),
            _ => ("album", 14),
        };
        let by = if kind == "compilation" { various } else { artist };
        let album = self.add_album(None, kind, vec![by], dice);
        let count = (dice.between(most / 3, most) as usize).clamp(1, room);
        for _ in 0..count {
            let mut artists = vec![artist];
            let guest = 1 + (dice.roll() as usize) % (self.artists.len() - 1);
            if dice.chance(15) && guest != artist {
                artists.push(guest);
            }
            self.add_track(None, album, artists, dice);
        }
    }

    /// The things with known ids that aren't odd.
    fn add_known(&mut self, dice: &mut Dice) {
        let busy = self.add_artist(Some(known::BUSY_ARTIST), "Busy Hands".to_owned(), dice);
        for n in 0..63 {
            let kind = ["album", "single", "single", "compilation"][n % 4];
            let album = self.add_album(None, kind, vec![busy], dice);
            let id = (n == 0).then_some(known::PLAIN_TRACK);
            let track = self.add_track(id, album, vec![busy], dice);
            if n == 0 {
                self.tracks[track].isrc = Some("QZSBX2600001".to_owned());
                self.tracks[track].markets = 0;
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
        let long = self.add_album(Some(known::LONG_ALBUM), "compilation", vec![busy], dice);
        for _ in 0..120 {
            self.add_track(None, long, vec![busy], dice);
        }
        self.categories = names::CATEGORIES
            .iter()
            .enumerate()
            .map(|(n, name)| Category { id: format!("0JQ5{}", &dice::id(self.seed, "category", n as u64)[..18]), name })
            .collect();
    }

    fn add_spoken_word(&mut self, dice: &mut Dice) {
        for n in 0..12 {
            let episodes = if n == 0 { 64 } else { dice.between(3, 60) as usize };
            self.add_show((n == 0).then_some(known::SHOW), episodes, dice);
        }
        for n in 0..8 {
            let chapters = if n == 0 { 55 } else { dice.between(2, 40) as usize };
            self.add_audiobook((n == 0).then_some(known::AUDIOBOOK), chapters, dice);
        }
    }

    fn add_show(&mut self, id: Option<&str>, episodes: usize, dice: &mut Dice) {
        let show = self.shows.len();
        let mut listed = Vec::new();
        for n in 0..episodes {
            let place = self.episodes.len();
            let known = (id.is_some() && n == 0).then_some(known::EPISODE);
            let day = episodes - n;
            self.episodes.push(Episode {
                id: self.id_or(known, "episode", place),
                name: format!("#{} {}", day, names::title(dice)),
                description: format!("We talk about {} for once.", names::title(dice)),
                show,
                duration_ms: dice.between(600_000, 9_000_000),
                explicit: dice.chance(20),
                release_date: format!("{}-{:02}-{:02}", 2024, 1 + day / 28 % 12, 1 + day % 28),
                precision: "day",
            });
            listed.push((id.is_none() || n != 21).then_some(place));
        }
        self.shows.push(Show {
            id: self.id_or(id, "show", show),
            name: format!("{} Talks", names::artist(dice)),
            description: "A made-up podcast about made-up music.".to_owned(),
            publisher: names::label(dice),
            language: dice.pick(&["en", "de", "es", "pt-BR"]),
            explicit: dice.chance(20),
            episodes: listed,
        });
    }

    fn add_audiobook(&mut self, id: Option<&str>, chapters: usize, dice: &mut Dice) {
        let book = self.audiobooks.len();
        let (release_date, _) = names::date(dice);
        let mut listed = Vec::new();
        for n in 0..chapters {
            let place = self.chapters.len();
            let known = (id.is_some() && n == 0).then_some(known::CHAPTER);
            self.chapters.push(Chapter {
                id: self.id_or(known, "chapter", place),
                name: format!("Chapter {}: {}", n + 1, names::title(dice)),
                book,
                number: n as u64,
                duration_ms: dice.between(300_000, 3_000_000),
                release_date: release_date.clone(),
            });
            listed.push(place);
        }
        self.audiobooks.push(Audiobook {
            id: self.id_or(id, "audiobook", book),
            name: format!("The Book of {}", names::title(dice)),
            authors: vec![names::artist(dice)],
            narrators: vec![names::artist(dice), names::artist(dice)],
            publisher: names::label(dice),
            edition: dice.chance(50).then_some("Unabridged"),
            chapters: listed,
        });
    }

    fn id_or(&self, known: Option<&str>, kind: &str, place: Place) -> String {
        known.map_or_else(|| dice::id(self.seed, kind, place as u64), str::to_owned)
    }
}
