//! Whether the store is what it says it is: its pages, its references, its counts and its hashes.
//!
//! Nothing is written. All of it is one look at one state of the file, so that it may be done while a
//! run goes on. What is read row by row stays flat in memory, but for one playlist at a time.

mod claims;
mod history;

use std::path::Path;

use rusqlite::Connection;

use super::StoreError;
use super::open::open_current;
use super::proof::{hash_of, standing};

/// Findings of one kind beyond which only the number is told.
const SHOWN: usize = 20;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Which check found it: integrity, reference, list, checkpoint, waiting, playlist, history or run.
    pub check: &'static str,
    /// What is wrong, and with what.
    pub detail: String,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct StoreReport {
    /// Lists whose rows were hashed.
    pub lists: i64,
    /// Playlists whose history was taken back to its beginning.
    pub histories: i64,
    /// Runs that were looked at.
    pub runs: i64,
    /// Pages that wait to reach their tables, of a run under way or of one that was killed; no damage.
    pub waiting_pages: i64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Looks the store over.
///
/// # Errors
/// If it is not there, is not ours, or cannot be read at all; what can be read is reported.
pub fn verify_store(path: &Path) -> Result<StoreReport, StoreError> {
    let conn = open_current(path)?;
    let error = |source| StoreError::Sqlite { path: path.to_path_buf(), what: "cannot be read", source };
    let _one_state = conn.unchecked_transaction().map_err(error)?;
    let mut report = StoreReport::default();
    let steps: [fn(&Connection, &mut StoreReport) -> rusqlite::Result<()>; 9] = [
        integrity,
        references,
        lists,
        claims::lists,
        checkpoints,
        claims::waiting,
        playlists,
        history::histories,
        claims::runs,
    ];
    for step in steps {
        if let Err(source) = step(&conn, &mut report) {
            // A page that cannot be read spoils one check; the others may still tell something.
            report.findings.push(Finding { check: "integrity", detail: format!("cannot be read on: {source}") });
        }
    }
    Ok(report)
}

impl StoreReport {
    fn add(&mut self, check: &'static str, detail: String) {
        let same = self.findings.iter().filter(|f| f.check == check).count();
        match same.cmp(&SHOWN) {
            std::cmp::Ordering::Less => self.findings.push(Finding { check, detail }),
            std::cmp::Ordering::Equal => {
                self.findings.push(Finding { check, detail: "and more of this kind".into() });
            }
            std::cmp::Ordering::Greater => {}
        }
    }
}

fn integrity(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    let mut statement = conn.prepare("PRAGMA integrity_check(20)")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let said: String = row.get(0)?;
        if said != "ok" {
            report.add("integrity", said);
        }
    }
    Ok(())
}

fn references(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    let sql = "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, parent, count): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        report.add("reference", format!("{count} rows of {table} point at no row of {parent}"));
    }
    Ok(())
}

/// Each list's rows against the hash and the count of its last whole read.
fn lists(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    // The rows of a playlist are those of whoever read it last, under whatever market; where that read was let go,
    // nothing is left to hold them against.
    let sql = "SELECT id, kind, parent_id, rows_hash, stored FROM lists l WHERE rows_hash IS NOT NULL
               AND (kind <> 'playlist_items' OR NOT EXISTS (SELECT 1 FROM lists o WHERE o.kind = l.kind
                    AND o.parent_id = l.parent_id AND (o.read_at, o.id) > (l.read_at, l.id))
                 AND NOT EXISTS (SELECT 1 FROM playlist_items i WHERE i.playlist_id = l.parent_id AND i.position = 0
                    AND i.fetched_at > l.read_at))";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, kind, parent, hash): (i64, String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let Some(sql) = standing(&kind) else { continue };
        report.lists += 1;
        if hash_of(conn, &sql, [id])? != hash {
            let count: i64 = conn.query_row(&format!("SELECT count(*) FROM ({sql})"), [id], |row| row.get(0))?;
            let recorded = row.get::<_, Option<i64>>(4)?.unwrap_or(0);
            let name = named(&kind, &parent, id);
            report.add(
                "list",
                format!("{name}: its rows are not those that were read; {count} stand, {recorded} were put there"),
            );
        }
    }
    Ok(())
}

/// The rows that an interrupted read has staged against its checkpoint.
fn checkpoints(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    let sql =
        "SELECT l.kind, l.parent_id, l.id, c.next_offset, c.skipped, count(s.position), coalesce(max(s.position), -1)
               FROM checkpoints c JOIN lists l ON l.id = c.list_id LEFT JOIN staged_items s ON s.list_id = c.list_id
               WHERE l.kind <> 'search' GROUP BY c.list_id";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, parent, id): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (next, skipped, staged, last): (i64, i64, i64, i64) = (row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?);
        let without_row = if kind == "playlist_items" { 0 } else { skipped };
        if staged + without_row < next || last >= next {
            let name = named(&kind, &parent, id);
            report.add("checkpoint", format!("{name}: the checkpoint says {next} items, {staged} are staged"));
        }
    }
    let sql = "SELECT count(DISTINCT list_id) FROM staged_items WHERE list_id NOT IN (SELECT list_id FROM checkpoints)";
    let orphans: i64 = conn.query_row(sql, [], |row| row.get(0))?;
    if orphans > 0 {
        report.add("checkpoint", format!("{orphans} lists have staged rows and no checkpoint"));
    }
    Ok(())
}

/// Every place of a playlist has a row, and all of them come from one read.
fn playlists(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    let sql = "SELECT playlist_id, count(*), max(position) + 1, count(*) = max(position) + 1 AND min(position) = 0
               FROM playlist_items GROUP BY playlist_id
               HAVING count(*) <> max(position) + 1 OR min(position) <> 0 OR min(fetched_at) IS NOT max(fetched_at)";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, count, places, whole): (String, i64, i64, bool) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let what = if whole {
            "its rows are of several reads".to_owned()
        } else {
            format!("{count} rows for {places} places")
        };
        report.add("playlist", format!("playlist {id}: {what}"));
    }
    Ok(())
}

fn named(kind: &str, parent: &str, id: i64) -> String {
    let parent = if parent.is_empty() { String::new() } else { format!(" of {parent}") };
    format!("list {id} ({kind}{parent})")
}
