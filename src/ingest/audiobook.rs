//! Audiobooks and their chapters.

use super::artist::write_images;
use super::cell::{boolean, id, int, link, plain, text};
use super::show::{write_languages, write_market};
use super::{IngestContext, IngestError, parse_object};
use crate::store::{CellValue, EntityTable, MarketTable, WriteTx};
use crate::store::{children, entity};
use spotify_client::wire::{Audiobook, Episode, JsonField, NamedPerson};

/// Writes an audiobook and returns its id.
pub(super) fn write_audiobook(
    s: &mut WriteTx,
    b: &Audiobook<'_>,
    asked: &IngestContext,
    whole: bool,
) -> Result<Option<String>, IngestError> {
    let Some(id) = id(&b.id) else { return Ok(None) };
    let cells = [
        text(&b.name),
        text(&b.uri),
        text(&b.publisher),
        text(&b.edition),
        text(&b.description),
        text(&b.html_description),
        text(&b.media_type),
        boolean(&b.explicit),
        int(&b.total_chapters),
        link(&b.external_urls),
    ];
    entity::upsert(s, EntityTable::audiobooks(), id, &cells, &asked.now, whole)?;
    write_people(s, id, "author", &b.authors)?;
    write_people(s, id, "narrator", &b.narrators)?;
    write_languages(s, "audiobook", id, &b.languages)?;
    if let JsonField::Value(lines) = &b.copyrights {
        children::set_texts(
            s,
            "audiobook",
            id,
            "copyright",
            &lines.iter().filter_map(|c| plain(&c.text)).collect::<Vec<_>>(),
        )?;
    }
    write_images(s, "audiobook", id, &b.images)?;
    Ok(Some(id.to_owned()))
}

/// Writes a chapter and returns its id. `book` is the audiobook whose list contains it.
pub(super) fn write_chapter(
    s: &mut WriteTx,
    c: &Episode<'_>,
    asked: &IngestContext,
    book: Option<&str>,
    whole: bool,
) -> Result<Option<String>, IngestError> {
    let Some(id) = id(&c.id) else { return Ok(None) };
    let own_book =
        c.audiobook.map(|raw| write_audiobook(s, &parse_object(raw.get())?, asked, false)).transpose()?.flatten();
    let book = own_book.as_deref().or(book);
    let cells = [
        text(&c.name),
        text(&c.uri),
        book.map_or(CellValue::Absent, CellValue::Text),
        int(&c.chapter_number),
        text(&c.description),
        text(&c.html_description),
        text(&c.release_date),
        text(&c.release_date_precision),
        int(&c.duration_ms),
        boolean(&c.explicit),
        text(&c.audio_preview_url),
        link(&c.external_urls),
    ];
    entity::upsert(s, EntityTable::chapters(), id, &cells, &asked.now, whole)?;
    write_languages(s, "chapter", id, &c.languages)?;
    write_images(s, "chapter", id, &c.images)?;
    write_market(s, MarketTable::Chapters, id, c, asked)?;
    Ok(Some(id.to_owned()))
}

fn write_people(
    s: &mut WriteTx,
    id: &str,
    what: &str,
    people: &JsonField<Vec<NamedPerson<'_>>>,
) -> Result<(), IngestError> {
    if let JsonField::Value(people) = people {
        children::set_texts(
            s,
            "audiobook",
            id,
            what,
            &people.iter().filter_map(|p| plain(&p.name)).collect::<Vec<_>>(),
        )?;
    }
    Ok(())
}
