//! Shows, episodes, audiobooks and chapters.
//!
//! With a client credentials token and without a market, shows and episodes are unavailable (404). Audiobooks
//! exist in six markets only.

use super::EndpointContext;
use super::music::{batch_response, single_response};
use super::request::COUNTRY;
use crate::catalog::{CatalogIndex, CatalogKind};
use crate::render::{self, BOOK_MARKETS};
use crate::response::{ServerResponse, not_found};

fn market(ask: &EndpointContext<'_>) -> Option<&'static str> {
    let user = ask.token_owner.user.as_ref().map(|_| COUNTRY);
    user.or_else(|| crate::catalog::MARKETS.iter().find(|m| Some(**m) == ask.render.market).copied())
}

fn hide_unavailable(ask: &EndpointContext<'_>, places: Vec<Option<CatalogIndex>>) -> Vec<Option<CatalogIndex>> {
    let open = market(ask).is_some();
    places.into_iter().map(|place| place.filter(|_| open)).collect()
}

fn find_available(ask: &EndpointContext<'_>, kind: CatalogKind, id: &str) -> Result<CatalogIndex, ServerResponse> {
    let place = ask.find(kind, id)?;
    market(ask).map(|_| place).ok_or_else(not_found)
}

/// Whether audiobooks are sold in the requested market. They are if the request has no market.
fn is_sold_in_market(ask: &EndpointContext<'_>) -> bool {
    ask.render.market.is_none_or(|market| BOOK_MARKETS.contains(&market))
}

fn find_sold(ask: &EndpointContext<'_>, kind: CatalogKind, id: &str) -> Result<CatalogIndex, ServerResponse> {
    let place = ask.find(kind, id)?;
    if is_sold_in_market(ask) { Ok(place) } else { Err(not_found()) }
}

pub(super) fn shows(ask: &EndpointContext<'_>) -> Result<ServerResponse, ServerResponse> {
    let places = hide_unavailable(ask, ask.find_all(CatalogKind::Show, 50)?);
    batch_response(ask, "shows", places, render::show_brief)
}

pub(super) fn show(ask: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    single_response(ask, find_available(ask, CatalogKind::Show, id)?, render::show)
}

pub(super) fn show_episodes(ask: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let episodes = &ask.render.music.shows[find_available(ask, CatalogKind::Show, id)?].episodes;
    let slice = ask.page_range(20, 50)?;
    let path = format!("/shows/{id}/episodes");
    let mut out = String::new();
    render::write_page(&ask.render, &mut out, &path, &ask.paging_query, slice, episodes.len(), |out, n| match episodes
        [n]
    {
        Some(place) => render::episode(&ask.render, out, place, false),
        None => out.push_str("null"),
    });
    Ok(ServerResponse::json(out))
}

pub(super) fn episodes(ask: &EndpointContext<'_>) -> Result<ServerResponse, ServerResponse> {
    let places = hide_unavailable(ask, ask.find_all(CatalogKind::Episode, 50)?);
    batch_response(ask, "episodes", places, |view, out, place| render::episode(view, out, place, true))
}

pub(super) fn episode(ask: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let place = find_available(ask, CatalogKind::Episode, id)?;
    single_response(ask, place, |view, out, place| render::episode(view, out, place, true))
}

pub(super) fn audiobooks(ask: &EndpointContext<'_>) -> Result<ServerResponse, ServerResponse> {
    let sold = is_sold_in_market(ask);
    let places = ask.find_all(CatalogKind::Audiobook, 50)?;
    let places = places.into_iter().map(|place| place.filter(|_| sold)).collect();
    batch_response(ask, "audiobooks", places, render::audiobook)
}

pub(super) fn audiobook(ask: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    single_response(ask, find_sold(ask, CatalogKind::Audiobook, id)?, render::audiobook)
}

pub(super) fn audiobook_chapters(ask: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let chapters = &ask.render.music.audiobooks[find_sold(ask, CatalogKind::Audiobook, id)?].chapters;
    let slice = ask.page_range(20, 50)?;
    let path = format!("/audiobooks/{id}/chapters");
    let mut out = String::new();
    render::write_page(&ask.render, &mut out, &path, &ask.paging_query, slice, chapters.len(), |out, n| {
        render::chapter(&ask.render, out, chapters[n], false);
    });
    Ok(ServerResponse::json(out))
}

pub(super) fn chapters(ask: &EndpointContext<'_>) -> Result<ServerResponse, ServerResponse> {
    let sold = is_sold_in_market(ask);
    let places = ask.find_all(CatalogKind::Chapter, 50)?;
    let places = places.into_iter().map(|place| place.filter(|_| sold)).collect();
    batch_response(ask, "chapters", places, |view, out, place| render::chapter(view, out, place, true))
}

pub(super) fn chapter(ask: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let place = find_sold(ask, CatalogKind::Chapter, id)?;
    single_response(ask, place, |view, out, place| render::chapter(view, out, place, true))
}
