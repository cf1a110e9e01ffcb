//! What a file of playlist items depends on, and whether that has changed since it was written.
//!
//! There are two parts: its lists, with a cheap fingerprint, and the entities in them, which are compared with
//! those that changed since ([`super::changed_entities`]). The second check reads the rows of the file without
//! rendering them, and only happens if something did change.

use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};
use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::dependency_kind::DependencyKind;
use super::info;

/// Maximum number of changed entities to look for. With more, rendering is just as fast.
const MAX_ENTITIES: usize = 200_000;

/// Kinds that the rows of a file name.
const ROW_DEPENDENCIES: [DependencyKind; 4] =
    [DependencyKind::Track, DependencyKind::Episode, DependencyKind::User, DependencyKind::LocalFile];

/// The fetch with the rows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchRef<'a> {
    pub job: &'a str,
    pub fetch: &'a str,
}

/// Returns a fingerprint of the playlists that a fetch requested, their order, and their items. Another
/// fingerprint means other rows.
///
/// # Errors
/// If the store cannot be read.
pub fn fingerprint_lists(store: &Connection, of: FetchRef<'_>) -> rusqlite::Result<String> {
    let mut statement = store.prepare_cached(
        "SELECT p.id, p.name, (SELECT l.content_hash || ' ' || coalesce(l.changed_at, '') FROM lists l
           WHERE l.kind = 'playlist_items' AND l.parent_id = p.id ORDER BY l.read_at DESC LIMIT 1)
         FROM requested q LEFT JOIN playlists p ON p.id = coalesce(q.item_id, (SELECT parent_id FROM lists WHERE id = q.list_id))
         WHERE q.job = ?1 AND q.fetch = ?2 ORDER BY q.ordinal",
    )?;
    let mut rows = statement.query(params![of.job, of.fetch])?;
    let mut hash = Xxh3::new();
    while let Some(row) = rows.next()? {
        for column in 0..3 {
            let text = row.get_ref(column)?.as_str_or_null().unwrap_or_default();
            hash.update(text.map_or(&[0xff][..], str::as_bytes));
            hash.update(&[0xfe]);
        }
    }
    Ok(format!("{:032x}", hash.digest128()))
}

/// The entities that changed, each with the `data_version` of the change.
#[derive(Debug, Default)]
pub struct EntityChanges {
    /// Changes are complete from this version on.
    since: i64,
    newest: i64,
    /// Tracks, episodes, users and local files.
    by_hash: FxHashMap<u64, i64>,
}

impl EntityChanges {
    /// Reads the changes, including the tracks and episodes that show changed entities.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn read(store: &Connection) -> rusqlite::Result<EntityChanges> {
        let since = info::get_value(store, "things_since")?.and_then(|v| v.parse().ok()).unwrap_or(0);
        let mut changed = EntityChanges { since, newest: since, ..EntityChanges::default() };
        let mut of: FxHashMap<DependencyKind, FxHashMap<String, i64>> = FxHashMap::default();
        let mut statement = store.prepare("SELECT version, things FROM changed_things ORDER BY version")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let version: i64 = row.get(0)?;
            for (kind, id) in row.get_ref(1)?.as_str()?.lines().filter_map(DependencyKind::parse_line) {
                of.entry(kind).or_default().insert(id.to_owned(), version);
            }
        }
        changed.propagate(store, &mut of)?;
        for (kind, things) in ROW_DEPENDENCIES.into_iter().filter_map(|kind| of.get(&kind).map(|things| (kind, things)))
        {
            for (id, version) in things {
                changed.by_hash.insert(entity_hash(kind, id), *version);
                changed.newest = changed.newest.max(*version);
            }
        }
        Ok(changed)
    }

    /// Propagates changes from artists and albums to their tracks, and from shows to their episodes.
    fn propagate(
        &mut self,
        store: &Connection,
        of: &mut FxHashMap<DependencyKind, FxHashMap<String, i64>>,
    ) -> rusqlite::Result<()> {
        const WAYS: [(DependencyKind, DependencyKind, &str); 4] = [
            (DependencyKind::Artist, DependencyKind::Album, "SELECT artist_id, album_id FROM album_artists"),
            (DependencyKind::Artist, DependencyKind::Track, "SELECT artist_id, track_id FROM track_artists"),
            (
                DependencyKind::Album,
                DependencyKind::Track,
                "SELECT album_id, id FROM tracks WHERE album_id IS NOT NULL",
            ),
            (
                DependencyKind::Show,
                DependencyKind::Episode,
                "SELECT show_id, id FROM episodes WHERE show_id IS NOT NULL",
            ),
        ];
        for (from, to, sql) in WAYS {
            let Some(things) = of.get(&from).filter(|things| !things.is_empty()) else { continue };
            let mut reached: Vec<(String, i64)> = Vec::new();
            let mut statement = store.prepare(sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                if let Some(version) = things.get(row.get_ref(0)?.as_str()?) {
                    reached.push((row.get(1)?, *version));
                }
                if reached.len() > MAX_ENTITIES {
                    // So much has changed that hardly any file would be spared.
                    self.since = i64::MAX;
                    return Ok(());
                }
            }
            let into = of.entry(to).or_default();
            for (id, version) in reached {
                let known = into.entry(id).or_insert(version);
                *known = version.max(*known);
            }
        }
        Ok(())
    }

    /// Whether an entity in a file with data of `version` has or may have changed since. The lists of the file
    /// must be unchanged.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn affect_file(&self, store: &Connection, of: FetchRef<'_>, version: Option<i64>) -> rusqlite::Result<bool> {
        let Some(version) = version.filter(|version| *version >= self.since) else { return Ok(true) };
        if self.newest <= version {
            return Ok(false);
        }
        let mut statement = store.prepare_cached(
            "SELECT i.track_id, i.episode_id, i.added_by, iif(i.track_id IS NULL AND i.episode_id IS NULL, i.uri, NULL)
             FROM requested q CROSS JOIN playlist_items i
             ON i.playlist_id = coalesce(q.item_id, (SELECT parent_id FROM lists WHERE id = q.list_id))
             WHERE q.job = ?1 AND q.fetch = ?2",
        )?;
        let mut rows = statement.query(params![of.job, of.fetch])?;
        while let Some(row) = rows.next()? {
            if self.row_changed(row, version)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether anything has changed after a version.
    pub fn has_changes_after(&self, version: i64) -> bool {
        self.newest > version
    }

    fn row_changed(&self, row: &Row<'_>, version: i64) -> rusqlite::Result<bool> {
        for (column, kind) in ROW_DEPENDENCIES.into_iter().enumerate() {
            let Some(id) = row.get_ref(column)?.as_str_or_null().unwrap_or_default() else { continue };
            if self.by_hash.get(&entity_hash(kind, id)).is_some_and(|changed| *changed > version) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn entity_hash(kind: DependencyKind, id: &str) -> u64 {
    xxh3_64(id.as_bytes()) ^ kind as u64
}

/// Records that files are up to date with these versions: they contain nothing that has changed since.
///
/// # Errors
/// If the store cannot be written.
pub fn confirm_files(store: &Connection, files: &[(String, i64)]) -> rusqlite::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let own = match store.is_autocommit() {
        true => Some(Transaction::new_unchecked(store, TransactionBehavior::Immediate)?),
        false => None,
    };
    for (path, version) in files {
        store.execute("UPDATE published_files SET data_version = ?2 WHERE path = ?1", params![path, version])?;
    }
    own.map_or(Ok(()), Transaction::commit)
}
