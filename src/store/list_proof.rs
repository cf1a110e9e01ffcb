//! How a list is proved complete, and the hashes that identify its content.
//!
//! A list is committed only if every item that Spotify served has a row or is counted as skipped. Announced,
//! served and stored counts are kept for each run, together with a hash of the rows in the list's table, so
//! that `verify` can tell years later whether they are unchanged.

use rusqlite::{Connection, OptionalExtension, params};

use super::list_kinds::{is_playlist, list_table};
use super::row_hash::hash_rows;
use super::{ListKey, StoreError, WriteTx, staging};
use crate::stream::StreamTable;

/// Why a list is known to be complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProofKind {
    /// It came in one response.
    OneAnswer,
    /// Its version was the same before and after.
    Snapshot,
    /// Its version is meaningless, and two reads in a row had the same content.
    Content,
    /// It was read to its end, and every page announced the same total.
    #[default]
    EndReached,
    /// Only the newest items were read, down to known rows. The total adds up, and the rest was not read.
    Presumed {
        /// Number of positions that were read.
        read: i64,
    },
}

impl ProofKind {
    /// Returns the value for `lists.proof`.
    pub fn as_str(self) -> &'static str {
        match self {
            ProofKind::OneAnswer => "one_answer",
            ProofKind::Snapshot => "snapshot",
            ProofKind::Content => "content",
            ProofKind::EndReached => "end_reached",
            ProofKind::Presumed { .. } => "presumed",
        }
    }

    /// Returns the number of positions that were read, if that was not all.
    pub(super) fn read_count(self) -> Option<i64> {
        match self {
            ProofKind::Presumed { read } => Some(read),
            _ => None,
        }
    }
}

/// What a read shows about its own completeness.
#[derive(Debug, Clone, Default)]
pub struct ListProof {
    pub kind: ProofKind,
    /// Items that Spotify announced.
    pub announced: Option<i64>,
    /// Items that Spotify served, including nulls.
    pub served: i64,
    /// Items that could not be stored completely.
    pub skipped: i64,
    /// Spotify's version at the start of the read.
    pub snapshot_id: Option<String>,
    /// The version after the last page, if it was requested.
    pub snapshot_after: Option<String>,
    /// Entity tag of the first response.
    pub etag: Option<String>,
    /// Only the first items were wanted. They form a list of their own.
    pub first_items_only: bool,
}

/// Refuses a list with served items that are neither staged nor counted as skipped.
pub(super) fn refuse_missing_rows(tx: &WriteTx, list: i64, key: &ListKey, proof: &ListProof) -> Result<(), StoreError> {
    // A partial list wants only its first items, and the positions of a search are counted by its pages.
    if proof.first_items_only || list_table(key.kind) == Some(StreamTable::SearchResults) {
        return Ok(());
    }
    let staged = staging::count(tx, list)?;
    // Each position of a playlist has a row, whatever its content.
    let without_row = if is_playlist(key.kind) { 0 } else { proof.skipped };
    if staged + without_row >= proof.served {
        return Ok(());
    }
    let name = format!("{} {}", key.kind, key.parent_id).trim().to_owned();
    Err(StoreError::MissingRows { path: tx.path().to_path_buf(), name, served: proof.served, staged })
}

/// Records the proof of a committed list.
pub(super) fn record(
    tx: &WriteTx,
    list: i64,
    proof: &ListProof,
    run: i64,
    stored: i64,
    hash: &str,
    now: &str,
) -> Result<(), StoreError> {
    tx.execute_counted(
        "INSERT OR REPLACE INTO run_lists (run_id, list_id, announced, served, stored, skipped, snapshot_before, snapshot_after,
         content_hash, proof, read_at, row_version) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, next_row_version())",
        params![
            run, list, proof.announced, proof.served, stored, proof.skipped, proof.snapshot_id, proof.snapshot_after, hash,
            proof.as_str(), now
        ],
    )?;
    let rows_hash = hash_list_rows(&tx.conn, list).map_err(|e| tx.error("cannot be read", e))?;
    tx.execute_counted(
        "UPDATE lists SET rows_hash = ?2, row_version = next_row_version() WHERE id = ?1",
        params![list, rows_hash.unwrap_or_else(|| hash.into())],
    )?;
    Ok(())
}

