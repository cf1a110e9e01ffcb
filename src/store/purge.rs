//! Deletes everything about a user that no other reader has read too.
//!
//! Catalog entities stay, and so do playlists that another user of the store, or the app, has read. Afterwards the file
//! is rewritten, so that the bytes themselves disappear. Until then the store notes that a purge is unfinished.

use std::collections::BTreeSet;

use rusqlite::params;

use super::list_kinds::{membership_tables, personal_kinds};
use super::{StoreError, WriteTx, feed, info};
use crate::stream::MembershipTable;

mod files;
mod mentions;
mod person;
mod texts;

pub use files::{
    UserFileFate, files_of_user, forget_inputs, forget_left_file, is_rendered, left_files, note_left_file,
    record_dropped_rows,
};
pub use person::{PurgedUser, written_forms};

/// The start of the URIs of local files.
const LOCAL_URI: &str = "spotify:local:";

/// The columns with the ids of tracks that a list has or a job names.
const TRACKS_OF_LISTS: [(&str, &str); 10] = [
    ("playlist_items", "track_id"),
    ("playlist_changes", "track_id"),
    ("saved_tracks", "track_id"),
    ("album_tracks", "track_id"),
    ("artist_top_tracks", "track_id"),
    ("plays", "track_id"),
    ("top_items", "item_id"),
    ("staged_items", "item_id"),
    ("requested", "item_id"),
    ("search_results", "item_id"),
];

/// Tables with personal rows besides the lists of a user.
const PERSONAL_TABLES: [&str; 3] = ["top_items", "plays", "resume_points"];

/// Prefix of the audience of a list after its reader was deleted; a random number follows.
const FORGOTTEN_AUDIENCE: &str = "forgotten ";

/// The key in `store_info` of a purge that may have left deleted bytes in the file.
const UNFINISHED: &str = "purge_unfinished";

/// The counts of deleted rows, and of playlists that are kept for other readers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PurgeCounts {
    /// Rows of the library, tops and plays.
    pub rows: usize,
    /// Playlists that no other reader had read, with their items and history.
    pub playlists: usize,
    /// Playlists of other readers that still name the user as their owner or as the one who added an item.
    pub shared: i64,
}

/// Whether an earlier purge was not finished: it was killed, another program was reading the store, or files were left.
///
/// # Errors
/// If the store cannot be read.
pub fn is_unfinished(tx: &WriteTx) -> Result<bool, StoreError> {
    let failed = |e| tx.error("cannot be read", e);
    let is_marked = info::get_value(&tx.conn, UNFINISHED).map_err(failed)?.is_some();
    Ok(is_marked || !left_files(&tx.conn).map_err(failed)?.is_empty())
}

/// Records that the file no longer contains the deleted bytes.
///
/// # Errors
/// If the store cannot be written.
pub fn finish(tx: &mut WriteTx) -> Result<(), StoreError> {
    tx.execute("DELETE FROM store_info WHERE key = ?1", params![UNFINISHED])
}

/// The playlists that go with a user, as pairs of id and name.
///
/// # Errors
/// If the store cannot be read.
pub fn playlists_of(tx: &WriteTx, user: &PurgedUser) -> Result<Vec<(String, Option<String>)>, StoreError> {
    name_purged(tx, user)?;
    find_purged_playlists(tx)?;
    let found = texts::purged_playlists(tx)?;
    drop_temporary_tables(tx)?;
    Ok(found)
}

/// The jobs that have ever read for a user, as far as runs and requests tell.
///
/// # Errors
/// If the store cannot be read.
pub fn jobs_of(tx: &WriteTx, user: &PurgedUser) -> Result<BTreeSet<String>, StoreError> {
    let failed = |e| tx.error("cannot be read", e);
    let sql = "SELECT r.job FROM runs r JOIN run_fetches f ON f.run_id = r.id WHERE f.user_id = ?1
               UNION SELECT job FROM requested WHERE user_id = ?1";
    let mut read = tx.prepare(sql)?;
    let mut jobs = BTreeSet::new();
    for name in user.user_ids.iter().chain(&user.local_names) {
        for job in read.query_map([name], |row| row.get(0)).map_err(failed)? {
            jobs.insert(job.map_err(failed)?);
        }
    }
    Ok(jobs)
}

