//! Search: free words and the filters `isrc:`, `upc:`, `artist:`, `album:`, `track:`, `year:`.
//!
//! Every word must stand somewhere in the names of a thing, whatever the case. There is no ranking:
//! hits come in the catalog's order, so that a search gives the same answer each time.

use super::Ask;
use crate::answer::{Answer, refuse};
use crate::catalog::{Music, Place, Playlist};
use crate::hold;
use crate::json;
use crate::render::{self, Slice};

const DEEPEST: usize = 1_000;
const TYPES: [&str; 7] = ["album", "artist", "playlist", "track", "show", "episode", "audiobook"];

pub(super) fn search(ask: &Ask<'_>) -> Result<Answer, Answer> {
    let text = ask.call.get("q").filter(|q| !q.trim().is_empty());
    let query = Query::parse(&text.ok_or_else(|| refuse(400, "No search query"))?);
    let types = ask.call.get("type").filter(|types| !types.is_empty());
    let types = types.ok_or_else(|| refuse(400, "Missing parameter type"))?;
    let slice = if ask.view.extended { ask.slice(20, 50)? } else { ask.slice(5, 10)? };
    if slice.offset > DEEPEST {
        return Err(refuse(400, "Invalid offset"));
    }
    if let Some(bad) = types.split(',').find(|kind| !TYPES.contains(kind)) {
        return Err(refuse(400, &format!("Bad search type field {bad}")));
    }
    let mut out = String::new();
    json::object(&mut out, |o| {
        for kind in TYPES.iter().filter(|kind| types.split(',').any(|asked| asked == **kind)) {
            o.with(&format!("{kind}s"), |out| hits(ask, out, kind, &query, slice));
        }
    });
    Ok(Answer::json(out))
}

fn hits(ask: &Ask<'_>, out: &mut String, kind: &str, query: &Query, slice: Slice) {
    let view = &ask.view;
    let music = view.music;
    if kind == "playlist" {
        return playlists(ask, out, query, slice);
    }
    let found: Vec<Place> = match kind {
        "track" => (0..music.tracks.len()).filter(|n| query.track(music, *n)).collect(),
        "album" => (0..music.albums.len()).filter(|n| query.album(music, *n)).collect(),
        "artist" => (0..music.artists.len()).filter(|n| query.artist(music, *n)).collect(),
        "show" => (0..music.shows.len()).filter(|n| query.name(&music.shows[*n].name)).collect(),
        "episode" => (0..music.episodes.len()).filter(|n| query.name(&music.episodes[*n].name)).collect(),
        _ => (0..music.audiobooks.len()).filter(|n| query.name(&music.audiobooks[*n].name)).collect(),
    };
    render::page(view, out, "/search", &ask.kept, slice, found.len(), |out, n| match kind {
        "track" => render::track(view, out, found[n]),
        "album" => render::album_brief(view, out, found[n], None),
        "artist" => render::artist(view, out, found[n]),
        "show" => render::show_brief(view, out, found[n]),
        "episode" => render::episode(view, out, found[n], false),
        _ => render::audiobook_brief(view, out, found[n]),
    });
}

/// Public playlists; where one of Spotify's own would stand, second, there is null.
fn playlists(ask: &Ask<'_>, out: &mut String, query: &Query, slice: Slice) {
    let all = hold(&ask.world.playlists);
    let fits = |list: &&Playlist| list.public == Some(true) && query.name(&list.name);
    let mut found: Vec<Option<&Playlist>> = all.iter().filter(fits).map(Some).collect();
    if !found.is_empty() {
        found.insert(1, None);
    }
    render::page(&ask.view, out, "/search", &ask.kept, slice, found.len(), |out, n| match found[n] {
        Some(list) => render::playlist_brief(&ask.view, out, list),
        None => out.push_str("null"),
    });
}

/// A search, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
struct Query {
    words: Vec<String>,
    filters: Vec<(String, String)>,
}

