//! What a run is expected to cost, and what an estimate must know about earlier runs.

use rusqlite::{OptionalExtension, params};

use super::{StoreError, WriteTx, has_ever_finished};

/// Expected number of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedCalls {
    /// Minimum.
    pub least: i64,
    /// Maximum, if there is one.
    pub most: Option<i64>,
}

/// Saves the expected cost of a run and of its fetches. The fetches must have their rows.
///
/// # Errors
/// If the store cannot be written.
pub fn save(
    tx: &mut WriteTx,
    run: i64,
    whole: PlannedCalls,
    fetches: &[(String, String, PlannedCalls)],
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE runs SET planned_least = ?2, planned_most = ?3, row_version = next_row_version() WHERE id = ?1",
        params![run, whole.least, whole.most],
    )?;
    fetches.iter().try_for_each(|(fetch, user, planned)| {
        tx.execute(
            "UPDATE run_fetches SET planned_least = ?4, planned_most = ?5, row_version = next_row_version()
             WHERE run_id = ?1 AND fetch = ?2 AND user_id = ?3",
            params![run, fetch, user, planned.least, planned.most],
        )
    })
}

/// Returns the hash of the job file at the last good run of a job, and how many items a fetch of it requested.
///
/// # Errors
/// If the store cannot be read.
pub fn last_request_count(tx: &WriteTx, job: &str, fetch: &str) -> Result<Option<(String, i64)>, StoreError> {
    let sql = "SELECT coalesce(job_hash, ''), (SELECT count(*) FROM requested WHERE job = ?1 AND fetch = ?2)
               FROM runs WHERE job = ?1 AND state IN ('complete', 'partial') ORDER BY id DESC LIMIT 1";
    let known = tx.prepare(sql)?.query_row([job, fetch], |row| Ok((row.get(0)?, row.get(1)?))).optional();
    known.map_err(|e| tx.error("cannot be read", e))
}

/// Returns how many ids, lists and searches of a fetch were read; none if it has finished before, so that the ones that it
/// read then are no measure.
///
/// # Errors
/// If the store cannot be read.
pub fn read_so_far(tx: &WriteTx, job: &str, fetch: &str) -> Result<Option<i64>, StoreError> {
    let unreadable = |e| tx.error("cannot be read", e);
    if has_ever_finished(tx.conn(), job, fetch).map_err(unreadable)? {
        return Ok(None);
    }
    let sql = "SELECT count(*) FROM requested r LEFT JOIN lists l ON l.id = r.list_id
               WHERE r.job = ?1 AND r.fetch = ?2 AND (r.list_id IS NULL OR l.read_at IS NOT NULL)";
    tx.prepare(sql)?.query_row([job, fetch], |row| row.get(0)).map(Some).map_err(unreadable)
}
