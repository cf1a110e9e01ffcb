//! Podcasts and their episodes.

use super::artist::write_images;
use super::cell::{
    full_text, link, noted_id, number, optional_text, plain, positive_int, release_date, required_boolean,
    required_text, text,
};
use super::{IngestContext, IngestError, inner_object, note_kept_list, parse_object, write_row};
use crate::store::children::{self, KnownValues};
use crate::store::{CellValue, EntityTable, MarketAvailability, MarketTable, WriteTx};
use spotify_client::EntityKind;
use spotify_client::wire::{EntryDiscriminator, Episode, JsonField, JsonList, JsonText, Show};

/// Writes a show and returns its id.
pub(super) fn write_show(
    s: &mut WriteTx,
    w: &Show<'_>,
    asked: &IngestContext,
    whole: bool,
) -> Result<Option<String>, IngestError> {
    let Some(id) = noted_id(&w.id, &w.uri, EntityKind::Show, asked) else { return Ok(None) };
    let cells = [
        required_text(&w.name),
        required_text(&w.uri),
        required_text(&w.publisher),
        optional_text(&w.description),
        optional_text(&w.html_description),
        optional_text(&w.media_type),
        required_boolean(&w.explicit),
        required_boolean(&w.is_externally_hosted),
        positive_int(&w.total_episodes),
        link(&w.external_urls),
    ];
    write_row(s, EntityTable::shows(), id, &cells, asked, whole)?;
    write_languages(s, "show", id, &w.languages, asked)?;
    if let JsonField::Value(lines) = &w.copyrights
        && !lines.is_empty()
    {
        children::set_texts(
            s,
            "show",
            id,
            "copyright",
            &lines.iter().filter_map(|c| plain(&c.text)).collect::<Vec<_>>(),
        )?;
    }
    note_kept_list(s, KnownValues::Texts("show", "copyright"), id, ("copyrights", &w.copyrights), asked)?;
    write_images(s, "show", id, &w.images, asked)?;
    Ok(Some(id.to_owned()))
}

/// Writes an episode and returns its id. `show` is the show that lists it, for responses that do not
/// name the show.
pub(super) fn write_episode(
    s: &mut WriteTx,
    e: &Episode<'_>,
    asked: &IngestContext,
    show: Option<&str>,
    whole: bool,
) -> Result<Option<String>, IngestError> {
    let Some(id) = noted_id(&e.id, &e.uri, EntityKind::Episode, asked) else { return Ok(None) };
    let own_show = write_own_show(s, e, asked)?;
    let show = own_show.as_deref().or(show);
    let no_show = if whole && e.show.is_none() { CellValue::KeptNull } else { CellValue::Absent };
    let cells = [
        required_text(&e.name),
        required_text(&e.uri),
        show.map_or(no_show, CellValue::Text),
        optional_text(&e.description),
        optional_text(&e.html_description),
        release_date(&e.release_date, &e.release_date),
        release_date(&e.release_date, &e.release_date_precision),
        positive_int(&e.duration_ms),
        required_boolean(&e.explicit),
        required_boolean(&e.is_externally_hosted),
        text(&e.audio_preview_url),
        link(&e.external_urls),
    ];
    write_row(s, EntityTable::episodes(), id, &cells, asked, whole)?;
    write_languages(s, "episode", id, &e.languages, asked)?;
    write_images(s, "episode", id, &e.images, asked)?;
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

/// Writes the show that an episode names. In the shape of a track, an episode has its show as its album.
fn write_own_show(s: &mut WriteTx, e: &Episode<'_>, asked: &IngestContext) -> Result<Option<String>, IngestError> {
    if let Some(raw) = inner_object(e.show, "show", asked) {
        let _place = asked.findings.enter("show");
        return write_show(s, &parse_object(raw, asked)?, asked, false);
    }
    let Some(raw) = inner_object(e.album, "album", asked) else { return Ok(None) };
    let _place = asked.findings.enter("album");
    let album: EntryDiscriminator<'_> = parse_object(raw, asked)?;
    let is_show =
        plain(&album.kind) == Some("show") || plain(&album.uri).is_some_and(|it| it.starts_with("spotify:show:"));
    if is_show { write_show(s, &parse_object(raw, asked)?, asked, false) } else { Ok(None) }
}

/// Writes the languages of an entity if the response has a `languages` key.
pub(super) fn write_languages(
    s: &mut WriteTx,
    kind: &str,
    id: &str,
    languages: &JsonField<JsonList<JsonText<'_>>>,
    asked: &IngestContext,
) -> Result<(), IngestError> {
    if let JsonField::Value(languages) = languages
        && !languages.is_empty()
    {
        children::set_texts(s, kind, id, "language", &languages.iter().map(|l| &**l).collect::<Vec<_>>())?;
    }
    Ok(note_kept_list(s, KnownValues::Texts(kind, "language"), id, ("languages", languages), asked)?)
}

/// Writes the market availability of an episode or chapter.
pub(super) fn write_market(
    s: &mut WriteTx,
    table: MarketTable,
    id: &str,
    e: &Episode<'_>,
    asked: &IngestContext,
) -> Result<(), IngestError> {
    let restriction = e.restrictions.value().and_then(|r| full_text(&r.reason));
    // A restriction says that it cannot be played there, also where the flag is missing.
    let is_playable = e.is_playable.value().copied().or(restriction.map(|_| false));
    let fact = MarketAvailability { is_playable, restriction, linked_from: None };
    if fact.is_playable.is_some() || fact.restriction.is_some() {
        children::set_market(s, table, id, &asked.market, fact, &asked.now)?;
    }
    Ok(())
}