fn drop_temporary_tables(tx: &WriteTx) -> Result<(), StoreError> {
    let tables = ["purged_ids", "purged_names", "purged_playlists", "met_users"];
    tables.into_iter().try_for_each(|table| execute(tx, &format!("DROP TABLE temp.{table}")).map(drop))
}

/// Deletes the rows of a user.
///
/// # Errors
/// If the store cannot be written.
pub fn purge_user(tx: &mut WriteTx, user: &PurgedUser) -> Result<PurgeCounts, StoreError> {
    info::set_value(&tx.conn, UNFINISHED, "1").map_err(|e| tx.error("cannot be written", e))?;
    name_purged(tx, user)?;
    find_purged_playlists(tx)?;
    let mut purged = PurgeCounts::default();
    let lists = membership_tables().filter(MembershipTable::is_personal).map(|table| table.table);
    for table in lists.chain(PERSONAL_TABLES) {
        purged.rows += execute(tx, &format!("DELETE FROM {table} WHERE user_id IN (SELECT id FROM purged_ids)"))?;
    }
    purge_skipped(tx)?;
    purge_lists(tx)?;
    purged.playlists = purge_playlists(tx)?;
    purge_records(tx)?;
    texts::remove_mentions(tx, user)?;
    purge_accounts(tx)?;
    feed::forget_tombstones(tx)?;
    purged.shared = count_shared_playlists(tx)?;
    drop_temporary_tables(tx)?;
    tx.mark_all_changed();
    Ok(purged)
}

fn execute(tx: &WriteTx, sql: &str) -> Result<usize, StoreError> {
    tx.conn.execute(sql, []).map_err(|e| tx.error("cannot be written", e))
}

/// Fills temporary tables with the ids of the user, and with all names under which the record of a run may name them.
fn name_purged(tx: &WriteTx, user: &PurgedUser) -> Result<(), StoreError> {
    execute(tx, "CREATE TEMP TABLE purged_ids (id TEXT PRIMARY KEY) WITHOUT ROWID")?;
    execute(tx, "CREATE TEMP TABLE purged_names (name TEXT PRIMARY KEY) WITHOUT ROWID")?;
    for id in &user.user_ids {
        tx.execute("INSERT INTO purged_ids VALUES (?1)", params![id])?;
    }
    for name in user.user_ids.iter().chain(&user.local_names) {
        tx.execute("INSERT OR IGNORE INTO purged_names VALUES (?1)", params![name])?;
    }
    Ok(())
}

/// Collects the playlists of the user that no other reader has read. A reader that Spotify only ever refused has not
/// read a playlist, and neither has a reader with deleted data. Requests by id do not name their reader, but the
/// fetches of runs do. What the app read in the user's own profile does not count.
fn find_purged_playlists(tx: &WriteTx) -> Result<(), StoreError> {
    let theirs = "IN (SELECT id FROM purged_ids)";
    let other = |audience: &str| {
        format!("{audience} NOT IN (SELECT id FROM purged_ids) AND {audience} NOT LIKE '{FORGOTTEN_AUDIENCE}%'")
    };
    let of_list = other("l.audience");
    let sql = format!(
        "CREATE TEMP TABLE purged_playlists AS SELECT p.id, p.name FROM playlists p
         WHERE (p.owner_id {theirs}
           OR EXISTS (SELECT 1 FROM my_playlists m WHERE m.playlist_id = p.id AND m.user_id {theirs})
           OR EXISTS (SELECT 1 FROM lists l WHERE l.kind = 'playlist_items' AND l.parent_id = p.id AND l.audience {theirs})
           OR EXISTS (SELECT 1 FROM user_playlists u JOIN lists l ON l.id = u.list_id
                      WHERE u.playlist_id = p.id AND (l.audience {theirs} OR u.profile_id {theirs})))
         AND NOT EXISTS (SELECT 1 FROM my_playlists m WHERE m.playlist_id = p.id AND NOT m.user_id {theirs})
         AND NOT EXISTS (SELECT 1 FROM user_playlists u JOIN lists l ON l.id = u.list_id
                         WHERE u.playlist_id = p.id AND NOT u.profile_id {theirs} AND {of_list})
         AND NOT EXISTS (SELECT 1 FROM search_results s JOIN lists l ON l.id = s.list_id
                         WHERE s.kind = 'playlist' AND s.item_id = p.id AND {of_list})
         AND NOT EXISTS (SELECT 1 FROM lists l WHERE l.kind = 'playlist_items' AND l.parent_id = p.id
                         AND l.read_at IS NOT NULL AND {of_list})
         AND NOT EXISTS (SELECT 1 FROM requested r JOIN runs ON runs.job = r.job
                         JOIN run_fetches f ON f.run_id = runs.id AND f.fetch = r.fetch
                         WHERE r.list_id IS NULL AND r.item_id = p.id AND f.user_id NOT IN (SELECT name FROM purged_names)
                         AND NOT EXISTS (SELECT 1 FROM known_gaps g WHERE g.id = p.id
                                         AND g.audience = coalesce(nullif(f.user_id, ''), 'app')))"
    );
    execute(tx, &sql)?;
    // Accounts that the store knows from these playlists alone, such as people who added an item.
    let met = "CREATE TEMP TABLE met_users AS SELECT added_by AS id FROM playlist_items
                 WHERE playlist_id IN (SELECT id FROM purged_playlists) AND added_by IS NOT NULL
               UNION SELECT added_by FROM playlist_changes
                 WHERE playlist_id IN (SELECT id FROM purged_playlists) AND added_by IS NOT NULL
               UNION SELECT owner_id FROM playlists WHERE id IN (SELECT id FROM purged_playlists) AND owner_id IS NOT NULL";
    execute(tx, met).map(drop)
}

