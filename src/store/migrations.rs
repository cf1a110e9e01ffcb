//! The schema of the store over time: an append-only list of migrations, counted by `user_version`.
//!
//! A store from a newer version is refused. Before a migration changes a store that has rows, a backup is
//! written next to it.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::{StoreError, migration_backups};

pub(super) const APPLICATION_ID: i64 = 0x4372_4467;

/// All migrations. Never edit one that was released.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_start.sql"),
    include_str!("migrations/0002_fewest_calls.sql"),
    include_str!("migrations/0003_history.sql"),
    include_str!("migrations/0004_shown.sql"),
    include_str!("migrations/0005_fires.sql"),
    include_str!("migrations/0006_planned.sql"),
    include_str!("migrations/0007_returned.sql"),
    include_str!("migrations/0008_unproved.sql"),
    include_str!("migrations/0009_clocks.sql"),
];

/// The schema version of this program.
pub(super) const CURRENT_SCHEMA: i64 = MIGRATIONS.len() as i64;

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
        // Under the lock, so that nothing is written after the backup that it lacks.
        migration_backups::create_backup(path, &tx, version)?;
    }
    for (number, script) in (1..).zip(MIGRATIONS).skip_while(|(number, _)| *number <= version) {
        tx.execute_batch(script).map_err(sql("cannot be brought up to date"))?;
        tx.pragma_update(None, "user_version", number).map_err(sql("cannot be brought up to date"))?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(sql("cannot be brought up to date"))?;
    tx.commit().map_err(|source| StoreError::OutcomeUnknown { path: path.to_path_buf(), source })
}

/// Creates the tables of this version in an empty database, to check SQL against them.
pub(super) fn create_tables(conn: &Connection) -> rusqlite::Result<()> {
    MIGRATIONS.iter().try_for_each(|script| conn.execute_batch(script))
}

/// Returns the schema version of a cratedigger store, or 0 if the file is empty.
pub(super) fn check_schema(conn: &Connection, path: &Path) -> Result<i64, StoreError> {
    let read = |source: rusqlite::Error| match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => {
            StoreError::ForeignFile { path: path.to_path_buf(), why: "it is not a SQLite database".into() }
        }
        _ => StoreError::Sqlite { path: path.to_path_buf(), what: "cannot be read", source },
    };
    // Read everything in one snapshot: another process may create the schema of an empty file in between.
    let _snapshot = conn.unchecked_transaction().map_err(read)?;
    let application: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(read)?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(read)?;
    if tables > 0 && application != APPLICATION_ID {
        let why = "it is a SQLite database of another program".to_owned();
        return Err(StoreError::ForeignFile { path: path.to_path_buf(), why });
    }
    let found = user_version(conn).map_err(read)?;
    let known = CURRENT_SCHEMA;
    if found > known {
        return Err(StoreError::NewerSchema { path: path.to_path_buf(), found, known });
    }
    Ok(found)
}

fn user_version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}
