//! Deletes everything about a user that is not shared with another user.
//!
//! Catalog entities stay, and so does what another user of the store shares. Afterwards the file is rewritten,
//! so that the bytes themselves disappear.

use rusqlite::{OptionalExtension, params};

use super::list_kinds::{membership_tables, personal_kinds};
use super::{StoreError, WriteTx};
use crate::stream::MembershipTable;

/// Tables with personal rows besides the lists of a user.
const PERSONAL_TABLES: [&str; 3] = ["top_items", "plays", "resume_points"];

/// Prefix of the audience of a list whose reader was deleted; a random number follows.
const FORGOTTEN_AUDIENCE: &str = "forgotten ";

/// Numbers of deleted rows and files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PurgeCounts {
    /// Rows of the library, tops and plays.
    pub rows: usize,
    /// Playlists that no other user had, with their items and history.
    pub playlists: usize,
}

/// Returns the account of a local name, according to the newest run that used it.
///
/// # Errors
/// If the store cannot be read.
pub fn account_id(tx: &WriteTx, local_name: &str) -> Result<Option<String>, StoreError> {
    let mut found = tx.prepare("SELECT id FROM users WHERE local_name = ?1")?;
    found.query_row([local_name], |row| row.get(0)).optional().map_err(|e| tx.error("cannot be read", e))
}

/// Returns the files below the CSV folder that contain only this user's rows.
///
/// # Errors
/// If the store cannot be read.
pub fn files_of_user(tx: &WriteTx, local_name: &str) -> Result<Vec<String>, StoreError> {
    let mut statement = tx.prepare("SELECT path FROM published_files WHERE substr(source, -length(?1)) = ?1")?;
    let source = format!(" of {local_name}");
    let rows = statement.query_map([source], |row| row.get(0)).map_err(|e| tx.error("cannot be read", e))?;
    rows.collect::<Result<_, _>>().map_err(|e| tx.error("cannot be read", e))
}

/// Deletes the records of these files after they were deleted.
///
/// # Errors
/// If the store cannot be written.
pub fn forget_files_of_user(tx: &mut WriteTx, local_name: &str) -> Result<(), StoreError> {
    let source = format!(" of {local_name}");
    tx.prepare("DELETE FROM published_files WHERE substr(source, -length(?1)) = ?1")?
        .execute([source])
        .map_err(|e| tx.error("cannot be written", e))?;
    Ok(())
}

/// Deletes the rows of a user.
///
/// # Errors
/// If the store cannot be written.
pub fn purge_user(tx: &mut WriteTx, user: &str) -> Result<PurgeCounts, StoreError> {
    find_purged_playlists(tx, user)?;
    let mut purged = PurgeCounts::default();
    let lists = membership_tables().filter(MembershipTable::is_personal).map(|table| table.table);
    for table in lists.chain(PERSONAL_TABLES) {
        purged.rows += execute_for_user(tx, &format!("DELETE FROM {table} WHERE user_id = ?1"), user)?;
    }
    purged.playlists = purge_playlists(tx, user)?;
    purge_skipped(tx, user)?;
    purge_lists(tx, user)?;
    purge_account(tx, user)?;
    tx.conn.execute_batch("DROP TABLE temp.purged_playlists").map_err(|e| tx.error("cannot be written", e))?;
    tx.mark_all_changed();
    Ok(purged)
}

/// Runs a statement. ?1 is the user.
fn execute_for_user(tx: &WriteTx, sql: &str, user: &str) -> Result<usize, StoreError> {
    tx.conn.execute(sql, params![user]).map_err(|e| tx.error("cannot be written", e))
}

/// Collects the playlists of a user that are in no other user's library and that no other token reads.
fn find_purged_playlists(tx: &WriteTx, user: &str) -> Result<(), StoreError> {
    let sql = format!(
        "CREATE TEMP TABLE IF NOT EXISTS purged_playlists AS SELECT DISTINCT p.id FROM playlists p
         LEFT JOIN my_playlists m ON m.playlist_id = p.id AND m.user_id = ?1
         LEFT JOIN lists l ON l.kind = 'playlist_items' AND l.parent_id = p.id AND l.audience = ?1
         WHERE (m.playlist_id IS NOT NULL OR l.id IS NOT NULL
           OR p.owner_id IN (SELECT id FROM users WHERE id = ?1 OR stored_as = ?1))
         AND NOT EXISTS (SELECT 1 FROM my_playlists o WHERE o.playlist_id = p.id AND o.user_id <> ?1)
         AND NOT EXISTS (SELECT 1 FROM user_playlists o WHERE o.playlist_id = p.id)
         AND NOT EXISTS (SELECT 1 FROM search_results s WHERE s.kind = 'playlist' AND s.item_id = p.id)
         AND NOT EXISTS (SELECT 1 FROM lists o WHERE o.kind = 'playlist_items' AND o.parent_id = p.id
                         AND o.audience <> ?1 AND o.audience NOT LIKE '{FORGOTTEN_AUDIENCE}%')"
    );
    execute_for_user(tx, &sql, user).map(drop)
}

