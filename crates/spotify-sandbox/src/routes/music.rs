//! Albums, artists and tracks.

use super::Ask;
use crate::answer::{Answer, refuse};
use crate::catalog::{Kind, Place};
use crate::json;
use crate::render::{self, View};

/// `{"albums":[…]}` and its like, null where nothing has the id.
pub(super) fn batch(
    ask: &Ask<'_>,
    key: &str,
    places: Vec<Option<Place>>,
    write: impl Fn(&View<'_>, &mut String, Place),
) -> Result<Answer, Answer> {
    let mut out = String::new();
    json::object(&mut out, |o| {
        o.array(key, places, |out, place| match place {
            Some(place) => write(&ask.view, out, place),
            None => out.push_str("null"),
        });
    });
    Ok(Answer::json(out))
}

/// One thing.
pub(super) fn one(
    ask: &Ask<'_>,
    place: Place,
    write: impl Fn(&View<'_>, &mut String, Place),
) -> Result<Answer, Answer> {
    let mut out = String::new();
    write(&ask.view, &mut out, place);
    Ok(Answer::json(out))
}

pub(super) fn albums(ask: &Ask<'_>) -> Result<Answer, Answer> {
    batch(ask, "albums", ask.find_all(Kind::Album, 20)?, render::album)
}

pub(super) fn album(ask: &Ask<'_>, id: &str) -> Result<Answer, Answer> {
    one(ask, ask.find(Kind::Album, id)?, render::album)
}

pub(super) fn album_tracks(ask: &Ask<'_>, id: &str) -> Result<Answer, Answer> {
    let tracks = &ask.view.music.albums[ask.find(Kind::Album, id)?].tracks;
    let slice = ask.slice(20, 50)?;
    let path = format!("/albums/{id}/tracks");
    let mut out = String::new();
    render::page(&ask.view, &mut out, &path, &ask.kept, slice, tracks.len(), |out, n| {
        render::track_brief(&ask.view, out, tracks[n]);
    });
    Ok(Answer::json(out))
}

pub(super) fn artists(ask: &Ask<'_>) -> Result<Answer, Answer> {
    batch(ask, "artists", ask.find_all(Kind::Artist, 50)?, render::artist)
}

pub(super) fn artist(ask: &Ask<'_>, id: &str) -> Result<Answer, Answer> {
    one(ask, ask.find(Kind::Artist, id)?, render::artist)
}

/// The discography, group after group, in the order in which the groups are asked for.
pub(super) fn artist_albums(ask: &Ask<'_>, id: &str) -> Result<Answer, Answer> {
    let artist = &ask.view.music.artists[ask.find(Kind::Artist, id)?];
    let slice = if ask.view.extended { ask.slice(20, 50)? } else { ask.slice(5, 10)? };
    let groups = ask.call.get("include_groups");
    let groups = groups.as_deref().unwrap_or("album,single,compilation,appears_on");
    let mut listed: Vec<(Place, &str)> = Vec::new();
    for group in groups.split(',') {
        let of_kind = |place: &&Place| ask.view.music.albums[**place].kind == Some(group);
        match group {
            "album" | "single" | "compilation" => {
                listed.extend(artist.albums.iter().filter(of_kind).map(|place| (*place, group)));
            }
            "appears_on" => listed.extend(artist.appears_on.iter().map(|place| (*place, group))),
            _ => return Err(refuse(400, "Invalid value for parameter include_groups")),
        }
    }
    let path = format!("/artists/{id}/albums");
    let mut out = String::new();
    render::page(&ask.view, &mut out, &path, &ask.kept, slice, listed.len(), |out, n| {
        let (place, group) = listed[n];
        render::album_brief(&ask.view, out, place, Some(group));
    });
    Ok(Answer::json(out))
}

/// The ten most popular.
pub(super) fn top_tracks(ask: &Ask<'_>, id: &str) -> Result<Answer, Answer> {
    let artist = &ask.view.music.artists[ask.find(Kind::Artist, id)?];
    let mut tracks = artist.tracks.clone();
    tracks.sort_by_key(|place| std::cmp::Reverse(ask.view.music.tracks[*place].popularity));
    tracks.truncate(10);
    batch(ask, "tracks", tracks.into_iter().map(Some).collect(), render::track)
}

pub(super) fn tracks(ask: &Ask<'_>) -> Result<Answer, Answer> {
    batch(ask, "tracks", ask.find_all(Kind::Track, 50)?, render::track)
}

pub(super) fn track(ask: &Ask<'_>, id: &str) -> Result<Answer, Answer> {
    one(ask, ask.find(Kind::Track, id)?, render::track)
}
