//! Past runs, as `history`, `jobs` and the scheduler read them.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Row, params};

use super::{PlannedCalls, StoreError};

/// A past run.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// Its number.
    pub id: i64,
    /// Name of the job.
    pub job: String,
    /// The word of its state.
    pub state: String,
    /// Why it is not complete.
    pub reason: Option<String>,
    /// The fire it serves.
    pub fire_at: Option<String>,
    /// When it began.
    pub started_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
    /// When to come back.
    pub not_before: Option<String>,
    /// Calls sent.
    pub calls: i64,
    /// Rows read.
    pub rows: i64,
    /// The exit code it asked for; none while it runs, and if it was killed.
    pub exit_code: Option<i64>,
    /// Rows that its fetches stored.
    pub stored: i64,
    /// What its fetches could not have.
    pub skipped: i64,
    /// Calls that it was expected to send.
    pub planned: Option<PlannedCalls>,
}

/// The newest runs of a job.
#[derive(Debug, Default)]
pub struct JobRuns {
    /// Newest first.
    pub runs: Vec<RunRow>,
    /// Start of the newest that ended complete or partial.
    pub last_usable_at: Option<String>,
    /// Start of the newest that ended complete.
    pub last_complete_at: Option<String>,
}

impl RunRow {
    /// The columns that [`RunRow::read`] expects, in its order.
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

/// The newest runs of every job, newest first, at most so many of each.
///
/// # Errors
/// If the store cannot be read.
pub fn past_runs(database: &std::path::Path, most: u32) -> Result<Vec<RunRow>, StoreError> {
    let conn = super::open_reader(database)?;
    if super::migrations::check_schema(&conn, database)? == 0 {
        // The first run was killed before it had written anything.
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

/// The newest runs of every job, by its name, at most so many of each. Goes by the index from job to
/// job, so that a long history costs nothing.
///
/// # Errors
/// If the store cannot be read.
pub fn newest_runs_by_job(database: &std::path::Path, most: u32) -> Result<Vec<(String, JobRuns)>, StoreError> {
    let conn = super::open_reader(database)?;
    if super::migrations::check_schema(&conn, database)? == 0 {
        // The first run was killed before it had written anything.
        return Ok(Vec::new());
    }
    let error = |source| StoreError::Sqlite { path: database.to_path_buf(), what: "cannot be read", source };
    let read = || {
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
    };
    read().map_err(error)
}

/// The runs on record as running, if the store goes with this state folder; else nothing is known of them.
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

/// What stood when a run of a job ended.
#[derive(Debug, Default)]
pub struct StateAfterRun {
    /// Start of the newest run before it that ended complete or partial.
    pub last_usable_at: Option<String>,
    /// Fetches with something to show: they ended before, or in it, for every user that it came to.
    pub finished_fetches: BTreeSet<String>,
}

/// What stood when this run of a job ended.
///
/// # Errors
/// If the store cannot be read.
pub fn state_after_run(database: &std::path::Path, job: &str, run: i64) -> Result<StateAfterRun, StoreError> {
    let conn = super::open_reader(database)?;
    let error = |source| StoreError::Sqlite { path: database.to_path_buf(), what: "cannot be read", source };
    let good = "SELECT started_at FROM runs WHERE job = ?1 AND id < ?2 AND state IN ('complete', 'partial')
                ORDER BY started_at DESC LIMIT 1";
    // Records of runs are kept for so long only; what was asked for stays. Of a user whose account a run did
    // not get to know, the record has the local name.
    let ended = "WITH brought (fetch, user_id) AS (
          SELECT fetch, coalesce(user_id, '') FROM requested WHERE job = ?1
          UNION SELECT f.fetch, f.user_id FROM run_fetches f JOIN runs r ON r.id = f.run_id
                WHERE r.job = ?1 AND f.state IN ('complete', 'partial'))
        SELECT fetch FROM brought EXCEPT SELECT fetch FROM run_fetches f WHERE run_id = ?2 AND state = 'deferred'
          AND NOT EXISTS (SELECT 1 FROM brought b WHERE b.fetch = f.fetch AND (b.user_id IN ('', f.user_id)
            OR b.user_id = (SELECT id FROM users WHERE local_name = f.user_id)))";
    let read = || {
        let good = conn.query_row(good, params![job, run], |row| row.get(0)).optional()?;
        let mut ended = conn.prepare(ended)?;
        let ended = ended.query_map(params![job, run], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(StateAfterRun { last_usable_at: good, finished_fetches: ended })
    };
    read().map_err(error)
}

/// The recorded runs of a job that ended one way.
#[derive(Debug, Clone)]
pub struct RunTotal {
    /// The job.
    pub job: String,
    /// How they ended.
    pub state: String,
    /// How many they are.
    pub runs: i64,
    /// Calls of them all.
    pub calls: i64,
    /// Items of them all.
    pub rows: i64,
}

/// What all recorded runs come to, by job and state.
///
/// # Errors
/// If the store cannot be read.
pub fn run_totals(database: &std::path::Path) -> Result<Vec<RunTotal>, StoreError> {
    let conn = super::open_reader(database)?;
    if super::migrations::check_schema(&conn, database)? == 0 {
        // The first run was killed before it had written anything.
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
