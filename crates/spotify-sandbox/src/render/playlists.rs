//! Playlists and their rows, under the names of either class.
//!
//! Extended Quota Mode keeps `tracks` and `track`; Development Mode has `items` and `item` since
//! February 2026, and no contents at all of lists that are neither owned nor shared.

use super::tracks::whole;
use super::users::display_name;
use super::{Page, View, images, spoken, user_brief};
use crate::catalog::{AddedBy, Content, Images, Local, Playlist, Row};
use crate::json::{self, Object};

/// How much of a playlist's list goes into it.
pub(crate) enum ListPart<'a> {
    /// The key is absent: not the reader's playlist.
    Absent,
    /// Where it is and how long.
    Reference,
    /// The first page, written already.
    FirstPage(&'a str),
}

/// A playlist in a list of playlists.
pub(crate) fn playlist_brief(view: &View<'_>, out: &mut String, list: &Playlist) {
    json::object(out, |o| shared(view, o, list, &ListPart::Reference));
}

/// A whole playlist.
pub(crate) fn playlist(view: &View<'_>, list: &Playlist, part: &ListPart<'_>) -> String {
    let mut out = String::new();
    json::object(&mut out, |o| {
        o.object("followers", |o| {
            o.raw("href", "null");
            o.plain("total", list.followers);
        });
        shared(view, o, list, part);
        o.raw("primary_color", "null");
    });
    out
}

/// The pictures of a playlist, as a bare array.
pub(crate) fn playlist_images(list: &Playlist) -> String {
    let mut out = String::new();
    let url = format!("https://mosaic.scdn.co/640/{}", list.id);
    let one = (list.images == Images::Some).then_some(url);
    json::array(&mut out, one, |out, url| {
        json::object(out, |o| {
            o.raw("height", "null");
            o.text("url", &url);
            o.raw("width", "null");
        });
    });
    out
}

fn shared(view: &View<'_>, o: &mut Object<'_>, list: &Playlist, part: &ListPart<'_>) {
    o.plain("collaborative", !list.collaborators.is_empty());
    o.text_or_null("description", list.description.as_deref());
    view.identity(o, "playlist", &list.id);
    match list.images {
        Images::Null => o.raw("images", "null"),
        Images::Empty | Images::Some => o.raw("images", &playlist_images(list)),
    }
    o.text("name", &list.name);
    o.object("owner", |o| {
        o.text("display_name", display_name(&list.owner));
        user_brief(view, o, &list.owner);
    });
    match list.public {
        Some(public) => o.plain("public", public),
        None => o.raw("public", "null"),
    }
    o.text("snapshot_id", &list.snapshot_id());
    let (name, other) = if view.extended { ("tracks", "items") } else { ("items", "tracks") };
    for key in [Some(name), list.both_keys.then_some(other)].into_iter().flatten() {
        match part {
            ListPart::Absent => {}
            ListPart::FirstPage(page) => o.raw(key, page),
            ListPart::Reference => o.object(key, |o| {
                o.text("href", &format!("{}/playlists/{}/{name}", view.api_url, list.id));
                match list.null_total_in_lists {
                    true => o.raw("total", "null"),
                    false => o.plain("total", list.len() + list.total_too_large_by),
                }
            }),
        }
    }
}

