//! Free disk space.

use std::path::Path;

/// Free space that a run needs for the store: its write-ahead log may take 16 MiB, and the new rows come on
/// top.
pub const MIN_FREE_BYTES: u64 = 32 << 20;

/// Returns the bytes that can still be written at a path, which need not exist; `None` if that is unknown.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let there = path.ancestors().find_map(|p| {
        let folder = if p.as_os_str().is_empty() { Path::new(".") } else { p };
        rustix::fs::statvfs(folder).ok()
    })?;
    Some(there.f_bavail.saturating_mul(there.f_frsize))
}
