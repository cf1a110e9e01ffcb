//! Deleting what is older than somebody wants to keep.

use rusqlite::params;

use super::{Session, StoreError};

/// Logs and history, by the column that says how old a row is.
const LOGS: &[(&str, &str)] = &[
    ("search_results", "searched_at"),
    ("plays", "played_at"),
    ("top_items", "fetched_at"),
    ("playlist_changes", "seen_at"),
    ("metrics", "day"),
];

/// Lists whose rows stay marked once they are gone.
const MEMBERSHIPS: &[&str] = &[
    "artist_releases",
    "album_tracks",
    "artist_top_tracks",
    "show_episodes",
    "audiobook_chapters",
    "user_playlists",
    "my_playlists",
    "saved_tracks",
    "saved_albums",
    "saved_shows",
    "saved_episodes",
    "saved_audiobooks",
    "followed_artists",
    "new_releases",
    "categories",
    "markets",
];

/// What was once so, and since when: the newest of what is too old still says how things were at the
/// limit, so it stays.
const SPANS: &[&str] = &["playlist_versions", "playlist_details"];

/// Lists whose rows may have been deleted: what was recorded of them no longer stands.
const NO_LONGER_AS_READ: &[&str] = &[
    "UPDATE lists SET rows_hash = NULL WHERE kind IN ('search', 'top_artists', 'top_tracks', 'recently_played') AND read_at < ?1",
    "UPDATE lists SET rows_hash = NULL WHERE kind = 'recently_played' AND ?1 IS NOT NULL",
    // A playlist that comes back is a new sight of it: what stood there before is forgotten.
    "DELETE FROM playlist_versions WHERE playlist_id IN (SELECT id FROM playlists WHERE gone_at < ?1)",
    "UPDATE lists SET read_at = NULL, first_read_at = NULL, snapshot_id = NULL, etag = NULL, stored = NULL, content_hash = NULL,
     rows_hash = NULL WHERE kind = 'playlist_items' AND parent_id IN (SELECT id FROM playlists WHERE gone_at < ?1)",
];

/// Things of the catalog that nothing points at any more, dependants first.
const ORPHANS: &[&str] = &[
    "DELETE FROM playlist_items WHERE playlist_id IN (SELECT id FROM playlists WHERE gone_at < ?1)",
    "DELETE FROM tracks WHERE coalesce(fetched_at, first_seen_at) < ?1
     AND NOT EXISTS (SELECT 1 FROM playlist_items x WHERE x.track_id = tracks.id)
     AND id NOT IN (SELECT track_id FROM album_tracks UNION SELECT track_id FROM artist_top_tracks UNION SELECT track_id FROM saved_tracks
     UNION SELECT track_id FROM plays UNION SELECT item_id FROM top_items WHERE kind = 'track'
     UNION SELECT item_id FROM search_results WHERE item_id IS NOT NULL UNION SELECT item_id FROM requested WHERE item_id IS NOT NULL)",
    "DELETE FROM albums WHERE coalesce(fetched_at, first_seen_at) < ?1
     AND id NOT IN (SELECT album_id FROM tracks WHERE album_id IS NOT NULL UNION SELECT album_id FROM album_tracks
     UNION SELECT album_id FROM artist_releases UNION SELECT album_id FROM saved_albums UNION SELECT album_id FROM new_releases
     UNION SELECT item_id FROM search_results WHERE item_id IS NOT NULL UNION SELECT item_id FROM requested WHERE item_id IS NOT NULL)",
    "DELETE FROM artists WHERE coalesce(fetched_at, first_seen_at) < ?1
     AND id NOT IN (SELECT artist_id FROM track_artists UNION SELECT artist_id FROM album_artists UNION SELECT artist_id FROM artist_releases
     UNION SELECT artist_id FROM artist_top_tracks UNION SELECT artist_id FROM followed_artists
     UNION SELECT item_id FROM top_items WHERE kind = 'artist'
     UNION SELECT item_id FROM search_results WHERE item_id IS NOT NULL UNION SELECT item_id FROM requested WHERE item_id IS NOT NULL)",
];

