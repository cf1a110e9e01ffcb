//! Albums, artists and tracks.

use super::EndpointContext;
use crate::catalog::{CatalogIndex, CatalogKind};
use crate::json;
use crate::render::{self, RenderContext};
use crate::response::{ServerResponse, api_error};

/// A response such as `{"albums":[…]}`, with null for unknown ids.
pub(super) fn batch_response(
    context: &EndpointContext<'_>,
    key: &str,
    indexes: Vec<Option<CatalogIndex>>,
    write: impl Fn(&RenderContext<'_>, &mut String, CatalogIndex),
) -> Result<ServerResponse, ServerResponse> {
    let mut out = String::new();
    json::object(&mut out, |o| {
        o.array(key, indexes, |out, index| match index {
            Some(index) => write(&context.render, out, index),
            None => out.push_str("null"),
        });
    });
    Ok(ServerResponse::json(out))
}

/// A response with one object.
pub(super) fn single_response(
    context: &EndpointContext<'_>,
    index: CatalogIndex,
    write: impl Fn(&RenderContext<'_>, &mut String, CatalogIndex),
) -> Result<ServerResponse, ServerResponse> {
    let mut out = String::new();
    write(&context.render, &mut out, index);
    Ok(ServerResponse::json(out))
}

pub(super) fn albums(context: &EndpointContext<'_>) -> Result<ServerResponse, ServerResponse> {
    batch_response(context, "albums", context.find_all(CatalogKind::Album, 20)?, render::album)
}

pub(super) fn album(context: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    single_response(context, context.find(CatalogKind::Album, id)?, render::album)
}

pub(super) fn album_tracks(context: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let tracks = &context.render.music.albums[context.find(CatalogKind::Album, id)?].tracks;
    let slice = context.page_range(20, 50)?;
    let path = format!("/albums/{id}/tracks");
    let mut out = String::new();
    render::write_page(&context.render, &mut out, &path, &context.paging_query, slice, tracks.len(), |out, n| {
        render::track_brief(&context.render, out, tracks[n]);
    });
    Ok(ServerResponse::json(out))
}

pub(super) fn artists(context: &EndpointContext<'_>) -> Result<ServerResponse, ServerResponse> {
    batch_response(context, "artists", context.find_all(CatalogKind::Artist, 50)?, render::artist)
}

pub(super) fn artist(context: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    single_response(context, context.find(CatalogKind::Artist, id)?, render::artist)
}

/// The discography by group, in the order of the requested groups.
pub(super) fn artist_albums(context: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let artist = &context.render.music.artists[context.find(CatalogKind::Artist, id)?];
    let slice = if context.render.extended { context.page_range(20, 50)? } else { context.page_range(5, 10)? };
    let groups = context.request.query_param("include_groups");
    let groups = groups.as_deref().unwrap_or("album,single,compilation,appears_on");
    let mut listed: Vec<(CatalogIndex, &str)> = Vec::new();
    for group in groups.split(',') {
        let of_kind = |index: &&CatalogIndex| context.render.music.albums[**index].kind == Some(group);
        match group {
            "album" | "single" | "compilation" => {
                listed.extend(artist.albums.iter().filter(of_kind).map(|index| (*index, group)));
            }
            "appears_on" => listed.extend(artist.appears_on.iter().map(|index| (*index, group))),
            _ => return Err(api_error(400, "Invalid value for parameter include_groups")),
        }
    }
    let path = format!("/artists/{id}/albums");
    let mut out = String::new();
    render::write_page(&context.render, &mut out, &path, &context.paging_query, slice, listed.len(), |out, n| {
        let (index, group) = listed[n];
        render::album_brief(&context.render, out, index, Some(group));
    });
    Ok(ServerResponse::json(out))
}

/// The ten most popular tracks of an artist.
pub(super) fn top_tracks(context: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let artist = &context.render.music.artists[context.find(CatalogKind::Artist, id)?];
    let mut tracks = artist.tracks.clone();
    tracks.sort_by_key(|index| std::cmp::Reverse(context.render.music.tracks[*index].popularity));
    tracks.truncate(10);
    batch_response(context, "tracks", tracks.into_iter().map(Some).collect(), render::track)
}

pub(super) fn tracks(context: &EndpointContext<'_>) -> Result<ServerResponse, ServerResponse> {
    batch_response(context, "tracks", context.find_all(CatalogKind::Track, 50)?, render::track)
}

pub(super) fn track(context: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    single_response(context, context.find(CatalogKind::Track, id)?, render::track)
}
