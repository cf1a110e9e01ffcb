//! Checks whether the store is consistent: pages, references, counts and hashes.
//!
//! Nothing is written. Everything is read from one snapshot of the file, so it can be done during a run. Memory
//! use does not grow with the store, except for one playlist at a time.

mod claims;
mod feed;
mod history;

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, Row};

use super::StoreError;
use super::list_proof::current_rows_sql;
use super::open::open_current_schema;
use super::row_hash::hash_rows;

/// Number of findings of one check that are listed; beyond it only their number is reported.
const MAX_FINDINGS_PER_CHECK: u64 = 20;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StoreFinding {
    /// The check: integrity, reference, list, record, checkpoint, playlist, history, run, feed or files.
    pub check: &'static str,
    /// The problem, and the row or file that has it.
    pub detail: String,
}

/// The numbers of checks, and their findings.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct StoreReport {
    /// The store exists, but nothing has been written to it yet.
    pub empty: bool,
    /// Lists with a checked hash.
    pub lists: i64,
    /// Playlists with a history that was traced back to its start.
    pub histories: i64,
    /// Runs that were checked.
    pub runs: i64,
    /// Always 0, for programs that read the report. Earlier versions counted pages that waited for their tables.
    pub waiting_pages: i64,
    /// Lists with a time in the future, from a clock that was ahead. This is not damage.
    pub lists_ahead: i64,
    /// The findings. Frequent findings of one check are cut off.
    pub findings: Vec<StoreFinding>,
    /// Number of findings of each check.
    pub counts: BTreeMap<&'static str, u64>,
}

/// Checks the store.
///
/// # Errors
/// If it does not exist, is not a cratedigger store, or cannot be read at all. What can be read is reported.
pub fn verify_store(path: &Path) -> Result<StoreReport, StoreError> {
    let conn = match open_current_schema(path) {
        // Left by a run that was killed early.
        Err(StoreError::Empty { .. }) => return Ok(StoreReport { empty: true, ..StoreReport::default() }),
        other => other?,
    };
    let error = |source| StoreError::Sqlite { path: path.to_path_buf(), what: "cannot be read", source };
    let _one_state = conn.unchecked_transaction().map_err(error)?;
    let mut report = StoreReport::default();
    let steps: [fn(&Connection, &mut StoreReport) -> rusqlite::Result<()>; 9] = [
        check_integrity,
        check_references,
        check_lists,
        claims::check_list_records,
        check_checkpoints,
        check_playlists,
        history::check_histories,
        claims::check_runs,
        feed::check_feed,
    ];
    for step in steps {
        if let Err(source) = step(&conn, &mut report) {
            // An unreadable page affects one check; the others may still find something.
            report.add("integrity", format!("cannot be read further: {source}"));
        }
    }
    Ok(report)
}

impl StoreReport {
    /// Returns the number of findings.
    pub fn finding_count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Returns the checks with more findings than are listed, and how many more.
    pub fn omitted_counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let more = self.counts.iter().map(|(check, count)| (*check, count.saturating_sub(MAX_FINDINGS_PER_CHECK)));
        more.filter(|(_, untold)| *untold > 0)
    }

    /// Records that an error stopped a check.
    pub fn add_unreadable(&mut self, check: &'static str, error: &StoreError) {
        self.add(check, super::error::with_causes(error));
    }

    fn add(&mut self, check: &'static str, detail: String) {
        let count = self.counts.entry(check).or_default();
        *count += 1;
        if *count <= MAX_FINDINGS_PER_CHECK {
            self.findings.push(StoreFinding { check, detail });
        }
    }

    /// Adds a finding for each row of a query.
    fn add_each(
        &mut self,
        conn: &Connection,
        check: &'static str,
        sql: &str,
        tell: impl Fn(&Row<'_>) -> rusqlite::Result<String>,
    ) -> rusqlite::Result<()> {
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.add(check, tell(row)?);
        }
        Ok(())
    }
}

fn check_integrity(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    let mut statement = conn.prepare("PRAGMA integrity_check(20)")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let said: String = row.get(0)?;
        // One row may have several lines under a heading that names the database.
        for line in said.lines().filter(|line| *line != "ok" && !line.starts_with("***")) {
            report.add("integrity", line.to_owned());
        }
    }
    Ok(())
}

fn check_references(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    let sql = "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2";
    report.add_each(conn, "reference", sql, |row| {
        let (table, parent, count): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let rows = if count == 1 { "1 row".to_owned() } else { format!("{count} rows") };
        Ok(format!("{rows} of {table} without its row of {parent}"))
    })
}

/// Compares the rows of each list with the hash and count of its last complete read.
fn check_lists(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    // The rows of a playlist belong to its last reader and market. If the record of that read was deleted,
    // there is nothing to compare them with.
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
        let Some(sql) = current_rows_sql(&kind) else { continue };
        report.lists += 1;
        if hash_rows(conn, &sql, [id])? != hash {
            let count: i64 = conn.query_row(&format!("SELECT count(*) FROM ({sql})"), [id], |row| row.get(0))?;
            let recorded = row.get::<_, Option<i64>>(4)?.unwrap_or(0);
            let name = list_label(&kind, &parent, id);
            report.add(
                "list",
                format!("{name}: its rows are not those that were read: {count} found, {recorded} stored"),
            );
        }
    }
    Ok(())
}

/// Compares the staged rows of interrupted reads with their checkpoints.
fn check_checkpoints(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    let sql =
        "SELECT l.kind, l.parent_id, l.id, c.next_offset, c.skipped, count(s.position), coalesce(max(s.position), -1),
                    coalesce(json_array_length(c.unread), 0)
               FROM checkpoints c JOIN lists l ON l.id = c.list_id LEFT JOIN staged_items s ON s.list_id = c.list_id
               WHERE l.kind <> 'search' GROUP BY c.list_id";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, parent, id): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (next, skipped, staged, last): (i64, i64, i64, i64) = (row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?);
        let unread: i64 = row.get(7)?;
        let without_row = if super::list_kinds::is_playlist(&kind) { 0 } else { skipped + unread };
        if staged + without_row < next || last >= next {
            let name = list_label(&kind, &parent, id);
            report.add("checkpoint", format!("{name}: the checkpoint has {next} items, {staged} are staged"));
        }
    }
    let sql = "SELECT count(DISTINCT list_id) FROM staged_items WHERE list_id NOT IN (SELECT list_id FROM checkpoints)";
    let orphans: i64 = conn.query_row(sql, [], |row| row.get(0))?;
    if orphans > 0 {
        report.add("checkpoint", format!("{orphans} lists have staged rows and no checkpoint"));
    }
    Ok(())
}

/// Every position of a playlist has a row, and all rows come from one read.
fn check_playlists(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    let sql = "SELECT playlist_id, count(*), max(position) + 1, count(*) = max(position) + 1 AND min(position) = 0
               FROM playlist_items GROUP BY playlist_id
               HAVING count(*) <> max(position) + 1 OR min(position) <> 0 OR min(fetched_at) IS NOT max(fetched_at)";
    report.add_each(conn, "playlist", sql, |row| {
        let (id, count, places): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(match row.get(3)? {
            true => format!("playlist {id}: its rows come from several reads"),
            false => format!("playlist {id}: {count} rows for {places} places"),
        })
    })
}

fn list_label(kind: &str, parent: &str, id: i64) -> String {
    let parent = if parent.is_empty() { String::new() } else { format!(" of {parent}") };
    format!("list {id} ({kind}{parent})")
}
