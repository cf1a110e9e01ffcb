//! Texts that mention the deleted user: reasons of runs, details of skipped items, examples of odd fields.

use rusqlite::params;

use super::mentions::Mentions;
use super::person::PurgedUser;
use crate::store::{StoreError, WriteTx};

/// Columns with free text that a program or Spotify wrote.
const TEXTS: [(&str, &str); 8] = [
    ("runs", "reason"),
    ("run_fetches", "reason"),
    ("unproved_lists", "reason"),
    ("skipped_items", "detail"),
    ("lists", "gone_reason"),
    ("known_gaps", "detail"),
    ("field_notes", "example"),
    ("field_notes", "example_id"),
];

/// The ids and names of the deleted playlists.
pub(super) fn purged_playlists(tx: &WriteTx) -> Result<Vec<(String, Option<String>)>, StoreError> {
    let mut playlists = tx.prepare("SELECT id, name FROM purged_playlists")?;
    let playlists = playlists.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?)));
    playlists.and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(|e| tx.error("cannot be read", e))
}

/// Removes the ids and names of the user, and those of the deleted playlists, from all texts.
pub(super) fn remove_mentions(tx: &WriteTx, user: &PurgedUser) -> Result<(), StoreError> {
    let failed = |e| tx.error("cannot be written", e);
    let mentions = Mentions::of(user, &purged_playlists(tx)?);
    for (table, column) in TEXTS {
        // The same few texts are repeated many times.
        let mut known = tx.prepare(&format!("SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL"))?;
        let known = known.query_map([], |row| row.get::<_, String>(0)).map_err(failed)?;
        let known = known.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let mut write = tx.prepare(&format!("UPDATE {table} SET {column} = ?2 WHERE {column} = ?1"))?;
        for text in known {
            let without = mentions.remove_from(&text);
            if without != text {
                write.execute(params![text, without]).map_err(failed)?;
            }
        }
    }
    Ok(())
}