/// One row; `episodes` says whether the reader asked for episodes as such.
fn row(view: &View<'_>, out: &mut String, row: &Row, episodes: bool) {
    json::object(out, |o| {
        o.text_or_null("added_at", row.added_at.as_deref());
        match &row.added_by {
            AddedBy::Null => o.raw("added_by", "null"),
            AddedBy::User(id) => o.object("added_by", |o| user_brief(view, o, id)),
        }
        o.plain("is_local", matches!(row.content, Content::Local(_)));
        o.raw("primary_color", "null");
        let (name, other) = if view.extended { ("track", "item") } else { ("item", "track") };
        for key in [Some(name), row.both_keys.then_some(other)].into_iter().flatten() {
            o.with(key, |out| content(view, out, &row.content, episodes));
        }
        if row.extra_keys {
            o.raw("reactions", r#"[{"emoji":"🔥","count":2}]"#);
        }
        o.object("video_thumbnail", |o| o.raw("url", "null"));
    });
}

fn content(view: &View<'_>, out: &mut String, content: &Content, episodes: bool) {
    match content {
        Content::Null => out.push_str("null"),
        Content::Local(tags) => local(view, out, tags),
        Content::Track(place) => json::object(out, |o| {
            o.plain("episode", false);
            o.plain("track", true);
            whole(view, o, *place);
        }),
        Content::Episode(place) if episodes => json::object(out, |o| {
            o.plain("episode", true);
            o.plain("track", false);
            spoken::episode_keys(view, o, *place, true);
        }),
        Content::Episode(place) => as_track(view, out, *place),
    }
}

/// An episode for a reader that knows tracks only.
fn as_track(view: &View<'_>, out: &mut String, place: usize) {
    let episode = &view.music.episodes[place];
    let show = &view.music.shows[episode.show];
    json::object(out, |o| {
        o.object("album", |o| {
            o.text("album_type", "show");
            o.array("artists", [(); 0], |_, ()| {});
            view.identity(o, "show", &show.id);
            images(o, &show.id);
            o.text("name", &show.name);
            o.text("release_date", &episode.release_date);
            o.text("release_date_precision", episode.precision);
            o.plain("total_tracks", show.episodes.len());
        });
        o.array("artists", [()], |out, ()| {
            json::object(out, |o| {
                view.identity(o, "show", &show.id);
                o.text("name", &show.publisher);
            });
        });
        o.plain("disc_number", 0);
        o.plain("duration_ms", episode.duration_ms);
        o.plain("episode", true);
        o.plain("explicit", episode.explicit);
        o.object("external_ids", |_| {});
        view.identity(o, "episode", &episode.id);
        o.plain("is_local", false);
        o.text("name", &episode.name);
        o.raw("preview_url", "null");
        o.plain("track", false);
        o.plain("track_number", 0);
    });
}

fn local(view: &View<'_>, out: &mut String, tags: &Local) {
    let unknown = |o: &mut Object<'_>, kind: &str, name: &str| {
        o.object("external_urls", |_| {});
        o.raw("href", "null");
        o.raw("id", "null");
        o.text("name", name);
        o.text("type", kind);
        o.raw("uri", "null");
    };
    json::object(out, |o| {
        match &tags.album {
            None => o.raw("album", "null"),
            Some(album) => o.object("album", |o| {
                o.raw("artists", "[]");
                o.raw("images", "[]");
                if view.extended {
                    o.raw("available_markets", "[]");
                }
                for null in ["album_type", "release_date", "release_date_precision"] {
                    o.raw(null, "null");
                }
                unknown(o, "album", album);
            }),
        }
        o.array("artists", [&tags.artist], |out, name| {
            json::object(out, |o| unknown(o, "artist", name));
        });
        if view.extended {
            o.raw("available_markets", "[]");
            o.plain("popularity", 0);
        }
        o.plain("disc_number", 0);
        o.plain("duration_ms", tags.secs.unwrap_or_default() * 1000);
        o.plain("explicit", false);
        o.object("external_ids", |_| {});
        o.object("external_urls", |_| {});
        o.raw("href", "null");
        o.raw("id", "null");
        o.plain("is_local", true);
        o.text("name", &tags.title);
        o.raw("preview_url", "null");
        o.plain("track_number", 0);
        o.text("type", "track");
        o.text("uri", &tags.uri());
    });
}

/// The page of rows of a playlist.
pub(crate) fn rows_page(view: &View<'_>, list: &Playlist, page: &Page<'_>, episodes: bool) -> String {
    let mut out = String::with_capacity(page.slice.limit * 3_600);
    page.write(view, &mut out, |out, n| row(view, out, &list.row(n), episodes));
    out
}