/// Deletes the skipped items of the user. Notes of older versions do not name the user, so those of libraries are found
/// by the fetch.
fn purge_skipped(tx: &WriteTx) -> Result<(), StoreError> {
    let personal = personal_kinds();
    let theirs = format!(
        "(item_id IN (SELECT id FROM purged_ids UNION SELECT id FROM purged_playlists)
         OR parent_id IN (SELECT id FROM purged_ids UNION SELECT id FROM purged_playlists)
         OR stream IN ({personal}, 'my_playlist_items') AND user_id IN (SELECT name FROM purged_names)
         OR stream IN ({personal}) AND parent_id IS NULL AND user_id IS NULL
            AND EXISTS (SELECT 1 FROM run_fetches f WHERE f.run_id = s.run_id AND f.fetch = s.fetch
               AND f.user_id IN (SELECT name FROM purged_names)))"
    );
    // Keep the counts of runs in line with the remaining rows.
    let count = format!(
        "UPDATE run_fetches AS r SET skipped = max(0, skipped - (SELECT count(*) FROM skipped_items s
         WHERE s.run_id = r.run_id AND s.fetch = r.fetch AND {theirs})) WHERE skipped > 0"
    );
    execute(tx, &count)?;
    execute(tx, &format!("DELETE FROM skipped_items AS s WHERE {theirs}"))?;
    execute(tx, "UPDATE skipped_items SET user_id = NULL WHERE user_id IN (SELECT name FROM purged_names)").map(drop)
}

/// Deletes the lists of the user. Lists of the catalog and of shared playlists stay, but without a reader: their rows are
/// what this read left, and the list must say so.
fn purge_lists(tx: &WriteTx) -> Result<(), StoreError> {
    let personal = personal_kinds();
    // The app reads a profile with its own token. The rows that it read there are the user's all the same.
    let theirs = "(SELECT id FROM lists WHERE audience IN (SELECT id FROM purged_ids)
        OR kind = 'user_playlists' AND parent_id IN (SELECT id FROM purged_ids))";
    for table in ["requested", "staged_items", "checkpoints", "user_playlists"] {
        execute(tx, &format!("DELETE FROM {table} WHERE list_id IN {theirs}"))?;
    }
    execute(tx, "DELETE FROM requested WHERE user_id IN (SELECT id FROM purged_ids)")?;
    // Lists of purged playlists that other readers were refused have neither rows nor a requested place any more.
    let refused =
        "(SELECT id FROM lists WHERE kind = 'playlist_items' AND parent_id IN (SELECT id FROM purged_playlists))";
    for table in ["requested", "staged_items", "checkpoints"] {
        execute(tx, &format!("DELETE FROM {table} WHERE list_id IN {refused}"))?;
    }
    execute(tx, "DELETE FROM requested WHERE item_id IN (SELECT id FROM purged_playlists)")?;
    let deleted = format!(
        "DELETE FROM lists WHERE audience IN (SELECT id FROM purged_ids)
            AND (kind IN ({personal}, 'user_playlists') OR kind = 'playlist_items' AND read_at IS NULL)
         OR kind = 'user_playlists' AND parent_id IN (SELECT id FROM purged_ids)
         OR id IN {refused}"
    );
    execute(tx, &deleted)?;
    // Each deleted user gets another name: a list that two of them read has two rows. Two ids of one account that read
    // the same list get one each.
    for id in ids_of_remaining_lists(tx)? {
        let forgotten: Option<String> =
            tx.query_one(&format!("SELECT '{FORGOTTEN_AUDIENCE}' || lower(hex(randomblob(8)))"), &[])?;
        tx.execute("UPDATE lists SET audience = ?2 WHERE audience = ?1", params![id, forgotten])?;
    }
    Ok(())
}

