//! cratedigger exports Spotify data on a schedule: job files say what to fetch, one SQLite store
//! keeps it, and CSV files show it.

pub mod cli;
pub mod document;
pub mod export;
pub mod ingest;
pub mod input_file;
pub mod job;
pub mod notify;
pub mod scheduler;
pub mod settings;
pub mod signin;
pub mod store;
pub mod stream;
pub mod sync;
