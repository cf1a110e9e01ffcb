//! cratedigger exports Spotify data on a schedule: job files say what to fetch, one SQLite store
//! keeps it, and CSV files show it.

pub mod child_environment;
pub mod cli;
pub mod document;
pub mod export;
pub mod ingest;
pub mod input_file;
pub mod job;
pub mod notify;
#[cfg(feature = "lake")]
mod parquet_rows;
pub mod push;
mod quiet_panic;
mod report;
pub mod scheduler;
pub mod settings;
pub mod signin;
pub mod singer;
pub mod store;
pub mod stream;
pub mod sync;
pub mod target;

/// How many random inputs a property test plays: `PROPTEST_CASES`, which `make fuzz` sets, or the usual number.
#[cfg(test)]
fn random_cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}
