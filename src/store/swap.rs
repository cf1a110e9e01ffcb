//! Putting a list that was read whole in place of the old one, in one transaction.

use rusqlite::{ToSql, params};

use super::{ListKey, Session, StoreError};

/// What a read says about its own wholeness.
#[derive(Debug, Clone, Default)]
pub struct Proof {
    /// Items that Spotify announced.
    pub announced: Option<i64>,
    /// Items that it served, nulls counted.
    pub served: i64,
    /// Items that could not be stored whole.
    pub skipped: i64,
    /// Spotify's version when the read began.
    pub snapshot_id: Option<String>,
    /// Its version after the last page, where that was asked for.
    pub snapshot_after: Option<String>,
    /// Entity tag of the first answer.
    pub etag: Option<String>,
    /// More would have followed, but no more was wanted: what was not seen may still stand there.
    pub truncated: bool,
}

/// What a swap did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swapped {
    /// Rows that stand now.
    pub stored: i64,
    /// Whether the list differs from the read before.
    pub changed: bool,
    /// Items added, removed or moved, where that is recorded.
    pub changes: i64,
}

/// Where the rows of a list go.
pub(super) struct Target {
    pub(super) table: &'static str,
    /// Column of what the list belongs to, and whether it is the audience rather than the parent.
    parent: Option<(&'static str, Parent)>,
    market: bool,
    /// Column that the key's variant goes to.
    variant: Option<&'static str>,
    pub(super) child: &'static str,
    /// Columns filled from the staged row: (column, staged column).
    pub(super) extra: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy)]
enum Parent {
    Id,
    Audience,
}

const fn of(table: &'static str, parent: &'static str, market: bool, child: &'static str) -> Target {
    Target { table, parent: Some((parent, Parent::Id)), market, variant: None, child, extra: &[] }
}

const fn saved(table: &'static str, child: &'static str) -> Target {
    let parent = Some(("user_id", Parent::Audience));
    Target { table, parent, market: false, variant: None, child, extra: &[("added_at", "added_at")] }
}

pub(super) fn target(kind: &str) -> Option<Target> {
    Some(match kind {
        "artist_albums" => {
            Target { variant: Some("album_group"), ..of("artist_releases", "artist_id", true, "album_id") }
        }
        "album_tracks" => of("album_tracks", "album_id", true, "track_id"),
        "artist_top_tracks" => of("artist_top_tracks", "artist_id", true, "track_id"),
        "show_episodes" => of("show_episodes", "show_id", true, "episode_id"),
        "audiobook_chapters" => of("audiobook_chapters", "audiobook_id", true, "chapter_id"),
        "user_playlists" => of("user_playlists", "profile_id", false, "playlist_id"),
        "new_releases" => Target { parent: None, ..of("new_releases", "", false, "album_id") },
        "markets" => Target { parent: None, ..of("markets", "", false, "market") },
        "categories" => Target { parent: None, extra: &[("name", "detail")], ..of("categories", "", false, "id") },
        "my_playlists" => Target { extra: &[], ..saved("my_playlists", "playlist_id") },
        "followed_artists" => Target { extra: &[], ..saved("followed_artists", "artist_id") },
        "saved_tracks" => saved("saved_tracks", "track_id"),
        "saved_albums" => saved("saved_albums", "album_id"),
        "saved_shows" => saved("saved_shows", "show_id"),
        "saved_episodes" => saved("saved_episodes", "episode_id"),
        "saved_audiobooks" => saved("saved_audiobooks", "audiobook_id"),
        _ => return None,
    })
}

