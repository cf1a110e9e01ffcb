//! Rewrites the store to reclaim disk space: SQLite reuses the space of deleted rows but never returns it to
//! the disk by itself.

use std::path::Path;

use rusqlite::Connection;

use super::{MIN_FREE_BYTES, StoreError, WriteTx, open, open_reader};

/// Result of rewriting a database. Sizes include the `-wal` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct CompactReport {
    pub bytes_before: u64,
    pub bytes_after: u64,
    /// Bytes that are still in the `-wal` file because another program is reading.
    pub wal_bytes: u64,
}

/// Returns the disk space that compacting needs while it runs: the content of the store once next to it, and
/// once in its `-wal` file.
///
/// # Errors
/// If the store cannot be read.
pub fn bytes_needed_to_compact(store: &Path) -> Result<u64, StoreError> {
    let conn = open_reader(store)?;
    let holds = content_bytes(&conn).map_err(|source| StoreError::Sqlite {
        path: store.to_path_buf(),
        what: "cannot be read",
        source,
    })?;
    Ok(2 * holds + MIN_FREE_BYTES / 4)
}

/// Returns the size of a database without its free pages.
pub(super) fn content_bytes(conn: &Connection) -> rusqlite::Result<u64> {
    let number = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = number("page_count")? - number("freelist_count")?;
    Ok(u64::try_from(pages * number("page_size")?).unwrap_or(0))
}

/// Rewrites the file and empties the WAL as far as no reader needs it.
pub(super) fn compact_store(tx: &mut WriteTx) -> Result<CompactReport, StoreError> {
    let path = tx.path().to_path_buf();
    let compacted = vacuum(&mut tx.conn, &path);
    // Everything else that this connection does is small enough for memory.
    drop(tx.conn.execute_batch("PRAGMA temp_store = MEMORY"));
    compacted.map_err(|e| tx.error("cannot be rewritten", e))
}

/// Rewrites a database in WAL mode.
pub(super) fn vacuum(conn: &mut Connection, path: &Path) -> rusqlite::Result<CompactReport> {
    let bytes = |more: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(more);
        std::fs::metadata(name).map_or(0, |file| file.len())
    };
    let bytes_before = bytes("") + bytes("-wal");
    // SQLite first builds the new file elsewhere. Memory is too small for a large store and `/tmp` may be
    // memory or small, so it goes next to the store, where free space was checked.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    conn.execute_batch("PRAGMA temp_store = FILE")?;
    let there = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    // If this is refused, SQLite's own choice is good enough.
    drop(conn.pragma_update(None, "temp_store_directory", there.to_string_lossy()));
    // `secure_delete` alone would leave pages that earlier writes freed.
    let written = conn.execute_batch("PRAGMA secure_delete = ON; VACUUM");
    drop(conn.pragma_update(None, "temp_store_directory", ""));
    written?;
    open::truncate_wal(conn);
    let wal_bytes = bytes("-wal");
    Ok(CompactReport { bytes_before, bytes_after: bytes("") + wal_bytes, wal_bytes })
}
