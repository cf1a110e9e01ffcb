//! cratedigger exports Spotify data on a schedule.

pub mod sandbox;
