//! Playlists and their rows, with the names of either quota mode.
//!
//! Extended Quota Mode has `tracks` and `track`. Development Mode has `items` and `item` since February 2026, and
//! no items of playlists that the user neither owns nor shares.

use serde_json::{Value, json};

use super::tracks::write_full_track;
use super::users::display_name;
use super::{ListPage, RenderContext, shows_and_audiobooks, user_brief, write_images};
use crate::catalog::{CatalogPlaylist, LocalFile, OddShape, PlaylistImages, PlaylistRow, RowAddedBy, RowContent};
use crate::json::{self, ObjectWriter};

/// The part of the items that a playlist object contains.
pub(crate) enum ListPart<'a> {
    /// No key, because the user may not read the items.
    Absent,
    /// The URL and the total.
    Reference,
    /// The JSON of the first page.
    FirstPage(&'a str),
}

/// Writes a simplified playlist.
pub(crate) fn playlist_brief(view: &RenderContext<'_>, out: &mut String, list: &CatalogPlaylist) {
    json::object(out, |o| write_shared_fields(view, o, list, &ListPart::Reference));
}

/// The JSON of a full playlist.
pub(crate) fn playlist(view: &RenderContext<'_>, list: &CatalogPlaylist, part: &ListPart<'_>) -> String {
    let mut out = String::new();
    json::object(&mut out, |o| {
        o.object("followers", |o| {
            o.raw("href", "null");
            o.display("total", list.followers);
        });
        write_shared_fields(view, o, list, part);
        o.raw("primary_color", "null");
    });
    out
}

/// The images of a playlist as a JSON array.
pub(crate) fn playlist_images(list: &CatalogPlaylist) -> String {
    let mut out = String::new();
    let url = format!("https://mosaic.scdn.co/640/{}", list.id);
    let one = (list.images == PlaylistImages::Some).then_some(url);
    json::array(&mut out, one, |out, url| {
        json::object(out, |o| {
            o.raw("height", "null");
            o.text("url", &url);
            o.raw("width", "null");
        });
    });
    out
}

fn write_shared_fields(
    view: &RenderContext<'_>,
    o: &mut ObjectWriter<'_>,
    list: &CatalogPlaylist,
    part: &ListPart<'_>,
) {
    o.display("collaborative", !list.collaborators.is_empty());
    o.text_or_null("description", list.description.as_deref());
    view.write_identity(o, "playlist", &list.id);
    match list.images {
        PlaylistImages::Null => o.raw("images", "null"),
        PlaylistImages::Empty | PlaylistImages::Some => o.raw("images", &playlist_images(list)),
    }
    o.text("name", &list.name);
    o.object("owner", |o| {
        o.text("display_name", display_name(&list.owner));
        user_brief(view, o, &list.owner);
    });
    match list.public {
        Some(public) => o.display("public", public),
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
                    false => o.display("total", list.len() + list.excess_total),
                }
            }),
        }
    }
}

