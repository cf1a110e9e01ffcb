//! Turns the catalog into the JSON of either app class.
//!
//! Each kind of thing has a file of its own here; [`View`] says for whom it is written. Fields that
//! Development Mode lost in February 2026 are left out by asking [`View::extended`], in the place
//! where they would stand.

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

/// For whom an answer is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RenderContext<'a> {
    pub(crate) music: &'a MusicCatalog,
    /// Whether the app has Extended Quota Mode, with its old names and all fields.
    pub(crate) extended: bool,
    /// `http://127.0.0.1:PORT/v1`
    pub(crate) api_url: &'a str,
    pub(crate) market: Option<&'a str>,
    /// Whether a signed-in user asks, with leave to see how far it has listened.
    pub(crate) resume_points: bool,
}

impl RenderContext<'_> {
    /// The keys that everything with an id has.
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

    /// `available_markets`, where the class has it; naming a market takes its place.
    fn write_available_markets(&self, o: &mut ObjectWriter<'_>, list: usize) {
        if self.extended && self.market.is_none() {
            o.raw("available_markets", &market_lists()[list].1);
        }
    }

    /// Whether a thing on that list may be played in the market asked for; none if none was.
    fn is_playable(&self, list: usize) -> Option<bool> {
        self.market.map(|market| market_lists()[list].0.contains(&market))
    }
}

/// Three sizes of a picture, whose names are the id written again.
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
