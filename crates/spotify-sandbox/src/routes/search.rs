//! Search with words and the filters `isrc:`, `upc:`, `artist:`, `album:`, `track:`, `year:`.
//!
//! Every word must occur in the names of an object, in any case. There is no ranking: results have the order of
//! the catalog, so that equal searches have equal results.

use super::EndpointContext;
use crate::catalog::{CatalogIndex, CatalogPlaylist, MusicCatalog};
use crate::json;
use crate::lock;
use crate::render::{self, PageRange};
use crate::response::{ServerResponse, api_error};

const MAX_OFFSET: usize = 1_000;
const TYPES: [&str; 7] = ["album", "artist", "playlist", "track", "show", "episode", "audiobook"];

pub(super) fn search(context: &EndpointContext<'_>) -> Result<ServerResponse, ServerResponse> {
    let text = context.request.query_param("q").filter(|q| !q.trim().is_empty());
    let query = SearchQuery::parse(&text.ok_or_else(|| api_error(400, "No search query"))?);
    let types = context.request.query_param("type").filter(|types| !types.is_empty());
    let types = types.ok_or_else(|| api_error(400, "Missing parameter type"))?;
    let slice = if context.render.extended { context.page_range(20, 50)? } else { context.page_range(5, 10)? };
    if slice.offset > MAX_OFFSET {
        return Err(api_error(400, "Invalid offset"));
    }
    if let Some(bad) = types.split(',').find(|kind| !TYPES.contains(kind)) {
        return Err(api_error(400, &format!("Bad search type field {bad}")));
    }
    let mut out = String::new();
    json::object(&mut out, |o| {
        for kind in TYPES.iter().filter(|kind| types.split(',').any(|requested| requested == **kind)) {
            o.write_with(&format!("{kind}s"), |out| write_hits(context, out, kind, &query, slice));
        }
    });
    Ok(ServerResponse::json(out))
}

fn write_hits(context: &EndpointContext<'_>, out: &mut String, kind: &str, query: &SearchQuery, slice: PageRange) {
    let view = &context.render;
    let music = view.music;
    if kind == "playlist" {
        return write_playlist_hits(context, out, query, slice);
    }
    let found: Vec<CatalogIndex> = match kind {
        "track" => (0..music.tracks.len()).filter(|n| query.matches_track(music, *n)).collect(),
        "album" => (0..music.albums.len()).filter(|n| query.matches_album(music, *n)).collect(),
        "artist" => (0..music.artists.len()).filter(|n| query.matches_artist(music, *n)).collect(),
        "show" => (0..music.shows.len()).filter(|n| query.matches_name(&music.shows[*n].name)).collect(),
        "episode" => (0..music.episodes.len()).filter(|n| query.matches_name(&music.episodes[*n].name)).collect(),
        _ => (0..music.audiobooks.len()).filter(|n| query.matches_name(&music.audiobooks[*n].name)).collect(),
    };
    render::write_page(view, out, "/search", &context.paging_query, slice, found.len(), |out, n| match kind {
        "track" => render::track(view, out, found[n]),
        "album" => render::album_brief(view, out, found[n], None),
        "artist" => render::artist(view, out, found[n]),
        "show" => render::show_brief(view, out, found[n]),
        "episode" => render::episode(view, out, found[n], false),
        _ => render::audiobook_brief(view, out, found[n]),
    });
}

/// Writes public playlists. The second result is null, like a playlist by Spotify.
fn write_playlist_hits(context: &EndpointContext<'_>, out: &mut String, query: &SearchQuery, slice: PageRange) {
    let all = lock(&context.state.playlists);
    let fits = |list: &&CatalogPlaylist| list.public == Some(true) && query.matches_name(&list.name);
    let mut found: Vec<Option<&CatalogPlaylist>> = all.iter().filter(fits).map(Some).collect();
    if !found.is_empty() {
        found.insert(1, None);
    }
    render::write_page(
        &context.render,
        out,
        "/search",
        &context.paging_query,
        slice,
        found.len(),
        |out, n| match found[n] {
            Some(list) => render::playlist_brief(&context.render, out, list),
            None => out.push_str("null"),
        },
    );
}

