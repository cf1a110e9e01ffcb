//! Endpoints of the current user.

use super::EndpointContext;
use super::plays::recently_played;
use crate::catalog::{CatalogIndex, CatalogKind, CatalogPlaylist, LibrarySection, SavedItem, UserLibrary, fixtures};
use crate::clock::timestamp;
use crate::render::{self, RenderContext};
use crate::response::{ServerResponse, api_error, not_found};
use crate::{json, lock, rng};

/// Handles `/me` and the paths below it.
pub(super) fn me(context: &EndpointContext<'_>, rest: &[&str]) -> Result<ServerResponse, ServerResponse> {
    let Some(user) = context.token_owner.user.as_deref() else {
        return Err(api_error(401, "Valid user authentication required"));
    };
    let library = || lock(&context.state.libraries).library(context.render.music, user).clone();
    match rest {
        [] => Ok(ServerResponse::json(render::private_user(&context.render, user, |scope| {
            context.token_owner.has_scope(scope)
        }))),
        ["playlists"] => playlists(context, user),
        ["tracks"] => saved_items(context, "track", &library().tracks, render::track),
        ["albums"] => saved_items(context, "album", &library().albums, render::album),
        ["shows"] => saved_items(context, "show", &library().shows, render::show_brief),
        ["audiobooks"] => saved_items(context, "audiobook", &library().audiobooks, render::audiobook),
        ["episodes"] => {
            context.require_scope("user-read-playback-position")?;
            let write_episode = |view: &RenderContext<'_>, out: &mut String, n| render::episode(view, out, n, true);
            saved_items(context, "episode", &library().episodes, write_episode)
        }
        ["following"] => following(context, &library().artists),
        ["top", kind @ ("artists" | "tracks")] => top_items(context, user, kind),
        ["player", "recently-played"] => recently_played(context, user),
        ["library", "contains"] => library_contains(context, &library()),
        [kind, "contains"] => library_contains_ids(context, &library(), kind),
        _ => Err(api_error(404, "Service not found")),
    }
}

