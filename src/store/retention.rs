//! Deletes rows that are older than the retention settings allow, personal and catalog.
//!
//! The age of a row depends on its table: when a track was played, the day of a rank, when a change was seen. A
//! list has the age of its last confirmation by Spotify, together with its members; a removed member has the
//! age of its removal. So a list that a job reads at every scheduled time never gets old, and the list of a
//! user with a lost sign-in does. Catalog entities are deleted when they are old and no remaining row refers
//! to them. A job reads the entities that it requests by id again before they reach that age, so its own
//! entities never get old either.

mod entities;

use rusqlite::params;

use super::list_kinds::{log_kinds, membership_tables};
use super::{StoreError, WriteTx};
use crate::stream::MembershipTable;
use entities::delete_unreferenced;

/// Logs and history, with the column that has the age of a row.
const LOGS: &[(&str, &str)] = &[
    ("search_results", "searched_at"),
    ("plays", "played_at"),
    ("top_items", "fetched_at"),
    ("returned_members", "returned_at"),
    ("metrics", "day"),
    ("resume_points", "fetched_at"),
];

/// Number of logs with rows that name their list.
const LOGS_OF_LISTS: usize = 3;

/// Resume points belong to a user: those of the job's users whose episodes no other job reads.
const RESUME_POINTS_OF_THE_JOB: &str =
    "DELETE FROM resume_points WHERE fetched_at < ?1 AND user_id IN (SELECT user_id FROM requested WHERE job = ?2)
     AND user_id NOT IN (SELECT r.user_id FROM requested r JOIN lists l ON l.id = r.list_id WHERE r.job <> ?2
       AND r.user_id IS NOT NULL AND l.kind IN ('saved_episodes', 'my_playlists', 'playlist_items'))";

/// Lists that only this job requests.
const LISTS_OF_THE_JOB: &str = "list_id IN (SELECT list_id FROM requested WHERE job = ?2)
     AND list_id NOT IN (SELECT list_id FROM requested WHERE job <> ?2 AND list_id IS NOT NULL)";

/// Playlists that only this job requests, reads as a user's playlists, or sees in a library.
const PLAYLISTS_OF_THE_JOB: &str = "playlist_id IN (WITH asked (job, id) AS (
       SELECT r.job, l.parent_id FROM requested r JOIN lists l ON l.id = r.list_id WHERE l.kind = 'playlist_items'
       UNION ALL SELECT r.job, m.playlist_id FROM requested r JOIN my_playlists m ON m.list_id = r.list_id
       UNION ALL SELECT job, item_id FROM requested WHERE item_id IS NOT NULL)
     SELECT id FROM asked GROUP BY id HAVING min(job = ?2))";

/// States with a start time. The newest state before the limit stays, because it still describes the state at
/// the limit.
const SPANS: &[&str] = &["playlist_versions", "playlist_details"];

/// Lists that were not confirmed since the limit, and lists of playlists that were deleted before it. The
/// playlists of a user are confirmed by the list of playlists, which has the version of each.
const OLD_LISTS: &str = "INSERT INTO old_lists SELECT l.id, l.kind, l.parent_id FROM lists l
     WHERE (l.checked_at < ?1 AND NOT (l.kind = 'playlist_items' AND EXISTS (
       SELECT 1 FROM my_playlists m JOIN lists of ON of.id = m.list_id WHERE m.playlist_id = l.parent_id
       AND m.removed_at IS NULL AND of.audience = l.audience AND of.checked_at >= ?1))
     OR l.kind = 'playlist_items' AND l.read_at IS NOT NULL AND l.parent_id IN (SELECT id FROM playlists WHERE gone_at < ?1))";

/// Of these, the lists that only this job requested or that are in the libraries of its users.
const OF_THE_JOB: &str = "(l.id IN (SELECT list_id FROM requested WHERE job = ?2 AND list_id IS NOT NULL)
       OR l.kind = 'playlist_items' AND EXISTS (SELECT 1 FROM my_playlists m JOIN requested r ON r.list_id = m.list_id
         WHERE m.playlist_id = l.parent_id AND m.user_id = l.audience AND r.job = ?2))
     AND l.id NOT IN (SELECT list_id FROM requested WHERE job <> ?2 AND list_id IS NOT NULL)";

