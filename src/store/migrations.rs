//! Brings the schema of a store up to date.
//!
//! Before a migration changes a store that has rows, a backup is written next to it.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::schema::{APPLICATION_ID, CURRENT_SCHEMA, MIGRATIONS, check_schema, create_tables, user_version};
use super::{StoreError, migration_backups};

/// Brings the schema up to date.
///
/// Two processes may do this at the same time with an empty file: the second waits for the first and finds
/// nothing to do.
pub(super) fn migrate(conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let sql = |what| move |source| StoreError::Sqlite { path: path.to_path_buf(), what, source };
    let known = CURRENT_SCHEMA;
    let version = check_schema(conn, path)?;
    if version == known {
        return Ok(());
    }
    let tx =
        conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql("is locked by another program"))?;
    // Check again under the lock: another process may have been faster.
    let version = user_version(&tx).map_err(sql("cannot be read"))?;
    if (1..known).contains(&version) {
        if has_pending_writes(&tx).map_err(sql("cannot be read"))? {
            return Err(StoreError::UnfinishedPages { path: path.to_path_buf() });
        }
        // Under the lock, so that nothing is written after the backup that it lacks.
        migration_backups::create_backup(path, &tx, version)?;
    }
    if version == 0 {
        create_tables(&tx).map_err(sql("cannot be brought up to date"))?;
    } else {
        let mut newer = MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or_default());
        newer.try_for_each(|script| tx.execute_batch(script)).map_err(sql("cannot be brought up to date"))?;
    }
    tx.pragma_update(None, "user_version", known).map_err(sql("cannot be brought up to date"))?;
    tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(sql("cannot be brought up to date"))?;
    tx.commit().map_err(|source| StoreError::OutcomeUnknown { path: path.to_path_buf(), source })
}

/// Whether a killed run of an older version left rows that only that version can write to their tables.
fn has_pending_writes(conn: &Connection) -> rusqlite::Result<bool> {
    let exists = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'pending_writes')";
    let is_set = |sql| conn.query_row(sql, [], |row| row.get::<_, bool>(0));
    Ok(is_set(exists)? && is_set("SELECT EXISTS (SELECT 1 FROM pending_writes)")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_from_before_the_feed_are_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let mut conn = Connection::open(&path).unwrap();
        MIGRATIONS[..17].iter().try_for_each(|script| conn.execute_batch(script)).unwrap();
        conn.pragma_update(None, "user_version", 17).unwrap();
        conn.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        conn.execute_batch(include_str!("views/sample_rows.sql")).unwrap();
        let rows = |conn: &Connection, sql: &str| -> i64 { conn.query_row(sql, [], |row| row.get(0)).unwrap() };
        let before = rows(&conn, "SELECT count(*) FROM playlist_items");
        migrate(&mut conn, &path).unwrap();
        crate::store::views::create_all(&conn).unwrap();
        assert!(std::fs::exists(folder.path().join("s.db.schema-17")).unwrap(), "a backup from before");
        let feed = crate::store::feed_state(&conn).unwrap();
        assert_eq!((feed.version, feed.since, feed.epoch.len()), (1, 1, 16));
        assert!(feed.needs_full_read("", 0) && !feed.needs_full_read(&feed.epoch, 1));
        assert_eq!(rows(&conn, "SELECT count(*) FROM feed_playlist_items WHERE row_version > 0"), before);
        assert_eq!(rows(&conn, "SELECT count(*) FROM feed_playlist_items WHERE row_version > 1"), 0);
        conn.execute("DELETE FROM playlist_items WHERE position = 1", []).unwrap();
        assert_eq!(
            rows(&conn, "SELECT count(*) FROM feed_playlist_items WHERE row_version > 1 AND deleted_at IS NOT NULL"),
            1
        );
    }

    /// A store of the last schema that had pending writes.
    fn old_store(path: &Path) -> Connection {
        let conn = Connection::open(path).unwrap();
        MIGRATIONS[..14].iter().try_for_each(|script| conn.execute_batch(script)).unwrap();
        conn.pragma_update(None, "user_version", 14).unwrap();
        conn.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        conn
    }

    #[test]
    fn pages_of_an_older_killed_run_are_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let mut conn = old_store(&path);
        conn.execute("INSERT INTO pending_writes (writes) VALUES (x'01')", []).unwrap();
        let refused = migrate(&mut conn, &path).unwrap_err();
        assert!(matches!(refused, StoreError::UnfinishedPages { .. }), "{refused}");
        assert!(refused.hint().unwrap().contains("installed before"));
        assert_eq!(user_version(&conn).unwrap(), 14);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no backup of what stays as it is");
        conn.execute("DELETE FROM pending_writes", []).unwrap();
        migrate(&mut conn, &path).unwrap();
        assert_eq!(user_version(&conn).unwrap(), CURRENT_SCHEMA);
        assert!(conn.prepare("SELECT * FROM pending_writes").is_err());
    }
}
