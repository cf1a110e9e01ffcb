//! New releases, categories and markets: Extended Quota Mode only.

use super::EndpointContext;
use crate::catalog::{BrowseCategory, MARKETS};
use crate::json;
use crate::render::{self, RenderContext};
use crate::response::{ServerResponse, not_found};

pub(super) fn new_releases(context: &EndpointContext<'_>) -> Result<ServerResponse, ServerResponse> {
    let slice = context.page_range(20, 50)?;
    let albums = context.render.music.new_releases();
    let mut out = String::new();
    json::object(&mut out, |o| {
        o.write_with("albums", |out| {
            let path = "/browse/new-releases";
            render::write_page(&context.render, out, path, &context.paging_query, slice, albums.len(), |out, n| {
                render::album_brief(&context.render, out, albums[n], None);
            });
        });
    });
    Ok(ServerResponse::json(out))
}

pub(super) fn categories(context: &EndpointContext<'_>) -> Result<ServerResponse, ServerResponse> {
    let slice = context.page_range(20, 50)?;
    let all = &context.render.music.categories;
    let mut out = String::new();
    json::object(&mut out, |o| {
        o.write_with("categories", |out| {
            let path = "/browse/categories";
            render::write_page(&context.render, out, path, &context.paging_query, slice, all.len(), |out, n| {
                write_category(&context.render, out, &all[n]);
            });
        });
    });
    Ok(ServerResponse::json(out))
}

pub(super) fn category(context: &EndpointContext<'_>, id: &str) -> Result<ServerResponse, ServerResponse> {
    let found = context.render.music.categories.iter().find(|category| category.id == id);
    let mut out = String::new();
    write_category(&context.render, &mut out, found.ok_or_else(not_found)?);
    Ok(ServerResponse::json(out))
}

fn write_category(view: &RenderContext<'_>, out: &mut String, category: &BrowseCategory) {
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

pub(super) fn markets() -> ServerResponse {
    let mut out = String::new();
    json::object(&mut out, |o| o.array("markets", MARKETS, json::text));
    ServerResponse::json(out)
}