fn ids_of_remaining_lists(tx: &WriteTx) -> Result<Vec<String>, StoreError> {
    let failed = |e| tx.error("cannot be read", e);
    let mut ids =
        tx.prepare("SELECT DISTINCT audience FROM lists WHERE audience IN (SELECT id FROM purged_ids) ORDER BY 1")?;
    let ids = ids.query_map([], |row| row.get(0)).map_err(failed)?;
    ids.collect::<Result<_, _>>().map_err(failed)
}

/// Deletes the collected playlists with their history and returns their number.
fn purge_playlists(tx: &WriteTx) -> Result<usize, StoreError> {
    let mut deleted = 0;
    for (table, column) in [
        ("playlist_items", "playlist_id"),
        ("playlist_changes", "playlist_id"),
        ("user_playlists", "playlist_id"),
        ("search_results", "item_id"),
        ("known_gaps", "id"),
        ("metrics", "id"),
        ("images", "id"),
        ("playlists", "id"),
    ] {
        let sql = format!("DELETE FROM {table} WHERE {column} IN (SELECT id FROM purged_playlists)");
        deleted = execute(tx, &sql)?;
    }
    // The tracks that only the user's own history has. Spotify sent nothing about the rows without a name.
    let unread = TRACKS_OF_LISTS
        .map(|(table, column)| format!("AND id NOT IN (SELECT {column} FROM {table} WHERE {column} IS NOT NULL)"));
    let bare =
        "DELETE FROM tracks WHERE name IS NULL AND fetched_at IS NULL AND id IN (SELECT track_id FROM imported_tracks)";
    execute(tx, &format!("{bare} {}", unread.concat()))?;
    execute(
        tx,
        "DELETE FROM imported_tracks WHERE track_id NOT IN (SELECT track_id FROM plays WHERE imported_at IS NOT NULL)",
    )?;
    purge_local_files(tx)?;
    Ok(deleted)
}

/// Deletes the names of files on the user's own machine that no list of another user has. In a library or a list of plays, such
/// a file is also a track with its URI as the id.
fn purge_local_files(tx: &WriteTx) -> Result<(), StoreError> {
    let is_local = |column: &str| format!("{column} >= '{LOCAL_URI}' AND {column} < 'spotify:local;'");
    let unread = TRACKS_OF_LISTS
        .map(|(table, column)| format!("AND id NOT IN (SELECT {column} FROM {table} WHERE {})", is_local(column)));
    execute(tx, &format!("DELETE FROM tracks WHERE {} {}", is_local("id"), unread.concat()))?;
    let local_tracks = format!("SELECT id FROM tracks WHERE {}", is_local("id"));
    let unread = format!(
        "DELETE FROM local_files WHERE uri NOT IN (SELECT uri FROM playlist_items WHERE uri IS NOT NULL)
         AND uri NOT IN (SELECT uri FROM playlist_changes WHERE uri IS NOT NULL)
         AND uri NOT IN (SELECT uri FROM staged_items WHERE uri IS NOT NULL) AND uri NOT IN ({local_tracks})"
    );
    execute(tx, &unread).map(drop)
}