/// Working tables. `let_go` has the entities that deleted rows referred to; they are deleted too if they are
/// old.
const PREPARE: &str = "CREATE TEMP TABLE IF NOT EXISTS old_lists (id INTEGER PRIMARY KEY, kind TEXT, parent_id TEXT);
     CREATE TEMP TABLE IF NOT EXISTS let_go (kind TEXT, id TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID;
     DELETE FROM old_lists; DELETE FROM let_go;";

/// Deletes rows older than `before`, of all jobs.
///
/// # Errors
/// If the store cannot be written.
pub fn delete_old_rows(tx: &mut WriteTx, before: &str) -> Result<usize, StoreError> {
    execute_batch(tx, PREPARE)?;
    let mut deleted = 0;
    for (table, column) in LOGS {
        deleted += delete_before(tx, &format!("DELETE FROM {table} WHERE {column} < ?1"), before)?;
    }
    delete_before(tx, OLD_LISTS, before)?;
    for MembershipTable { table, .. } in membership_tables() {
        deleted += delete_before(tx, &format!("DELETE FROM {table} WHERE removed_at < ?1"), before)?;
    }
    deleted += delete_old_history(tx, before, None)?;
    clear_log_hashes(tx, before)?;
    deleted += empty_old_lists(tx, before)?;
    deleted += delete_unreferenced(tx, before, None)?;
    tx.changed |= deleted > 0;
    Ok(deleted)
}

/// Deletes a job's own rows older than `before`: logs, lists and entities that it requested by id. What another
/// job requests too stays.
///
/// # Errors
/// If the store cannot be written.
pub fn delete_old_rows_of_job(tx: &mut WriteTx, job: &str, before: &str) -> Result<usize, StoreError> {
    execute_batch(tx, PREPARE)?;
    let mut deleted = 0;
    let asked = LISTS_OF_THE_JOB;
    for (table, column) in &LOGS[..LOGS_OF_LISTS] {
        let item = if *table == "plays" { "track_id" } else { "item_id" };
        let kind = if *table == "plays" { "'track'" } else { "kind" };
        execute_for_job(
            tx,
            &format!(
                "INSERT OR IGNORE INTO let_go SELECT {kind}, {item} FROM {table} WHERE {column} < ?1 AND {asked} AND {item} IS NOT NULL"
            ),
            before,
            job,
        )?;
        deleted += execute_for_job(tx, &format!("DELETE FROM {table} WHERE {column} < ?1 AND {asked}"), before, job)?;
    }
    let returned = format!("DELETE FROM returned_members WHERE returned_at < ?1 AND {asked}");
    deleted += execute_for_job(tx, &returned, before, job)?;
    deleted += execute_for_job(tx, RESUME_POINTS_OF_THE_JOB, before, job)?;
    deleted += delete_old_history(tx, before, Some(job))?;
    execute_for_job(tx, &format!("{OLD_LISTS} AND {OF_THE_JOB}"), before, job)?;
    for MembershipTable { table, item_kind: kind, item_column: item, .. } in membership_tables() {
        let gone = format!("FROM {table} WHERE removed_at < ?1 AND {asked}");
        execute_for_job(tx, &format!("INSERT OR IGNORE INTO let_go SELECT '{kind}', {item} {gone}"), before, job)?;
        deleted += execute_for_job(tx, &format!("DELETE {gone}"), before, job)?;
    }
    deleted += empty_old_lists(tx, before)?;
    // Requested by id: the stream tells the table, and no id is in two tables.
    execute_for_job(tx,
        "INSERT OR IGNORE INTO let_go SELECT t.kind, r.item_id FROM requested r
         JOIN (SELECT 'artist' AS kind UNION SELECT 'album' UNION SELECT 'track' UNION SELECT 'show' UNION SELECT 'episode'
               UNION SELECT 'audiobook' UNION SELECT 'playlist') t
         WHERE r.job = ?2 AND r.item_id IS NOT NULL AND ?1 IS NOT NULL",
        before,
        job,
    )?;
    deleted += delete_unreferenced(tx, before, Some(job))?;
    clear_log_hashes(tx, before)?;
    tx.changed |= deleted > 0;
    Ok(deleted)
}

/// Clears the hash of lists that may have lost rows, because it no longer applies.
fn clear_log_hashes(tx: &WriteTx, before: &str) -> Result<(), StoreError> {
    // Plays are deleted by when they were played, which may be long before the list was read.
    let sql = format!(
        "UPDATE lists SET rows_hash = NULL, row_version = next_row_version() WHERE rows_hash IS NOT NULL AND kind IN ({}) AND (read_at < ?1 OR kind = 'recently_played')",
        log_kinds()
    );
    delete_before(tx, &sql, before).map(drop)
}

/// What the items of playlists and their changes refer to: kind and column.
const ITEMS_OF_PLAYLISTS: [(&str, &str); 3] = [("track", "track_id"), ("episode", "episode_id"), ("user", "added_by")];

/// Deletes the history of playlists: changes together with the versions that they lead back to. One without the
/// other would show a list that never existed.
fn delete_old_history(tx: &WriteTx, before: &str, job: Option<&str>) -> Result<usize, StoreError> {
    let of = job.map_or("?2 IS NULL", |_| PLAYLISTS_OF_THE_JOB);
    let mut deleted = 0;
    let old_changes = format!("FROM playlist_changes WHERE seen_at < ?1 AND {of}");
    for (kind, item) in ITEMS_OF_PLAYLISTS {
        let let_go =
            format!("INSERT OR IGNORE INTO let_go SELECT '{kind}', {item} {old_changes} AND {item} IS NOT NULL");
        let done = tx.prepare(&let_go)?.execute(params![before, job]);
        done.map_err(|e| tx.error("cannot be written", e))?;
    }
    let changes = format!("DELETE {old_changes}");
    let spans = SPANS.iter().map(|table| {
        format!(
            "DELETE FROM {table} AS old WHERE seen_at < (SELECT max(seen_at) FROM {table} AS last
             WHERE last.playlist_id = old.playlist_id AND last.seen_at < ?1) AND {of}"
        )
    });
    for sql in std::iter::once(changes).chain(spans) {
        let done = tx.prepare(&sql)?.execute(params![before, job]);
        deleted += done.map_err(|e| tx.error("cannot be written", e))?;
    }
    Ok(deleted)
}