/// Deletes the collected playlists with their history and returns their number.
fn purge_playlists(tx: &WriteTx, user: &str) -> Result<usize, StoreError> {
    let mut deleted = 0;
    for (table, column) in [
        ("playlist_items", "playlist_id"),
        ("playlist_changes", "playlist_id"),
        ("metrics", "id"),
        ("images", "id"),
        ("playlists", "id"),
    ] {
        let sql = format!("DELETE FROM {table} WHERE {column} IN (SELECT id FROM purged_playlists) AND ?1 IS NOT NULL");
        deleted = execute_for_user(tx, &sql, user)?;
    }
    Ok(deleted)
}

/// Deletes the skipped items of a user. For libraries they do not name the user, so they are found by the
/// fetch.
fn purge_skipped(tx: &WriteTx, user: &str) -> Result<(), StoreError> {
    let personal = personal_kinds();
    let theirs = format!(
        "(item_id = ?1 OR parent_id IN (SELECT id FROM purged_playlists)
         OR stream IN ({personal}) AND parent_id IS NULL
            AND EXISTS (SELECT 1 FROM run_fetches f WHERE f.run_id = s.run_id AND f.fetch = s.fetch
               AND f.user_id IN (?1, (SELECT local_name FROM users WHERE id = ?1))))"
    );
    // Keep the counts of runs in line with the remaining rows.
    let count = format!(
        "UPDATE run_fetches AS r SET skipped = max(0, skipped - (SELECT count(*) FROM skipped_items s
         WHERE s.run_id = r.run_id AND s.fetch = r.fetch AND {theirs})) WHERE skipped > 0"
    );
    execute_for_user(tx, &count, user)?;
    execute_for_user(tx, &format!("DELETE FROM skipped_items AS s WHERE {theirs}"), user).map(drop)
}

/// Deletes the lists of a user. Lists of the catalog and of shared playlists stay, but without a reader: their
/// rows are what this read left, and the list must say so.
fn purge_lists(tx: &WriteTx, user: &str) -> Result<(), StoreError> {
    let personal = personal_kinds();
    let theirs = "(SELECT id FROM lists WHERE audience = ?1)";
    execute_for_user(tx, &format!("DELETE FROM requested WHERE user_id = ?1 OR list_id IN {theirs}"), user)?;
    execute_for_user(tx, &format!("DELETE FROM staged_items WHERE list_id IN {theirs}"), user)?;
    execute_for_user(tx, &format!("DELETE FROM checkpoints WHERE list_id IN {theirs}"), user)?;
    let deleted = format!(
        "DELETE FROM lists WHERE audience = ?1 AND kind IN ({personal})
         OR kind = 'playlist_items' AND (parent_id IN (SELECT id FROM purged_playlists)
                                         OR audience = ?1 AND read_at IS NULL)"
    );
    execute_for_user(tx, &deleted, user)?;
    // Each deleted user gets another name: a list that two of them read has two rows.
    let replacement = format!("SELECT '{FORGOTTEN_AUDIENCE}' || lower(hex(randomblob(8)))");
    let replacement: String =
        tx.conn.query_row(&replacement, [], |row| row.get(0)).map_err(|e| tx.error("cannot be read", e))?;
    tx.execute("UPDATE lists SET audience = ?2 WHERE audience = ?1", params![user, replacement])
}

/// Deletes the account, and what runs and tokens record about it.
fn purge_account(tx: &WriteTx, user: &str) -> Result<(), StoreError> {
    for sql in [
        // Before the account was known, the record named the user.
        "DELETE FROM run_fetches WHERE user_id IN (?1, (SELECT local_name FROM users WHERE id = ?1))",
        "INSERT OR REPLACE INTO store_info (key, value)
         SELECT 'purged_through_run', max(id) FROM runs WHERE ?1 IS NOT NULL HAVING max(id) IS NOT NULL",
        "DELETE FROM images WHERE kind = 'user' AND id = ?1",
        "DELETE FROM metrics WHERE kind = 'user' AND id = ?1",
        "DELETE FROM known_gaps WHERE audience = ?1",
        "DELETE FROM etags WHERE audience = ?1",
        // The later ids of the account too.
        "UPDATE users SET account_id = NULL, local_name = NULL, country = NULL, product = NULL
         WHERE id = ?1 OR stored_as = ?1",
        "DELETE FROM users WHERE (id = ?1 OR stored_as = ?1)
         AND NOT EXISTS (SELECT 1 FROM playlists WHERE owner_id = users.id)
         AND NOT EXISTS (SELECT 1 FROM playlist_items WHERE added_by = users.id)
         AND NOT EXISTS (SELECT 1 FROM user_playlists WHERE profile_id = users.id)",
        "UPDATE users SET stored_as = NULL WHERE stored_as = ?1",
        "UPDATE skipped_items SET user_id = NULL WHERE user_id = ?1",
    ] {
        execute_for_user(tx, sql, user)?;
    }
    Ok(())
}
