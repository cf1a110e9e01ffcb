//! What a run is expected to cost, and what an estimate must know about earlier runs.

use rusqlite::{OptionalExtension, params};

use super::{StoreError, WriteTx};

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
