//! The schema of the store: an append-only list of migrations, counted by `user_version`.
//!
//! A store from a newer version is refused.

use std::path::Path;

use rusqlite::Connection;

use super::StoreError;

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
    include_str!("migrations/0010_brake.sql"),
    include_str!("migrations/0011_readings.sql"),
    include_str!("migrations/0012_owners.sql"),
    include_str!("migrations/0013_inputs.sql"),
    include_str!("migrations/0014_unread.sql"),
    include_str!("migrations/0015_group_commit.sql"),
    include_str!("migrations/0016_dated_files.sql"),
    include_str!("migrations/0017_imported_plays.sql"),
    include_str!("migrations/0018_feed.sql"),
    include_str!("migrations/0019_known_gaps.sql"),
];

/// The schema version of this program.
pub(super) const CURRENT_SCHEMA: i64 = MIGRATIONS.len() as i64;

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

pub(super) fn user_version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}
