//! Shows, episodes, audiobooks and chapters.

use super::{PageRange, RenderContext, write_images, write_page};
use crate::catalog::{CatalogAudiobook, CatalogIndex, CatalogShow};
use crate::json::{self, ObjectWriter};

/// The markets with audiobooks.
pub(crate) const BOOK_MARKETS: [&str; 6] = ["US", "GB", "CA", "IE", "NZ", "AU"];
const BOOK_MARKETS_JSON: &str = r#"["US","GB","CA","IE","NZ","AU"]"#;

/// Writes a simplified show.
pub(crate) fn show_brief(view: &RenderContext<'_>, out: &mut String, index: CatalogIndex) {
    json::object(out, |o| write_show_fields(view, o, &view.music.shows[index]));
}

/// Writes a full show with its first episodes.
pub(crate) fn show(view: &RenderContext<'_>, out: &mut String, index: CatalogIndex) {
    let show = &view.music.shows[index];
    json::object(out, |o| {
        write_show_fields(view, o, show);
        let path = format!("/shows/{}/episodes", show.id);
        o.write_with("episodes", |out| {
            write_page(view, out, &path, "", PageRange::first_page(50), show.episodes.len(), |out, n| {
                write_episode_or_null(view, out, show.episodes[n]);
            });
        });
    });
}

fn write_show_fields(view: &RenderContext<'_>, o: &mut ObjectWriter<'_>, show: &CatalogShow) {
    view.write_available_markets(o, 0);
    o.array("copyrights", [(); 0], |_, ()| {});
    o.text("description", &show.description);
    o.text("html_description", &format!("<p>{}</p>", show.description));
    o.display("explicit", show.explicit);
    view.write_identity(o, "show", &show.id);
    write_images(o, &show.id);
    o.display("is_externally_hosted", false);
    o.array("languages", [show.language], json::text);
    o.text("media_type", "audio");
    o.text("name", &show.name);
    if view.extended {
        o.text("publisher", &show.publisher);
    }
    o.display("total_episodes", show.episodes.len());
}

/// Writes an episode without its show, or null for a withdrawn one.
fn write_episode_or_null(view: &RenderContext<'_>, out: &mut String, index: Option<CatalogIndex>) {
    match index {
        Some(index) => episode(view, out, index, false),
        None => out.push_str("null"),
    }
}

/// Writes an episode with or without its show.
pub(crate) fn episode(view: &RenderContext<'_>, out: &mut String, index: CatalogIndex, with_show: bool) {
    json::object(out, |o| write_episode_fields(view, o, index, with_show));
}

pub(super) fn write_episode_fields(
    view: &RenderContext<'_>,
    o: &mut ObjectWriter<'_>,
    index: CatalogIndex,
    with_show: bool,
) {
    let episode = &view.music.episodes[index];
    let show = &view.music.shows[episode.show];
    o.raw("audio_preview_url", "null");
    o.text("description", &episode.description);
    o.write_with("html_description", |out| {
        json::text(out, &format!("<p>{}</p>", episode.description));
    });
    o.display("duration_ms", episode.duration_ms);
    o.display("explicit", episode.explicit);
    view.write_identity(o, "episode", &episode.id);
    write_images(o, &episode.id);
    o.display("is_externally_hosted", false);
    o.display("is_playable", true);
    o.text("language", show.language);
    o.array("languages", [show.language], json::text);
    o.text("name", &episode.name);
    o.text("release_date", &episode.release_date);
    o.text("release_date_precision", episode.precision);
    write_resume_point(view, o, episode.duration_ms, index);
    if with_show {
        o.write_with("show", |out| show_brief(view, out, episode.show));
    }
}

fn write_resume_point(view: &RenderContext<'_>, o: &mut ObjectWriter<'_>, duration_ms: u64, index: CatalogIndex) {
    if view.resume_points {
        o.object("resume_point", |o| {
            o.display("fully_played", index.is_multiple_of(3));
            let position = if index % 3 == 1 { duration_ms / 2 } else { 0 };
            o.display("resume_position_ms", position);
        });
    }
}

