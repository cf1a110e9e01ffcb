//! Whether the store is what it says it is: its pages, its references, its counts and its hashes.
//!
//! Nothing is written. All of it is one look at one state of the file, so that it may be done while a
//! run goes on. What is read row by row stays flat in memory, but for one playlist at a time.

mod claims;
mod history;

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, Row};

use super::StoreError;
use super::list_proof::{current_rows_sql, hash_rows};
use super::open::open_current_schema;

/// Findings of one kind beyond which only the number is told.
const MAX_FINDINGS_PER_CHECK: u64 = 20;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StoreFinding {
    /// Which check found it: integrity, reference, list, record, checkpoint, waiting, playlist, history, run or files.
    pub check: &'static str,
    /// What is wrong, and with what.
    pub detail: String,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct StoreReport {
    /// It was made, and nothing has been written to it yet.
    pub empty: bool,
    /// Lists whose rows were hashed.
    pub lists: i64,
    /// Playlists whose history was taken back to its beginning.
    pub histories: i64,
    /// Runs that were looked at.
    pub runs: i64,
    /// Pages that wait to reach their tables, of a run under way or of one that was killed; no damage.
    pub waiting_pages: i64,
    /// Lists whose last look was later than now, under a clock that was ahead; no damage.
    pub lists_ahead: i64,
    /// What is wrong; of what one check finds very often only the first.
    pub findings: Vec<StoreFinding>,
    /// How much each check found.
    pub counts: BTreeMap<&'static str, u64>,
}

/// Looks the store over.
///
/// # Errors
/// If it is not there, is not ours, or cannot be read at all; what can be read is reported.
pub fn verify_store(path: &Path) -> Result<StoreReport, StoreError> {
    let conn = match open_current_schema(path) {
        // A run that was killed early has left it so.
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
        claims::check_pending_writes,
        check_playlists,
        history::check_histories,
        claims::check_runs,
    ];
    for step in steps {
        if let Err(source) = step(&conn, &mut report) {
            // A page that cannot be read spoils one check; the others may still tell something.
            report.add("integrity", format!("cannot be read further: {source}"));
        }
    }
    Ok(report)
}

impl StoreReport {
    /// How much is wrong.
    pub fn finding_count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Checks that found more than is told, and how much more.
    pub fn omitted_counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let more = self.counts.iter().map(|(check, count)| (*check, count.saturating_sub(MAX_FINDINGS_PER_CHECK)));
        more.filter(|(_, untold)| *untold > 0)
    }

    /// Notes that the store did not let a check come to its end.
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

    /// Adds what each row of a query tells.
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
        // One row may hold several lines, under a heading that names the database.
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

/// Each list's rows against the hash and the count of its last whole read.
fn check_lists(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
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
        let Some(sql) = current_rows_sql(&kind) else { continue };
        report.lists += 1;
        if hash_rows(conn, &sql, [id])? != hash {
            let count: i64 = conn.query_row(&format!("SELECT count(*) FROM ({sql})"), [id], |row| row.get(0))?;
            let recorded = row.get::<_, Option<i64>>(4)?.unwrap_or(0);
            let name = list_label(&kind, &parent, id);
            report.add(
                "list",
                format!("{name}: its rows are not those that were read: {count} stand, {recorded} were stored"),
            );
        }
    }
    Ok(())
}

/// The rows that an interrupted read has staged against its checkpoint.
fn check_checkpoints(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
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
            let name = list_label(&kind, &parent, id);
            report.add("checkpoint", format!("{name}: the checkpoint says {next} items, {staged} are staged"));
        }
    }
    let sql = "SELECT count(DISTINCT list_id) FROM staged_items WHERE list_id NOT IN (SELECT list_id FROM checkpoints)";
    let orphans: i64 = conn.query_row(sql, [], |row| row.get(0))?;
    if orphans > 0 {
        report.add("checkpoint", format!("lists with staged rows and no checkpoint: {orphans}"));
    }
    Ok(())
}

/// Every place of a playlist has a row, and all of them come from one read.
fn check_playlists(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    let sql = "SELECT playlist_id, count(*), max(position) + 1, count(*) = max(position) + 1 AND min(position) = 0
               FROM playlist_items GROUP BY playlist_id
               HAVING count(*) <> max(position) + 1 OR min(position) <> 0 OR min(fetched_at) IS NOT max(fetched_at)";
    report.add_each(conn, "playlist", sql, |row| {
        let (id, count, places): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(match row.get(3)? {
            true => format!("playlist {id}: its rows are of several reads"),
            false => format!("playlist {id}: {count} rows for {places} places"),
        })
    })
}

fn list_label(kind: &str, parent: &str, id: i64) -> String {
    let parent = if parent.is_empty() { String::new() } else { format!(" of {parent}") };
    format!("list {id} ({kind}{parent})")
}