fn saved_items(
    context: &EndpointContext<'_>,
    key: &str,
    list: &[SavedItem],
    write: impl Fn(&RenderContext<'_>, &mut String, CatalogIndex),
) -> Result<ServerResponse, ServerResponse> {
    context.require_scope("user-library-read")?;
    let slice = context.page_range(20, 50)?;
    let path = format!("/me/{key}s");
    let mut out = String::new();
    render::write_page(&context.render, &mut out, &path, &context.paging_query, slice, list.len(), |out, n| {
        if list[n].served_as_null {
            return out.push_str("null");
        }
        json::object(out, |o| {
            o.text("added_at", &timestamp(list[n].added_at_ms));
            o.write_with(key, |out| write(&context.render, out, list[n].index));
        });
    });
    let section = match key {
        "track" => Some(LibrarySection::Tracks),
        "album" => Some(LibrarySection::Albums),
        "show" => Some(LibrarySection::Shows),
        "episode" => Some(LibrarySection::Episodes),
        _ => None,
    };
    if let (Some(section), Some(user)) = (section, context.token_owner.user.as_deref()) {
        let (music, now_ms) = (context.render.music, context.state.clock.now_ms());
        lock(&context.state.libraries).page_served((user, section, slice.offset), music, now_ms);
    }
    Ok(ServerResponse::json(out))
}

/// Owned and followed playlists. The third is a playlist by Spotify, which is served as null.
fn playlists(context: &EndpointContext<'_>, user: &str) -> Result<ServerResponse, ServerResponse> {
    context.require_scope("playlist-read-private")?;
    let slice = context.page_range(20, 50)?;
    if slice.offset > 100_000 {
        return Err(api_error(400, "Invalid offset"));
    }
    let collaborative = context.token_owner.has_scope("playlist-read-collaborative");
    let playlists = lock(&context.state.playlists);
    let listed = |list: &&CatalogPlaylist| match list.owner == user {
        true => list.collaborators.is_empty() || collaborative,
        false => follows(list, user) || (list.is_owned_or_shared_with(Some(user)) && collaborative),
    };
    let mut lists: Vec<Option<&CatalogPlaylist>> = playlists.iter().filter(listed).map(Some).collect();
    if user == fixtures::HOME_USER {
        lists.insert(lists.len().min(2), None);
    }
    let mut out = String::new();
    let path = "/me/playlists";
    render::write_page(
        &context.render,
        &mut out,
        path,
        &context.paging_query,
        slice,
        lists.len(),
        |out, n| match lists[n] {
            Some(list) => render::playlist_brief(&context.render, out, list),
            None => out.push_str("null"),
        },
    );
    Ok(ServerResponse::json(out))
}

/// `home` follows one playlist of another user.
fn follows(list: &CatalogPlaylist, user: &str) -> bool {
    user == fixtures::HOME_USER && list.id == fixtures::FOREIGN_PLAYLIST
}

/// `GET /playlists/{id}/followers/contains`: an array with one boolean.
pub(super) fn follows_playlist(context: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let user = context.token_owner.user.as_deref().unwrap_or_default();
    let playlists = lock(&context.state.playlists);
    let list = playlists.get(id).ok_or_else(not_found)?;
    Ok(ServerResponse::json(format!("[{}]", list.owner == user || follows(list, user))))
}

/// Followed artists, paged by the id of the last artist.
fn following(context: &EndpointContext<'_>, artists: &[SavedItem]) -> Result<ServerResponse, ServerResponse> {
    context.require_scope("user-follow-read")?;
    if context.request.query_param("type").as_deref() != Some("artist") {
        return Err(api_error(400, "Missing or invalid type"));
    }
    let limit = context.page_range(20, 50)?.limit;
    let id = |n: usize| context.render.music.artists[artists[n].index].id.as_str();
    let start = match context.request.query_param("after").filter(|after| !after.is_empty()) {
        None => 0,
        Some(after) if !rng::is_base62_id(&after) => return Err(api_error(400, "Invalid base62 id")),
        Some(after) => (0..artists.len()).find(|n| id(*n) == after).map_or(artists.len(), |n| n + 1),
    };
    let end = (start + limit).min(artists.len());
    let last = (end < artists.len()).then(|| id(end - 1));
    let link = format!("{}/me/following?type=artist&limit={limit}", context.render.api_url);
    let mut out = String::new();
    json::object(&mut out, |o| {
        o.object("artists", |o| {
            o.array("items", start..end, |out, n| render::artist(&context.render, out, artists[n].index));
            let next = last.map(|last| format!("{link}&after={last}"));
            o.text_or_null("next", next.as_deref());
            o.display("total", artists.len());
            o.object("cursors", |o| o.text_or_null("after", last));
            o.display("limit", limit);
            o.text("href", &link);
        });
    });
    Ok(ServerResponse::json(out))
}

fn top_items(context: &EndpointContext<'_>, user: &str, kind: &str) -> Result<ServerResponse, ServerResponse> {
    context.require_scope("user-top-read")?;
    let slice = context.page_range(20, 50)?;
    let range = context.request.query_param("time_range").unwrap_or_else(|| "medium_term".to_owned());
    if !["short_term", "medium_term", "long_term"].contains(&range.as_str()) {
        return Err(api_error(400, "Invalid time range"));
    }
    let music = context.render.music;
    let of = if kind == "artists" { music.artists.len() } else { music.plain_tracks };
    let items = UserLibrary::top_items(music, user, &range, of);
    let path = format!("/me/top/{kind}");
    let mut out = String::new();
    render::write_page(
        &context.render,
        &mut out,
        &path,
        &context.paging_query,
        slice,
        items.len(),
        |out, n| match kind {
            "artists" => render::artist(&context.render, out, items[n]),
            _ => render::track(&context.render, out, items[n]),
        },
    );
    Ok(ServerResponse::json(out))
}

/// `GET /me/library/contains?uris=…` with up to forty URIs.
fn library_contains(context: &EndpointContext<'_>, library: &UserLibrary) -> Result<ServerResponse, ServerResponse> {
    for scope in ["user-library-read", "user-follow-read", "playlist-read-private"] {
        context.require_scope(scope)?;
    }
    let uris = context.request.query_param("uris").unwrap_or_default();
    let uris: Vec<&str> = uris.split(',').collect();
    if uris.len() > 40 || uris == [""] {
        return Err(api_error(400, "Invalid number of uris"));
    }
    let user = context.token_owner.user.as_deref().unwrap_or_default();
    let mut contained = Vec::new();
    for uri in uris {
        let (kind, id) = match uri.split(':').collect::<Vec<_>>()[..] {
            ["spotify", kind, id] => (kind, id),
            _ => return Err(api_error(400, "Invalid uri")),
        };
        let playlists = lock(&context.state.playlists);
        let listed = || playlists.get(id).is_some_and(|it| it.owner == user || follows(it, user));
        contained.push(if kind == "playlist" { listed() } else { is_in_library(context, library, kind, id) });
    }
    Ok(ServerResponse::from_value(&contained))
}

/// `GET /me/tracks/contains?ids=…` and the like, in Extended Quota Mode only.
fn library_contains_ids(
    context: &EndpointContext<'_>,
    library: &UserLibrary,
    kind: &str,
) -> Result<ServerResponse, ServerResponse> {
    let singular = match kind {
        "following" => "artist",
        kind => kind.trim_end_matches('s'),
    };
    context.require_scope(if kind == "following" { "user-follow-read" } else { "user-library-read" })?;
    let ids = context.request.query_param("ids").unwrap_or_default();
    let contained: Vec<bool> = ids.split(',').map(|id| is_in_library(context, library, singular, id)).collect();
    if contained.len() > 50 {
        return Err(api_error(400, "Too many ids requested"));
    }
    Ok(ServerResponse::from_value(&contained))
}

fn is_in_library(context: &EndpointContext<'_>, library: &UserLibrary, kind: &str, id: &str) -> bool {
    let (kind, list) = match kind {
        "track" => (CatalogKind::Track, &library.tracks),
        "album" => (CatalogKind::Album, &library.albums),
        "show" => (CatalogKind::Show, &library.shows),
        "episode" => (CatalogKind::Episode, &library.episodes),
        "audiobook" => (CatalogKind::Audiobook, &library.audiobooks),
        "artist" => (CatalogKind::Artist, &library.artists),
        _ => return false,
    };
    let index = context.render.music.find(kind, id);
    index.is_some_and(|index| list.iter().any(|saved| saved.index == index))
}
