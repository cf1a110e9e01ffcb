//! Podcasts and their episodes.

use super::artist::write_images;
use super::cell::{boolean, id, int, link, number, plain, text};
use super::{IngestContext, IngestError, parse_object};
use crate::store::{CellValue, EntityTable, MarketAvailability, MarketTable, WriteTx};
use crate::store::{children, entity};
use spotify_client::wire::{Episode, JsonField, JsonText, Show};

/// Writes a show and returns its id.
pub(super) fn write_show(
    s: &mut WriteTx,
    w: &Show<'_>,
    asked: &IngestContext,
    whole: bool,
) -> Result<Option<String>, IngestError> {
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
    entity::upsert(s, EntityTable::shows(), id, &cells, &asked.now, whole)?;
    write_languages(s, "show", id, &w.languages)?;
    if let JsonField::Value(lines) = &w.copyrights {
        children::set_texts(
            s,
            "show",
            id,
            "copyright",
            &lines.iter().filter_map(|c| plain(&c.text)).collect::<Vec<_>>(),
        )?;
    }
    write_images(s, "show", id, &w.images)?;
    Ok(Some(id.to_owned()))
}

/// Writes an episode and returns its id. `show` is the show whose list contains it, for responses that do not
/// name the show.
pub(super) fn write_episode(
    s: &mut WriteTx,
    e: &Episode<'_>,
    asked: &IngestContext,
    show: Option<&str>,
    whole: bool,
) -> Result<Option<String>, IngestError> {
    let Some(id) = id(&e.id) else { return Ok(None) };
    let own_show =
        e.show.map(|raw| self::write_show(s, &parse_object(raw.get())?, asked, false)).transpose()?.flatten();
    let show = own_show.as_deref().or(show);
    let cells = [
        text(&e.name),
        text(&e.uri),
        show.map_or(CellValue::Absent, CellValue::Text),
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
    entity::upsert(s, EntityTable::episodes(), id, &cells, &asked.now, whole)?;
    write_languages(s, "episode", id, &e.languages)?;
    write_images(s, "episode", id, &e.images)?;
    write_market(s, MarketTable::Episodes, id, e, asked)?;
    if let (Some(user), JsonField::Value(point)) = (&asked.user_id, &e.resume_point) {
        children::set_resume_point(
            s,
            user,
            id,
            point.fully_played.value().copied(),
            number(&point.resume_position_ms),
            &asked.now,
        )?;
    }
    Ok(Some(id.to_owned()))
}

/// Writes the languages of an entity if the response has a `languages` key.
pub(super) fn write_languages(
    s: &mut WriteTx,
    kind: &str,
    id: &str,
    languages: &JsonField<Vec<JsonText<'_>>>,
) -> Result<(), IngestError> {
    if let JsonField::Value(languages) = languages {
        children::set_texts(s, kind, id, "language", &languages.iter().map(|l| &**l).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Writes the market availability of an episode or chapter.
pub(super) fn write_market(
    s: &mut WriteTx,
    table: MarketTable,
    id: &str,
    e: &Episode<'_>,
    asked: &IngestContext,
) -> Result<(), IngestError> {
    let fact = MarketAvailability {
        is_playable: e.is_playable.value().copied(),
        restriction: e.restrictions.value().and_then(|r| plain(&r.reason)),
        linked_from: None,
    };
    if fact.is_playable.is_some() || fact.restriction.is_some() {
        children::set_market(s, table, id, &asked.market, fact, &asked.now)?;
    }
    Ok(())
}
