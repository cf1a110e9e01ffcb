//! Shows, episodes, audiobooks and chapters.

use super::{Slice, View, images, page};
use crate::catalog::{Audiobook, Place, Show};
use crate::json::{self, Object};

/// Markets that audiobooks are for sale in.
pub(crate) const BOOK_MARKETS: [&str; 6] = ["US", "GB", "CA", "IE", "NZ", "AU"];
const BOOK_MARKETS_JSON: &str = r#"["US","GB","CA","IE","NZ","AU"]"#;

/// A show in a list or an episode.
pub(crate) fn show_brief(view: &View<'_>, out: &mut String, place: Place) {
    json::object(out, |o| show_shared(view, o, &view.music.shows[place]));
}

/// A whole show with its first episodes.
pub(crate) fn show(view: &View<'_>, out: &mut String, place: Place) {
    let show = &view.music.shows[place];
    json::object(out, |o| {
        show_shared(view, o, show);
        let path = format!("/shows/{}/episodes", show.id);
        o.with("episodes", |out| {
            page(view, out, &path, "", Slice::first(50), show.episodes.len(), |out, n| {
                episode_or_null(view, out, show.episodes[n]);
            });
        });
    });
}

fn show_shared(view: &View<'_>, o: &mut Object<'_>, show: &Show) {
    view.markets(o, 0);
    o.array("copyrights", [(); 0], |_, ()| {});
    o.text("description", &show.description);
    o.text("html_description", &format!("<p>{}</p>", show.description));
    o.plain("explicit", show.explicit);
    view.identity(o, "show", &show.id);
    images(o, &show.id);
    o.plain("is_externally_hosted", false);
    o.array("languages", [show.language], json::text);
    o.text("media_type", "audio");
    o.text("name", &show.name);
    if view.extended {
        o.text("publisher", &show.publisher);
    }
    o.plain("total_episodes", show.episodes.len());
}

/// An episode without its show, or the null that stands for a withdrawn one.
fn episode_or_null(view: &View<'_>, out: &mut String, place: Option<Place>) {
    match place {
        Some(place) => episode(view, out, place, false),
        None => out.push_str("null"),
    }
}

/// An episode, with its show or without.
pub(crate) fn episode(view: &View<'_>, out: &mut String, place: Place, with_show: bool) {
    json::object(out, |o| episode_keys(view, o, place, with_show));
}

pub(super) fn episode_keys(view: &View<'_>, o: &mut Object<'_>, place: Place, with_show: bool) {
    let episode = &view.music.episodes[place];
    let show = &view.music.shows[episode.show];
    o.raw("audio_preview_url", "null");
    o.text("description", &episode.description);
    o.with("html_description", |out| {
        json::text(out, &format!("<p>{}</p>", episode.description));
    });
    o.plain("duration_ms", episode.duration_ms);
    o.plain("explicit", episode.explicit);
    view.identity(o, "episode", &episode.id);
    images(o, &episode.id);
    o.plain("is_externally_hosted", false);
    o.plain("is_playable", true);
    o.text("language", show.language);
    o.array("languages", [show.language], json::text);
    o.text("name", &episode.name);
    o.text("release_date", &episode.release_date);
    o.text("release_date_precision", episode.precision);
    resume_point(view, o, episode.duration_ms, place);
    if with_show {
        o.with("show", |out| show_brief(view, out, episode.show));
    }
}

fn resume_point(view: &View<'_>, o: &mut Object<'_>, duration_ms: u64, place: Place) {
    if view.resume_points {
        o.object("resume_point", |o| {
            o.plain("fully_played", place.is_multiple_of(3));
            let position = if place % 3 == 1 { duration_ms / 2 } else { 0 };
            o.plain("resume_position_ms", position);
        });
    }
}

/// An audiobook in a list or a chapter.
pub(crate) fn audiobook_brief(view: &View<'_>, out: &mut String, place: Place) {
    json::object(out, |o| book_shared(view, o, &view.music.audiobooks[place]));
}

/// A whole audiobook with its first chapters.
pub(crate) fn audiobook(view: &View<'_>, out: &mut String, place: Place) {
    let book = &view.music.audiobooks[place];
    json::object(out, |o| {
        book_shared(view, o, book);
        let path = format!("/audiobooks/{}/chapters", book.id);
        o.with("chapters", |out| {
            page(view, out, &path, "", Slice::first(50), book.chapters.len(), |out, n| {
                chapter(view, out, book.chapters[n], false);
            });
        });
    });
}

fn book_shared(view: &View<'_>, o: &mut Object<'_>, book: &Audiobook) {
    let people = |out: &mut String, name: &String| json::object(out, |o| o.text("name", name));
    o.array("authors", &book.authors, people);
    book_markets(view, o);
    o.array("copyrights", [(); 0], |_, ()| {});
    o.text("description", "A made-up book.");
    o.text("html_description", "<p>A made-up book.</p>");
    if let Some(edition) = book.edition {
        o.text("edition", edition);
    }
    o.plain("explicit", false);
    // A book's page and URI are those of a show.
    o.object("external_urls", |o| {
        o.text("spotify", &format!("https://open.spotify.com/show/{}", book.id));
    });
    o.text("href", &format!("{}/audiobooks/{}", view.api_url, book.id));
    o.text("id", &book.id);
    images(o, &book.id);
    o.array("languages", ["en"], json::text);
    o.text("media_type", "audio");
    o.text("name", &book.name);
    o.array("narrators", &book.narrators, people);
    if view.extended {
        o.text("publisher", &book.publisher);
    }
    o.plain("total_chapters", book.chapters.len());
    o.text("type", "audiobook");
    o.text("uri", &format!("spotify:show:{}", book.id));
}

fn book_markets(view: &View<'_>, o: &mut Object<'_>) {
    if view.extended && view.market.is_none() {
        o.raw("available_markets", BOOK_MARKETS_JSON);
    }
}

/// A chapter, with its book or without; its `type` is `episode`, as Spotify has it.
pub(crate) fn chapter(view: &View<'_>, out: &mut String, place: Place, with_book: bool) {
    let chapter = &view.music.chapters[place];
    json::object(out, |o| {
        o.raw("audio_preview_url", "null");
        book_markets(view, o);
        o.plain("chapter_number", chapter.number);
        o.text("description", "");
        o.text("html_description", "");
        o.plain("duration_ms", chapter.duration_ms);
        o.plain("explicit", false);
        o.object("external_urls", |o| {
            o.text("spotify", &format!("https://open.spotify.com/episode/{}", chapter.id));
        });
        o.text("href", &format!("{}/chapters/{}", view.api_url, chapter.id));
        o.text("id", &chapter.id);
        images(o, &chapter.id);
        o.plain("is_playable", true);
        o.array("languages", ["en"], json::text);
        o.text("name", &chapter.name);
        o.text("release_date", &chapter.release_date);
        let precision = ["year", "month", "day"][(chapter.release_date.len() - 4) / 3];
        o.text("release_date_precision", precision);
        resume_point(view, o, chapter.duration_ms, place);
        o.text("type", "episode");
        o.text("uri", &format!("spotify:episode:{}", chapter.id));
        if with_book {
            o.with("audiobook", |out| audiobook_brief(view, out, chapter.book));
        }
    });
}
