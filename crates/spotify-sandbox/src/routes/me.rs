//! What belongs to the user whose token it is.

use super::Ask;
use super::plays::recently_played;
use crate::answer::{Answer, not_found, refuse};
use crate::catalog::{Kind, Library, Place, Playlist, Saved, known};
use crate::clock::timestamp;
use crate::render::{self, View};
use crate::{dice, hold, json};

/// Answers `/me` and what stands below it.
pub(super) fn me(ask: &Ask<'_>, rest: &[&str]) -> Result<Answer, Answer> {
    let Some(user) = ask.caller.user.as_deref() else {
        return Err(refuse(401, "Valid user authentication required"));
    };
    let library = || hold(&ask.world.libraries).of(ask.view.music, user).clone();
    match rest {
        [] => Ok(Answer::json(render::private_user(&ask.view, user, |scope| ask.caller.may(scope)))),
        ["playlists"] => playlists(ask, user),
        ["tracks"] => saved(ask, "track", &library().tracks, render::track),
        ["albums"] => saved(ask, "album", &library().albums, render::album),
        ["shows"] => saved(ask, "show", &library().shows, render::show_brief),
        ["audiobooks"] => saved(ask, "audiobook", &library().audiobooks, render::audiobook),
        ["episodes"] => {
            ask.needs("user-read-playback-position")?;
            let whole = |view: &View<'_>, out: &mut String, n| render::episode(view, out, n, true);
            saved(ask, "episode", &library().episodes, whole)
        }
        ["following"] => following(ask, &library().artists),
        ["top", kind @ ("artists" | "tracks")] => top(ask, user, kind),
        ["player", "recently-played"] => recently_played(ask, user),
        ["library", "contains"] => library_contains(ask, &library()),
        [kind, "contains"] => contains(ask, &library(), kind),
        _ => Err(refuse(404, "Service not found")),
    }
}