impl Session {
    /// Puts the staged rows of a list in place of the old ones and ends its checkpoint.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn swap(
        &mut self,
        list: i64,
        key: &ListKey,
        proof: &Proof,
        run: i64,
        now: &str,
    ) -> Result<Swapped, StoreError> {
        self.refuse_gap(list, key, proof)?;
        let hash = self.staged_hash(list)?;
        let known: Option<String> = self.one("SELECT content_hash FROM lists WHERE id = ?1", params![list])?;
        let same = known.as_deref() == Some(hash.as_str());
        let mut swapped = match key.kind {
            "playlist_items" => self.swap_playlist(list, &key.parent_id, proof, run, now)?,
            "search" => self.append_search(list, key, now)?,
            "top_artists" | "top_tracks" => self.set_tops(list, key, now)?,
            "recently_played" => self.append_plays(list, key, now)?,
            _ => match target(key.kind) {
                Some(target) => self.swap_members(list, key, &target, proof, same, now)?,
                None => Swapped::default(),
            },
        };
        swapped.changed |= !same;
        self.changed |= swapped.changed;
        self.exec(
            "UPDATE lists SET snapshot_id = ?2, etag = ?3, announced = ?4, served = ?5, stored = ?6, skipped = ?7, content_hash = ?8,
             read_at = ?9, checked_at = ?9, changed_at = iif(?10, ?9, changed_at), gone_at = NULL, gone_reason = NULL,
             first_read_at = coalesce(first_read_at, ?9) WHERE id = ?1",
            params![
                list, proof.snapshot_id, proof.etag, proof.announced, proof.served, swapped.stored, proof.skipped, hash, now,
                swapped.changed
            ],
        )?;
        self.record_proof(list, proof, run, swapped.stored, &hash, now)?;
        self.forget_checkpoint(list)?;
        Ok(swapped)
    }

    fn swap_members(
        &mut self,
        list: i64,
        key: &ListKey,
        t: &Target,
        proof: &Proof,
        same: bool,
        now: &str,
    ) -> Result<Swapped, StoreError> {
        let table = t.table;
        if same {
            let sql = format!("UPDATE {table} SET fetched_at = ?2 WHERE list_id = ?1 AND removed_at IS NULL");
            let stored = self.exec(&sql, params![list, now])?;
            return Ok(Swapped { stored, ..Swapped::default() });
        }
        let child = t.child;
        if !proof.truncated {
            self.exec(
                &format!(
                    "UPDATE {table} SET removed_at = ?2 WHERE list_id = ?1 AND removed_at IS NULL
                     AND {child} NOT IN (SELECT item_id FROM staged_items WHERE list_id = ?1 AND item_id IS NOT NULL)"
                ),
                params![list, now],
            )?;
        }
        let (mut columns, mut values, mut sets) = (String::new(), String::new(), String::new());
        let mut parameters: Vec<&dyn ToSql> = vec![&list, &now];
        if let Some((column, from)) = t.parent {
            columns.push_str(&format!("{column}, "));
            parameters.push(match from {
                Parent::Id => &key.parent_id,
                Parent::Audience => &key.audience,
            });
            values.push_str(&format!("?{}, ", parameters.len()));
        }
        if t.market {
            columns.push_str("market, ");
            parameters.push(&key.market);
            values.push_str(&format!("?{}, ", parameters.len()));
        }
        if let Some(column) = t.variant {
            columns.push_str(&format!("{column}, "));
            parameters.push(&key.variant);
            values.push_str(&format!("?{}, ", parameters.len()));
        }
        for (column, staged) in t.extra {
            columns.push_str(&format!("{column}, "));
            values.push_str(&format!("{staged}, "));
            sets.push_str(&format!("{column} = excluded.{column}, "));
        }
        // Of a thing that is listed twice, the first place counts: min() picks the row it came from.
        let stored = self.exec(
            &format!(
                "INSERT INTO {table} (list_id, {columns}position, {child}, first_seen_at, fetched_at)
                 SELECT ?1, {values}min(position), item_id, ?2, ?2 FROM staged_items
                 WHERE list_id = ?1 AND item_id IS NOT NULL GROUP BY item_id
                 ON CONFLICT (list_id, {child}) DO UPDATE SET {sets}position = excluded.position,
                 fetched_at = excluded.fetched_at, removed_at = NULL"
            ),
            &parameters,
        )?;
        Ok(Swapped { stored, changed: true, changes: 0 })
    }

    fn append_search(&mut self, list: i64, key: &ListKey, now: &str) -> Result<Swapped, StoreError> {
        let stored = self.exec(
            "INSERT INTO search_results (list_id, searched_at, query, market, kind, rank, item_id, uri, first_seen_at, fetched_at)
             SELECT ?1, ?2, ?3, ?4, kind, row_number() OVER (PARTITION BY kind ORDER BY position), item_id, uri, ?2, ?2
             FROM staged_items WHERE list_id = ?1 AND item_id IS NOT NULL",
            params![list, now, key.parent_id, key.market],
        )?;
        Ok(Swapped { stored, changed: stored > 0, changes: 0 })
    }

    /// The ranks of a day: a later reading of the same day stands in place of the earlier one.
    fn set_tops(&mut self, list: i64, key: &ListKey, now: &str) -> Result<Swapped, StoreError> {
        let kind = if key.kind == "top_artists" { "artist" } else { "track" };
        let day = now.get(..10).unwrap_or(now);
        let gone = "DELETE FROM top_items WHERE user_id = ?1 AND kind = ?2 AND time_range = ?3 AND day = ?4";
        self.exec(gone, params![key.audience, kind, key.variant, day])?;
        let stored = self.exec(
            "INSERT INTO top_items (user_id, kind, time_range, day, rank, item_id, list_id, first_seen_at, fetched_at)
             SELECT ?1, ?2, ?3, ?4, row_number() OVER (ORDER BY position), item_id, list_id, ?5, ?5
             FROM staged_items WHERE list_id = ?6 AND item_id IS NOT NULL",
            params![key.audience, kind, key.variant, day, now, list],
        )?;
        Ok(Swapped { stored, changed: stored > 0, changes: 0 })
    }

    /// Plays that were not known yet; `stored` counts these.
    fn append_plays(&mut self, list: i64, key: &ListKey, now: &str) -> Result<Swapped, StoreError> {
        let stored = self.exec(
            "INSERT OR IGNORE INTO plays (user_id, played_at, track_id, context_type, context_uri, list_id, first_seen_at, fetched_at)
             SELECT ?1, added_at, item_id, detail ->> 0, detail ->> 1, list_id, ?2, ?2
             FROM staged_items WHERE list_id = ?3 AND item_id IS NOT NULL AND added_at IS NOT NULL",
            params![key.audience, now, list],
        )?;
        Ok(Swapped { stored, changed: stored > 0, changes: 0 })
    }

    pub(super) fn one<T: rusqlite::types::FromSql>(
        &self,
        sql: &str,
        parameters: &[&dyn ToSql],
    ) -> Result<Option<T>, StoreError> {
        use rusqlite::OptionalExtension as _;
        let value = self.prepare(sql)?.query_row(parameters, |row| row.get::<_, Option<T>>(0)).optional();
        Ok(value.map_err(|e| self.error("cannot be read", e))?.flatten())
    }

    pub(super) fn exec(&self, sql: &str, parameters: &[&dyn ToSql]) -> Result<i64, StoreError> {
        self.prepare(sql)?.execute(parameters).map(len).map_err(|e| self.error("cannot be written", e))
    }
}

pub(super) fn len(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
