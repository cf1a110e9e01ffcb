//! Artists: whole, and as they stand inside other things.

use super::{RenderContext, write_images};
use crate::catalog::CatalogIndex;
use crate::json;

/// An artist as it stands inside tracks and albums.
pub(crate) fn artist_brief(view: &RenderContext<'_>, out: &mut String, place: CatalogIndex) {
    let artist = &view.music.artists[place];
    json::object(out, |o| {
        view.write_identity(o, "artist", &artist.id);
        o.text("name", &artist.name);
    });
}

/// A whole artist.
pub(crate) fn artist(view: &RenderContext<'_>, out: &mut String, place: CatalogIndex) {
    let artist = &view.music.artists[place];
    json::object(out, |o| {
        view.write_identity(o, "artist", &artist.id);
        if view.extended {
            o.object("followers", |o| {
                o.raw("href", "null");
                o.display("total", artist.followers);
            });
            o.display("popularity", artist.popularity);
        }
        o.array("genres", &artist.genres, |out, genre| json::text(out, genre));
        write_images(o, &artist.id);
        o.text("name", &artist.name);
    });
}
