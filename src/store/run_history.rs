//! Past runs, as `history`, `jobs` and the scheduler read them.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::requested::of_finished_fetch;
use super::{PlannedCalls, StoreError};

#[derive(Debug, Clone)]
pub struct RunRow {
    pub id: i64,
    pub job: String,
    /// State as in `runs.state`.
    pub state: String,
    /// Why it is not complete.
    pub reason: Option<String>,
    /// The scheduled time that it serves.
    pub fire_at: Option<String>,
    pub started_at: String,
    pub finished_at: Option<String>,
    /// When to continue.
    pub not_before: Option<String>,
    pub calls: i64,
    /// Rows read.
    pub rows: i64,
    /// Exit code; none while the run is active, and none if it was killed.
    pub exit_code: Option<i64>,
    /// Rows that its fetches stored.
    pub stored: i64,
    /// Items that its fetches could not store.
    pub skipped: i64,
    /// Number of calls that was expected.
    pub planned: Option<PlannedCalls>,
}

#[derive(Debug, Default)]
pub struct JobRuns {
    /// Newest first.
    pub runs: Vec<RunRow>,
    /// Start of the newest run that ended complete or partial.
    pub last_usable_at: Option<String>,
    /// Start of the newest run that ended complete.
    pub last_complete_at: Option<String>,
}

impl RunRow {
    /// The columns that [`RunRow::read`] expects, in order.
    pub const COLUMNS: &str = "id, job, state, reason, fire_at, started_at, finished_at, not_before, calls, rows, exit_code, planned_least, planned_most,
        (SELECT coalesce(sum(stored), 0) FROM run_fetches WHERE run_id = id), (SELECT coalesce(sum(skipped), 0) FROM run_fetches WHERE run_id = id)";

    /// Reads a row of [`RunRow::COLUMNS`].
    ///
    /// # Errors
    /// If a column has another type.
    pub fn read(row: &Row<'_>) -> rusqlite::Result<RunRow> {
        Ok(RunRow {
            id: row.get(0)?,
            job: row.get(1)?,
            state: row.get(2)?,
            reason: row.get(3)?,
            fire_at: row.get(4)?,
            started_at: row.get(5)?,
            finished_at: row.get(6)?,
            not_before: row.get(7)?,
            calls: row.get(8)?,
            rows: row.get(9)?,
            exit_code: row.get(10)?,
            stored: row.get(13)?,
            skipped: row.get(14)?,
            planned: match row.get(11)? {
                Some(least) => Some(PlannedCalls { least, most: row.get(12)? }),
                None => None,
            },
        })
    }
}

/// Returns the newest runs of every job, newest first, at most `most` per job.
///
/// # Errors
/// If the store cannot be read.
pub fn past_runs(database: &std::path::Path, most: u32) -> Result<Vec<RunRow>, StoreError> {
    let conn = super::open_reader(database)?;
    if super::schema::check_schema(&conn, database)? == 0 {
        // The first run was killed before it wrote anything.
        return Ok(Vec::new());
    }
    let error = |source| StoreError::Sqlite { path: database.to_path_buf(), what: "cannot be read", source };
    let sql = format!(
        "SELECT {columns} FROM (SELECT *, row_number() OVER (PARTITION BY job ORDER BY started_at DESC, id DESC) AS place FROM runs)
         WHERE place <= ?1 ORDER BY started_at DESC, id DESC",
        columns = RunRow::COLUMNS
    );
    let mut statement = conn.prepare(&sql).map_err(error)?;
    let rows = statement.query_map([most], RunRow::read).map_err(error)?;
    rows.collect::<Result<_, _>>().map_err(error)
}

/// Returns the newest runs of every job, at most `most` per job. It jumps from job to job in the index, so that
/// a long history costs nothing.
///
/// # Errors
/// If the store cannot be read.
pub fn newest_runs_by_job(database: &std::path::Path, most: u32) -> Result<Vec<(String, JobRuns)>, StoreError> {
    let conn = super::open_reader(database)?;
    if super::schema::check_schema(&conn, database)? == 0 {
        // The first run was killed before it wrote anything.
        return Ok(Vec::new());
    }
    let error = |source| StoreError::Sqlite { path: database.to_path_buf(), what: "cannot be read", source };
    newest_runs(&conn, most).map_err(error)
}

/// Like [`newest_runs_by_job`], from an open store.
///
/// # Errors
/// If the store cannot be read.
pub fn newest_runs(conn: &Connection, most: u32) -> rusqlite::Result<Vec<(String, JobRuns)>> {
    let mut jobs = conn.prepare(
        "WITH RECURSIVE names(job) AS (
           SELECT min(job) FROM runs
           UNION ALL SELECT (SELECT min(job) FROM runs WHERE job > names.job) FROM names WHERE names.job IS NOT NULL)
         SELECT job FROM names WHERE job IS NOT NULL",
    )?;
    let jobs = jobs.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    let mut newest = conn.prepare(&format!(
        "SELECT {} FROM runs WHERE job = ?1 ORDER BY started_at DESC, id DESC LIMIT ?2",
        RunRow::COLUMNS
    ))?;
    let mut good = conn.prepare(
        "SELECT started_at FROM runs WHERE job = ?1 AND (state = 'complete' OR state = ?2) ORDER BY started_at DESC LIMIT 1",
    )?;
    let mut all = Vec::with_capacity(jobs.len());
    for job in jobs {
        let runs = newest.query_map(params![job, most], RunRow::read)?.collect::<rusqlite::Result<_>>()?;
        let mut last = |or: &str| good.query_row([&*job, or], |row| row.get(0)).optional();
        let (good, complete) = (last("partial")?, last("complete")?);
        all.push((job, JobRuns { runs, last_usable_at: good, last_complete_at: complete }));
    }
    Ok(all)
}