/// Deletes the members of the lists in `old_lists`, which are then as if they had never been read.
fn empty_old_lists(tx: &mut WriteTx, before: &str) -> Result<usize, StoreError> {
    let mut deleted = 0;
    let old = "list_id IN (SELECT id FROM old_lists)";
    for MembershipTable { table, item_kind: kind, item_column: item, .. } in membership_tables() {
        execute_batch(tx, &format!("INSERT OR IGNORE INTO let_go SELECT '{kind}', {item} FROM {table} WHERE {old}"))?;
        deleted += execute_batch(tx, &format!("DELETE FROM {table} WHERE {old}"))?;
    }
    // All readers share the items and the history of a playlist. They are deleted when no reader is left, so that
    // the next read is a first read. A playlist without items may well be read.
    let unread = "playlist_id IN (SELECT parent_id FROM old_lists WHERE kind = 'playlist_items')
         AND playlist_id NOT IN (SELECT parent_id FROM lists WHERE kind = 'playlist_items' AND checked_at IS NOT NULL
         AND id NOT IN (SELECT id FROM old_lists))";
    let playlist = ("playlist", "playlist_id");
    for (kind, item) in ITEMS_OF_PLAYLISTS.into_iter().chain([playlist]) {
        let rows = format!("WHERE {unread} AND {item} IS NOT NULL");
        let let_go = format!(
            "INSERT OR IGNORE INTO let_go SELECT '{kind}', {item} FROM playlist_items {rows}
             UNION ALL SELECT '{kind}', {item} FROM playlist_changes {rows}"
        );
        execute_batch(tx, &let_go)?;
    }
    deleted += execute_batch(tx, &format!("DELETE FROM playlist_items WHERE {unread}"))?;
    for table in ["playlist_versions", "playlist_changes"] {
        execute_batch(tx, &format!("DELETE FROM {table} WHERE {unread}"))?;
    }
    // These records describe rows that no longer exist.
    for table in ["run_lists", "returned_members"] {
        execute_batch(tx, &format!("DELETE FROM {table} WHERE {old}"))?;
    }
    execute_batch(tx,
        "UPDATE lists SET row_version = next_row_version(), snapshot_id = NULL, etag = NULL, announced = NULL, served = NULL, stored = NULL, skipped = NULL,
         content_hash = NULL, rows_hash = NULL, proof = NULL, first_read_at = NULL, read_at = NULL, whole_at = NULL, checked_at = NULL WHERE id IN (SELECT id FROM old_lists)",
    )?;
    delete_abandoned_reads(tx, before)?;
    Ok(deleted)
}

/// Discards unfinished reads that no run has continued.
fn delete_abandoned_reads(tx: &mut WriteTx, before: &str) -> Result<(), StoreError> {
    let left = "list_id IN (SELECT list_id FROM checkpoints WHERE updated_at < ?1)";
    delete_before(tx, &format!("DELETE FROM staged_items WHERE {left}"), before)?;
    delete_before(tx, "DELETE FROM checkpoints WHERE updated_at < ?1", before).map(drop)
}

/// Deletes runs that finished before `before`, with their records and unfinished reads. The newest run of each
/// job stays.
///
/// # Errors
/// If the store cannot be written.
pub fn delete_old_runs(tx: &mut WriteTx, before: &str) -> Result<usize, StoreError> {
    delete_before(tx, "DELETE FROM fires WHERE fire_at < ?1 AND coalesce(served_at, fire_at) < ?1", before)?;
    delete_abandoned_reads(tx, before)?;
    delete_before(
        tx,
        "DELETE FROM runs WHERE finished_at < ?1 AND id NOT IN (SELECT max(id) FROM runs GROUP BY job)",
        before,
    )
}

fn delete_before(tx: &WriteTx, sql: &str, before: &str) -> Result<usize, StoreError> {
    tx.prepare(sql)?.execute([before]).map_err(|e| tx.error("cannot be written", e))
}

fn execute_for_job(tx: &WriteTx, sql: &str, before: &str, job: &str) -> Result<usize, StoreError> {
    tx.prepare(sql)?.execute(params![before, job]).map_err(|e| tx.error("cannot be written", e))
}

/// Runs statements without parameters and returns the number of rows that the last one changed.
fn execute_batch(tx: &WriteTx, sql: &str) -> Result<usize, StoreError> {
    tx.conn.execute_batch(sql).map_err(|e| tx.error("cannot be written", e))?;
    Ok(usize::try_from(tx.conn.changes()).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests;
