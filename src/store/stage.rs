//! Staging: the rows of a list that is being read, out of readers' sight.

use rusqlite::{OptionalExtension, params};

use super::{Session, StoreError};

/// What stands at one place of a list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Member<'a> {
    /// Place, from 0.
    pub position: i64,
    /// track, episode, local, unavailable, album, …
    pub kind: &'static str,
    /// Id of the item.
    pub item_id: Option<&'a str>,
    /// spotify: URI.
    pub uri: Option<&'a str>,
    /// When it was added.
    pub added_at: Option<&'a str>,
    /// Who added it.
    pub added_by: Option<&'a str>,
    /// What else the list says of it.
    pub detail: Option<&'a str>,
}

impl Session {
    /// Stages one row; a page that is read again overwrites itself.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn stage(&mut self, list: i64, m: &Member<'_>) -> Result<(), StoreError> {
        self.prepare(
            "INSERT OR REPLACE INTO staged_items (list_id, position, kind, item_id, uri, added_at, added_by, detail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![list, m.position, m.kind, m.item_id, m.uri, m.added_at, m.added_by, m.detail])
        .map_err(|e| self.error("cannot be written", e))?;
        Ok(())
    }

    /// How many rows are staged.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn staged_count(&self, list: i64) -> Result<i64, StoreError> {
        self.prepare("SELECT count(*) FROM staged_items WHERE list_id = ?1")?
            .query_row([list], |row| row.get(0))
            .map_err(|e| self.error("cannot be read", e))
    }

    /// What is staged at a place, as one text to compare.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn staged_at(&self, list: i64, position: i64) -> Result<Option<String>, StoreError> {
        self.prepare(
            "SELECT kind || ' ' || coalesce(item_id, uri, '') || ' ' || coalesce(added_at, '') FROM staged_items
             WHERE list_id = ?1 AND position = ?2",
        )?
        .query_row([list, position], |row| row.get(0))
        .optional()
        .map_err(|e| self.error("cannot be read", e))
    }
}
