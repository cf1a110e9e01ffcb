//! `output.keep_raw`: every response as Spotify sent it, compressed, in a separate file.
//!
//! Nothing reads this file, and losing it loses nothing that a CSV file contains. So it is written without
//! waiting for the disk.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;
use rusqlite::{Connection, OpenFlags, params};

use super::compact::vacuum;
use super::{CompactReport, FileAccess, StoreError};

/// The file of raw responses next to the store.
#[derive(Debug)]
pub struct RawAnswers {
    path: PathBuf,
    conn: Mutex<Connection>,
}

impl RawAnswers {
    /// Opens the file that belongs to a store, and creates it if needed.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open_for_store(store: &Path, access: FileAccess) -> Result<RawAnswers, StoreError> {
        let path = store.with_extension("raw.db");
        super::open::create_file(&path, access)?;
        let sql = |source| StoreError::Sqlite { path: path.clone(), what: "cannot be opened", source };
        let conn = open(&path)?;
        conn.busy_timeout(std::time::Duration::from_secs(10)).map_err(sql)?;
        conn.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;
             CREATE TABLE IF NOT EXISTS answers (
               id     INTEGER PRIMARY KEY,
               path   TEXT NOT NULL, -- request path, below the API's base
               came_at TEXT NOT NULL, -- when, UTC
               body   BLOB NOT NULL  -- the answer, gzip
             ) STRICT;",
        )
        .map_err(sql)?;
        super::open::reapply_access(&path, access)?;
        Ok(RawAnswers { path: path.clone(), conn: Mutex::new(conn) })
    }

    /// Deletes the responses that may contain personal data of any user, because the file does not record for
    /// which user a response came. Nothing needs these responses. Rewrites the file. Returns the number of responses and
    /// the new size; `None` if there is no file.
    ///
    /// # Errors
    /// If the file exists and cannot be written.
    pub fn delete_personal(store: &Path) -> Result<Option<(usize, CompactReport)>, StoreError> {
        let path = store.with_extension("raw.db");
        if !path.exists() {
            return Ok(None);
        }
        let sql = |source| StoreError::Sqlite { path: path.clone(), what: "cannot be written", source };
        let mut conn = open(&path)?;
        conn.busy_timeout(std::time::Duration::from_secs(10)).map_err(sql)?;
        // Playlists, which name their owners, also come with searches and from the browse endpoints.
        let of_people = "DELETE FROM answers WHERE path LIKE '/me%' OR path LIKE '/users/%' OR path LIKE '/playlists/%'
             OR path LIKE '/search%' OR path LIKE '/browse/%'";
        let deleted = conn.execute(of_people, []).map_err(sql)?;
        let compacted = vacuum(&mut conn, &path).map_err(sql)?;
        Ok(Some((deleted, compacted)))
    }

    /// Deletes the responses that arrived before a time and returns their number.
    ///
    /// # Errors
    /// If the file exists and cannot be written.
    pub fn delete_before(store: &Path, before: &str) -> Result<usize, StoreError> {
        let path = store.with_extension("raw.db");
        if !path.exists() {
            return Ok(0);
        }
        let sql = |source| StoreError::Sqlite { path: path.clone(), what: "cannot be written", source };
        let conn = open(&path)?;
        conn.busy_timeout(std::time::Duration::from_secs(10)).map_err(sql)?;
        // Ids increase with time, so only old rows are visited.
        let old = "DELETE FROM answers WHERE id < coalesce(
             (SELECT id FROM answers WHERE came_at >= ?1 ORDER BY id LIMIT 1), (SELECT max(id) + 1 FROM answers))";
        conn.execute(old, [before]).map_err(sql)
    }

    /// Rewrites the file that belongs to a store, if it exists.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn compact(store: &Path) -> Result<Option<CompactReport>, StoreError> {
        let path = store.with_extension("raw.db");
        if !path.exists() {
            return Ok(None);
        }
        let sql = |source| StoreError::Sqlite { path: path.clone(), what: "cannot be rewritten", source };
        let mut conn = open(&path)?;
        conn.busy_timeout(std::time::Duration::from_secs(10)).map_err(sql)?;
        vacuum(&mut conn, &path).map(Some).map_err(sql)
    }

    /// Saves a response.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, asked: &str, came_at: &str, body: &[u8]) -> Result<(), StoreError> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let packed = gzip.write_all(body).and_then(|()| gzip.finish()).map_err(|source| StoreError::Io {
            path: self.path.clone(),
            what: "cannot store a response",
            source,
        })?;
        let conn = self.conn.lock().unwrap_or_else(PoisonError::into_inner);
        conn.prepare_cached("INSERT INTO answers (path, came_at, body) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute(params![asked, came_at, packed]))
            .map(|_| ())
            .map_err(|source| StoreError::Sqlite { path: self.path.clone(), what: "cannot be written", source })
    }
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    super::open::open_plain(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn old_answers_are_deleted_from_disk() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("cratedigger.db");
        assert_eq!(RawAnswers::delete_before(&store, "2026").unwrap(), 0, "there are none");
        let keeper = RawAnswers::open_for_store(&store, FileAccess::from_mode(0o644)).unwrap();
        let noise = (0..20_000_u32).flat_map(|n| xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()).to_le_bytes());
        let noise: Vec<u8> = noise.collect();
        for day in 1..=9 {
            keeper.save("/artists/x", &format!("2026-01-0{day}T00:00:00.000Z"), &noise).unwrap();
        }
        assert_eq!(RawAnswers::delete_before(&store, "2026-01-08T00:00:00.000Z").unwrap(), 7);
        drop(keeper);
        let compacted = RawAnswers::compact(&store).unwrap().unwrap();
        assert!(compacted.bytes_after < compacted.bytes_before / 3, "{compacted:?}");
        assert_eq!(RawAnswers::delete_before(&store, "2027").unwrap(), 2);
        assert_eq!(RawAnswers::delete_before(&store, "2027").unwrap(), 0);
    }

    #[test]
    fn an_answer_comes_out_as_it_went_in() {
        let folder = tempfile::tempdir().unwrap();
        let keeper =
            RawAnswers::open_for_store(&folder.path().join("cratedigger.db"), FileAccess::from_mode(0o644)).unwrap();
        keeper.save("/artists/x", "2026-01-01T00:00:00.000Z", b"{\"id\":\"x\"}").unwrap();
        let conn = Connection::open(folder.path().join("cratedigger.raw.db")).unwrap();
        let body: Vec<u8> = conn.query_row("SELECT body FROM answers", [], |row| row.get(0)).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "{\"id\":\"x\"}");
    }
}
