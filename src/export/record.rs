//! `published_files`: what was written, so that an unchanged file is not even rendered.
//!
//! A record is written after the files. Killed in between, the next export renders once more, finds
//! the same bytes, and records them.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::publish::{Published, RunInfo};

/// A file that was written.
pub(super) struct Record {
    /// Below the CSV folder.
    pub path: String,
    /// Name of the fetch, or the number of the query.
    pub source: String,
    /// Fingerprint of everything it was made from.
    pub inputs: String,
    pub sha256: String,
    pub file: Published,
}

/// What the store knows of a file.
pub(super) struct Known {
    pub inputs: String,
    pub sha256: String,
    pub bytes: u64,
}

pub(super) fn read(store: &Connection, path: &str) -> rusqlite::Result<Option<Known>> {
    let sql = "SELECT inputs, sha256, bytes FROM published_files WHERE path = ?1";
    let known = |row: &Row<'_>| {
        let bytes: i64 = row.get(2)?;
        Ok(Known { inputs: row.get(0)?, sha256: row.get(1)?, bytes: u64::try_from(bytes).unwrap_or(0) })
    };
    store.query_row(sql, [path], known).optional()
}

pub(super) fn write(store: &Connection, run: &RunInfo, records: &[Record]) -> rusqlite::Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    let own = match store.is_autocommit() {
        true => Some(Transaction::new_unchecked(store, TransactionBehavior::Immediate)?),
        false => None,
    };
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    for record in records {
        store.execute(
            "INSERT OR REPLACE INTO published_files \
             (path, job, source, run_id, inputs, sha256, bytes, rows, guarded, published_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                record.path,
                run.job,
                record.source,
                run.id,
                record.inputs,
                record.sha256,
                number(record.file.bytes),
                number(record.file.rows),
                number(record.file.guarded),
                run.created_at,
            ],
        )?;
    }
    own.map_or(Ok(()), Transaction::commit)
}
