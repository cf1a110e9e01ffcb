//! cratedigger exports Spotify data on a schedule.

pub mod http;
pub mod spotify;
pub mod state;
