//! Shows, episodes, audiobooks and chapters.
//!
//! With the app's own token and no market named, shows and episodes count as unavailable: 404.
//! Audiobooks exist in six markets only.

use super::Ask;
use super::call::COUNTRY;
use super::music::{batch, one};
use crate::answer::{Answer, not_found};
use crate::catalog::{Kind, Place};
use crate::render::{self, BOOK_MARKETS};

fn market(ask: &Ask<'_>) -> Option<&'static str> {
    let user = ask.caller.user.as_ref().map(|_| COUNTRY);
    user.or_else(|| crate::catalog::MARKETS.iter().find(|m| Some(**m) == ask.view.market).copied())
}

fn listed(ask: &Ask<'_>, places: Vec<Option<Place>>) -> Vec<Option<Place>> {
    let open = market(ask).is_some();
    places.into_iter().map(|place| place.filter(|_| open)).collect()
}

fn heard(ask: &Ask<'_>, kind: Kind, id: &str) -> Result<Place, Answer> {
    let place = ask.find(kind, id)?;
    market(ask).map(|_| place).ok_or_else(not_found)
}

/// Books are sold where they are sold, whoever asks; no market named counts as one that has them.
fn sold(ask: &Ask<'_>) -> bool {
    ask.view.market.is_none_or(|market| BOOK_MARKETS.contains(&market))
}

fn book(ask: &Ask<'_>, kind: Kind, id: &str) -> Result<Place, Answer> {
    let place = ask.find(kind, id)?;
    if sold(ask) { Ok(place) } else { Err(not_found()) }
}

pub(super) fn shows(ask: &Ask<'_>) -> Result<Answer, Answer> {
    let places = listed(ask, ask.find_all(Kind::Show, 50)?);
    batch(ask, "shows", places, render::show_brief)
}

pub(super) fn show(ask: &Ask<'_>, id: &str) -> Result<Answer, Answer> {
    one(ask, heard(ask, Kind::Show, id)?, render::show)
}

pub(super) fn show_episodes(ask: &Ask<'_>, id: &str) -> Result<Answer, Answer> {
    let episodes = &ask.view.music.shows[heard(ask, Kind::Show, id)?].episodes;
    let slice = ask.slice(20, 50)?;
    let path = format!("/shows/{id}/episodes");
    let mut out = String::new();
    render::page(&ask.view, &mut out, &path, &ask.kept, slice, episodes.len(), |out, n| match episodes[n] {
        Some(place) => render::episode(&ask.view, out, place, false),
        None => out.push_str("null"),
    });
    Ok(Answer::json(out))
}

pub(super) fn episodes(ask: &Ask<'_>) -> Result<Answer, Answer> {
    let places = listed(ask, ask.find_all(Kind::Episode, 50)?);
    batch(ask, "episodes", places, |view, out, place| render::episode(view, out, place, true))
}

pub(super) fn episode(ask: &Ask<'_>, id: &str) -> Result<Answer, Answer> {
    let place = heard(ask, Kind::Episode, id)?;
    one(ask, place, |view, out, place| render::episode(view, out, place, true))
}

pub(super) fn audiobooks(ask: &Ask<'_>) -> Result<Answer, Answer> {
    let sold = sold(ask);
    let places = ask.find_all(Kind::Audiobook, 50)?;
    let places = places.into_iter().map(|place| place.filter(|_| sold)).collect();
    batch(ask, "audiobooks", places, render::audiobook)
}

pub(super) fn audiobook(ask: &Ask<'_>, id: &str) -> Result<Answer, Answer> {
    one(ask, book(ask, Kind::Audiobook, id)?, render::audiobook)
}

pub(super) fn audiobook_chapters(ask: &Ask<'_>, id: &str) -> Result<Answer, Answer> {
    let chapters = &ask.view.music.audiobooks[book(ask, Kind::Audiobook, id)?].chapters;
    let slice = ask.slice(20, 50)?;
    let path = format!("/audiobooks/{id}/chapters");
    let mut out = String::new();
    render::page(&ask.view, &mut out, &path, &ask.kept, slice, chapters.len(), |out, n| {
        render::chapter(&ask.view, out, chapters[n], false);
    });
    Ok(Answer::json(out))
}

pub(super) fn chapters(ask: &Ask<'_>) -> Result<Answer, Answer> {
    let sold = sold(ask);
    let places = ask.find_all(Kind::Chapter, 50)?;
    let places = places.into_iter().map(|place| place.filter(|_| sold)).collect();
    batch(ask, "chapters", places, |view, out, place| render::chapter(view, out, place, true))
}

pub(super) fn chapter(ask: &Ask<'_>, id: &str) -> Result<Answer, Answer> {
    let place = book(ask, Kind::Chapter, id)?;
    one(ask, place, |view, out, place| render::chapter(view, out, place, true))
}
