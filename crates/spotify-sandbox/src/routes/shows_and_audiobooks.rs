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

fn market(context: &EndpointContext<'_>) -> Option<&'static str> {
    let user = context.token_owner.user.as_ref().map(|_| COUNTRY);
    user.or_else(|| crate::catalog::MARKETS.iter().find(|m| Some(**m) == context.render.market).copied())
}

fn hide_unavailable(context: &EndpointContext<'_>, indexes: Vec<Option<CatalogIndex>>) -> Vec<Option<CatalogIndex>> {
    let open = market(context).is_some();
    indexes.into_iter().map(|index| index.filter(|_| open)).collect()
}

fn find_available(context: &EndpointContext<'_>, kind: CatalogKind, id: &str) -> Result<CatalogIndex, ServerResponse> {
    let index = context.find(kind, id)?;
    market(context).map(|_| index).ok_or_else(not_found)
}

/// Whether audiobooks are sold in the requested market. They are if the request has no market.
fn is_sold_in_market(context: &EndpointContext<'_>) -> bool {
    context.render.market.is_none_or(|market| BOOK_MARKETS.contains(&market))
}

fn find_sold(context: &EndpointContext<'_>, kind: CatalogKind, id: &str) -> Result<CatalogIndex, ServerResponse> {
    let index = context.find(kind, id)?;
    if is_sold_in_market(context) { Ok(index) } else { Err(not_found()) }
}

pub(super) fn shows(context: &EndpointContext<'_>) -> Result<ServerResponse, ServerResponse> {
    let indexes = hide_unavailable(context, context.find_all(CatalogKind::Show, 50)?);
    batch_response(context, "shows", indexes, render::show_brief)
}

pub(super) fn show(context: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    single_response(context, find_available(context, CatalogKind::Show, id)?, render::show)
}

pub(super) fn show_episodes(context: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let episodes = &context.render.music.shows[find_available(context, CatalogKind::Show, id)?].episodes;
    let slice = context.page_range(20, 50)?;
    let path = format!("/shows/{id}/episodes");
    let mut out = String::new();
    render::write_page(&context.render, &mut out, &path, &context.paging_query, slice, episodes.len(), |out, n| {
        match episodes[n] {
            Some(index) => render::episode(&context.render, out, index, false),
            None => out.push_str("null"),
        }
    });
    Ok(ServerResponse::json(out))
}

pub(super) fn episodes(context: &EndpointContext<'_>) -> Result<ServerResponse, ServerResponse> {
    let indexes = hide_unavailable(context, context.find_all(CatalogKind::Episode, 50)?);
    batch_response(context, "episodes", indexes, |view, out, index| render::episode(view, out, index, true))
}

pub(super) fn episode(context: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let index = find_available(context, CatalogKind::Episode, id)?;
    single_response(context, index, |view, out, index| render::episode(view, out, index, true))
}

pub(super) fn audiobooks(context: &EndpointContext<'_>) -> Result<ServerResponse, ServerResponse> {
    let sold = is_sold_in_market(context);
    let indexes = context.find_all(CatalogKind::Audiobook, 50)?;
    let indexes = indexes.into_iter().map(|index| index.filter(|_| sold)).collect();
    batch_response(context, "audiobooks", indexes, render::audiobook)
}

pub(super) fn audiobook(context: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    single_response(context, find_sold(context, CatalogKind::Audiobook, id)?, render::audiobook)
}

pub(super) fn audiobook_chapters(context: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let chapters = &context.render.music.audiobooks[find_sold(context, CatalogKind::Audiobook, id)?].chapters;
    let slice = context.page_range(20, 50)?;
    let path = format!("/audiobooks/{id}/chapters");
    let mut out = String::new();
    render::write_page(&context.render, &mut out, &path, &context.paging_query, slice, chapters.len(), |out, n| {
        render::chapter(&context.render, out, chapters[n], false);
    });
    Ok(ServerResponse::json(out))
}

pub(super) fn chapters(context: &EndpointContext<'_>) -> Result<ServerResponse, ServerResponse> {
    let sold = is_sold_in_market(context);
    let indexes = context.find_all(CatalogKind::Chapter, 50)?;
    let indexes = indexes.into_iter().map(|index| index.filter(|_| sold)).collect();
    batch_response(context, "chapters", indexes, |view, out, index| render::chapter(view, out, index, true))
}

pub(super) fn chapter(context: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let index = find_sold(context, CatalogKind::Chapter, id)?;
    single_response(context, index, |view, out, index| render::chapter(view, out, index, true))
}
