//! What a fetch has to ask for: what is fresh already, what is known to be refused, and, once it
//! has finished, what it asked for and in which order.

use rusqlite::{OptionalExtension, params};

use super::{Session, StoreError, Table};

/// One thing that a fetch asked for, in the job's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// The user it was for.
    pub user_id: Option<String>,
    /// The list, for streams that read lists.
    pub list_id: Option<i64>,
    /// The id, for streams that read things by id.
    pub item_id: Option<String>,
}

impl Session {
    /// Replaces what a fetch asked for.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn set_requested(&mut self, job: &str, fetch: &str, requested: &[Requested]) -> Result<(), StoreError> {
        if self.requested(job, fetch)? == requested {
            return Ok(());
        }
        self.changed = true;
        self.prepare("DELETE FROM requested WHERE job = ?1 AND fetch = ?2")?
            .execute(params![job, fetch])
            .map_err(|e| self.error("cannot be written", e))?;
        let mut insert = self.prepare(
            "INSERT INTO requested (job, fetch, ordinal, user_id, list_id, item_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for (ordinal, r) in (0i64..).zip(requested) {
            insert
                .execute(params![job, fetch, ordinal, r.user_id, r.list_id, r.item_id])
                .map_err(|e| self.error("cannot be written", e))?;
        }
        Ok(())
    }

    fn requested(&self, job: &str, fetch: &str) -> Result<Vec<Requested>, StoreError> {
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Requested { user_id: row.get(0)?, list_id: row.get(1)?, item_id: row.get(2)? })
        };
        let mut statement = self.prepare(
            "SELECT user_id, list_id, item_id FROM requested WHERE job = ?1 AND fetch = ?2 ORDER BY ordinal",
        )?;
        let rows = statement.query_map(params![job, fetch], read).map_err(|e| self.error("cannot be read", e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.error("cannot be read", e))
    }

    /// Of these ids, the ones whose row was read whole at or after `since`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn fresh(&self, table: &Table, ids: &[String], since: &str) -> Result<Vec<bool>, StoreError> {
        let mut statement = self.prepare(&format!("SELECT fetched_at >= ?2 FROM {} WHERE id = ?1", table.name))?;
        ids.iter()
            .map(|id| {
                let fresh = statement.query_row(params![id, since], |row| row.get::<_, Option<bool>>(0)).optional();
                Ok(fresh.map_err(|e| self.error("cannot be read", e))?.flatten().unwrap_or(false))
            })
            .collect()
    }

    /// Of these ids, the ones that Spotify refused and that were asked for at or after `since`:
    /// reason and Spotify's words.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn gaps(
        &self,
        stream: &str,
        ids: &[String],
        audience: &str,
        since: &str,
    ) -> Result<Vec<Option<(String, String)>>, StoreError> {
        let mut statement = self.prepare(
            "SELECT reason, coalesce(detail, '') FROM known_gaps WHERE stream = ?1 AND id = ?2 AND audience = ?3 AND checked_at >= ?4",
        )?;
        ids.iter()
            .map(|id| {
                let gap = statement
                    .query_row(params![stream, id, audience, since], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional();
                gap.map_err(|e| self.error("cannot be read", e))
            })
            .collect()
    }

    /// The track or album that a code (ISRC or UPC) was found to mean, at or after `since`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn code_meaning(
        &self,
        table: &Table,
        column: &'static str,
        code: &str,
        since: &str,
    ) -> Result<Option<String>, StoreError> {
        let sql = format!(
            "SELECT id FROM {} WHERE {column} = ?1 AND fetched_at >= ?2 ORDER BY first_seen_at, id LIMIT 1",
            table.name
        );
        let id = self.prepare(&sql)?.query_row(params![code, since], |row| row.get(0)).optional();
        id.map_err(|e| self.error("cannot be read", e))
    }
}
