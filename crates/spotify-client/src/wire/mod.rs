//! The shapes of Spotify's answers, of both app classes, with nothing decided about them.

mod field;
#[expect(missing_docs, reason = "the fields are Spotify's own, under Spotify's own names")]
mod objects;
mod page;
pub mod scan;

pub use field::{Field, Int, Text};
pub use objects::{
    Album, Artist, Audiobook, Category, Codes, Context, Copyright, Discriminator, Episode, Followers, Image, Linked,
    Links, LocalAlbum, Named, Playlist, PlaylistItem, Restrictions, ResumePoint, Saved, Show, Track, User,
};
pub use page::{Cursors, Entry, Page};
