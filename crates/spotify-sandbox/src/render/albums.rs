//! Albums: whole, and as they stand in lists and tracks.

use super::{Slice, View, artist_brief, images, page, track_brief};
use crate::catalog::{Album, Place};
use crate::json::{self, Object};

/// An album in a list or a track; `group` is its place in a discography.
pub(crate) fn album_brief(view: &View<'_>, out: &mut String, place: Place, group: Option<&str>) {
    let album = &view.music.albums[place];
    json::object(out, |o| {
        if let Some(group) = group.filter(|_| view.extended) {
            o.text("album_group", group);
        }
        shared(view, o, album);
    });
}

/// A whole album with its first tracks.
pub(crate) fn album(view: &View<'_>, out: &mut String, place: Place) {
    let album = &view.music.albums[place];
    json::object(out, |o| {
        shared(view, o, album);
        o.array("copyrights", [("C", '©'), ("P", '℗')], |out, (kind, sign)| {
            json::object(out, |o| {
                o.text("text", &format!("{sign} {} {}", &album.release_date[..4], album.label));
                o.text("type", kind);
            });
        });
        o.object("external_ids", |o| o.text("upc", &album.upc));
        o.array("genres", [(); 0], |_, ()| {});
        if view.extended {
            o.text("label", &album.label);
            o.plain("popularity", album.popularity);
        }
        let slice = Slice::first(50);
        let path = format!("/albums/{}/tracks", album.id);
        o.with("tracks", |out| {
            page(view, out, &path, "", slice, album.tracks.len(), |out, n| {
                track_brief(view, out, album.tracks[n]);
            });
        });
    });
}

fn shared(view: &View<'_>, o: &mut Object<'_>, album: &Album) {
    o.text_or_null("album_type", album.kind);
    o.array("artists", &album.artists, |out, artist| artist_brief(view, out, *artist));
    view.markets(o, album.markets);
    view.identity(o, "album", &album.id);
    if album.no_images {
        o.raw("images", "null");
    } else {
        images(o, &album.id);
    }
    if let Some(playable) = view.playable(album.markets) {
        o.plain("is_playable", playable);
        if !playable {
            o.object("restrictions", |o| o.text("reason", "market"));
        }
    }
    o.text("name", &album.name);
    o.text("release_date", &album.release_date);
    o.text("release_date_precision", album.precision);
    o.plain("total_tracks", album.tracks.len());
}
