//! All that we know of Spotify's API.

mod kind;

pub use kind::Kind;
