//! Interrupted reads, and resetting them by hand.

use rusqlite::params;

use super::{StoreError, WriteTx};

/// A read that is in progress or was interrupted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct InterruptedRead {
    pub list: i64,
    /// The stream that reads it.
    pub kind: String,
    /// The parent, or the search expression.
    pub parent_id: String,
    /// `app`, or the id of the owner of the token that reads it.
    pub audience: String,
    /// Requested market.
    pub market: String,
    /// Group, types, time range or locale.
    pub variant: String,
    /// Items served so far.
    pub items: i64,
    /// When the last page was committed.
    pub updated_at: String,
}

/// Returns the interrupted reads of a job: those of lists that it requested, and those that its own runs
/// started. `fetch` limits them to one fetch with lists of these kinds.
///
/// # Errors
/// If the store cannot be read.
pub fn of_job(tx: &WriteTx, job: &str, fetch: Option<(&str, &[&str])>) -> Result<Vec<InterruptedRead>, StoreError> {
    let mut statement = tx.prepare(
        "SELECT l.id, l.kind, l.parent_id, l.audience, l.market, l.variant, c.next_offset, c.updated_at,
                l.id IN (SELECT list_id FROM requested WHERE job = ?1 AND (?2 IS NULL OR fetch = ?2) AND list_id IS NOT NULL),
                c.run_id IN (SELECT id FROM runs WHERE job = ?1)
         FROM checkpoints c JOIN lists l ON l.id = c.list_id ORDER BY l.id",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        let under_way = InterruptedRead {
            list: row.get(0)?,
            kind: row.get(1)?,
            parent_id: row.get(2)?,
            audience: row.get(3)?,
            market: row.get(4)?,
            variant: row.get(5)?,
            items: row.get(6)?,
            updated_at: row.get(7)?,
        };
        let of_kind = fetch.is_none_or(|(_, kinds)| kinds.contains(&under_way.kind.as_str()));
        let asked_for: bool = row.get(8)?;
        let begun: bool = row.get(9)?;
        Ok((under_way, asked_for || (begun && of_kind)))
    };
    let rows = statement
        .query_map(params![job, fetch.map(|(name, _)| name)], read)
        .map_err(|e| tx.error("cannot be read", e))?;
    let rows: Vec<(InterruptedRead, bool)> =
        rows.collect::<Result<_, _>>().map_err(|e| tx.error("cannot be read", e))?;
    Ok(rows.into_iter().filter(|(_, concerns)| *concerns).map(|(row, _)| row).collect())
}

/// Prevents later runs of the job from resuming what its unfinished runs have read.
///
/// # Errors
/// If the store cannot be written.
pub fn forbid_resume(tx: &mut WriteTx, job: &str, now: &str) -> Result<(), StoreError> {
    tx.execute_counted(
        "UPDATE runs SET reset_at = ?2, row_version = next_row_version() WHERE job = ?1 AND state IN ('deferred', 'failed') AND reset_at IS NULL",
        params![job, now],
    )?;
    Ok(())
}
