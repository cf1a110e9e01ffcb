//! Artists: whole, and as they stand inside other things.

use super::{View, images};
use crate::catalog::Place;
use crate::json;

/// An artist as it stands inside tracks and albums.
pub(crate) fn artist_brief(view: &View<'_>, out: &mut String, place: Place) {
    let artist = &view.music.artists[place];
    json::object(out, |o| {
        view.identity(o, "artist", &artist.id);
        o.text("name", &artist.name);
    });
}

/// A whole artist.
pub(crate) fn artist(view: &View<'_>, out: &mut String, place: Place) {
    let artist = &view.music.artists[place];
    json::object(out, |o| {
        view.identity(o, "artist", &artist.id);
        if view.extended {
            o.object("followers", |o| {
                o.raw("href", "null");
                o.plain("total", artist.followers);
            });
            o.plain("popularity", artist.popularity);
        }
        o.array("genres", &artist.genres, |out, genre| json::text(out, genre));
        images(o, &artist.id);
        o.text("name", &artist.name);
    });
}
