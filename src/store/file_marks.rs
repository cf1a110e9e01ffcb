//! The time up to which the files of a job have shown new items: the value of `:last_file_at`.

use rusqlite::{Connection, OptionalExtension, params};

/// A file that a run writes for a fetch or a query of a job.
#[derive(Debug, Clone, Copy)]
pub struct FileSource<'a> {
    pub job: &'a str,
    /// Name of the fetch or number of the query, with the user that the file is for.
    pub source: &'a str,
    /// The path below the folder of the job, if it has a date: a second run of the day replaces that file.
    pub dated_path: Option<&'a str>,
}

/// A file that was written.
#[derive(Debug, Clone)]
pub struct MarkedFile {
    pub source: String,
    /// Path below the folder of the job.
    pub path: String,
    /// The value of `:last_file_at` for it.
    pub since: Option<String>,
    pub rows: u64,
}

/// The record about a file.
struct FileMark {
    path: String,
    until_at: String,
    since_at: Option<String>,
    row_count: Option<i64>,
}

/// Returns the time up to which the files before this one show new rows; none if there is none. A file that
/// replaces one of the same day shows what that one shows, too.
///
/// # Errors
/// If the store cannot be read.
pub fn last_file_at(store: &Connection, file: FileSource<'_>, run: i64) -> rusqlite::Result<Option<String>> {
    let sql =
        "SELECT path, until_at, since_at, row_count FROM file_marks WHERE job = ?1 AND source = ?2 AND run_id < ?3
               ORDER BY run_id DESC LIMIT 1";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(FileMark { path: row.get(0)?, until_at: row.get(1)?, since_at: row.get(2)?, row_count: row.get(3)? })
    };
    let Some(newest) = store.query_row(sql, params![file.job, file.source, run], read).optional()? else {
        return Ok(None);
    };
    if file.dated_path != Some(newest.path.as_str()) {
        return Ok(Some(newest.until_at));
    }
    // Without a row in it, the first file of all has nothing that the next one must repeat.
    Ok(newest.since_at.or(Some(newest.until_at).filter(|_| newest.row_count.is_none_or(|rows| rows == 0))))
}

/// Returns the sources of a job's files that belong to a fetch or query: one for each user that has a file.
///
/// # Errors
/// If the store cannot be read.
pub fn sources_with_files(store: &Connection, job: &str, of: &str) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT DISTINCT source FROM file_marks WHERE job = ?1 AND (source = ?2 OR substr(source, 1, length(?2) + 4) = ?2 || ' of ')";
    let mut statement = store.prepare(sql)?;
    let rows = statement.query_map(params![job, of], |row| row.get(0))?;
    rows.collect()
}

/// Records that a run of a job wrote files. With `by_reads`, they show the rows that the run itself had read by
/// then, otherwise the rows that were stored at `now`.
///
/// # Errors
/// If the store cannot be written.
pub fn record_marks(
    store: &Connection,
    (job, run): (&str, i64),
    files: &[MarkedFile],
    by_reads: bool,
    now: &str,
) -> rusqlite::Result<()> {
    let sql = "SELECT max(coalesce((SELECT max(read_at) FROM run_lists WHERE run_id = ?1), ''), started_at)
               FROM runs WHERE id = ?1";
    let read: Option<String> = store.query_row(sql, [run], |row| row.get(0)).optional()?;
    let until = read.filter(|_| by_reads).unwrap_or_else(|| now.to_owned());
    for MarkedFile { source, path, since, rows } in files {
        // Files that are written again for the same run show the same.
        store.execute(
            "INSERT OR IGNORE INTO file_marks (job, source, run_id, path, until_at, since_at, row_count)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![job, source, run, path, until, since, i64::try_from(*rows).unwrap_or(i64::MAX)],
        )?;
        store.execute(
            "DELETE FROM file_marks WHERE job = ?1 AND source = ?2 AND run_id < ?3 - 1000",
            params![job, source, run],
        )?;
    }
    Ok(())
}
