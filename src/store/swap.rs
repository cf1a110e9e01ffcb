//! Putting a list that was read whole in place of the old one, in one transaction.

use rusqlite::{ToSql, params};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::playlist_diff::{Change, diff};
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
    /// Spotify's version, the same before and after.
    pub snapshot_id: Option<String>,
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
struct Target {
    table: &'static str,
    /// Column of what the list belongs to, and whether it is the audience rather than the parent.
    parent: Option<(&'static str, Parent)>,
    market: bool,
    /// Column that the key's variant goes to.
    variant: Option<&'static str>,
    child: &'static str,
    /// Columns filled from the staged row: (column, staged column).
    extra: &'static [(&'static str, &'static str)],
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

fn target(kind: &str) -> Option<Target> {
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
             read_at = ?9, checked_at = ?9, changed_at = iif(?10, ?9, changed_at), gone_at = NULL, gone_reason = NULL WHERE id = ?1",
            params![
                list, proof.snapshot_id, proof.etag, proof.announced, proof.served, swapped.stored, proof.skipped, hash, now,
                swapped.changed
            ],
        )?;
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

    fn swap_playlist(
        &mut self,
        list: i64,
        playlist: &str,
        proof: &Proof,
        run: i64,
        now: &str,
    ) -> Result<Swapped, StoreError> {
        // A list that was never read whole has no "before": its first sight is a baseline.
        let read_before: Option<String> = self.one(
            "SELECT max(read_at) FROM lists WHERE kind = 'playlist_items' AND parent_id = ?1",
            params![playlist],
        )?;
        let Some(read_before) = read_before else {
            let stored = self.exec(
                "INSERT INTO playlist_items (playlist_id, position, kind, uri, added_at, added_by, track_id, episode_id,
                 first_seen_at, fetched_at) SELECT ?2, position, kind, uri, added_at, added_by,
                 iif(kind = 'track', item_id, NULL), iif(kind = 'episode', item_id, NULL), ?3, ?3
                 FROM staged_items WHERE list_id = ?1 ORDER BY position",
                params![list, playlist, now],
            )?;
            return Ok(Swapped { stored, changed: true, changes: 0 });
        };
        let before = self.entries(
            "SELECT kind, uri, added_at, added_by, coalesce(track_id, episode_id), first_seen_at
             FROM playlist_items WHERE playlist_id = ?1 ORDER BY position",
            params![playlist],
        )?;
        let after = self.entries(
            "SELECT kind, uri, added_at, added_by, item_id, NULL FROM staged_items WHERE list_id = ?1 ORDER BY position",
            params![list],
        )?;
        let names = |rows: &[Entry]| rows.iter().map(Entry::name).collect::<Vec<_>>();
        let diff = diff(&names(&before), &names(&after));
        for (place, entry) in after.iter().enumerate() {
            let origin = diff.origin[place].map(|p| &before[p]);
            let first_seen = origin.and_then(|e| e.first_seen_at.as_deref()).unwrap_or(now);
            if before
                .get(place)
                .is_some_and(|old| old.same_row(entry) && old.first_seen_at.as_deref() == Some(first_seen))
            {
                continue;
            }
            self.exec(
                "INSERT OR REPLACE INTO playlist_items (playlist_id, position, kind, uri, added_at, added_by, track_id, episode_id,
                 first_seen_at, fetched_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                params![
                    playlist, len(place), entry.kind, entry.uri, entry.added_at, entry.added_by, entry.id_if("track"),
                    entry.id_if("episode"), first_seen, now
                ],
            )?;
        }
        self.exec(
            "DELETE FROM playlist_items WHERE playlist_id = ?1 AND position >= ?2",
            params![playlist, len(after.len())],
        )?;
        self.exec("UPDATE playlist_items SET fetched_at = ?2 WHERE playlist_id = ?1", params![playlist, now])?;
        let snapshot_before: Option<String> = self.one(
            "SELECT snapshot_id FROM lists WHERE kind = 'playlist_items' AND parent_id = ?1 ORDER BY read_at DESC LIMIT 1",
            params![playlist],
        )?;
        // Read for two markets, one version of a list names other tracks, and nothing has changed.
        let same_version = proof.snapshot_id.is_some() && proof.snapshot_id == snapshot_before;
        for change in diff.changes.iter().filter(|_| !same_version) {
            let (word, entry, from, to) = match *change {
                Change::Added { after: to } => ("added", &after[to], None, Some(len(to))),
                Change::Removed { before: from } => ("removed", &before[from], Some(len(from)), None),
                Change::Moved { before: from, after: to } => ("moved", &after[to], Some(len(from)), Some(len(to))),
            };
            self.exec(
                "INSERT INTO playlist_changes (playlist_id, change, uri, kind, track_id, episode_id, added_at, added_by,
                 position_before, position_after, snapshot_before, snapshot_after, seen_before_at, seen_at, run_id)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
                params![
                    playlist, word, entry.uri, entry.kind, entry.id_if("track"), entry.id_if("episode"), entry.added_at,
                    entry.added_by, from, to, snapshot_before, proof.snapshot_id, read_before, now, run
                ],
            )?;
        }
        Ok(Swapped { stored: len(after.len()), changed: !diff.changes.is_empty(), changes: len(diff.changes.len()) })
    }

    /// A hash over the staged rows, in order.
    fn staged_hash(&self, list: i64) -> Result<String, StoreError> {
        let mut hash = Xxh3::new();
        let mut statement =
            self.prepare("SELECT kind, item_id, uri, added_at, added_by, detail FROM staged_items WHERE list_id = ?1 ORDER BY position")?;
        let mut rows = statement.query([list]).map_err(|e| self.error("cannot be read", e))?;
        while let Some(row) = rows.next().map_err(|e| self.error("cannot be read", e))? {
            for column in 0..6 {
                let text = row
                    .get_ref(column)
                    .and_then(|v| Ok(v.as_str_or_null()?))
                    .map_err(|e| self.error("cannot be read", e))?;
                hash.update(text.map_or(&[0xff][..], str::as_bytes));
                hash.update(&[0xfe]);
            }
        }
        Ok(format!("{:032x}", hash.digest128()))
    }

    fn entries(&self, sql: &str, parameters: &[&dyn ToSql]) -> Result<Vec<Entry>, StoreError> {
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Entry {
                kind: row.get(0)?,
                uri: row.get(1)?,
                added_at: row.get(2)?,
                added_by: row.get(3)?,
                item_id: row.get(4)?,
                first_seen_at: row.get(5)?,
            })
        };
        let mut statement = self.prepare(sql)?;
        let rows = statement.query_map(parameters, read).map_err(|e| self.error("cannot be read", e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.error("cannot be read", e))
    }

    fn one<T: rusqlite::types::FromSql>(&self, sql: &str, parameters: &[&dyn ToSql]) -> Result<Option<T>, StoreError> {
        use rusqlite::OptionalExtension as _;
        let value = self.prepare(sql)?.query_row(parameters, |row| row.get::<_, Option<T>>(0)).optional();
        Ok(value.map_err(|e| self.error("cannot be read", e))?.flatten())
    }

    fn exec(&self, sql: &str, parameters: &[&dyn ToSql]) -> Result<i64, StoreError> {
        self.prepare(sql)?.execute(parameters).map(len).map_err(|e| self.error("cannot be written", e))
    }
}

/// An item of a playlist as the comparison sees it.
struct Entry {
    kind: String,
    uri: Option<String>,
    added_at: Option<String>,
    added_by: Option<String>,
    item_id: Option<String>,
    first_seen_at: Option<String>,
}

impl Entry {
    /// What names an entry of a list, as a hash.
    fn name(&self) -> u64 {
        let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "\u{0}".into());
        let what = if self.uri.is_some() { part(&self.uri) } else { self.kind.clone() };
        xxh3_64(format!("{what}\u{1}{}\u{1}{}", part(&self.added_at), part(&self.added_by)).as_bytes())
    }

    fn same_row(&self, other: &Entry) -> bool {
        self.kind == other.kind
            && self.uri == other.uri
            && self.added_at == other.added_at
            && self.added_by == other.added_by
            && self.item_id == other.item_id
    }

    fn id_if(&self, kind: &str) -> Option<&str> {
        if self.kind == kind { self.item_id.as_deref() } else { None }
    }
}

fn len(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
