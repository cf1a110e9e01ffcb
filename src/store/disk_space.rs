//! Room on the disk.

use std::path::Path;

/// Bytes that a run wants to find free for the store: its write-ahead log may take 16 MiB, and what it
/// adds to the tables comes on top.
pub const MIN_FREE_BYTES: u64 = 32 << 20;

/// Bytes that may still be written where a file lies or will lie; `None` where that cannot be told.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let there = path.ancestors().find_map(|p| {
        let folder = if p.as_os_str().is_empty() { Path::new(".") } else { p };
        rustix::fs::statvfs(folder).ok()
    })?;
    Some(there.f_bavail.saturating_mul(there.f_frsize))
}