/// Returns the ids of runs that are recorded as running, if the store belongs to this state folder. Otherwise
/// nothing is known about them.
///
/// # Errors
/// If the store cannot be read.
pub fn running_run_ids(database: &std::path::Path, state_id: &str) -> Result<Vec<i64>, StoreError> {
    let conn = super::open_reader(database)?;
    let error = |source| StoreError::Sqlite { path: database.to_path_buf(), what: "cannot be read", source };
    let sql = "SELECT id FROM runs WHERE state = 'running'
               AND EXISTS (SELECT 1 FROM store_info WHERE key = 'state_id' AND value = ?1)";
    let mut statement = conn.prepare(sql).map_err(error)?;
    let rows = statement.query_map([state_id], |row| row.get(0)).map_err(error)?;
    rows.collect::<Result<_, _>>().map_err(error)
}

/// The state of a job after one of its runs.
#[derive(Debug, Default)]
pub struct StateAfterRun {
    /// Start of the newest earlier run that ended complete or partial.
    pub last_usable_at: Option<String>,
    /// Fetches with rows to export: they finished in this run or before, for every user.
    pub finished_fetches: BTreeSet<String>,
}

/// Returns the state of a job after a run.
///
/// # Errors
/// If the store cannot be read.
pub fn state_after_run(database: &std::path::Path, job: &str, run: i64) -> Result<StateAfterRun, StoreError> {
    let conn = super::open_reader(database)?;
    let error = |source| StoreError::Sqlite { path: database.to_path_buf(), what: "cannot be read", source };
    let good = "SELECT started_at FROM runs WHERE job = ?1 AND id < ?2 AND state IN ('complete', 'partial')
                ORDER BY started_at DESC LIMIT 1";
    // Records of runs expire, but `requested` stays. If a run did not learn the account of a user, its record
    // has the local name.
    let ended = format!(
        "WITH brought (fetch, user_id) AS (
          SELECT q.fetch, coalesce(q.user_id, '') FROM requested q WHERE q.job = ?1 AND {}
          UNION SELECT f.fetch, f.user_id FROM run_fetches f JOIN runs r ON r.id = f.run_id
                WHERE r.job = ?1 AND f.state IN ('complete', 'partial'))
        SELECT fetch FROM brought EXCEPT SELECT fetch FROM run_fetches f WHERE run_id = ?2 AND state = 'deferred'
          AND NOT EXISTS (SELECT 1 FROM brought b WHERE b.fetch = f.fetch AND (b.user_id IN ('', f.user_id)
            OR b.user_id = (SELECT id FROM users WHERE local_name = f.user_id)))",
        of_finished_fetch()
    );
    let read = || {
        let good = conn.query_row(good, params![job, run], |row| row.get(0)).optional()?;
        let mut ended = conn.prepare(&ended)?;
        let ended = ended.query_map(params![job, run], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(StateAfterRun { last_usable_at: good, finished_fetches: ended })
    };
    read().map_err(error)
}

/// Totals of the recorded runs of a job that ended in one state.
#[derive(Debug, Clone)]
pub struct RunTotal {
    pub job: String,
    pub state: String,
    /// Number of runs.
    pub runs: i64,
    /// Calls of all these runs.
    pub calls: i64,
    /// Items of all these runs.
    pub rows: i64,
}

/// Returns the totals of all recorded runs by job and state.
///
/// # Errors
/// If the store cannot be read.
pub fn run_totals(database: &std::path::Path) -> Result<Vec<RunTotal>, StoreError> {
    let conn = super::open_reader(database)?;
    if super::schema::check_schema(&conn, database)? == 0 {
        // The first run was killed before it wrote anything.
        return Ok(Vec::new());
    }
    let error = |source| StoreError::Sqlite { path: database.to_path_buf(), what: "cannot be read", source };
    let sql = "SELECT job, state, count(*), sum(calls), sum(rows) FROM runs GROUP BY job, state ORDER BY job, state";
    let mut statement = conn.prepare(sql).map_err(error)?;
    let rows = statement.query_map((), |row| {
        Ok(RunTotal { job: row.get(0)?, state: row.get(1)?, runs: row.get(2)?, calls: row.get(3)?, rows: row.get(4)? })
    });
    rows.map_err(error)?.collect::<Result<_, _>>().map_err(error)
}
