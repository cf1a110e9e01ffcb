//! What a run is expected to cost, beside what it spent; and what a price has to know of the runs
//! before.

use rusqlite::{OptionalExtension, params};

use super::{StoreError, WriteTx};

/// What was expected to be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedCalls {
    /// Calls at least.
    pub least: i64,
    /// Calls at most, where that could be said.
    pub most: Option<i64>,
}

/// Records what a run was expected to cost; of its fetches once they have their rows.
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
        "UPDATE runs SET planned_least = ?2, planned_most = ?3 WHERE id = ?1",
        params![run, whole.least, whole.most],
    )?;
    fetches.iter().try_for_each(|(fetch, user, planned)| {
        tx.execute(
            "UPDATE run_fetches SET planned_least = ?4, planned_most = ?5
             WHERE run_id = ?1 AND fetch = ?2 AND user_id = ?3",
            params![run, fetch, user, planned.least, planned.most],
        )
    })
}

/// The hash of the job file that the last good run of a job was of, and how many things a fetch of it
/// asked for.
///
/// # Errors
/// If the store cannot be read.
pub fn last_request_count(tx: &WriteTx, job: &str, fetch: &str) -> Result<Option<(String, i64)>, StoreError> {
    let sql = "SELECT coalesce(job_hash, ''), (SELECT count(*) FROM requested WHERE job = ?1 AND fetch = ?2)
               FROM runs WHERE job = ?1 AND state IN ('complete', 'partial') ORDER BY id DESC LIMIT 1";
    let known = tx.prepare(sql)?.query_row([job, fetch], |row| Ok((row.get(0)?, row.get(1)?))).optional();
    known.map_err(|e| tx.error("cannot be read", e))
}
