//! New releases, categories and markets: Extended Quota Mode only.

use super::Ask;
use crate::answer::{Answer, not_found};
use crate::catalog::{Category, MARKETS};
use crate::json;
use crate::render::{self, View};

pub(super) fn new_releases(ask: &Ask<'_>) -> Result<Answer, Answer> {
    let slice = ask.slice(20, 50)?;
    let albums = ask.view.music.new_releases();
    let mut out = String::new();
    json::object(&mut out, |o| {
        o.with("albums", |out| {
            let path = "/browse/new-releases";
            render::page(&ask.view, out, path, &ask.kept, slice, albums.len(), |out, n| {
                render::album_brief(&ask.view, out, albums[n], None);
            });
        });
    });
    Ok(Answer::json(out))
}

pub(super) fn categories(ask: &Ask<'_>) -> Result<Answer, Answer> {
    let slice = ask.slice(20, 50)?;
    let all = &ask.view.music.categories;
    let mut out = String::new();
    json::object(&mut out, |o| {
        o.with("categories", |out| {
            let path = "/browse/categories";
            render::page(&ask.view, out, path, &ask.kept, slice, all.len(), |out, n| {
                write(&ask.view, out, &all[n]);
            });
        });
    });
    Ok(Answer::json(out))
}

pub(super) fn category(ask: &Ask<'_>, id: &str) -> Result<Answer, Answer> {
    let found = ask.view.music.categories.iter().find(|category| category.id == id);
    let mut out = String::new();
    write(&ask.view, &mut out, found.ok_or_else(not_found)?);
    Ok(Answer::json(out))
}

fn write(view: &View<'_>, out: &mut String, category: &Category) {
    json::object(out, |o| {
        o.text("href", &format!("{}/browse/categories/{}", view.api_url, category.id));
        o.array("icons", [()], |out, ()| {
            json::object(out, |o| {
                o.raw("height", "274");
                o.text("url", &format!("https://t.scdn.co/images/{}", category.id));
                o.raw("width", "274");
            });
        });
        o.text("id", &category.id);
        o.text("name", category.name);
    });
}

pub(super) fn markets() -> Answer {
    let mut out = String::new();
    json::object(&mut out, |o| o.array("markets", MARKETS, json::text));
    Answer::json(out)
}
