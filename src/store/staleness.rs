//! Age of the oldest row of a fetch: when its items were last read or found unchanged.

use std::path::Path;

use rusqlite::{OptionalExtension, params};

use super::{StoreError, open_reader};
use crate::stream::{ReadStrategy, Stream, StreamTable};

/// The oldest row of a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldestRow {
    pub fetch: String,
    /// When the row was last read or found unchanged.
    pub at: Option<String>,
}

/// Returns the oldest row of each of these fetches of a job; empty if there is no store.
///
/// # Errors
/// If the store exists and cannot be read.
pub fn oldest_rows(database: &Path, job: &str, fetches: &[(&str, &Stream)]) -> Result<Vec<OldestRow>, StoreError> {
    if !database.exists() {
        return Ok(Vec::new());
    }
    let store = open_reader(database)?;
    let error = |source| StoreError::Sqlite { path: database.to_path_buf(), what: "cannot be read", source };
    let oldest = |(fetch, stream): &(&str, &Stream)| {
        let sql = oldest_row_sql(stream);
        let at = store.query_row(&sql, params![job, fetch], |row| row.get::<_, Option<String>>(0)).optional();
        Ok(OldestRow { fetch: (*fetch).to_owned(), at: at.map_err(error)?.flatten() })
    };
    fetches.iter().map(oldest).collect()
}

/// Returns the statement for a stream. Streams that read by id use the rows of the entities, other streams use
/// their lists.
fn oldest_row_sql(stream: &Stream) -> String {
    match (stream.strategy, stream.table) {
        (ReadStrategy::Profile, _) => "SELECT min(u.fetched_at) FROM requested r JOIN users u ON u.id = r.user_id
             WHERE r.job = ?1 AND r.fetch = ?2"
            .to_owned(),
        (ReadStrategy::OwnPlaylists, _) => "SELECT min(l.checked_at) FROM requested r
             JOIN lists l ON l.id = r.list_id OR (l.kind = 'playlist_items' AND l.audience = r.user_id
                  AND l.parent_id IN (SELECT playlist_id FROM my_playlists WHERE user_id = r.user_id AND removed_at IS NULL))
             WHERE r.job = ?1 AND r.fetch = ?2"
            .to_owned(),
        (_, StreamTable::Entities(table)) => format!(
            "SELECT min(t.fetched_at) FROM requested r JOIN {table} t ON t.id = r.item_id
             WHERE r.job = ?1 AND r.fetch = ?2"
        ),
        _ => "SELECT min(l.checked_at) FROM requested r JOIN lists l ON l.id = r.list_id
             WHERE r.job = ?1 AND r.fetch = ?2"
            .to_owned(),
    }
}
