//! What a fetch has to ask for: what is fresh already, what is known to be refused, and, once it
//! has finished, what it asked for and in which order.

use rusqlite::{OptionalExtension, params};

use super::{EntityTable, ListKey, MissingIdKey, StoreError, TimeSpan, WriteTx};

/// One thing that a fetch asked for, in the job's order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestedItem {
    /// The user it was for.
    pub user_id: Option<String>,
    /// The list, for streams that read lists.
    pub list_id: Option<i64>,
    /// The id, for streams that read things by id.
    pub item_id: Option<String>,
}

/// A playlist in a user's library.
#[derive(Debug, Clone)]
pub struct LibraryPlaylist {
    /// Its id.
    pub id: String,
    /// Spotify's version of it now.
    pub snapshot_id: Option<String>,
    /// Owned by the user, or open to be edited.
    pub is_own: bool,
    /// The version that its items were last read whole in.
    pub read_snapshot_id: Option<String>,
    /// Items that stand.
    pub stored: i64,
    /// Its place in the list of playlists.
    pub position: i64,
    /// It is staged to its end, and waits for a proof.
    pub reached_end: bool,
    /// The list of playlists has shown since that it stayed as it was.
    pub verified: bool,
}

/// The users whose data the fetches of a job hold, in the job's order: id and local name.
///
/// # Errors
/// If the store cannot be read.
pub fn users_of_job(store: &rusqlite::Connection, job: &str) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = store.prepare(
        "SELECT r.user_id, coalesce(u.local_name, r.user_id) FROM requested r JOIN users u ON u.id = r.user_id
         WHERE r.job = ?1 GROUP BY r.user_id ORDER BY min(r.ordinal)",
    )?;
    let rows = statement.query_map([job], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Places set apart for each user of a fetch.
const POSITIONS_PER_USER: i64 = 1 << 32;

/// So far below its place is what is being moved there; beyond the place of any user.
const TEMPORARY_OFFSET: i64 = 1 << 62;

/// A user whom a job names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedUser {
    /// The local name.
    pub name: String,
    /// The account, where it can be told.
    pub user_id: Option<String>,
}

/// A user on whose behalf a fetch asked.
struct RequestedUserRows {
    user_id: Option<String>,
    name: Option<String>,
    first: i64,
}

