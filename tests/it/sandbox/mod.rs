//! The made-up Spotify answers as Spotify's documentation says.

pub mod answers;
pub mod catalog;
pub mod faults;
pub mod playlists;
pub mod shapes;
pub mod users;
