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

/// What all migrations together create in an empty database. One script for all of them is several times faster:
/// SQLite parses the whole schema again whenever a migration alters a table.
const NEW_STORE: &str = include_str!("migrations/new_store.sql");

/// Creates the tables of this version in an empty database.
pub(super) fn create_tables(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(NEW_STORE)
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
    if application != APPLICATION_ID {
        let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(read)?;
        if tables > 0 {
            let why = "it is a SQLite database of another program".to_owned();
            return Err(StoreError::ForeignFile { path: path.to_path_buf(), why });
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The statements that created everything in this database, in their order.
    fn statements(conn: &Connection) -> Vec<String> {
        let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid";
        let mut select = conn.prepare(sql).unwrap();
        select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// The tables that have rows, and what `store_info` has without the random epoch.
    fn rows(conn: &Connection) -> Vec<(String, String)> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'store_info' ORDER BY name";
        let mut select = conn.prepare(sql).unwrap();
        let tables: Vec<String> = select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        let count = |table: &String| -> i64 {
            conn.query_row(&format!("SELECT count(*) FROM \"{table}\""), [], |row| row.get(0)).unwrap()
        };
        let mut found: Vec<(String, String)> = tables
            .iter()
            .map(|table| (table.clone(), count(table).to_string()))
            .filter(|(_, rows)| rows != "0")
            .collect();
        let sql = "SELECT key, CASE key WHEN 'feed_epoch' THEN length(value) ELSE value END || '' FROM store_info";
        let mut select = conn.prepare(sql).unwrap();
        found.extend(select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap));
        found
    }

    #[test]
    fn new_store_is_what_migrations_leave() {
        let migrated = Connection::open_in_memory().unwrap();
        MIGRATIONS.iter().try_for_each(|script| migrated.execute_batch(script)).unwrap();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            let script = format!(
                "-- Generated from the migrations by: UPDATE_DOCS=1 cargo test --lib new_store_is\n{};\n{}",
                statements(&migrated).join(";\n"),
                "INSERT INTO store_info (key, value) VALUES ('feed_version', '1'), ('feed_since', '1'), \
                 ('feed_epoch', lower(hex(randomblob(8))));\n",
            );
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/migrations/new_store.sql"), script).unwrap();
            return;
        }
        let created = Connection::open_in_memory().unwrap();
        create_tables(&created).unwrap();
        let renew = "UPDATE_DOCS=1 cargo test --lib new_store_is writes new_store.sql";
        assert!(statements(&created) == statements(&migrated), "the schema differs; {renew}");
        assert_eq!(rows(&created), rows(&migrated), "the rows differ");
    }
}
