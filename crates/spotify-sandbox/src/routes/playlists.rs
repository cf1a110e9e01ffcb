//! Playlists, their items, and the lists of a user as anybody may see them.

use super::Ask;
use crate::answer::{Answer, forbidden, not_found, refuse};
use crate::catalog::{Playlist, known};
use crate::render::fields::Fields;
use crate::render::{self, ListPart, Page, Slice};
use crate::{dice, hold};

/// Items of the first page that stands inside a playlist.
const FIRST_PAGE: usize = 100;

pub(super) fn playlist(ask: &Ask<'_>, id: &str) -> Result<Answer, Answer> {
    let playlists = hold(&ask.world.playlists);
    let list = visible(ask, playlists.get(id), id)?;
    let first = may_read(ask, list).then(|| items_page(ask, list, Slice::first(FIRST_PAGE), ""));
    let part = first.as_deref().map_or(ListPart::Absent, ListPart::FirstPage);
    conditional(ask, list, || filtered(ask, render::playlist(&ask.view, list, &part)))
}

/// A page of items; a change that waits for it is made right after.
pub(super) fn items(ask: &Ask<'_>, id: &str, usual: usize, most: usize) -> Result<Answer, Answer> {
    let mut playlists = hold(&ask.world.playlists);
    let list = visible(ask, playlists.get(id), id)?;
    if !may_read(ask, list) {
        return Err(forbidden());
    }
    let slice = ask.slice(usual, most)?;
    let answer = conditional(ask, list, || filtered(ask, items_page(ask, list, slice, &ask.kept)))?;
    let now_ms = ask.world.clock.now_ms();
    playlists.served(id, slice.offset / slice.limit, ask.view.music, now_ms);
    Ok(answer)
}

pub(super) fn images(ask: &Ask<'_>, id: &str) -> Result<Answer, Answer> {
    let playlists = hold(&ask.world.playlists);
    Ok(Answer::json(render::playlist_images(visible(ask, playlists.get(id), id)?)))
}

pub(super) fn user(ask: &Ask<'_>, id: &str) -> Result<Answer, Answer> {
    if ![known::HOME, known::STUDIO, known::CURATOR].contains(&id) {
        return Err(not_found());
    }
    Ok(Answer::json(render::public_user(&ask.view, id)))
}

/// The public lists of a user.
pub(super) fn user_playlists(ask: &Ask<'_>, id: &str) -> Result<Answer, Answer> {
    user(ask, id)?;
    let slice = ask.slice(20, 50)?;
    let playlists = hold(&ask.world.playlists);
    let public = |list: &&Playlist| list.owner == id && list.public != Some(false);
    let lists: Vec<&Playlist> = playlists.iter().filter(public).collect();
    let path = format!("/users/{id}/playlists");
    let mut out = String::new();
    render::page(&ask.view, &mut out, &path, &ask.kept, slice, lists.len(), |out, n| {
        render::playlist_brief(&ask.view, out, lists[n]);
    });
    Ok(Answer::json(out))
}

/// The list, if the caller may know of it.
fn visible<'a>(ask: &Ask<'_>, list: Option<&'a Playlist>, id: &str) -> Result<&'a Playlist, Answer> {
    if !dice::is_id(id) {
        return Err(refuse(400, "Invalid base62 id"));
    }
    let list = list.ok_or_else(not_found)?;
    if list.public == Some(false) {
        if !list.belongs_to(ask.caller.user.as_deref()) {
            return Err(not_found());
        }
        ask.needs("playlist-read-private")?;
    }
    Ok(list)
}

/// Whether the caller may see what is in it.
fn may_read(ask: &Ask<'_>, list: &Playlist) -> bool {
    ask.view.extended || list.belongs_to(ask.caller.user.as_deref())
}

fn items_page(ask: &Ask<'_>, list: &Playlist, slice: Slice, kept: &str) -> String {
    let name = match ask.call.path.rsplit('/').next() {
        Some(name @ ("items" | "tracks")) => name,
        _ if ask.view.extended => "tracks",
        _ => "items",
    };
    let types = ask.call.get("additional_types").unwrap_or_default();
    let page = Page {
        path: &format!("/playlists/{}/{name}", list.id),
        query: kept,
        slice,
        len: list.len(),
        total: list.len() + list.total_too_large_by,
        endless_next: list.endless_next,
    };
    render::rows_page(&ask.view, list, &page, types.split(',').any(|kind| kind == "episode"))
}

fn filtered(ask: &Ask<'_>, json: String) -> Result<Answer, Answer> {
    let Some(fields) = ask.call.get("fields").filter(|fields| !fields.is_empty()) else {
        return Ok(Answer::json(json));
    };
    let fields = Fields::parse(&fields).map_err(|why| refuse(400, &why))?;
    let value = serde_json::from_str(&json).map_err(|why| refuse(500, &why.to_string()))?;
    Ok(Answer::json(fields.apply(value).to_string()))
}

/// The answer with its ETag, or 304 if the caller has it already.
fn conditional(
    ask: &Ask<'_>,
    list: &Playlist,
    write: impl FnOnce() -> Result<Answer, Answer>,
) -> Result<Answer, Answer> {
    let what = [list.snapshot_id().as_str(), &ask.call.path, &ask.call.query].concat();
    let hash = what.bytes().fold(0, |hash, byte| dice::mix(hash, u64::from(byte)));
    let etag = format!("\"{hash:016x}\"");
    let known = ask.call.if_none_match.as_deref().unwrap_or_default();
    let answer = if known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag) {
        Answer::empty(304)
    } else {
        write()?
    };
    Ok(answer.header("etag", etag).header("cache-control", "public, max-age=0"))
}
