//! What a reader of other lists than playlists should end up with: ids, in order.

use serde_json::{Value, json};

use super::{Kind, Libraries, Library, Music, Place, Saved};
use crate::clock::timestamp;

/// The truth about `albums/ID`, `artists/ID`, `shows/ID`, `audiobooks/ID` or `users/ID`.
pub(crate) fn truth_of(music: &Music, libraries: &mut Libraries, kind: &str, id: &str) -> Option<Value> {
    let value = match kind {
        "albums" => {
            let album = &music.albums[music.find(Kind::Album, id)?];
            let tracks: Vec<&str> = album.tracks.iter().map(|n| music.tracks[*n].id.as_str()).collect();
            json!({"id": id, "name": album.name, "upc": album.upc, "tracks": tracks})
        }
        "artists" => {
            let artist = &music.artists[music.find(Kind::Artist, id)?];
            let albums = |places: &[Place], kind: Option<&str>| -> Vec<String> {
                let albums = places.iter().map(|n| &music.albums[*n]);
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
            let show = &music.shows[music.find(Kind::Show, id)?];
            let id_of = |place: &Option<Place>| place.map(|n| music.episodes[n].id.as_str());
            let episodes: Vec<Option<&str>> = show.episodes.iter().map(id_of).collect();
            json!({"id": id, "name": show.name, "episodes": episodes})
        }
        "audiobooks" => {
            let book = &music.audiobooks[music.find(Kind::Audiobook, id)?];
            let chapters: Vec<&str> = book.chapters.iter().map(|n| music.chapters[*n].id.as_str()).collect();
            json!({"id": id, "name": book.name, "chapters": chapters})
        }
        "users" => library(music, libraries.of(music, id), id),
        _ => return None,
    };
    Some(value)
}

fn library(music: &Music, library: &Library, user: &str) -> Value {
    let list = |saved: &[Saved], id: &dyn Fn(Place) -> String| -> Vec<Value> {
        let row = |one: &Saved| match one.lost {
            true => Value::Null,
            false => json!({"id": id(one.place), "added_at": timestamp(one.added_at_ms)}),
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
        "followed_artists": library.artists.iter().map(|one| music.artists[one.place].id.as_str()).collect::<Vec<_>>(),
    })
}