/// A parsed search query.
#[derive(Debug, Default, PartialEq, Eq)]
struct SearchQuery {
    words: Vec<String>,
    filters: Vec<(String, String)>,
}

impl SearchQuery {
    fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for term in split_terms(&text.to_lowercase()) {
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

    fn matches_words(&self, names: &[&str]) -> bool {
        self.words.iter().all(|word| names.iter().any(|name| contains_text(name, word)))
    }

    /// Whether all filters match. A filter that the kind of object does not have never matches.
    fn matches_filters(&self, holds: impl Fn(&str, &str) -> bool) -> bool {
        self.filters.iter().all(|(key, value)| holds(key, value))
    }

    fn matches_name(&self, name: &str) -> bool {
        self.filters.is_empty() && self.matches_words(&[name])
    }

    fn matches_track(&self, music: &MusicCatalog, index: CatalogIndex) -> bool {
        let track = &music.tracks[index];
        let album = &music.albums[track.album];
        let artists = || track.artists.iter().map(|artist| music.artists[*artist].name.as_str());
        let mut names: Vec<&str> = artists().collect();
        names.extend([track.name.as_str(), album.name.as_str()]);
        self.matches_words(&names)
            && self.matches_filters(|key, value| match key {
                "isrc" => track.isrc.as_ref().is_some_and(|isrc| isrc.eq_ignore_ascii_case(value)),
                "upc" => album.upc == value,
                "artist" => artists().any(|name| contains_text(name, value)),
                "album" => contains_text(&album.name, value),
                "track" => contains_text(&track.name, value),
                "year" => in_years(&album.release_date, value),
                _ => track.artists.iter().any(|a| music.artists[*a].genres.contains(&value)),
            })
    }

    fn matches_album(&self, music: &MusicCatalog, index: CatalogIndex) -> bool {
        let album = &music.albums[index];
        let artists = || album.artists.iter().map(|artist| music.artists[*artist].name.as_str());
        let mut names: Vec<&str> = artists().collect();
        names.push(&album.name);
        self.matches_words(&names)
            && self.matches_filters(|key, value| match key {
                "upc" => album.upc == value,
                "artist" => artists().any(|name| contains_text(name, value)),
                "album" => contains_text(&album.name, value),
                "year" => in_years(&album.release_date, value),
                _ => false,
            })
    }

    fn matches_artist(&self, music: &MusicCatalog, index: CatalogIndex) -> bool {
        let artist = &music.artists[index];
        self.matches_words(&[&artist.name])
            && self.matches_filters(|key, value| match key {
                "artist" => contains_text(&artist.name, value),
                "genre" => artist.genres.contains(&value),
                _ => false,
            })
    }
}

fn contains_text(name: &str, part: &str) -> bool {
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

/// Splits at spaces outside of quotes.
fn split_terms(text: &str) -> Vec<String> {
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
    use crate::fixtures;

    #[test]
    fn query_has_words_and_filters() {
        let query = SearchQuery::parse(r#"Blue artist:"Miles Davis" year:1955-1960 sun:moon "kind of""#);
        assert_eq!(query.words, ["blue", "sun:moon", "kind of"]);
        let filter = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(query.filters, [filter("artist", "miles davis"), filter("year", "1955-1960")]);
    }

    #[test]
    fn years_are_one_or_a_range() {
        assert!(in_years("1999-01", "1999") && in_years("1995", "1990-1999"));
        assert!(!in_years("2000", "1990-1999") && !in_years("0000", "1990-1999"));
    }

    #[test]
    fn fixtures_are_found_by_code() {
        let music = MusicCatalog::generate(1, 50);
        let found = |text: &str| {
            let query = SearchQuery::parse(text);
            (0..music.tracks.len()).filter(|n| query.matches_track(&music, *n)).collect::<Vec<_>>()
        };
        let hits = found("isrc:qzsbx2600001");
        assert_eq!(hits.len(), 1);
        assert_eq!(music.tracks[hits[0]].id, fixtures::PLAIN_TRACK);
        assert!(!found("upc:0602445790098").is_empty());
        assert_eq!(found("isrc:nothing"), [0; 0]);
    }
}
