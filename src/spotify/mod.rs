//! All that we know of Spotify's API.

mod kind;
pub mod wire;

pub use kind::Kind;