/// Deletes what runs, files and entity tags record about the user.
fn purge_records(tx: &WriteTx) -> Result<(), StoreError> {
    for sql in [
        // The reasons of these runs may name the user's lists.
        "UPDATE runs SET reason = 'deleted with the data of a user' WHERE reason IS NOT NULL
         AND id IN (SELECT run_id FROM run_fetches WHERE user_id IN (SELECT name FROM purged_names))",
        "DELETE FROM run_fetches WHERE user_id IN (SELECT name FROM purged_names)",
        "INSERT OR REPLACE INTO store_info (key, value)
         SELECT 'purged_through_run', max(id) FROM runs HAVING max(id) IS NOT NULL",
        "DELETE FROM field_notes WHERE audience IN (SELECT name FROM purged_names)",
        "DELETE FROM known_gaps WHERE audience IN (SELECT id FROM purged_ids)",
        "DELETE FROM etags WHERE audience IN (SELECT id FROM purged_ids)
         OR EXISTS (SELECT 1 FROM purged_ids WHERE instr(request, '/users/' || id) > 0)
         OR EXISTS (SELECT 1 FROM purged_playlists WHERE instr(request, id) > 0)",
        "DELETE FROM published_files WHERE EXISTS (SELECT 1 FROM purged_names
           WHERE substr(source, -length(name) - 4) = ' of ' || name)",
        "DELETE FROM file_marks WHERE EXISTS (SELECT 1 FROM purged_names
           WHERE substr(source, -length(name) - 4) = ' of ' || name)",
    ] {
        execute(tx, sql)?;
    }
    Ok(())
}

/// Deletes the user's accounts. An account that the playlists of another reader name stays as Spotify shows it to
/// everyone.
fn purge_accounts(tx: &WriteTx) -> Result<(), StoreError> {
    let unused = "NOT EXISTS (SELECT 1 FROM playlists WHERE owner_id = users.id)
         AND NOT EXISTS (SELECT 1 FROM playlist_items WHERE added_by = users.id)
         AND NOT EXISTS (SELECT 1 FROM playlist_changes WHERE added_by = users.id)
         AND NOT EXISTS (SELECT 1 FROM user_playlists WHERE profile_id = users.id)";
    for sql in [
        "DELETE FROM images WHERE kind = 'user' AND id IN (SELECT id FROM purged_ids)",
        "DELETE FROM metrics WHERE kind = 'user' AND id IN (SELECT id FROM purged_ids)",
        "UPDATE users SET account_id = NULL, local_name = NULL, country = NULL, product = NULL, stored_as = NULL
         WHERE id IN (SELECT id FROM purged_ids) OR stored_as IN (SELECT id FROM purged_ids)",
        &format!("DELETE FROM users WHERE id IN (SELECT id FROM purged_ids) AND {unused}"),
        &format!(
            "DELETE FROM users WHERE id IN (SELECT id FROM met_users) AND local_name IS NULL AND fetched_at IS NULL
             AND id NOT IN (SELECT stored_as FROM users WHERE stored_as IS NOT NULL)
             AND id NOT IN (SELECT item_id FROM requested WHERE item_id IS NOT NULL) AND {unused}"
        ),
    ] {
        execute(tx, sql)?;
    }
    Ok(())
}

/// How many playlists of other readers name the user.
fn count_shared_playlists(tx: &WriteTx) -> Result<i64, StoreError> {
    let sql = "SELECT count(*) FROM (SELECT id FROM playlists WHERE owner_id IN (SELECT id FROM purged_ids)
         UNION SELECT playlist_id FROM playlist_items WHERE added_by IN (SELECT id FROM purged_ids)
         UNION SELECT playlist_id FROM playlist_changes WHERE added_by IN (SELECT id FROM purged_ids))";
    Ok(tx.query_one(sql, &[])?.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables with ids of tracks that keep no track: parts of a track, notes about one, and the tracks of imported histories.
    const NO_LISTS: [&str; 6] =
        ["track_artists", "track_markets", "skipped_items", "returned_members", "code_matches", "imported_tracks"];

    #[test]
    fn purge_knows_every_list_of_tracks() {
        let store = crate::store::views::tests::empty_store();
        let sql = "SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
                   WHERE m.type = 'table' AND c.name IN ('track_id', 'item_id')";
        let mut statement = store.prepare(sql).unwrap();
        let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let mut found: Vec<(String, String)> = found.map(Result::unwrap).collect();
        found.retain(|(table, _)| !NO_LISTS.contains(&table.as_str()));
        found.sort();
        let mut known = TRACKS_OF_LISTS.map(|(table, column)| (table.to_owned(), column.to_owned()));
        known.sort();
        assert_eq!(found, known);
    }
}