/// Writes a simplified audiobook.
pub(crate) fn audiobook_brief(view: &RenderContext<'_>, out: &mut String, index: CatalogIndex) {
    json::object(out, |o| write_audiobook_fields(view, o, &view.music.audiobooks[index]));
}

/// Writes a full audiobook with its first chapters.
pub(crate) fn audiobook(view: &RenderContext<'_>, out: &mut String, index: CatalogIndex) {
    let book = &view.music.audiobooks[index];
    json::object(out, |o| {
        write_audiobook_fields(view, o, book);
        let path = format!("/audiobooks/{}/chapters", book.id);
        o.write_with("chapters", |out| {
            write_page(view, out, &path, "", PageRange::first_page(50), book.chapters.len(), |out, n| {
                chapter(view, out, book.chapters[n], false);
            });
        });
    });
}

fn write_audiobook_fields(view: &RenderContext<'_>, o: &mut ObjectWriter<'_>, book: &CatalogAudiobook) {
    let people = |out: &mut String, name: &String| json::object(out, |o| o.text("name", name));
    o.array("authors", &book.authors, people);
    write_audiobook_markets(view, o);
    o.array("copyrights", [(); 0], |_, ()| {});
    o.text("description", "A made-up book.");
    o.text("html_description", "<p>A made-up book.</p>");
    if let Some(edition) = book.edition {
        o.text("edition", edition);
    }
    o.display("explicit", false);
    // The web page and the URI of an audiobook are those of a show.
    o.object("external_urls", |o| {
        o.text("spotify", &format!("https://open.spotify.com/show/{}", book.id));
    });
    o.text("href", &format!("{}/audiobooks/{}", view.api_url, book.id));
    o.text("id", &book.id);
    write_images(o, &book.id);
    o.array("languages", ["en"], json::text);
    o.text("media_type", "audio");
    o.text("name", &book.name);
    o.array("narrators", &book.narrators, people);
    if view.extended {
        o.text("publisher", &book.publisher);
    }
    o.display("total_chapters", book.chapters.len());
    o.text("type", "audiobook");
    o.text("uri", &format!("spotify:show:{}", book.id));
}

fn write_audiobook_markets(view: &RenderContext<'_>, o: &mut ObjectWriter<'_>) {
    if view.extended && view.market.is_none() {
        o.raw("available_markets", BOOK_MARKETS_JSON);
    }
}

/// Writes a chapter with or without its audiobook. Its `type` is `episode`, as at Spotify.
pub(crate) fn chapter(view: &RenderContext<'_>, out: &mut String, index: CatalogIndex, with_book: bool) {
    let chapter = &view.music.chapters[index];
    json::object(out, |o| {
        o.raw("audio_preview_url", "null");
        write_audiobook_markets(view, o);
        o.display("chapter_number", chapter.number);
        o.text("description", "");
        o.text("html_description", "");
        o.display("duration_ms", chapter.duration_ms);
        o.display("explicit", false);
        o.object("external_urls", |o| {
            o.text("spotify", &format!("https://open.spotify.com/episode/{}", chapter.id));
        });
        o.text("href", &format!("{}/chapters/{}", view.api_url, chapter.id));
        o.text("id", &chapter.id);
        write_images(o, &chapter.id);
        o.display("is_playable", true);
        o.array("languages", ["en"], json::text);
        o.text("name", &chapter.name);
        o.text("release_date", &chapter.release_date);
        let precision = ["year", "month", "day"][(chapter.release_date.len() - 4) / 3];
        o.text("release_date_precision", precision);
        write_resume_point(view, o, chapter.duration_ms, index);
        o.text("type", "episode");
        o.text("uri", &format!("spotify:episode:{}", chapter.id));
        if with_book {
            o.write_with("audiobook", |out| audiobook_brief(view, out, chapter.book));
        }
    });
}
