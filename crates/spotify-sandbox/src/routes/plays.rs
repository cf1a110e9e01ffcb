//! The last fifty plays, paged by time instead of by offset.

use super::EndpointContext;
use crate::catalog::{fixtures, recent_plays};
use crate::clock::timestamp_ms;
use crate::json;
use crate::render;
use crate::response::{ServerResponse, api_error};

/// `GET /me/player/recently-played`, before or after a time in milliseconds, not both.
pub(super) fn recently_played(context: &EndpointContext<'_>, user: &str) -> Result<ServerResponse, ServerResponse> {
    context.require_scope("user-read-recently-played")?;
    let limit = context.page_range(20, 50)?.limit;
    let instant = |key: &str| match context.request.query_param(key) {
        None => Ok(None),
        Some(text) => text.parse::<i64>().map(Some).map_err(|_| api_error(400, "Invalid cursor")),
    };
    let (after, before) = (instant("after")?, instant("before")?);
    if after.is_some() && before.is_some() {
        return Err(api_error(400, "Only one of after and before can be specified"));
    }
    let mut plays = recent_plays(context.render.music, user, context.state.clock.now_ms());
    plays.retain(|play| {
        before.is_none_or(|before| play.played_at_ms < before) && after.is_none_or(|after| play.played_at_ms > after)
    });
    let more = plays.len() > limit;
    plays.truncate(limit);
    let link = format!("{}/me/player/recently-played?limit={limit}", context.render.api_url);
    let oldest = plays.last().map(|play| play.played_at_ms);
    let mut out = String::new();
    json::object(&mut out, |o| {
        o.array("items", &plays, |out, play| {
            json::object(out, |o| {
                o.write_with("track", |out| render::track(&context.render, out, play.track));
                o.text("played_at", &timestamp_ms(play.played_at_ms));
                if play.track.is_multiple_of(2) {
                    o.raw("context", "null");
                } else {
                    o.object("context", |o| {
                        let id = fixtures::HOME_PLAYLIST;
                        o.object("external_urls", |o| {
                            o.text("spotify", &format!("https://open.spotify.com/playlist/{id}"));
                        });
                        o.text("href", &format!("{}/playlists/{id}", context.render.api_url));
                        o.text("type", "playlist");
                        o.text("uri", &format!("spotify:playlist:{id}"));
                    });
                }
            });
        });
        let next = oldest.filter(|_| more).map(|oldest| format!("{link}&before={oldest}"));
        o.text_or_null("next", next.as_deref());
        match (plays.first(), oldest) {
            (Some(newest), Some(oldest)) => o.object("cursors", |o| {
                o.text("after", &newest.played_at_ms.to_string());
                o.text("before", &oldest.to_string());
            }),
            _ => o.raw("cursors", "null"),
        }
        o.display("limit", limit);
        o.text("href", &link);
    });
    Ok(ServerResponse::json(out))
}