/// Writes a row. `episodes` says whether the client requested the `episode` type.
fn write_row(view: &RenderContext<'_>, out: &mut String, row: &PlaylistRow, episodes: bool) {
    json::object(out, |o| {
        o.text_or_null("added_at", row.added_at.as_deref());
        match &row.added_by {
            RowAddedBy::Null => o.raw("added_by", "null"),
            RowAddedBy::User(id) => o.object("added_by", |o| user_brief(view, o, id)),
        }
        let content = match &row.content {
            RowContent::Odd(_, content) => content,
            content => content,
        };
        o.display("is_local", matches!(content, RowContent::Local(_)));
        o.raw("primary_color", "null");
        let (name, other) = if view.extended { ("track", "item") } else { ("item", "track") };
        for key in [Some(name), row.both_keys.then_some(other)].into_iter().flatten() {
            o.write_with(key, |out| write_content(view, out, &row.content, episodes));
        }
        if row.extra_keys {
            o.raw("reactions", r#"[{"emoji":"🔥","count":2}]"#);
        }
        o.object("video_thumbnail", |o| o.raw("url", "null"));
    });
}

fn write_content(view: &RenderContext<'_>, out: &mut String, content: &RowContent, episodes: bool) {
    match content {
        RowContent::Null => out.push_str("null"),
        RowContent::Local(tags) => write_local_file(view, out, tags),
        RowContent::Track(index) => json::object(out, |o| {
            o.display("episode", false);
            o.display("track", true);
            write_full_track(view, o, *index);
        }),
        RowContent::Episode(index) if episodes => json::object(out, |o| {
            o.display("episode", true);
            o.display("track", false);
            shows_and_audiobooks::write_episode_fields(view, o, *index, true);
        }),
        RowContent::Episode(index) => write_episode_as_track(view, out, *index),
        RowContent::Odd(shape, content) => {
            let mut usual = String::new();
            write_content(view, &mut usual, content, episodes && *shape != OddShape::EpisodeAsTrack);
            let mut item = serde_json::from_str(&usual).unwrap_or_default();
            distort(*shape, &mut item);
            out.push_str(&item.to_string());
        }
    }
}

/// Changes an item into one that Spotify does not document.
fn distort(shape: OddShape, item: &mut Value) {
    match shape {
        OddShape::DurationObject => item["duration_ms"] = json!({ "totalMilliseconds": item["duration_ms"] }),
        OddShape::NullArtist => {
            item["artists"].as_array_mut().into_iter().for_each(|artists| artists.push(Value::Null))
        }
        OddShape::NullImage => item["album"]["images"] = json!([null]),
        OddShape::ExplicitText => item["explicit"] = json!(item["explicit"].to_string()),
        OddShape::UnknownType => {
            let uri = item["uri"].as_str().unwrap_or_default().replace(":track:", ":clip:");
            *item = json!({ "id": item["id"], "name": item["name"], "type": "clip", "uri": uri });
        }
        OddShape::Blank => {
            item["name"] = json!("");
            item["duration_ms"] = json!(0);
            item["album"]["name"] = json!("");
            item["album"]["release_date"] = json!("0000");
            item["artists"] = json!([]);
        }
        OddShape::EpisodeAsTrack => {}
    }
}

/// Writes an episode as a track, for clients that did not request the `episode` type.
fn write_episode_as_track(view: &RenderContext<'_>, out: &mut String, index: usize) {
    let episode = &view.music.episodes[index];
    let show = &view.music.shows[episode.show];
    json::object(out, |o| {
        o.object("album", |o| {
            o.text("album_type", "show");
            o.array("artists", [(); 0], |_, ()| {});
            view.write_identity(o, "show", &show.id);
            write_images(o, &show.id);
            o.text("name", &show.name);
            o.text("release_date", &episode.release_date);
            o.text("release_date_precision", episode.precision);
            o.display("total_tracks", show.episodes.len());
        });
        o.array("artists", [()], |out, ()| {
            json::object(out, |o| {
                view.write_identity(o, "show", &show.id);
                o.text("name", &show.publisher);
            });
        });
        o.display("disc_number", 0);
        o.display("duration_ms", episode.duration_ms);
        o.display("episode", true);
        o.display("explicit", episode.explicit);
        o.object("external_ids", |_| {});
        view.write_identity(o, "episode", &episode.id);
        o.display("is_local", false);
        o.text("name", &episode.name);
        o.raw("preview_url", "null");
        o.display("track", false);
        o.display("track_number", 0);
    });
}

fn write_local_file(view: &RenderContext<'_>, out: &mut String, tags: &LocalFile) {
    let unknown = |o: &mut ObjectWriter<'_>, kind: &str, name: &str| {
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
            o.display("popularity", 0);
        }
        o.display("disc_number", 0);
        o.display("duration_ms", tags.secs.unwrap_or_default() * 1000);
        o.display("explicit", false);
        o.object("external_ids", |_| {});
        o.object("external_urls", |_| {});
        o.raw("href", "null");
        o.raw("id", "null");
        o.display("is_local", true);
        o.text("name", &tags.title);
        o.raw("preview_url", "null");
        o.display("track_number", 0);
        o.text("type", "track");
        o.text("uri", &tags.uri());
    });
}

/// The JSON of a page of rows.
pub(crate) fn rows_page(
    view: &RenderContext<'_>,
    list: &CatalogPlaylist,
    page: &ListPage<'_>,
    episodes: bool,
) -> String {
    let mut out = String::with_capacity(page.slice.limit * 3_600);
    page.write(view, &mut out, |out, n| write_row(view, out, &list.row(n), episodes));
    out
}
