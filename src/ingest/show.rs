//! Podcasts and their episodes.

use super::artist::images;
use super::cell::{boolean, id, int, link, number, plain, text};
use super::{Asked, Trouble, parse};
use crate::store::{Cell, MarketFact, MarketTable, Session, Table};
use spotify_client::wire::{Episode, Field, Show, Text};

/// Writes a show and returns its id.
pub(super) fn show(s: &mut Session, w: &Show<'_>, asked: &Asked, whole: bool) -> Result<Option<String>, Trouble> {
    let Some(id) = id(&w.id) else { return Ok(None) };
    let cells = [
        text(&w.name),
        text(&w.uri),
        text(&w.publisher),
        text(&w.description),
        text(&w.html_description),
        text(&w.media_type),
        boolean(&w.explicit),
        boolean(&w.is_externally_hosted),
        int(&w.total_episodes),
        link(&w.external_urls),
    ];
    s.upsert(Table::shows(), id, &cells, &asked.now, whole)?;
    languages(s, "show", id, &w.languages)?;
    if let Field::Value(lines) = &w.copyrights {
        s.set_texts("show", id, "copyright", &lines.iter().filter_map(|c| plain(&c.text)).collect::<Vec<_>>())?;
    }
    images(s, "show", id, &w.images)?;
    Ok(Some(id.to_owned()))
}

/// Writes an episode and returns its id. `show` is the one whose list it stands in, where the
/// answer itself does not say.
pub(super) fn episode(
    s: &mut Session,
    e: &Episode<'_>,
    asked: &Asked,
    show: Option<&str>,
    whole: bool,
) -> Result<Option<String>, Trouble> {
    let Some(id) = id(&e.id) else { return Ok(None) };
    let own_show = e.show.map(|raw| self::show(s, &parse(raw.get())?, asked, false)).transpose()?.flatten();
    let show = own_show.as_deref().or(show);
    let cells = [
        text(&e.name),
        text(&e.uri),
        show.map_or(Cell::Absent, Cell::Text),
        text(&e.description),
        text(&e.html_description),
        text(&e.release_date),
        text(&e.release_date_precision),
        int(&e.duration_ms),
        boolean(&e.explicit),
        boolean(&e.is_externally_hosted),
        text(&e.audio_preview_url),
        link(&e.external_urls),
    ];
    s.upsert(Table::episodes(), id, &cells, &asked.now, whole)?;
    languages(s, "episode", id, &e.languages)?;
    images(s, "episode", id, &e.images)?;
    market(s, MarketTable::Episodes, id, e, asked)?;
    if let (Some(user), Field::Value(point)) = (&asked.user_id, &e.resume_point) {
        s.set_resume_point(
            user,
            id,
            point.fully_played.value().copied(),
            number(&point.resume_position_ms),
            &asked.now,
        )?;
    }
    Ok(Some(id.to_owned()))
}

/// Writes the languages of a thing, if the answer had any say on them.
pub(super) fn languages(
    s: &mut Session,
    kind: &str,
    id: &str,
    languages: &Field<Vec<Text<'_>>>,
) -> Result<(), Trouble> {
    if let Field::Value(languages) = languages {
        s.set_texts(kind, id, "language", &languages.iter().map(|l| &**l).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Writes what an episode or chapter says about the market.
pub(super) fn market(
    s: &mut Session,
    table: MarketTable,
    id: &str,
    e: &Episode<'_>,
    asked: &Asked,
) -> Result<(), Trouble> {
    let fact = MarketFact {
        is_playable: e.is_playable.value().copied(),
        restriction: e.restrictions.value().and_then(|r| plain(&r.reason)),
        linked_from: None,
    };
    if fact.is_playable.is_some() || fact.restriction.is_some() {
        s.set_market(table, id, &asked.market, fact, &asked.now)?;
    }
    Ok(())
}