fn saved(
    ask: &Ask<'_>,
    key: &str,
    list: &[Saved],
    write: impl Fn(&View<'_>, &mut String, Place),
) -> Result<Answer, Answer> {
    ask.needs("user-library-read")?;
    let slice = ask.slice(20, 50)?;
    let path = format!("/me/{key}s");
    let mut out = String::new();
    render::page(&ask.view, &mut out, &path, &ask.kept, slice, list.len(), |out, n| {
        if list[n].lost {
            return out.push_str("null");
        }
        json::object(out, |o| {
            o.text("added_at", &timestamp(list[n].added_at_ms));
            o.with(key, |out| write(&ask.view, out, list[n].place));
        });
    });
    Ok(Answer::json(out))
}

/// Owned and followed lists; the third is one of Spotify's own, of which only null is left.
fn playlists(ask: &Ask<'_>, user: &str) -> Result<Answer, Answer> {
    ask.needs("playlist-read-private")?;
    let slice = ask.slice(20, 50)?;
    if slice.offset > 100_000 {
        return Err(refuse(400, "Invalid offset"));
    }
    let collaborative = ask.caller.may("playlist-read-collaborative");
    let playlists = hold(&ask.world.playlists);
    let listed = |list: &&Playlist| match list.owner == user {
        true => list.collaborators.is_empty() || collaborative,
        false => follows(list, user) || (list.belongs_to(Some(user)) && collaborative),
    };
    let mut lists: Vec<Option<&Playlist>> = playlists.iter().filter(listed).map(Some).collect();
    if user == known::HOME {
        lists.insert(lists.len().min(2), None);
    }
    let mut out = String::new();
    let path = "/me/playlists";
    render::page(&ask.view, &mut out, path, &ask.kept, slice, lists.len(), |out, n| match lists[n] {
        Some(list) => render::playlist_brief(&ask.view, out, list),
        None => out.push_str("null"),
    });
    Ok(Answer::json(out))
}

/// Home follows one list of somebody else's.
fn follows(list: &Playlist, user: &str) -> bool {
    user == known::HOME && list.id == known::FOREIGN_PLAYLIST
}

/// `GET /playlists/{id}/followers/contains`: one boolean, in an array.
pub(super) fn follows_playlist(ask: &Ask<'_>, id: &str) -> Result<Answer, Answer> {
    let user = ask.caller.user.as_deref().unwrap_or_default();
    let playlists = hold(&ask.world.playlists);
    let list = playlists.get(id).ok_or_else(not_found)?;
    Ok(Answer::json(format!("[{}]", list.owner == user || follows(list, user))))
}

/// Followed artists, by the id of the last one seen.
fn following(ask: &Ask<'_>, artists: &[Saved]) -> Result<Answer, Answer> {
    ask.needs("user-follow-read")?;
    if ask.call.get("type").as_deref() != Some("artist") {
        return Err(refuse(400, "Missing or invalid type"));
    }
    let limit = ask.slice(20, 50)?.limit;
    let id = |n: usize| ask.view.music.artists[artists[n].place].id.as_str();
    let start = match ask.call.get("after").filter(|after| !after.is_empty()) {
        None => 0,
        Some(after) if !dice::is_id(&after) => return Err(refuse(400, "Invalid base62 id")),
        Some(after) => (0..artists.len()).find(|n| id(*n) == after).map_or(artists.len(), |n| n + 1),
    };
    let end = (start + limit).min(artists.len());
    let last = (end < artists.len()).then(|| id(end - 1));
    let link = format!("{}/me/following?type=artist&limit={limit}", ask.view.api_url);
    let mut out = String::new();
    json::object(&mut out, |o| {
        o.object("artists", |o| {
            o.array("items", start..end, |out, n| render::artist(&ask.view, out, artists[n].place));
            let next = last.map(|last| format!("{link}&after={last}"));
            o.text_or_null("next", next.as_deref());
            o.plain("total", artists.len());
            o.object("cursors", |o| o.text_or_null("after", last));
            o.plain("limit", limit);
            o.text("href", &link);
        });
    });
    Ok(Answer::json(out))
}

fn top(ask: &Ask<'_>, user: &str, kind: &str) -> Result<Answer, Answer> {
    ask.needs("user-top-read")?;
    let slice = ask.slice(20, 50)?;
    let range = ask.call.get("time_range").unwrap_or_else(|| "medium_term".to_owned());
    if !["short_term", "medium_term", "long_term"].contains(&range.as_str()) {
        return Err(refuse(400, "Invalid time range"));
    }
    let music = ask.view.music;
    let of = if kind == "artists" { music.artists.len() } else { music.plain_tracks };
    let best = Library::top(music, user, &range, of);
    let path = format!("/me/top/{kind}");
    let mut out = String::new();
    render::page(&ask.view, &mut out, &path, &ask.kept, slice, best.len(), |out, n| match kind {
        "artists" => render::artist(&ask.view, out, best[n]),
        _ => render::track(&ask.view, out, best[n]),
    });
    Ok(Answer::json(out))
}

/// `GET /me/library/contains?uris=…`, up to forty.
fn library_contains(ask: &Ask<'_>, library: &Library) -> Result<Answer, Answer> {
    for scope in ["user-library-read", "user-follow-read", "playlist-read-private"] {
        ask.needs(scope)?;
    }
    let uris = ask.call.get("uris").unwrap_or_default();
    let uris: Vec<&str> = uris.split(',').collect();
    if uris.len() > 40 || uris == [""] {
        return Err(refuse(400, "Invalid number of uris"));
    }
    let user = ask.caller.user.as_deref().unwrap_or_default();
    let mut held = Vec::new();
    for uri in uris {
        let (kind, id) = match uri.split(':').collect::<Vec<_>>()[..] {
            ["spotify", kind, id] => (kind, id),
            _ => return Err(refuse(400, "Invalid uri")),
        };
        let playlists = hold(&ask.world.playlists);
        let listed = || playlists.get(id).is_some_and(|it| it.owner == user || follows(it, user));
        held.push(if kind == "playlist" { listed() } else { holds(ask, library, kind, id) });
    }
    Ok(Answer::value(&held))
}

/// `GET /me/tracks/contains?ids=…` and its kin: Extended Quota Mode only.
fn contains(ask: &Ask<'_>, library: &Library, kind: &str) -> Result<Answer, Answer> {
    let singular = match kind {
        "following" => "artist",
        kind => kind.trim_end_matches('s'),
    };
    ask.needs(if kind == "following" { "user-follow-read" } else { "user-library-read" })?;
    let ids = ask.call.get("ids").unwrap_or_default();
    let held: Vec<bool> = ids.split(',').map(|id| holds(ask, library, singular, id)).collect();
    if held.len() > 50 {
        return Err(refuse(400, "Too many ids requested"));
    }
    Ok(Answer::value(&held))
}

fn holds(ask: &Ask<'_>, library: &Library, kind: &str, id: &str) -> bool {
    let (kind, list) = match kind {
        "track" => (Kind::Track, &library.tracks),
        "album" => (Kind::Album, &library.albums),
        "show" => (Kind::Show, &library.shows),
        "episode" => (Kind::Episode, &library.episodes),
        "audiobook" => (Kind::Audiobook, &library.audiobooks),
        "artist" => (Kind::Artist, &library.artists),
        _ => return false,
    };
    let place = ask.view.music.find(kind, id);
    place.is_some_and(|place| list.iter().any(|saved| saved.place == place))
}
