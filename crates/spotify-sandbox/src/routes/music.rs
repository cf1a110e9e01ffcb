//! Albums, artists and tracks.

use super::EndpointContext;
use crate::catalog::{CatalogIndex, CatalogKind};
use crate::json;
use crate::render::{self, RenderContext};
use crate::response::{ServerResponse, api_error};

/// A response such as `{"albums":[…]}`, with null for unknown ids.
pub(super) fn batch_response(
    ask: &EndpointContext<'_>,
    key: &str,
    places: Vec<Option<CatalogIndex>>,
    write: impl Fn(&RenderContext<'_>, &mut String, CatalogIndex),
) -> Result<ServerResponse, ServerResponse> {
    let mut out = String::new();
    json::object(&mut out, |o| {
        o.array(key, places, |out, place| match place {
            Some(place) => write(&ask.render, out, place),
            None => out.push_str("null"),
        });
    });
    Ok(ServerResponse::json(out))
}

/// A response with one object.
pub(super) fn single_response(
    ask: &EndpointContext<'_>,
    place: CatalogIndex,
    write: impl Fn(&RenderContext<'_>, &mut String, CatalogIndex),
) -> Result<ServerResponse, ServerResponse> {
    let mut out = String::new();
    write(&ask.render, &mut out, place);
    Ok(ServerResponse::json(out))
}

pub(super) fn albums(ask: &EndpointContext<'_>) -> Result<ServerResponse, ServerResponse> {
    batch_response(ask, "albums", ask.find_all(CatalogKind::Album, 20)?, render::album)
}

pub(super) fn album(ask: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    single_response(ask, ask.find(CatalogKind::Album, id)?, render::album)
}

pub(super) fn album_tracks(ask: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let tracks = &ask.render.music.albums[ask.find(CatalogKind::Album, id)?].tracks;
    let slice = ask.page_range(20, 50)?;
    let path = format!("/albums/{id}/tracks");
    let mut out = String::new();
    render::write_page(&ask.render, &mut out, &path, &ask.paging_query, slice, tracks.len(), |out, n| {
        render::track_brief(&ask.render, out, tracks[n]);
    });
    Ok(ServerResponse::json(out))
}

pub(super) fn artists(ask: &EndpointContext<'_>) -> Result<ServerResponse, ServerResponse> {
    batch_response(ask, "artists", ask.find_all(CatalogKind::Artist, 50)?, render::artist)
}

pub(super) fn artist(ask: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    single_response(ask, ask.find(CatalogKind::Artist, id)?, render::artist)
}

/// The discography by group, in the order of the requested groups.
pub(super) fn artist_albums(ask: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let artist = &ask.render.music.artists[ask.find(CatalogKind::Artist, id)?];
    let slice = if ask.render.extended { ask.page_range(20, 50)? } else { ask.page_range(5, 10)? };
    let groups = ask.request.query_param("include_groups");
    let groups = groups.as_deref().unwrap_or("album,single,compilation,appears_on");
    let mut listed: Vec<(CatalogIndex, &str)> = Vec::new();
    for group in groups.split(',') {
        let of_kind = |place: &&CatalogIndex| ask.render.music.albums[**place].kind == Some(group);
        match group {
            "album" | "single" | "compilation" => {
                listed.extend(artist.albums.iter().filter(of_kind).map(|place| (*place, group)));
            }
            "appears_on" => listed.extend(artist.appears_on.iter().map(|place| (*place, group))),
            _ => return Err(api_error(400, "Invalid value for parameter include_groups")),
        }
    }
    let path = format!("/artists/{id}/albums");
    let mut out = String::new();
    render::write_page(&ask.render, &mut out, &path, &ask.paging_query, slice, listed.len(), |out, n| {
        let (place, group) = listed[n];
        render::album_brief(&ask.render, out, place, Some(group));
    });
    Ok(ServerResponse::json(out))
}

/// The ten most popular tracks of an artist.
pub(super) fn top_tracks(ask: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let artist = &ask.render.music.artists[ask.find(CatalogKind::Artist, id)?];
    let mut tracks = artist.tracks.clone();
    tracks.sort_by_key(|place| std::cmp::Reverse(ask.render.music.tracks[*place].popularity));
    tracks.truncate(10);
    batch_response(ask, "tracks", tracks.into_iter().map(Some).collect(), render::track)
}

pub(super) fn tracks(ask: &EndpointContext<'_>) -> Result<ServerResponse, ServerResponse> {
    batch_response(ask, "tracks", ask.find_all(CatalogKind::Track, 50)?, render::track)
}

pub(super) fn track(ask: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    single_response(ask, ask.find(CatalogKind::Track, id)?, render::track)
}
