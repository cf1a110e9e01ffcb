//! cratedigger exports Spotify data on a schedule: job files say what to fetch, one SQLite store
//! keeps it, and CSV files show it.

pub mod export;
pub mod spotify;
pub mod store;
pub mod stream;
