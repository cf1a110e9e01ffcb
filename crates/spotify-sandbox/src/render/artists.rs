//! Artists: full and simplified.

use super::{RenderContext, write_images};
use crate::catalog::CatalogIndex;
use crate::json;

/// Writes a simplified artist, as in tracks and albums.
pub(crate) fn artist_brief(view: &RenderContext<'_>, out: &mut String, index: CatalogIndex) {
    let artist = &view.music.artists[index];
    json::object(out, |o| {
        view.write_identity(o, "artist", &artist.id);
        o.text("name", &artist.name);
    });
}

/// Writes a full artist.
pub(crate) fn artist(view: &RenderContext<'_>, out: &mut String, index: CatalogIndex) {
    let artist = &view.music.artists[index];
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
