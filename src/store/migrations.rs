//! Brings the schema of a store up to date.
//!
//! Before a migration changes a store that has rows, a backup is written next to it.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::schema::{APPLICATION_ID, CURRENT_SCHEMA, MIGRATIONS, check_schema, user_version};
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
