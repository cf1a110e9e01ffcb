//! Writes the catalog as the JSON of either quota mode.
//!
//! Each kind of object has its own file. [`RenderContext`] describes the client. Where a field was removed from
//! Development Mode in February 2026, the code checks [`RenderContext::extended`].

mod albums;
mod artists;
pub(crate) mod fields;
mod page;
mod playlists;
mod shows_and_audiobooks;
mod tracks;
mod users;

pub(crate) use albums::{album, album_brief};
pub(crate) use artists::{artist, artist_brief};
pub(crate) use page::{ListPage, PageRange, write_page};
pub(crate) use playlists::{ListPart, playlist, playlist_brief, playlist_images, rows_page};
pub(crate) use shows_and_audiobooks::{BOOK_MARKETS, audiobook, audiobook_brief, chapter, episode, show, show_brief};
pub(crate) use tracks::{track, track_brief};
pub(crate) use users::{private_user, public_user, user_brief};

use super::catalog::{MusicCatalog, market_lists};
use super::json::{self, ObjectWriter};

/// The properties of the client that change a response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RenderContext<'a> {
    pub(crate) music: &'a MusicCatalog,
    /// Whether the app is in Extended Quota Mode, with the old names and all fields.
    pub(crate) extended: bool,
    /// `http://127.0.0.1:PORT/v1`
    pub(crate) api_url: &'a str,
    pub(crate) market: Option<&'a str>,
    /// Whether the token allows the reading of playback positions.
    pub(crate) resume_points: bool,
}

impl RenderContext<'_> {
    /// Writes the keys of all objects with an id.
    fn write_identity(&self, o: &mut ObjectWriter<'_>, kind: &str, id: &str) {
        o.object("external_urls", |o| {
            o.write_with("spotify", |out| {
                json::push_display(out, format_args!("\"https://open.spotify.com/{kind}/{id}\""));
            });
        });
        o.write_with("href", |out| json::push_display(out, format_args!("\"{}/{kind}s/{id}\"", self.api_url)));
        o.text("id", id);
        o.text("type", kind);
        o.write_with("uri", |out| json::push_display(out, format_args!("\"spotify:{kind}:{id}\"")));
    }

    /// Writes `available_markets` in Extended Quota Mode, unless the request has a market.
    fn write_available_markets(&self, o: &mut ObjectWriter<'_>, list: usize) {
        if self.extended && self.market.is_none() {
            o.raw("available_markets", &market_lists()[list].1);
        }
    }

    /// Whether an object with this list of markets is playable in the requested market; `None` without a market.
    fn is_playable(&self, list: usize) -> Option<bool> {
        self.market.map(|market| market_lists()[list].0.contains(&market))
    }
}

/// Writes three sizes of an image with URLs that derive from the id.
fn write_images(o: &mut ObjectWriter<'_>, id: &str) {
    let hex: String = id.bytes().map(|b| format!("{b:02x}")).collect();
    o.array(
        "images",
        [(640, "ab67616d0000b273"), (300, "ab67616d00001e02"), (64, "ab67616d00004851")],
        |out, (size, prefix)| {
            json::object(out, |o| {
                o.display("height", size);
                o.write_with("url", |out| {
                    json::push_display(out, format_args!("\"https://i.scdn.co/image/{prefix}{}\"", &hex[..24]));
                });
                o.display("width", size);
            });
        },
    );
}