/// Records a read of a list that could not be proved complete, before it is discarded.
///
/// # Errors
/// If the store cannot be written.
pub fn record_unproved(
    tx: &mut WriteTx,
    list: i64,
    proof: &ListProof,
    run: i64,
    reason: &str,
    now: &str,
) -> Result<(), StoreError> {
    let (staged, hash) = (staging::count(tx, list)?, staging::hash(tx, list)?);
    tx.execute_counted(
        "INSERT OR REPLACE INTO unproved_lists (run_id, list_id, reason, announced, served, staged, skipped, snapshot_before,
         snapshot_after, content_hash, given_up_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            run, list, reason, proof.announced, proof.served, staged, proof.skipped, proof.snapshot_id, proof.snapshot_after,
            hash, now
        ],
    )?;
    Ok(())
}

/// Returns how many rows the newest suspicious batch of a list had that an earlier run left out, if the list was not
/// found in order since then.
///
/// # Errors
/// If the store cannot be read.
pub fn rows_left_out_before(tx: &WriteTx, list: i64, run: i64) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT u.staged FROM unproved_lists u JOIN lists l ON l.id = u.list_id
               WHERE u.list_id = ?1 AND u.run_id <> ?2 AND u.reason = 'suspect_batch'
               AND u.given_up_at > coalesce(l.checked_at, '') ORDER BY u.run_id DESC LIMIT 1";
    tx.prepare(sql)?
        .query_row(params![list, run], |row| row.get(0))
        .optional()
        .map_err(|e| tx.error("cannot be read", e))
}

impl ListProof {
    /// Returns the value for `run_lists.proof`.
    fn as_str(&self) -> &'static str {
        let as_announced = self.announced.is_none_or(|total| total == self.served);
        match self.kind {
            ProofKind::Presumed { .. } => return "presumed",
            ProofKind::Content => return "content",
            _ => {}
        }
        match (self.first_items_only && !as_announced, &self.snapshot_id, as_announced) {
            (true, ..) => "cut",
            (_, _, false) => "wrong_total",
            (_, Some(_), true) => "version",
            (_, None, true) if self.announced.is_some() => "total",
            _ => "end",
        }
    }
}

/// Returns a hash of the current rows of a list; `None` for playlists, which have exactly the served rows,
/// so that the hash of the read applies to them too.
fn hash_list_rows(conn: &Connection, list: i64) -> rusqlite::Result<Option<String>> {
    let kind: String = conn.query_row("SELECT kind FROM lists WHERE id = ?1", [list], |row| row.get(0))?;
    if is_playlist(&kind) {
        return Ok(None);
    }
    current_rows_sql(&kind).map(|sql| hash_rows(conn, &sql, [list])).transpose()
}

/// Whether a read of a list came to nothing for this reason, and no later read was complete.
///
/// # Errors
/// If the store cannot be read.
pub fn was_unproved_since_read(tx: &WriteTx, list: i64, reason: &str) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM unproved_lists u JOIN lists l ON l.id = u.list_id
               WHERE l.id = ?1 AND u.reason = ?2 AND u.given_up_at > coalesce(l.read_at, ''))";
    Ok(tx.query_one(sql, params![list, reason])?.unwrap_or(false))
}

/// Returns the statement for the current rows of a list, in order. ?1 is the list.
pub(super) fn current_rows_sql(kind: &str) -> Option<String> {
    let last_read = "(SELECT read_at FROM lists WHERE id = ?1)";
    Some(match list_table(kind)? {
        StreamTable::PlaylistItems => {
            "SELECT kind, coalesce(track_id, episode_id), uri, added_at, added_by, NULL FROM playlist_items
                             WHERE playlist_id = (SELECT parent_id FROM lists WHERE id = ?1) ORDER BY position"
                .to_owned()
        }
        StreamTable::SearchResults => format!(
            "SELECT kind, rank, item_id, uri FROM search_results WHERE list_id = ?1 AND searched_at = {last_read} ORDER BY kind, rank"
        ),
        StreamTable::TopItems(_) => {
            format!(
                "SELECT rank, item_id FROM top_items WHERE list_id = ?1 AND day = substr({last_read}, 1, 10) ORDER BY rank"
            )
        }
        StreamTable::Plays => format!(
            "SELECT played_at, track_id FROM plays WHERE list_id = ?1 AND first_seen_at = {last_read} ORDER BY played_at, track_id"
        ),
        StreamTable::Members(target) => {
            let extra: String = target.extra_columns.iter().map(|(column, _)| format!(", {column}")).collect();
            format!(
                "SELECT {child}, position{extra} FROM {table} WHERE list_id = ?1 AND removed_at IS NULL ORDER BY position, {child}",
                child = target.item_column,
                table = target.table
            )
        }
        StreamTable::Entities(_) => return None,
    })
}
