//! Tracks: full and simplified.

use super::{RenderContext, album_brief, artist_brief};
use crate::catalog::{CatalogIndex, CatalogTrack};
use crate::json;
use crate::json::ObjectWriter;

/// Writes a simplified track: without album, codes and popularity.
pub(crate) fn track_brief(view: &RenderContext<'_>, out: &mut String, index: CatalogIndex) {
    let track = &view.music.tracks[index];
    json::object(out, |o| write_shared_fields(view, o, track, track));
}

/// Writes a full track.
pub(crate) fn track(view: &RenderContext<'_>, out: &mut String, index: CatalogIndex) {
    json::object(out, |o| write_full_track(view, o, index));
}

/// Writes the keys of a full track, for callers that add more.
pub(super) fn write_full_track(view: &RenderContext<'_>, o: &mut ObjectWriter<'_>, index: CatalogIndex) {
    let requested = &view.music.tracks[index];
    let replacement = requested.edge_case.as_ref().and_then(|edge_case| edge_case.relinks_to);
    let served = match replacement.filter(|_| view.market.is_some()) {
        Some(replacement) => &view.music.tracks[replacement],
        None => requested,
    };
    o.write_with("album", |out| album_brief(view, out, served.album, None));
    write_shared_fields(view, o, served, requested);
    o.object("external_ids", |o| {
        if let Some(isrc) = &served.isrc {
            o.text("isrc", isrc);
        }
    });
    if view.extended {
        let float = served.edge_case.as_ref().is_some_and(|edge_case| edge_case.numbers_as_floats);
        o.display("popularity", format_args!("{}{}", served.popularity, if float { ".0" } else { "" }));
    }
}

fn write_shared_fields(
    view: &RenderContext<'_>,
    o: &mut ObjectWriter<'_>,
    track: &CatalogTrack,
    requested: &CatalogTrack,
) {
    let edge_case = track.edge_case.as_deref();
    o.array("artists", &track.artists, |out, artist| artist_brief(view, out, *artist));
    view.write_available_markets(o, track.market_list);
    o.display("disc_number", track.disc_number);
    match edge_case.and_then(|edge_case| edge_case.duration_text) {
        Some(text) => o.raw("duration_ms", text),
        None => o.display("duration_ms", track.duration_ms),
    }
    o.display("explicit", track.explicit);
    view.write_identity(o, "track", &track.id);
    o.display("is_local", false);
    let restriction = edge_case.and_then(|edge_case| edge_case.restriction);
    let in_market = view.is_playable(track.market_list);
    if let Some(playable) = in_market.or(restriction.map(|_| false)) {
        o.display("is_playable", playable && restriction.is_none());
        if !playable || restriction.is_some() {
            o.object("restrictions", |o| o.text("reason", restriction.unwrap_or("market")));
        }
    }
    if view.extended && track.id != requested.id {
        o.object("linked_from", |o| view.write_identity(o, "track", &requested.id));
    }
    o.text("name", &track.name);
    o.raw("preview_url", "null");
    let float = edge_case.is_some_and(|edge_case| edge_case.numbers_as_floats);
    o.display("track_number", format_args!("{}{}", track.track_number, if float { ".0" } else { "" }));
    if edge_case.is_some_and(|edge_case| edge_case.extra_keys) {
        o.raw("mood", r#"{"valence":0.5,"tags":["new",null]}"#);
        o.raw("is_ai_generated", "null");
    }
}