impl Query {
    fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for term in terms(&text.to_lowercase()) {
            match term.split_once(':') {
                Some((key @ ("isrc" | "upc" | "artist" | "album" | "track" | "year" | "genre"), value))
                    if !value.is_empty() =>
                {
                    query.filters.push((key.to_owned(), value.replace('"', "")));
                }
                _ => query.words.push(term.replace('"', "")),
            }
        }
        query.words.retain(|word| !word.is_empty());
        query
    }

    fn words_in(&self, names: &[&str]) -> bool {
        self.words.iter().all(|word| names.iter().any(|name| holds(name, word)))
    }

    /// Whether the filters hold; those that don't concern the thing fail it.
    fn filters_hold(&self, holds: impl Fn(&str, &str) -> bool) -> bool {
        self.filters.iter().all(|(key, value)| holds(key, value))
    }

    fn name(&self, name: &str) -> bool {
        self.filters.is_empty() && self.words_in(&[name])
    }

    fn track(&self, music: &Music, place: Place) -> bool {
        let track = &music.tracks[place];
        let album = &music.albums[track.album];
        let artists = || track.artists.iter().map(|artist| music.artists[*artist].name.as_str());
        let mut names: Vec<&str> = artists().collect();
        names.extend([track.name.as_str(), album.name.as_str()]);
        self.words_in(&names)
            && self.filters_hold(|key, value| match key {
                "isrc" => track.isrc.as_ref().is_some_and(|isrc| isrc.eq_ignore_ascii_case(value)),
                "upc" => album.upc == value,
                "artist" => artists().any(|name| holds(name, value)),
                "album" => holds(&album.name, value),
                "track" => holds(&track.name, value),
                "year" => in_years(&album.release_date, value),
                _ => track.artists.iter().any(|a| music.artists[*a].genres.contains(&value)),
            })
    }

    fn album(&self, music: &Music, place: Place) -> bool {
        let album = &music.albums[place];
        let artists = || album.artists.iter().map(|artist| music.artists[*artist].name.as_str());
        let mut names: Vec<&str> = artists().collect();
        names.push(&album.name);
        self.words_in(&names)
            && self.filters_hold(|key, value| match key {
                "upc" => album.upc == value,
                "artist" => artists().any(|name| holds(name, value)),
                "album" => holds(&album.name, value),
                "year" => in_years(&album.release_date, value),
                _ => false,
            })
    }

    fn artist(&self, music: &Music, place: Place) -> bool {
        let artist = &music.artists[place];
        self.words_in(&[&artist.name])
            && self.filters_hold(|key, value| match key {
                "artist" => holds(&artist.name, value),
                "genre" => artist.genres.contains(&value),
                _ => false,
            })
    }
}

fn holds(name: &str, part: &str) -> bool {
    name.to_lowercase().contains(part)
}

/// `1999` or `1990-1999`.
fn in_years(date: &str, years: &str) -> bool {
    let year = date.get(..4).unwrap_or_default();
    match years.split_once('-') {
        Some((from, to)) => from <= year && year <= to,
        None => year == years,
    }
}

/// Splits at spaces that stand outside quotes.
fn terms(text: &str) -> Vec<String> {
    let mut quoted = false;
    let split = text.split(|c: char| {
        quoted ^= c == '"';
        c.is_whitespace() && !quoted
    });
    split.filter(|term| !term.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known;

    #[test]
    fn a_query_falls_into_words_and_filters() {
        let query = Query::parse(r#"Blue artist:"Miles Davis" year:1955-1960 sun:moon "kind of""#);
        assert_eq!(query.words, ["blue", "sun:moon", "kind of"]);
        let filter = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(query.filters, [filter("artist", "miles davis"), filter("year", "1955-1960")]);
    }

    #[test]
    fn years_are_one_or_a_span() {
        assert!(in_years("1999-01", "1999") && in_years("1995", "1990-1999"));
        assert!(!in_years("2000", "1990-1999") && !in_years("0000", "1990-1999"));
    }

    #[test]
    fn known_things_can_be_found_by_their_codes() {
        let music = Music::rolled(1, 50);
        let found = |text: &str| {
            let query = Query::parse(text);
            (0..music.tracks.len()).filter(|n| query.track(&music, *n)).collect::<Vec<_>>()
        };
        let hits = found("isrc:qzsbx2600001");
        assert_eq!(hits.len(), 1);
        assert_eq!(music.tracks[hits[0]].id, known::PLAIN_TRACK);
        assert!(!found("upc:0602445790098").is_empty());
        assert_eq!(found("isrc:nothing"), [0; 0]);
    }
}
