//! Albums: full and simplified.

use super::{PageRange, RenderContext, artist_brief, track_brief, write_images, write_page};
use crate::catalog::{CatalogAlbum, CatalogIndex};
use crate::json::{self, ObjectWriter};

/// Writes a simplified album; `group` is its `album_group` in a discography.
pub(crate) fn album_brief(view: &RenderContext<'_>, out: &mut String, index: CatalogIndex, group: Option<&str>) {
    let album = &view.music.albums[index];
    json::object(out, |o| {
        if let Some(group) = group.filter(|_| view.extended) {
            o.text("album_group", group);
        }
        write_shared_fields(view, o, album);
    });
}

/// Writes a full album with its first tracks.
pub(crate) fn album(view: &RenderContext<'_>, out: &mut String, index: CatalogIndex) {
    let album = &view.music.albums[index];
    json::object(out, |o| {
        write_shared_fields(view, o, album);
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
            o.display("popularity", album.popularity);
        }
        let slice = PageRange::first_page(50);
        let path = format!("/albums/{}/tracks", album.id);
        o.write_with("tracks", |out| {
            write_page(view, out, &path, "", slice, album.tracks.len(), |out, n| {
                track_brief(view, out, album.tracks[n]);
            });
        });
    });
}

fn write_shared_fields(view: &RenderContext<'_>, o: &mut ObjectWriter<'_>, album: &CatalogAlbum) {
    o.text_or_null("album_type", album.kind);
    o.array("artists", &album.artists, |out, artist| artist_brief(view, out, *artist));
    view.write_available_markets(o, album.market_list);
    view.write_identity(o, "album", &album.id);
    if album.no_images {
        o.raw("images", "null");
    } else {
        write_images(o, &album.id);
    }
    if let Some(playable) = view.is_playable(album.market_list) {
        o.display("is_playable", playable);
        if !playable {
            o.object("restrictions", |o| o.text("reason", "market"));
        }
    }
    o.text("name", &album.name);
    o.text("release_date", &album.release_date);
    o.text("release_date_precision", album.precision);
    o.display("total_tracks", album.tracks.len());
}
