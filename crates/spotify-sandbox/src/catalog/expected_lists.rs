//! The expected results of reading other lists than playlists: ids in order.

use serde_json::{Value, json};

use super::{CatalogIndex, CatalogKind, MusicCatalog, SavedItem, UserLibraries, UserLibrary};
use crate::clock::timestamp;

/// The expected lists of an album, artist, show, audiobook or user.
pub(crate) fn expected_ids(music: &MusicCatalog, libraries: &mut UserLibraries, kind: &str, id: &str) -> Option<Value> {
    let value = match kind {
        "albums" => {
            let album = &music.albums[music.find(CatalogKind::Album, id)?];
            let tracks: Vec<&str> = album.tracks.iter().map(|n| music.tracks[*n].id.as_str()).collect();
            json!({"id": id, "name": album.name, "upc": album.upc, "tracks": tracks})
        }
        "artists" => {
            let artist = &music.artists[music.find(CatalogKind::Artist, id)?];
            let albums = |indexes: &[CatalogIndex], kind: Option<&str>| -> Vec<String> {
                let albums = indexes.iter().map(|n| &music.albums[*n]);
                let wanted = albums.filter(|album| kind.is_none() || album.kind == kind);
                wanted.map(|album| album.id.clone()).collect()
            };
            json!({
                "id": id, "name": artist.name,
                "album": albums(&artist.albums, Some("album")),
                "single": albums(&artist.albums, Some("single")),
                "compilation": albums(&artist.albums, Some("compilation")),
                "appears_on": albums(&artist.appears_on, None),
            })
        }
        "shows" => {
            let show = &music.shows[music.find(CatalogKind::Show, id)?];
            let id_of = |index: &Option<CatalogIndex>| index.map(|n| music.episodes[n].id.as_str());
            let episodes: Vec<Option<&str>> = show.episodes.iter().map(id_of).collect();
            json!({"id": id, "name": show.name, "episodes": episodes})
        }
        "audiobooks" => {
            let book = &music.audiobooks[music.find(CatalogKind::Audiobook, id)?];
            let chapters: Vec<&str> = book.chapters.iter().map(|n| music.chapters[*n].id.as_str()).collect();
            json!({"id": id, "name": book.name, "chapters": chapters})
        }
        "users" => expected_library(music, libraries.library(music, id), id),
        _ => return None,
    };
    Some(value)
}

fn expected_library(music: &MusicCatalog, library: &UserLibrary, user: &str) -> Value {
    let list = |saved: &[SavedItem], id: &dyn Fn(CatalogIndex) -> String| -> Vec<Value> {
        let row = |one: &SavedItem| match one.served_as_null {
            true => Value::Null,
            false => json!({"id": id(one.index), "added_at": timestamp(one.added_at_ms)}),
        };
        saved.iter().map(row).collect()
    };
    json!({
        "id": user,
        "saved_tracks": list(&library.tracks, &|n| music.tracks[n].id.clone()),
        "saved_albums": list(&library.albums, &|n| music.albums[n].id.clone()),
        "saved_shows": list(&library.shows, &|n| music.shows[n].id.clone()),
        "saved_episodes": list(&library.episodes, &|n| music.episodes[n].id.clone()),
        "saved_audiobooks": list(&library.audiobooks, &|n| music.audiobooks[n].id.clone()),
        "followed_artists": library.artists.iter().map(|one| music.artists[one.index].id.as_str()).collect::<Vec<_>>(),
    })
}
