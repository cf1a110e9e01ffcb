//! The made-up Spotify answers as Spotify is documented to.

pub mod answers;
pub mod catalog;
pub mod faults;
pub mod playlists;
pub mod shapes;
pub mod users;
