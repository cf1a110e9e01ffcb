//! Playlists, their items, and the public playlists of a user.

use super::EndpointContext;
use crate::catalog::{CatalogPlaylist, fixtures};
use crate::render::fields::FieldsFilter;
use crate::render::{self, ListPage, ListPart, PageRange};
use crate::response::{ServerResponse, api_error, forbidden, not_found};
use crate::{lock, rng};

/// Items on the first page inside a full playlist.
const FIRST_PAGE: usize = 100;

pub(super) fn playlist(context: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let playlists = lock(&context.state.playlists);
    let list = require_visible(context, playlists.get(id), id)?;
    let first = may_read(context, list).then(|| items_page(context, list, PageRange::first_page(FIRST_PAGE), ""));
    let part = first.as_deref().map_or(ListPart::Absent, ListPart::FirstPage);
    with_playlist_etag(context, list, || filter_fields(context, render::playlist(&context.render, list, &part)))
}

/// A page of items. Edits that are scheduled for it are made afterwards.
pub(super) fn items(
    context: &EndpointContext<'_>,
    id: &str,
    usual: usize,
    most: usize,
) -> Result<ServerResponse, ServerResponse> {
    let mut playlists = lock(&context.state.playlists);
    let list = require_visible(context, playlists.get(id), id)?;
    if !may_read(context, list) {
        return Err(forbidden());
    }
    let slice = context.page_range(usual, most)?;
    let response = with_playlist_etag(context, list, || {
        filter_fields(context, items_page(context, list, slice, &context.paging_query))
    })?;
    let now_ms = context.state.clock.now_ms();
    playlists.run_scheduled_edits(id, slice.offset / slice.limit, context.render.music, now_ms);
    Ok(response)
}

pub(super) fn images(context: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let playlists = lock(&context.state.playlists);
    Ok(ServerResponse::json(render::playlist_images(require_visible(context, playlists.get(id), id)?)))
}

pub(super) fn user(context: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    if ![fixtures::HOME_USER, fixtures::STUDIO_USER, fixtures::CURATOR_USER].contains(&id) {
        return Err(not_found());
    }
    Ok(ServerResponse::json(render::public_user(&context.render, id)))
}

/// The public playlists of a user.
pub(super) fn user_playlists(context: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    user(context, id)?;
    let slice = context.page_range(20, 50)?;
    let playlists = lock(&context.state.playlists);
    let public = |list: &&CatalogPlaylist| list.owner == id && list.public != Some(false);
    let lists: Vec<&CatalogPlaylist> = playlists.iter().filter(public).collect();
    let path = format!("/users/{id}/playlists");
    let mut out = String::new();
    render::write_page(&context.render, &mut out, &path, &context.paging_query, slice, lists.len(), |out, n| {
        render::playlist_brief(&context.render, out, lists[n]);
    });
    Ok(ServerResponse::json(out))
}

/// The playlist, if the user may see it.
fn require_visible<'a>(
    context: &EndpointContext<'_>,
    list: Option<&'a CatalogPlaylist>,
    id: &str,
) -> Result<&'a CatalogPlaylist, ServerResponse> {
    if !rng::is_base62_id(id) {
        return Err(api_error(400, "Invalid base62 id"));
    }
    let list = list.ok_or_else(not_found)?;
    if list.public == Some(false) {
        if !list.is_owned_or_shared_with(context.token_owner.user.as_deref()) {
            return Err(not_found());
        }
        context.require_scope("playlist-read-private")?;
    }
    Ok(list)
}

/// Whether the user may see the items of a playlist.
fn may_read(context: &EndpointContext<'_>, list: &CatalogPlaylist) -> bool {
    context.render.extended || list.is_owned_or_shared_with(context.token_owner.user.as_deref())
}

fn items_page(context: &EndpointContext<'_>, list: &CatalogPlaylist, slice: PageRange, query: &str) -> String {
    let name = match context.request.path.rsplit('/').next() {
        Some(name @ ("items" | "tracks")) => name,
        _ if context.render.extended => "tracks",
        _ => "items",
    };
    let types = context.request.query_param("additional_types").unwrap_or_default();
    let page = ListPage {
        path: &format!("/playlists/{}/{name}", list.id),
        query,
        slice,
        len: list.len(),
        total: list.len() + list.excess_total,
        endless_next: list.endless_next,
    };
    render::rows_page(&context.render, list, &page, types.split(',').any(|kind| kind == "episode"))
}

fn filter_fields(context: &EndpointContext<'_>, json: String) -> Result<ServerResponse, ServerResponse> {
    let Some(fields) = context.request.query_param("fields").filter(|fields| !fields.is_empty()) else {
        return Ok(ServerResponse::json(json));
    };
    let fields = FieldsFilter::parse(&fields).map_err(|why| api_error(400, &why))?;
    let value = serde_json::from_str(&json).map_err(|why| api_error(500, &why.to_string()))?;
    Ok(ServerResponse::json(fields.apply(value).to_string()))
}

/// Adds the `ETag` of a playlist, or returns 304 if the client has this version.
fn with_playlist_etag(
    context: &EndpointContext<'_>,
    list: &CatalogPlaylist,
    write: impl FnOnce() -> Result<ServerResponse, ServerResponse>,
) -> Result<ServerResponse, ServerResponse> {
    let what = [list.snapshot_id().as_str(), &context.request.path, &context.request.query].concat();
    let hash = what.bytes().fold(0, |hash, byte| rng::mix(hash, u64::from(byte)));
    let etag = format!("\"{hash:016x}\"");
    let client_tags = context.request.if_none_match.as_deref().unwrap_or_default();
    let response = if client_tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag) {
        ServerResponse::empty(304)
    } else {
        write()?
    };
    Ok(response.with_header("etag", etag).with_header("cache-control", "public, max-age=0"))
}
