//! Audiobooks and their chapters.

use super::artist::images;
use super::cell::{boolean, id, int, link, plain, text};
use super::show::{languages, market};
use super::{Asked, Trouble, parse};
use crate::store::{Cell, MarketTable, Session, Table};
use spotify_client::wire::{Audiobook, Episode, Field, Named};

/// Writes an audiobook and returns its id.
pub(super) fn audiobook(
    s: &mut Session,
    b: &Audiobook<'_>,
    asked: &Asked,
    whole: bool,
) -> Result<Option<String>, Trouble> {
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
    s.upsert(Table::audiobooks(), id, &cells, &asked.now, whole)?;
    people(s, id, "author", &b.authors)?;
    people(s, id, "narrator", &b.narrators)?;
    languages(s, "audiobook", id, &b.languages)?;
    if let Field::Value(lines) = &b.copyrights {
        s.set_texts("audiobook", id, "copyright", &lines.iter().filter_map(|c| plain(&c.text)).collect::<Vec<_>>())?;
    }
    images(s, "audiobook", id, &b.images)?;
    Ok(Some(id.to_owned()))
}

/// Writes a chapter and returns its id. `book` is the one whose list it stands in.
pub(super) fn chapter(
    s: &mut Session,
    c: &Episode<'_>,
    asked: &Asked,
    book: Option<&str>,
    whole: bool,
) -> Result<Option<String>, Trouble> {
    let Some(id) = id(&c.id) else { return Ok(None) };
    let own_book = c.audiobook.map(|raw| audiobook(s, &parse(raw.get())?, asked, false)).transpose()?.flatten();
    let book = own_book.as_deref().or(book);
    let cells = [
        text(&c.name),
        text(&c.uri),
        book.map_or(Cell::Absent, Cell::Text),
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
    s.upsert(Table::chapters(), id, &cells, &asked.now, whole)?;
    languages(s, "chapter", id, &c.languages)?;
    images(s, "chapter", id, &c.images)?;
    market(s, MarketTable::Chapters, id, c, asked)?;
    Ok(Some(id.to_owned()))
}

fn people(s: &mut Session, id: &str, what: &str, people: &Field<Vec<Named<'_>>>) -> Result<(), Trouble> {
    if let Field::Value(people) = people {
        s.set_texts("audiobook", id, what, &people.iter().filter_map(|p| plain(&p.name)).collect::<Vec<_>>())?;
    }
    Ok(())
}
