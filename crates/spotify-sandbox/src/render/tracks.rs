//! Tracks: whole, and as they stand on their album.

use super::{View, album_brief, artist_brief};
use crate::catalog::{Place, Track};
use crate::json;
use crate::json::Object;

/// A track on its album's page: no album, no codes, no popularity.
pub(crate) fn track_brief(view: &View<'_>, out: &mut String, place: Place) {
    let track = &view.music.tracks[place];
    json::object(out, |o| shared(view, o, track, track));
}

/// A whole track.
pub(crate) fn track(view: &View<'_>, out: &mut String, place: Place) {
    json::object(out, |o| whole(view, o, place));
}

/// The keys of a whole track, for callers that add some of their own.
pub(super) fn whole(view: &View<'_>, o: &mut Object<'_>, place: Place) {
    let asked = &view.music.tracks[place];
    let heir = asked.oddity.as_ref().and_then(|oddity| oddity.relinks_to);
    let served = match heir.filter(|_| view.market.is_some()) {
        Some(heir) => &view.music.tracks[heir],
        None => asked,
    };
    o.with("album", |out| album_brief(view, out, served.album, None));
    shared(view, o, served, asked);
    o.object("external_ids", |o| {
        if let Some(isrc) = &served.isrc {
            o.text("isrc", isrc);
        }
    });
    if view.extended {
        let float = served.oddity.as_ref().is_some_and(|oddity| oddity.floats);
        o.plain("popularity", format_args!("{}{}", served.popularity, if float { ".0" } else { "" }));
    }
}

fn shared(view: &View<'_>, o: &mut Object<'_>, track: &Track, asked: &Track) {
    let oddity = track.oddity.as_deref();
    o.array("artists", &track.artists, |out, artist| artist_brief(view, out, *artist));
    view.markets(o, track.markets);
    o.plain("disc_number", track.disc_number);
    match oddity.and_then(|oddity| oddity.duration_as) {
        Some(odd) => o.raw("duration_ms", odd),
        None => o.plain("duration_ms", track.duration_ms),
    }
    o.plain("explicit", track.explicit);
    view.identity(o, "track", &track.id);
    o.plain("is_local", false);
    let restriction = oddity.and_then(|oddity| oddity.restriction);
    let in_market = view.playable(track.markets);
    if let Some(playable) = in_market.or(restriction.map(|_| false)) {
        o.plain("is_playable", playable && restriction.is_none());
        if !playable || restriction.is_some() {
            o.object("restrictions", |o| o.text("reason", restriction.unwrap_or("market")));
        }
    }
    if view.extended && track.id != asked.id {
        o.object("linked_from", |o| view.identity(o, "track", &asked.id));
    }
    o.text("name", &track.name);
    o.raw("preview_url", "null");
    let float = oddity.is_some_and(|oddity| oddity.floats);
    o.plain("track_number", format_args!("{}{}", track.track_number, if float { ".0" } else { "" }));
    if oddity.is_some_and(|oddity| oddity.extra_keys) {
        o.raw("mood", r#"{"valence":0.5,"tags":["new",null]}"#);
        o.raw("is_ai_generated", "null");
    }
}