impl WriteTx {
    /// Replaces what a fetch asked for, for one user or for nobody; the rows of its other users stay.
    /// `place` is the user's among the job's.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn tx_replace_requested(
        &mut self,
        job: &str,
        fetch: &str,
        user: Option<&str>,
        place: i64,
        requested: &[RequestedItem],
    ) -> Result<(), StoreError> {
        let first = place * POSITIONS_PER_USER;
        if self.tx_read_requested(job, fetch, user)? == (first, requested.to_vec()) {
            return Ok(());
        }
        self.changed = true;
        self.prepare("DELETE FROM requested WHERE job = ?1 AND fetch = ?2 AND user_id IS ?3")?
            .execute(params![job, fetch, user])
            .map_err(|e| self.error("cannot be written", e))?;
        let mut insert = self.prepare(
            "INSERT INTO requested (job, fetch, ordinal, user_id, list_id, item_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for (ordinal, r) in (first..).zip(requested) {
            insert
                .execute(params![job, fetch, ordinal, r.user_id, r.list_id, r.item_id])
                .map_err(|e| self.error("cannot be written", e))?;
        }
        Ok(())
    }

    /// Gives what a fetch asked for to the users whom its job names now, or to nobody: each user's goes to
    /// the place of that user among them, and what was asked on behalf of anybody else is forgotten. One
    /// whose account cannot be told, since the grant is lost, is known by the local name; those rows stay.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn tx_reassign_users(
        &mut self,
        job: &str,
        fetch: &str,
        users: Option<&[RequestedUser]>,
    ) -> Result<(), StoreError> {
        let mut taken = Vec::new();
        for known in self.tx_users_of_fetch(job, fetch)? {
            let is = |user: &RequestedUser| match (&user.user_id, &known.user_id) {
                (Some(named), Some(known)) => named == known,
                (None, Some(_)) => known.name.as_ref() == Some(&user.name),
                (_, None) => false,
            };
            let place = match users {
                Some(users) => users.iter().position(is),
                None => known.user_id.is_none().then_some(0),
            };
            let first = place.and_then(|place| i64::try_from(place).ok()).map(|place| place * POSITIONS_PER_USER);
            match first.filter(|first| !taken.contains(first)) {
                None => self.tx_put(
                    "DELETE FROM requested WHERE job = ?1 AND fetch = ?2 AND user_id IS ?3",
                    params![job, fetch, known.user_id],
                )?,
                Some(first) => {
                    taken.push(first);
                    if first == known.first / POSITIONS_PER_USER * POSITIONS_PER_USER {
                        continue;
                    }
                    // Aside at first: at that place there may be somebody who has yet to move.
                    self.tx_put(
                        "UPDATE requested SET ordinal = ?4 + ordinal % ?5 WHERE job = ?1 AND fetch = ?2 AND user_id IS ?3",
                        params![job, fetch, known.user_id, first - TEMPORARY_OFFSET, POSITIONS_PER_USER],
                    )?;
                }
            }
            self.changed = true;
        }
        self.tx_put(
            "UPDATE requested SET ordinal = ordinal + ?3 WHERE job = ?1 AND fetch = ?2 AND ordinal < 0",
            params![job, fetch, TEMPORARY_OFFSET],
        )
    }

    /// On whose behalf a fetch asked, and from which place on.
    fn tx_users_of_fetch(&self, job: &str, fetch: &str) -> Result<Vec<RequestedUserRows>, StoreError> {
        let mut statement = self.prepare(
            "SELECT r.user_id, u.local_name, min(r.ordinal) FROM requested r LEFT JOIN users u ON u.id = r.user_id
             WHERE r.job = ?1 AND r.fetch = ?2 GROUP BY r.user_id",
        )?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok(RequestedUserRows { user_id: row.get(0)?, name: row.get(1)?, first: row.get(2)? })
        };
        let rows = statement.query_map(params![job, fetch], read).map_err(|e| self.error("cannot be read", e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.error("cannot be read", e))
    }

    fn tx_read_requested(
        &self,
        job: &str,
        fetch: &str,
        user: Option<&str>,
    ) -> Result<(i64, Vec<RequestedItem>), StoreError> {
        let mut first = None;
        let mut read = |row: &rusqlite::Row<'_>| {
            let ordinal: i64 = row.get(3)?;
            first.get_or_insert(ordinal);
            Ok(RequestedItem { user_id: row.get(0)?, list_id: row.get(1)?, item_id: row.get(2)? })
        };
        let mut statement = self.prepare(
            "SELECT user_id, list_id, item_id, ordinal FROM requested WHERE job = ?1 AND fetch = ?2 AND user_id IS ?3 ORDER BY ordinal",
        )?;
        let rows =
            statement.query_map(params![job, fetch, user], &mut read).map_err(|e| self.error("cannot be read", e))?;
        let rows = rows.collect::<Result<_, _>>().map_err(|e| self.error("cannot be read", e))?;
        Ok((first.unwrap_or(-1), rows))
    }

    /// The playlists in a user's library, as the newest read of it has them, with what is known of
    /// each one's items in a market. A whole read outside of `whole` counts as none.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn tx_library_playlists(
        &self,
        user: &str,
        market: &str,
        whole: &TimeSpan,
    ) -> Result<Vec<LibraryPlaylist>, StoreError> {
        let mut statement = self.prepare(
            "SELECT p.id, p.snapshot_id, coalesce(p.owner_id = ?1, 0) OR coalesce(p.collaborative, 0),
                    iif(l.whole_at BETWEEN ?3 AND ?4 AND c.list_id IS NULL, l.snapshot_id, NULL), coalesce(l.stored, 0), m.position,
                    coalesce(c.ended, 0), coalesce(c.ended AND c.snapshot_id = p.snapshot_id AND c.updated_at < o.whole_at, 0)
             FROM my_playlists m JOIN playlists p ON p.id = m.playlist_id
             LEFT JOIN lists l ON l.kind = 'playlist_items' AND l.parent_id = p.id AND l.audience = ?1 AND l.market = ?2
             LEFT JOIN checkpoints c ON c.list_id = l.id LEFT JOIN lists o ON o.id = m.list_id
             WHERE m.user_id = ?1 AND m.removed_at IS NULL ORDER BY m.position",
        )?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok(LibraryPlaylist {
                id: row.get(0)?,
                snapshot_id: row.get(1)?,
                is_own: row.get(2)?,
                read_snapshot_id: row.get(3)?,
                stored: row.get(4)?,
                position: row.get(5)?,
                reached_end: row.get(6)?,
                verified: row.get(7)?,
            })
        };
        let rows = statement
            .query_map(params![user, market, whole.since, whole.until], read)
            .map_err(|e| self.error("cannot be read", e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.error("cannot be read", e))
    }

    /// The version of a playlist, if the playlist or a list that it stands in was read in that time.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn tx_known_snapshot(&self, playlist: &str, when: &TimeSpan) -> Result<Option<String>, StoreError> {
        let mut statement = self.prepare(
            "SELECT snapshot_id FROM playlists p WHERE id = ?1 AND gone_at IS NULL AND (fetched_at BETWEEN ?2 AND ?3 OR EXISTS (
               SELECT 1 FROM my_playlists m JOIN lists l ON l.id = m.list_id
               WHERE m.playlist_id = p.id AND m.removed_at IS NULL AND l.checked_at BETWEEN ?2 AND ?3))",
        )?;
        let told = statement.query_row([playlist, &when.since, &when.until], |row| row.get(0)).optional();
        Ok(told.map_err(|e| self.error("cannot be read", e))?.flatten())
    }

    /// Of these ids, the ones whose row was read whole in that time.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn tx_are_fresh(&self, table: &EntityTable, ids: &[String], when: &TimeSpan) -> Result<Vec<bool>, StoreError> {
        let mut statement =
            self.prepare(&format!("SELECT fetched_at BETWEEN ?2 AND ?3 FROM {} WHERE id = ?1", table.name))?;
        ids.iter()
            .map(|id| {
                let fresh = statement
                    .query_row(params![id, when.since, when.until], |row| row.get::<_, Option<bool>>(0))
                    .optional();
                Ok(fresh.map_err(|e| self.error("cannot be read", e))?.flatten().unwrap_or(false))
            })
            .collect()
    }

    /// How many tracks these albums have, where that is known.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn tx_album_track_counts(&self, albums: &[String]) -> Result<Vec<Option<i64>>, StoreError> {
        let mut statement = self.prepare("SELECT total_tracks FROM albums WHERE id = ?1")?;
        let mut total = |album: &String| {
            let total = statement.query_row([album], |row| row.get::<_, Option<i64>>(0)).optional();
            Ok(total.map_err(|e| self.error("cannot be read", e))?.flatten())
        };
        albums.iter().map(&mut total).collect()
    }

    /// When the rows of these ids were read whole; none where they never were.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn tx_fetched_at(&self, table: &EntityTable, ids: &[String]) -> Result<Vec<Option<String>>, StoreError> {
        let mut statement = self.prepare(&format!("SELECT fetched_at FROM {} WHERE id = ?1", table.name))?;
        let mut read = |id: &String| statement.query_row([id], |row| row.get::<_, Option<String>>(0)).optional();
        ids.iter().map(|id| Ok(read(id).map_err(|e| self.error("cannot be read", e))?.flatten())).collect()
    }

    /// When these lists were read or found unchanged; none where they never were.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn tx_checked_at(&self, keys: &[ListKey]) -> Result<Vec<Option<String>>, StoreError> {
        keys.iter().map(|key| Ok(self.tx_find_list(key)?.and_then(|list| list.checked_at))).collect()
    }

    /// The track that Spotify answered with, in that time, where this one was asked for in a
    /// market; none if it answered with the very one.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn tx_relinked_track(&self, track: &str, market: &str, when: &TimeSpan) -> Result<Option<String>, StoreError> {
        let sql = "SELECT t.id FROM track_markets m JOIN tracks t ON t.id = m.track_id
                   WHERE m.linked_from = ?1 AND m.market = ?2 AND t.fetched_at BETWEEN ?3 AND ?4 ORDER BY t.fetched_at DESC LIMIT 1";
        let id =
            self.prepare(sql)?.query_row(params![track, market, when.since, when.until], |row| row.get(0)).optional();
        id.map_err(|e| self.error("cannot be read", e))
    }

    /// Of these ids, the ones that Spotify refused and that were asked for in that time:
    /// reason and Spotify's words.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn tx_find_missing_ids(
        &self,
        gaps: &[MissingIdKey],
        when: &TimeSpan,
    ) -> Result<Vec<Option<(String, String)>>, StoreError> {
        let mut statement = self.prepare(
            "SELECT reason, coalesce(detail, '') FROM known_gaps
             WHERE stream = ?1 AND id = ?2 AND audience = ?3 AND market = ?4 AND checked_at BETWEEN ?5 AND ?6",
        )?;
        gaps.iter()
            .map(|MissingIdKey { stream, id, audience, market }| {
                let gap = statement
                    .query_row(params![stream, id, audience, market, when.since, when.until], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })
                    .optional();
                gap.map_err(|e| self.error("cannot be read", e))
            })
            .collect()
    }

    /// Whether the job of a run was told that an id cannot be had: its newest run before that came to its end
    /// named it. What stopped on the way has told nothing, and what another job was told is not known here.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn tx_was_reported(&self, run: i64, stream: &str, id: &str) -> Result<bool, StoreError> {
        self.prepare(
            "SELECT EXISTS (SELECT 1 FROM skipped_items WHERE stream = ?2 AND item_id = ?3
              AND reason IN ('not_found', 'forbidden') AND run_id = (
               SELECT id FROM runs WHERE job = (SELECT job FROM runs WHERE id = ?1) AND id < ?1
               AND state IN ('complete', 'partial') ORDER BY started_at DESC, id DESC LIMIT 1))",
        )?
        .query_row(params![run, stream, id], |row| row.get(0))
        .map_err(|e| self.error("cannot be read", e))
    }

    /// The track or album that a code (ISRC or UPC) was found to mean, at or after `since`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn tx_resolve_code(
        &self,
        table: &EntityTable,
        column: &'static str,
        code: &str,
        when: &TimeSpan,
    ) -> Result<Option<String>, StoreError> {
        let sql = format!(
            "SELECT id FROM {} WHERE {column} = ?1 AND fetched_at BETWEEN ?2 AND ?3 ORDER BY first_seen_at, id LIMIT 1",
            table.name
        );
        let id = self.prepare(&sql)?.query_row(params![code, when.since, when.until], |row| row.get(0)).optional();
        id.map_err(|e| self.error("cannot be read", e))
    }
}
