//! Staging: the rows of a list that is being read, out of readers' sight.

use rusqlite::params;

use super::{StoreError, WriteTx};

/// What stands at one place of a list.
#[derive(Debug, Clone, Copy, Default)]
pub struct StagedItem<'a> {
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

impl WriteTx {
    /// Stages one row; a page that is read again overwrites itself.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn tx_stage(&mut self, list: i64, m: &StagedItem<'_>) -> Result<(), StoreError> {
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
    pub fn tx_staged_count(&self, list: i64) -> Result<i64, StoreError> {
        self.prepare("SELECT count(*) FROM staged_items WHERE list_id = ?1")?
            .query_row([list], |row| row.get(0))
            .map_err(|e| self.error("cannot be read", e))
    }

    /// What is staged from one place up to another, as texts to compare.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn tx_staged_as_text(&self, list: i64, from: i64, to: i64) -> Result<Vec<String>, StoreError> {
        let mut statement = self.prepare(
            "SELECT position || ' ' || kind || ' ' || coalesce(item_id, uri, '') || ' ' || coalesce(added_at, '')
             FROM staged_items WHERE list_id = ?1 AND position >= ?2 AND position < ?3 ORDER BY position",
        )?;
        let rows = statement.query_map(params![list, from, to], |row| row.get(0));
        rows.and_then(Iterator::collect).map_err(|e| self.error("cannot be read", e))
    }

    /// Whether the rows from one place up to another are those of as many places before them. One row
    /// tells nothing: a thing may well stand twice.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn tx_repeats_previous_rows(&self, list: i64, from: i64, to: i64) -> Result<bool, StoreError> {
        if to - from < 2 || to - from > from {
            return Ok(false);
        }
        // The first row that differs settles it, which nearly always is the first.
        let differs: bool = self
            .prepare(
                "SELECT EXISTS (SELECT 1 FROM staged_items a LEFT JOIN staged_items b
                  ON b.list_id = a.list_id AND b.position = a.position - (?3 - ?2)
                  WHERE a.list_id = ?1 AND a.position >= ?2 AND a.position < ?3
                  AND (a.kind, a.item_id, a.uri, a.added_at, a.added_by) IS NOT (b.kind, b.item_id, b.uri, b.added_at, b.added_by))",
            )?
            .query_row(params![list, from, to], |row| row.get(0))
            .map_err(|e| self.error("cannot be read", e))?;
        if differs {
            return Ok(false);
        }
        // Of nulls, lists of members have no rows.
        let counts = "SELECT count(*) FILTER (WHERE position >= ?2), count(*) FILTER (WHERE position < ?2)
                      FROM staged_items WHERE list_id = ?1 AND position >= ?2 - (?3 - ?2) AND position < ?3";
        let (now, before): (i64, i64) = self
            .prepare(counts)?
            .query_row(params![list, from, to], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(|e| self.error("cannot be read", e))?;
        Ok(now == before && now > 1)
    }

    /// Takes back what was staged from a place on.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn tx_discard_staged_from(&mut self, list: i64, from: i64) -> Result<(), StoreError> {
        self.tx_discard_staged_between(list, from, i64::MAX)
    }

    /// Takes back what was staged from one place up to another.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn tx_discard_staged_between(&mut self, list: i64, from: i64, to: i64) -> Result<(), StoreError> {
        self.prepare("DELETE FROM staged_items WHERE list_id = ?1 AND position >= ?2 AND position < ?3")?
            .execute(params![list, from, to])
            .map_err(|e| self.error("cannot be written", e))?;
        Ok(())
    }
}
