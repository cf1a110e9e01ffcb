//! The store written anew, without the room that deleted rows left: SQLite fills it again, but never
//! gives it back to the disk by itself.

use std::path::Path;

use rusqlite::Connection;

use super::{MIN_FREE_BYTES, StoreError, WriteTx, open, open_reader};

/// What writing a file anew came to. Sizes are of the file with its `-wal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct CompactReport {
    /// Bytes before.
    pub bytes_before: u64,
    /// Bytes now.
    pub bytes_after: u64,
    /// Of these, what stands in the `-wal` still, since another program is reading.
    pub wal_bytes: u64,
}

/// Bytes that compacting takes on the disk of a store while it lasts: what the store holds once
/// beside it, and once in its `-wal`.
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

/// Bytes of a database without its free pages.
pub(super) fn content_bytes(conn: &Connection) -> rusqlite::Result<u64> {
    let number = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = number("page_count")? - number("freelist_count")?;
    Ok(u64::try_from(pages * number("page_size")?).unwrap_or(0))
}

/// Writes the file anew, and empties the WAL as far as nobody is reading.
pub(super) fn compact_store(tx: &mut WriteTx) -> Result<CompactReport, StoreError> {
    let path = tx.path().to_path_buf();
    let compacted = vacuum(&mut tx.conn, &path);
    // What else this connection does is small, and stays in memory.
    drop(tx.conn.execute_batch("PRAGMA temp_store = MEMORY"));
    compacted.map_err(|e| tx.error("cannot be written anew", e))
}

/// Writes a database in WAL mode anew.
pub(super) fn vacuum(conn: &mut Connection, path: &Path) -> rusqlite::Result<CompactReport> {
    let bytes = |more: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(more);
        std::fs::metadata(name).map_or(0, |file| file.len())
    };
    let bytes_before = bytes("") + bytes("-wal");
    // SQLite builds the new file apart first: not in memory, which a large store would not fit into,
    // nor in a `/tmp` that may be memory or small, but beside the store, where room was looked for.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    conn.execute_batch("PRAGMA temp_store = FILE")?;
    let there = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    // Without its right it would be refused; then SQLite's own choice will do.
    drop(conn.pragma_update(None, "temp_store_directory", there.to_string_lossy()));
    // `secure_delete` alone would leave what earlier writes freed.
    let written = conn.execute_batch("PRAGMA secure_delete = ON; VACUUM");
    drop(conn.pragma_update(None, "temp_store_directory", ""));
    written?;
    open::truncate_wal(conn);
    let wal_bytes = bytes("-wal");
    Ok(CompactReport { bytes_before, bytes_after: bytes("") + wal_bytes, wal_bytes })
}
