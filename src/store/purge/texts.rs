//! Texts that mention the deleted user: reasons of runs, details of skipped items, examples of odd fields.

use rusqlite::params;

use super::person::{PurgedUser, replace_word};
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

/// A shorter name of a playlist also occurs in texts about something else.
const SHORTEST_NAME: usize = 4;

/// Removes the ids and names of the user, and those of the deleted playlists, from all texts.
pub(super) fn remove_mentions(tx: &WriteTx, user: &PurgedUser) -> Result<(), StoreError> {
    let failed = |e| tx.error("cannot be written", e);
    let mut playlists = tx.prepare("SELECT id, name FROM purged_playlists")?;
    let playlists = playlists.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?)));
    let mut words: Vec<String> = Vec::new();
    for row in playlists.map_err(failed)? {
        let (id, name) = row.map_err(failed)?;
        words.extend(name.filter(|name| name.len() >= SHORTEST_NAME));
        words.push(id);
    }
    for (table, column) in TEXTS {
        // The same few texts are repeated many times.
        let mut known = tx.prepare(&format!("SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL"))?;
        let known = known.query_map([], |row| row.get::<_, String>(0)).map_err(failed)?;
        let known = known.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let mut write = tx.prepare(&format!("UPDATE {table} SET {column} = ?2 WHERE {column} = ?1"))?;
        for text in known {
            let without = user.remove_from(&text);
            let without = words
                .iter()
                .filter(|word| text.contains(word.as_str()))
                .fold(without, |text, word| replace_word(&text, word, "(deleted playlist)"));
            if without != text {
                write.execute(params![text, without]).map_err(failed)?;
            }
        }
    }
    Ok(())
}
