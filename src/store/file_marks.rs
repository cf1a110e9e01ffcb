//! The time up to which the files of a job have shown new items: the value of `:last_file_at`.

use rusqlite::{Connection, OptionalExtension, params};

/// Returns the time up to which the newest file of a source before a run showed new items; `None` if there is no file.
///
/// # Errors
/// If the store cannot be read.
pub fn last_file_at(store: &Connection, job: &str, source: &str, run: i64) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT until_at FROM file_marks WHERE job = ?1 AND source = ?2 AND run_id < ?3
               ORDER BY run_id DESC LIMIT 1";
    store.query_row(sql, params![job, source, run], |row| row.get(0)).optional()
}

/// Returns this time for the file of a job that is furthest behind. Sources without a file do not count.
///
/// # Errors
/// If the store cannot be read.
pub fn last_file_of_job(
    store: &Connection,
    job: &str,
    sources: &[String],
    run: i64,
) -> rusqlite::Result<Option<String>> {
    let newest = |source: &String| {
        let sql = "SELECT until_at FROM file_marks WHERE job = ?1 AND source = ?2 AND run_id <> ?3
                   ORDER BY run_id DESC LIMIT 1";
        store.query_row(sql, params![job, source, run], |row| row.get::<_, String>(0)).optional()
    };
    let marks = sources.iter().map(newest).collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(marks.into_iter().flatten().min())
}

/// Records that a run of a job wrote files: sources with their paths. With `by_reads`, they show what the run itself
/// had read by then, otherwise all rows that were stored at `now`.
///
/// # Errors
/// If the store cannot be written.
pub fn record_marks(
    store: &Connection,
    (job, run): (&str, i64),
    files: &[(String, String)],
    by_reads: bool,
    now: &str,
) -> rusqlite::Result<()> {
    let sql = "SELECT max(coalesce((SELECT max(read_at) FROM run_lists WHERE run_id = ?1), ''), started_at)
               FROM runs WHERE id = ?1";
    let read: Option<String> = store.query_row(sql, [run], |row| row.get(0)).optional()?;
    let until = read.filter(|_| by_reads).unwrap_or_else(|| now.to_owned());
    for (source, path) in files {
        // Files that are written again for the same run show the same.
        store.execute(
            "INSERT OR IGNORE INTO file_marks (job, source, run_id, path, until_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![job, source, run, path, until],
        )?;
        store.execute(
            "DELETE FROM file_marks WHERE job = ?1 AND source = ?2 AND run_id < ?3 - 1000",
            params![job, source, run],
        )?;
    }
    Ok(())
}
