//! The store's schema over time: an append-only list under `user_version`.
//!
//! A store that a newer version wrote is refused. Before a migration changes a store that holds
//! rows, a copy of it is put beside it.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::{StoreError, migration_backups};

/// `application_id` of a store: "CrDg".
pub(super) const APPLICATION_ID: i64 = 0x4372_4467;

/// Every schema there ever was; never edit one that was released.
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

/// The schema of this version.
pub(super) const CURRENT_SCHEMA: i64 = MIGRATIONS.len() as i64;

/// Brings the schema up to date, or says why that cannot be.
///
/// Two processes may do this at once on an empty file: the second waits for the first and finds
/// nothing to do.
pub(super) fn migrate(conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let sql = |what| move |source| StoreError::Sqlite { path: path.to_path_buf(), what, source };
    let known = CURRENT_SCHEMA;
    let version = check_schema(conn, path)?;
    if version == known {
        return Ok(());
    }
    let tx =
        conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql("is held by another program"))?;
    // Read again under the lock: another process may have been first.
    let version = user_version(&tx).map_err(sql("cannot be read"))?;
    if (1..known).contains(&version) {
        // Under the lock, so that nothing is written after the copy that is not in it.
        migration_backups::create_backup(path, &tx, version)?;
    }
    for (number, script) in (1..).zip(MIGRATIONS).skip_while(|(number, _)| *number <= version) {
        tx.execute_batch(script).map_err(sql("cannot be brought up to date"))?;
        tx.pragma_update(None, "user_version", number).map_err(sql("cannot be brought up to date"))?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(sql("cannot be brought up to date"))?;
    tx.commit().map_err(|source| StoreError::OutcomeUnknown { path: path.to_path_buf(), source })
}

/// Makes the tables of this version in an empty database, for checking SQL against.
pub(super) fn create_tables(conn: &Connection) -> rusqlite::Result<()> {
    MIGRATIONS.iter().try_for_each(|script| conn.execute_batch(script))
}

/// The schema version of a file that is ours, 0 if it is empty.
pub(super) fn check_schema(conn: &Connection, path: &Path) -> Result<i64, StoreError> {
    let read = |source: rusqlite::Error| match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => {
            StoreError::ForeignFile { path: path.to_path_buf(), why: "it is not a SQLite database".into() }
        }
        _ => StoreError::Sqlite { path: path.to_path_buf(), what: "cannot be read", source },
    };
    // One look at all of it: between two, another process may make the schema of an empty file.
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
