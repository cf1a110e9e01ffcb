//! The tables and views of an empty store, against which SQL is checked.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::Backup;

use super::{schema, views};

/// Creates the tables and views of a store in an empty database, to check SQL against them.
///
/// # Errors
/// Whatever SQLite reports.
pub fn create_schema(conn: &Connection) -> rusqlite::Result<()> {
    schema::create_tables(conn)?;
    views::create_all(conn)
}

/// Copies the tables and views of an empty store, which are created once in a process.
///
/// # Errors
/// Whatever SQLite reports.
pub fn copy_empty_schema(conn: &mut Connection) -> rusqlite::Result<()> {
    static EMPTY: Mutex<Option<Connection>> = Mutex::new(None);
    let mut empty = EMPTY.lock().unwrap_or_else(PoisonError::into_inner);
    let empty = match &mut *empty {
        Some(empty) => empty,
        none => {
            let created = Connection::open_in_memory()?;
            create_schema(&created)?;
            none.insert(created)
        }
    };
    Backup::new(empty, conn)?.run_to_completion(i32::MAX, Duration::ZERO, None)
}