impl Session {
    /// Deletes rows older than `before`: logs, history, what lists no longer hold, and things of the
    /// catalog that nothing points at. What a list holds now stays, however old.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn forget_rows(&mut self, before: &str) -> Result<usize, StoreError> {
        let mut deleted = 0;
        for (table, column) in LOGS {
            deleted += self.delete(&format!("DELETE FROM {table} WHERE {column} < ?1"), before)?;
        }
        for table in MEMBERSHIPS {
            deleted += self.delete(&format!("DELETE FROM {table} WHERE removed_at < ?1"), before)?;
        }
        for table in SPANS {
            let sql = format!(
                "DELETE FROM {table} AS old WHERE seen_at < (SELECT max(seen_at) FROM {table} AS last
                 WHERE last.playlist_id = old.playlist_id AND last.seen_at < ?1)"
            );
            deleted += self.delete(&sql, before)?;
        }
        for sql in NO_LONGER_AS_READ {
            self.delete(sql, before)?;
        }
        for sql in ORPHANS {
            deleted += self.delete(sql, before)?;
        }
        self.changed |= deleted > 0;
        Ok(deleted)
    }

    /// Deletes the rows of a job's own logs older than `before`.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn forget_rows_of(&mut self, job: &str, before: &str) -> Result<usize, StoreError> {
        let mut deleted = 0;
        for (table, column) in LOGS.iter().filter(|(table, _)| !matches!(*table, "playlist_changes" | "metrics")) {
            let sql = format!(
                "DELETE FROM {table} WHERE {column} < ?1 AND list_id IN (SELECT list_id FROM requested WHERE job = ?2)"
            );
            let done = self.prepare(&sql)?.execute(params![before, job]);
            deleted += done.map_err(|e| self.error("cannot be written", e))?;
        }
        self.delete(
            "UPDATE lists SET rows_hash = NULL WHERE kind IN ('search', 'top_artists', 'top_tracks', 'recently_played')
             AND (read_at < ?1 OR kind = 'recently_played')",
            before,
        )?;
        self.changed |= deleted > 0;
        Ok(deleted)
    }

    /// Forgets runs that ended before `before`, with what they recorded; the newest of each job stays.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn forget_runs(&mut self, before: &str) -> Result<usize, StoreError> {
        self.delete(
            "DELETE FROM runs WHERE finished_at < ?1 AND id NOT IN (SELECT max(id) FROM runs GROUP BY job)",
            before,
        )
    }

    fn delete(&self, sql: &str, before: &str) -> Result<usize, StoreError> {
        self.prepare(sql)?.execute([before]).map_err(|e| self.error("cannot be written", e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Cell, Table, create_schema};
    use rusqlite::Connection;

    #[test]
    fn what_a_list_holds_stays_and_what_nothing_holds_goes() {
        let conn = Connection::open_in_memory().unwrap();
        create_schema(&conn).unwrap();
        conn.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        let mut s = Session::new(conn, "test".into());
        for id in ["kept", "gone"] {
            let cells = vec![Cell::Absent; Table::artists().columns.len()];
            s.upsert(Table::artists(), id, &cells, "2020-01-01T00:00:00.000Z", true).unwrap();
        }
        s.conn
            .execute_batch(
                "INSERT INTO albums (id, first_seen_at, fetched_at) VALUES ('a', '2026-01-01', '2026-01-01');
                 INSERT INTO album_artists VALUES ('a', 0, 'kept');",
            )
            .unwrap();
        assert_eq!(s.forget_rows("2025-01-01").unwrap(), 1);
        let left: String = s.conn.query_row("SELECT group_concat(id) FROM artists", [], |row| row.get(0)).unwrap();
        assert_eq!(left, "kept");
    }
}
