//! Records of runs: state, fetches, and the end of each.

use rusqlite::{OptionalExtension, params};

use super::{StoreError, WriteTx};

/// State of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// In progress, or killed.
    Running,
    /// Everything requested is stored.
    Complete,
    /// Some requested items could not be stored; each has its reason.
    Partial,
    /// Stopped before the end; a later run resumes at its checkpoints.
    Deferred,
    /// Failed.
    Failed,
}

impl RunState {
    /// Returns the value for `runs.state`.
    pub fn as_str(self) -> &'static str {
        match self {
            RunState::Running => "running",
            RunState::Complete => "complete",
            RunState::Partial => "partial",
            RunState::Deferred => "deferred",
            RunState::Failed => "failed",
        }
    }
}

/// Reason of a failed run without a recorded end: it was killed, or could not write.
pub const CRASHED_REASON: &str = "ended without a record: it was killed, or could not write";

/// State of a fetch.
pub type FetchState = RunState;

/// The end of a run.
#[derive(Debug, Clone)]
pub struct RunRecord {
    pub state: RunState,
    /// Why it is not complete, on one line.
    pub reason: Option<String>,
    /// When to continue, if it is deferred.
    pub not_before: Option<String>,
    /// Exit code of the run.
    pub exit_code: i64,
    pub calls: i64,
    /// Rows read.
    pub rows: i64,
    /// `development` or `extended`, if known.
    pub app_class: Option<&'static str>,
}

/// The end of a fetch, as stored in `run_fetches`.
#[derive(Debug, Clone, Default)]
pub struct FetchRecord {
    pub fetch: String,
    /// The user it was for; empty if there was none.
    pub user_id: String,
    /// The stream that it reads.
    pub stream: &'static str,
    /// Why it is not complete, on one line.
    pub reason: Option<String>,
    /// Number of requested ids, lists or searches.
    pub asked: i64,
    /// Of these, found unchanged or fresh without reading.
    pub unchanged: i64,
    /// Of the requested lists, read from the newest item to known rows and no further.
    pub presumed: i64,
    pub calls: i64,
    /// Items that Spotify announced.
    pub announced: Option<i64>,
    /// Items that Spotify served.
    pub served: i64,
    pub stored: i64,
    /// Items with a row in `skipped_items`.
    pub skipped: i64,
}

/// Starts a run and returns its id. Killed runs of the job are marked as failed: the caller holds the lock of
/// the job, so none of them can be alive. They may have been killed by a crash of the machine, so the store is
/// checked first.
///
/// # Errors
/// If the store is corrupted or cannot be written.
pub fn start(tx: &mut WriteTx, job: &str, fire_at: Option<&str>, job_hash: &str, now: &str) -> Result<i64, StoreError> {
    let killed = "SELECT EXISTS (SELECT 1 FROM runs WHERE job = ?1 AND state = 'running')";
    let killed = tx.prepare(killed)?.query_row([job], |row| row.get(0));
    if killed.map_err(|e| tx.error("cannot be read", e))? {
        super::quick_check(&tx.conn, tx.path())?;
    }
    insert(tx, job, fire_at, job_hash, now)
}

/// Does the same without checking the store.
pub(super) fn insert(
    tx: &WriteTx,
    job: &str,
    fire_at: Option<&str>,
    job_hash: &str,
    now: &str,
) -> Result<i64, StoreError> {
    tx.execute(
        "UPDATE runs SET row_version = next_row_version(), state = 'failed', reason = ?3, finished_at = ?2,
         rows = max(rows, (SELECT coalesce(sum(served), 0) FROM run_fetches WHERE run_id = runs.id)),
         calls = max(calls, (SELECT coalesce(sum(calls), 0) FROM run_fetches WHERE run_id = runs.id))
         WHERE job = ?1 AND state = 'running'",
        params![job, now, CRASHED_REASON],
    )?;
    tx.execute(
        "INSERT INTO runs (job, state, fire_at, started_at, job_hash, version, row_version)
         VALUES (?1, 'running', ?2, ?3, ?4, ?5, next_row_version())",
        params![job, fire_at, now, job_hash, env!("CARGO_PKG_VERSION")],
    )?;
    Ok(tx.conn.last_insert_rowid())
}

/// Returns the time since which a new run need not read stored data again: the start of the unfinished run that
/// it resumes, or of the one before that. None if there is nothing to resume.
///
/// A deferred run is resumed within two days of its time. A failed or killed run is resumed within twelve hours
/// of its start, so that a job which fails at every scheduled time still reads as much as possible.
///
/// # Errors
/// If the store cannot be read.
pub fn resumes_since(tx: &WriteTx, run: i64, job: &str) -> Result<Option<String>, StoreError> {
    let sql = "
        WITH RECURSIVE line AS (
          SELECT id, started_at, state, exit_code, reset_at, coalesce(max(coalesce(finished_at, started_at), coalesce(not_before, '')), '') AS until,
                 row_number() OVER (ORDER BY id DESC) AS place FROM runs WHERE job = ?2 AND id <= ?1 GROUP BY id
        ), chain AS (
          SELECT place, started_at FROM line WHERE id = ?1
          UNION ALL
          SELECT l.place, l.started_at FROM chain c JOIN line l ON l.place = c.place + 1
          WHERE l.reset_at IS NULL AND ((l.state = 'deferred' AND julianday(c.started_at) - julianday(l.until) <= 2.0)
             OR (l.state = 'failed' AND coalesce(l.exit_code, 1) IN (1, 74)
                 AND julianday((SELECT started_at FROM runs WHERE id = ?1)) - julianday(l.started_at) <= 0.5))
        )
        SELECT started_at FROM chain WHERE place > 1 ORDER BY place DESC LIMIT 1";
    let from = tx.prepare(sql)?.query_row(params![run, job], |row| row.get(0)).optional();
    from.map_err(|e| tx.error("cannot be read", e))
}

