//! Playlists, their items, and the public playlists of a user.

use super::EndpointContext;
use crate::catalog::{CatalogPlaylist, fixtures};
use crate::render::fields::FieldsFilter;
use crate::render::{self, ListPage, ListPart, PageRange};
use crate::response::{ServerResponse, api_error, forbidden, not_found};
use crate::{lock, rng};

/// Items on the first page inside a full playlist.
const FIRST_PAGE: usize = 100;

pub(super) fn playlist(ask: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let playlists = lock(&ask.state.playlists);
    let list = require_visible(ask, playlists.get(id), id)?;
    let first = may_read(ask, list).then(|| items_page(ask, list, PageRange::first_page(FIRST_PAGE), ""));
    let part = first.as_deref().map_or(ListPart::Absent, ListPart::FirstPage);
    with_playlist_etag(ask, list, || filter_fields(ask, render::playlist(&ask.render, list, &part)))
}

/// A page of items. Edits that are scheduled for it are made afterwards.
pub(super) fn items(
    ask: &EndpointContext<'_>,
    id: &str,
    usual: usize,
    most: usize,
) -> Result<ServerResponse, ServerResponse> {
    let mut playlists = lock(&ask.state.playlists);
    let list = require_visible(ask, playlists.get(id), id)?;
    if !may_read(ask, list) {
        return Err(forbidden());
    }
    let slice = ask.page_range(usual, most)?;
    let answer = with_playlist_etag(ask, list, || filter_fields(ask, items_page(ask, list, slice, &ask.paging_query)))?;
    let now_ms = ask.state.clock.now_ms();
    playlists.run_scheduled_edits(id, slice.offset / slice.limit, ask.render.music, now_ms);
    Ok(answer)
}

pub(super) fn images(ask: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let playlists = lock(&ask.state.playlists);
    Ok(ServerResponse::json(render::playlist_images(require_visible(ask, playlists.get(id), id)?)))
}

pub(super) fn user(ask: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    if ![fixtures::HOME_USER, fixtures::STUDIO_USER, fixtures::CURATOR_USER].contains(&id) {
        return Err(not_found());
    }
    Ok(ServerResponse::json(render::public_user(&ask.render, id)))
}

/// The public playlists of a user.
pub(super) fn user_playlists(ask: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    user(ask, id)?;
    let slice = ask.page_range(20, 50)?;
    let playlists = lock(&ask.state.playlists);
    let public = |list: &&CatalogPlaylist| list.owner == id && list.public != Some(false);
    let lists: Vec<&CatalogPlaylist> = playlists.iter().filter(public).collect();
    let path = format!("/users/{id}/playlists");
    let mut out = String::new();
    render::write_page(&ask.render, &mut out, &path, &ask.paging_query, slice, lists.len(), |out, n| {
        render::playlist_brief(&ask.render, out, lists[n]);
    });
    Ok(ServerResponse::json(out))
}

/// The playlist, if the user may see it.
fn require_visible<'a>(
    ask: &EndpointContext<'_>,
    list: Option<&'a CatalogPlaylist>,
    id: &str,
) -> Result<&'a CatalogPlaylist, ServerResponse> {
    if !rng::is_base62_id(id) {
        return Err(api_error(400, "Invalid base62 id"));
    }
    let list = list.ok_or_else(not_found)?;
    if list.public == Some(false) {
        if !list.is_owned_or_shared_with(ask.token_owner.user.as_deref()) {
            return Err(not_found());
        }
        ask.require_scope("playlist-read-private")?;
    }
    Ok(list)
}

/// Whether the user may see the items of a playlist.
fn may_read(ask: &EndpointContext<'_>, list: &CatalogPlaylist) -> bool {
    ask.render.extended || list.is_owned_or_shared_with(ask.token_owner.user.as_deref())
}

fn items_page(ask: &EndpointContext<'_>, list: &CatalogPlaylist, slice: PageRange, kept: &str) -> String {
    let name = match ask.request.path.rsplit('/').next() {
        Some(name @ ("items" | "tracks")) => name,
        _ if ask.render.extended => "tracks",
        _ => "items",
    };
    let types = ask.request.query_param("additional_types").unwrap_or_default();
    let page = ListPage {
        path: &format!("/playlists/{}/{name}", list.id),
        query: kept,
        slice,
        len: list.len(),
        total: list.len() + list.excess_total,
        endless_next: list.endless_next,
    };
    render::rows_page(&ask.render, list, &page, types.split(',').any(|kind| kind == "episode"))
}

fn filter_fields(ask: &EndpointContext<'_>, json: String) -> Result<ServerResponse, ServerResponse> {
    let Some(fields) = ask.request.query_param("fields").filter(|fields| !fields.is_empty()) else {
        return Ok(ServerResponse::json(json));
    };
    let fields = FieldsFilter::parse(&fields).map_err(|why| api_error(400, &why))?;
    let value = serde_json::from_str(&json).map_err(|why| api_error(500, &why.to_string()))?;
    Ok(ServerResponse::json(fields.apply(value).to_string()))
}

/// Adds the `ETag` of a playlist, or returns 304 if the client has this version.
fn with_playlist_etag(
    ask: &EndpointContext<'_>,
    list: &CatalogPlaylist,
    write: impl FnOnce() -> Result<ServerResponse, ServerResponse>,
) -> Result<ServerResponse, ServerResponse> {
    let what = [list.snapshot_id().as_str(), &ask.request.path, &ask.request.query].concat();
    let hash = what.bytes().fold(0, |hash, byte| rng::mix(hash, u64::from(byte)));
    let etag = format!("\"{hash:016x}\"");
    let known = ask.request.if_none_match.as_deref().unwrap_or_default();
    let answer = if known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag) {
        ServerResponse::empty(304)
    } else {
        write()?
    };
    Ok(answer.with_header("etag", etag).with_header("cache-control", "public, max-age=0"))
}
