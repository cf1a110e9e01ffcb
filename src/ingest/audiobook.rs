//! Audiobooks and their chapters.

use super::artist::write_images;
use super::cell::{
    link, noted_id, optional_text, plain, positive_int, release_date, required_boolean, required_int, required_text,
    text,
};
use super::show::{write_languages, write_market};
use super::{IngestContext, IngestError, inner_object, note_kept_list, parse_object, write_row};
use crate::store::children::{self, KnownValues};
use crate::store::{CellValue, EntityTable, MarketTable, WriteTx};
use spotify_client::EntityKind;
use spotify_client::wire::{Audiobook, Episode, JsonField, JsonList, NamedPerson};

/// Writes an audiobook and returns its id.
pub(super) fn write_audiobook(
    s: &mut WriteTx,
    b: &Audiobook<'_>,
    asked: &IngestContext,
    whole: bool,
) -> Result<Option<String>, IngestError> {
    let Some(id) = noted_id(&b.id, &b.uri, EntityKind::Audiobook, asked) else { return Ok(None) };
    let cells = [
        required_text(&b.name),
        required_text(&b.uri),
        required_text(&b.publisher),
        optional_text(&b.edition),
        optional_text(&b.description),
        optional_text(&b.html_description),
        optional_text(&b.media_type),
        required_boolean(&b.explicit),
        positive_int(&b.total_chapters),
        link(&b.external_urls),
    ];
    write_row(s, EntityTable::audiobooks(), id, &cells, asked, whole)?;
    write_people(s, id, ("author", "authors", &b.authors), asked)?;
    write_people(s, id, ("narrator", "narrators", &b.narrators), asked)?;
    write_languages(s, "audiobook", id, &b.languages, asked)?;
    if let JsonField::Value(lines) = &b.copyrights
        && !lines.is_empty()
    {
        children::set_texts(
            s,
            "audiobook",
            id,
            "copyright",
            &lines.iter().filter_map(|c| plain(&c.text)).collect::<Vec<_>>(),
        )?;
    }
    note_kept_list(s, KnownValues::Texts("audiobook", "copyright"), id, ("copyrights", &b.copyrights), asked)?;
    write_images(s, "audiobook", id, &b.images, asked)?;
    Ok(Some(id.to_owned()))
}

/// Writes a chapter and returns its id. `book` is the audiobook that lists it.
pub(super) fn write_chapter(
    s: &mut WriteTx,
    c: &Episode<'_>,
    asked: &IngestContext,
    book: Option<&str>,
    whole: bool,
) -> Result<Option<String>, IngestError> {
    let Some(id) = noted_id(&c.id, &c.uri, EntityKind::Chapter, asked)
        .or_else(|| noted_id(&c.id, &c.uri, EntityKind::Episode, asked))
    else {
        return Ok(None);
    };
    let own_book = match inner_object(c.audiobook, "audiobook", asked) {
        Some(raw) => {
            let _place = asked.findings.enter("audiobook");
            write_audiobook(s, &parse_object(raw, asked)?, asked, false)?
        }
        None => None,
    };
    let book = own_book.as_deref().or(book);
    let no_book = if whole && c.audiobook.is_none() { CellValue::KeptNull } else { CellValue::Absent };
    let cells = [
        required_text(&c.name),
        required_text(&c.uri),
        book.map_or(no_book, CellValue::Text),
        required_int(&c.chapter_number),
        optional_text(&c.description),
        optional_text(&c.html_description),
        release_date(&c.release_date, &c.release_date),
        release_date(&c.release_date, &c.release_date_precision),
        positive_int(&c.duration_ms),
        required_boolean(&c.explicit),
        text(&c.audio_preview_url),
        link(&c.external_urls),
    ];
    write_row(s, EntityTable::chapters(), id, &cells, asked, whole)?;
    write_languages(s, "chapter", id, &c.languages, asked)?;
    write_images(s, "chapter", id, &c.images, asked)?;
    write_market(s, MarketTable::Chapters, id, c, asked)?;
    Ok(Some(id.to_owned()))
}

fn write_people(
    s: &mut WriteTx,
    id: &str,
    (what, path, people): (&str, &str, &JsonField<JsonList<NamedPerson<'_>>>),
    asked: &IngestContext,
) -> Result<(), IngestError> {
    if let JsonField::Value(people) = people
        && !people.is_empty()
    {
        children::set_texts(
            s,
            "audiobook",
            id,
            what,
            &people.iter().filter_map(|p| plain(&p.name)).collect::<Vec<_>>(),
        )?;
    }
    Ok(note_kept_list(s, KnownValues::Texts("audiobook", what), id, (path, people), asked)?)
}