/// Claims a scheduled time for a run that is about to start. Returns false if it was already served.
///
/// The row exists once, whatever starts the run: cron, systemd or `schedule`.
///
/// # Errors
/// If the store cannot be written.
pub fn claim_fire(tx: &mut WriteTx, job: &str, fire_at: &str) -> Result<bool, StoreError> {
    tx.execute("INSERT INTO fires (job, fire_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING", params![job, fire_at])?;
    let open = tx
        .prepare("SELECT served_at IS NULL FROM fires WHERE job = ?1 AND fire_at = ?2")?
        .query_row(params![job, fire_at], |row| row.get(0));
    open.map_err(|e| tx.error("cannot be read", e))
}

/// Finishes a run. A complete or partial run serves its scheduled time.
///
/// # Errors
/// If the store cannot be written.
pub fn finish(tx: &mut WriteTx, run: i64, end: &RunRecord, now: &str) -> Result<(), StoreError> {
    if matches!(end.state, RunState::Complete | RunState::Partial) {
        tx.execute(
            "UPDATE fires SET run_id = ?1, served_at = ?2 WHERE (job, fire_at) IN (SELECT job, fire_at FROM runs WHERE id = ?1)",
            params![run, now],
        )?;
    }
    tx.execute(
        "UPDATE runs SET state = ?2, reason = ?3, not_before = ?4, exit_code = ?5, calls = ?6, rows = ?7, app_class = ?8,
         finished_at = ?9, row_version = next_row_version() WHERE id = ?1",
        params![run, end.state.as_str(), end.reason, end.not_before, end.exit_code, end.calls, end.rows, end.app_class, now],
    )
}

/// Updates the counts of a run with the rows committed so far, because it may never record its end.
///
/// # Errors
/// If the store cannot be written.
pub fn update_counts(tx: &mut WriteTx, run: i64, calls: i64, items: i64) -> Result<(), StoreError> {
    let sql =
        "UPDATE runs SET calls = max(calls, ?2), rows = rows + ?3, row_version = next_row_version() WHERE id = ?1";
    tx.execute(sql, params![run, calls, items])
}

/// Records how a fetch of a run ended.
///
/// # Errors
/// If the store cannot be written.
pub fn finish_fetch(tx: &mut WriteTx, run: i64, state: FetchState, f: &FetchRecord) -> Result<(), StoreError> {
    tx.execute(
        "INSERT OR REPLACE INTO run_fetches (run_id, fetch, user_id, stream, state, reason, asked, unchanged, calls, announced,
         served, stored, skipped, presumed, row_version)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, next_row_version())",
        params![
            run, f.fetch, f.user_id, f.stream, state.as_str(), f.reason, f.asked, f.unchanged, f.calls, f.announced, f.served,
            f.stored, f.skipped, f.presumed
        ],
    )
}

/// Returns where a run that started now would resume. Nothing is written.
///
/// # Errors
/// If the store cannot be read.
pub fn would_resume_since(tx: &mut WriteTx, job: &str, now: &str) -> Result<Option<String>, StoreError> {
    tx.try_out(|tx| insert(tx, job, None, "", now).and_then(|run| resumes_since(tx, run, job)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{FileAccess, open_writer};
    use std::os::unix::fs::FileExt;

    #[test]
    fn only_a_run_after_a_kill_checks_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let open = || WriteTx::new(open_writer(&path, FileAccess::from_mode(0o600)).unwrap(), path.clone());
        let mut session = open();
        start(&mut session, "killed", None, "", "2026").unwrap();
        // More than the size that is checked at each start.
        let ballast = "CREATE TABLE ballast (it); INSERT INTO ballast VALUES (zeroblob(70 << 20)); PRAGMA wal_checkpoint(TRUNCATE)";
        session.conn.execute_batch(ballast).unwrap();
        drop(session);
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&[0xff; 4], 40 << 20).unwrap();
        let mut session = open();
        crate::store::open_writer::check_small_store(&session.conn, &path).unwrap();
        start(&mut session, "other", None, "", "2026").unwrap();
        would_resume_since(&mut session, "killed", "2026").unwrap();
        let error = start(&mut session, "killed", None, "", "2026").unwrap_err();
        assert!(error.to_string().contains("malformed") || format!("{error:?}").contains("page"), "{error:?}");
    }
}
