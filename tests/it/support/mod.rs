//! Helpers of the tests.

pub mod calls_table;
pub mod hook_server;
pub mod http_server;
pub mod made_up_time;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub mod moved_clock;
#[cfg(feature = "lake")]
pub mod parquet_text;
pub mod project;
pub mod pseudo_terminal;
pub mod sign_in;
pub mod snapshot;
pub mod strace;
pub mod workbook;
pub mod world;

/// Whether bytes have a text. A search byte by byte takes minutes in a debug build.
pub fn has_bytes(bytes: &[u8], text: impl AsRef<[u8]>) -> bool {
    memchr::memmem::find(bytes, text.as_ref()).is_some()
}

/// How many random inputs a property test plays: `PROPTEST_CASES`, which `make fuzz` sets, or the usual number.
pub fn random_cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}
