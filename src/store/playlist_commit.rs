//! Replaces a playlist and records its history: the changes, and the version that they led to.
//!
//! A playlist has one row for each position. The last reader wins. Another market or another user gets other
//! tracks for the same items (Spotify relinks them), and since 2026 Spotify does not tell most apps which track
//! replaces which. So if another reader read it before, an item added by the same person at the same time as a missing
//! item is taken for that item, and no change is recorded.
//!
//! "Last" goes by when Spotify gave the rows and not by when they are written: a read is refused if another reader
//! has published another version since it began ([`is_superseded`]).

use rusqlite::{OptionalExtension, ToSql, params};
use xxhash_rust::xxh3::xxh3_64;

use super::playlist_diff::{ItemChange, diff_items};
use super::write_tx::row_count;
use super::{ListCommit, ListKey, ListProof};
use super::{StoreError, WriteTx};

/// Whether another reader has published another version of a playlist since a read of this list began. The read may
/// show an older state then, and is not published. `seen` is the newest read of the playlist when it began.
///
/// # Errors
/// If the store cannot be read.
pub fn is_superseded(
    tx: &WriteTx,
    list: i64,
    key: &ListKey,
    seen: Option<&str>,
    snapshot_id: Option<&str>,
) -> Result<bool, StoreError> {
    let found: Option<bool> = tx.query_one(
        "SELECT EXISTS (SELECT 1 FROM lists WHERE ?2 = 'playlist_items' AND kind = ?2 AND parent_id = ?3 AND id <> ?1
           AND read_at > coalesce(?4, '') AND (snapshot_id IS NOT ?5 OR ?5 IS NULL))",
        params![list, key.kind, key.parent_id, seen, snapshot_id],
    )?;
    Ok(found == Some(true))
}

pub(super) fn commit(
    tx: &mut WriteTx,
    list: i64,
    playlist: &str,
    proof: &ListProof,
    run: i64,
    now: &str,
) -> Result<ListCommit, StoreError> {
    // A list that was never read completely has no previous state: its first read is a baseline.
    let read_before: Option<String> = tx.query_one(
        "SELECT max(read_at) FROM lists WHERE kind = 'playlist_items' AND parent_id = ?1",
        params![playlist],
    )?;
    let Some(read_before) = read_before else {
        let stored = tx.execute_counted(
            "INSERT INTO playlist_items (playlist_id, position, kind, uri, added_at, added_by, track_id, episode_id,
             first_seen_at, fetched_at, row_version) SELECT ?2, position, kind, uri, added_at, added_by,
             iif(kind = 'track', item_id, NULL), iif(kind = 'episode', item_id, NULL), ?3, ?3, next_row_version()
             FROM staged_items WHERE list_id = ?1 ORDER BY position",
            params![list, playlist, now],
        )?;
        add_version(tx, playlist, stored, proof, run, now)?;
        return Ok(ListCommit { stored, changed: true, ..ListCommit::default() });
    };
    let before = read_items(
        tx,
        "SELECT kind, uri, added_at, added_by, coalesce(track_id, episode_id), first_seen_at
         FROM playlist_items WHERE playlist_id = ?1 ORDER BY position",
        params![playlist],
    )?;
    let after = read_items(
        tx,
        "SELECT kind, uri, added_at, added_by, item_id, NULL FROM staged_items WHERE list_id = ?1 ORDER BY position",
        params![list],
    )?;
    let last: Option<(i64, Option<String>)> = tx
        .prepare(
            "SELECT id, snapshot_id FROM lists WHERE kind = 'playlist_items' AND parent_id = ?1 ORDER BY read_at DESC LIMIT 1",
        )?
        .query_row([playlist], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map_err(|e| tx.error("cannot be read", e))?;
    let (last_read, snapshot_before) = last.unwrap_or((list, None));
    let names = |rows: &[ComparedItem]| rows.iter().map(ComparedItem::identity_hash).collect::<Vec<_>>();
    let (mut old, new) = (names(&before), names(&after));
    if last_read != list {
        match_relinked_items(&before, &after, &mut old, &new);
    }
    let diff = diff_items(&old, &new);
    for (place, entry) in after.iter().enumerate() {
        let origin = diff.origin[place].map(|p| &before[p]);
        let first_seen = origin.and_then(|e| e.first_seen_at.as_deref()).unwrap_or(now);
        if before
            .get(place)
            .is_some_and(|old| old.is_same_row(entry) && old.first_seen_at.as_deref() == Some(first_seen))
        {
            continue;
        }
        tx.execute_counted(
            "INSERT OR REPLACE INTO playlist_items (playlist_id, position, kind, uri, added_at, added_by, track_id, episode_id,
             first_seen_at, fetched_at, row_version) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, next_row_version())",
            params![
                playlist, row_count(place), entry.kind, entry.uri, entry.added_at, entry.added_by, entry.id_if("track"),
                entry.id_if("episode"), first_seen, now
            ],
        )?;
    }
    tx.execute_counted(
        "DELETE FROM playlist_items WHERE playlist_id = ?1 AND position >= ?2",
        params![playlist, row_count(after.len())],
    )?;
    tx.execute_counted("UPDATE playlist_items SET fetched_at = ?2 WHERE playlist_id = ?1", params![playlist, now])?;
    // Another reader got other tracks for the same version, so nothing has changed. But if the same reader
    // sees other items under the same version, one of the reads was wrong.
    let same_version = proof.snapshot_id.is_some() && proof.snapshot_id == snapshot_before;
    let only_names = same_version && last_read != list && before.len() == after.len();
    for change in diff.changes.iter().filter(|_| !only_names) {
        let (word, entry, from, to) = match *change {
            ItemChange::Added { after: to } => ("added", &after[to], None, Some(row_count(to))),
            ItemChange::Removed { before: from } => ("removed", &before[from], Some(row_count(from)), None),
            ItemChange::Moved { before: from, after: to } => {
                ("moved", &after[to], Some(row_count(from)), Some(row_count(to)))
            }
        };
        tx.execute_counted(
            "INSERT INTO playlist_changes (playlist_id, change, uri, kind, track_id, episode_id, added_at, added_by,
             position_before, position_after, snapshot_before, snapshot_after, seen_before_at, seen_at, run_id, row_version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, next_row_version())",
            params![
                playlist,
                word,
                entry.uri,
                entry.kind,
                entry.id_if("track"),
                entry.id_if("episode"),
                entry.added_at,
                entry.added_by,
                from,
                to,
                snapshot_before,
                proof.snapshot_id,
                read_before,
                now,
                run
            ],
        )?;
    }
    if !only_names && !diff.changes.is_empty() {
        add_version(tx, playlist, row_count(after.len()), proof, run, now)?;
    }
    Ok(ListCommit {
        stored: row_count(after.len()),
        changed: !diff.changes.is_empty(),
        changes: row_count(diff.changes.len()),
        ..ListCommit::default()
    })
}

fn add_version(
    tx: &WriteTx,
    playlist: &str,
    items: i64,
    proof: &ListProof,
    run: i64,
    now: &str,
) -> Result<(), StoreError> {
    tx.execute_counted(
        "INSERT OR REPLACE INTO playlist_versions (playlist_id, seen_at, snapshot_id, items, run_id, row_version)
         VALUES (?1, ?2, ?3, ?4, ?5, next_row_version())",
        params![playlist, now, proof.snapshot_id, items, run],
    )?;
    Ok(())
}

fn read_items(tx: &WriteTx, sql: &str, parameters: &[&dyn ToSql]) -> Result<Vec<ComparedItem>, StoreError> {
    let read = |row: &rusqlite::Row<'_>| {
        Ok(ComparedItem {
            kind: row.get(0)?,
            uri: row.get(1)?,
            added_at: row.get(2)?,
            added_by: row.get(3)?,
            item_id: row.get(4)?,
            first_seen_at: row.get(5)?,
        })
    };
    let mut statement = tx.prepare(sql)?;
    let rows = statement.query_map(parameters, read).map_err(|e| tx.error("cannot be read", e))?;
    rows.collect::<Result<_, _>>().map_err(|e| tx.error("cannot be read", e))
}

/// Gives items that have another track for this reader their current identity.
fn match_relinked_items(before: &[ComparedItem], after: &[ComparedItem], old: &mut [u64], new: &[u64]) {
    let by_name = diff_items(old, new);
    let mut found = vec![false; old.len()];
    by_name.origin.iter().flatten().for_each(|place| found[*place] = true);
    let removed: Vec<usize> = (0..old.len()).filter(|place| !found[*place]).collect();
    let added: Vec<usize> = (0..new.len()).filter(|place| by_name.origin[*place].is_none()).collect();
    let addition_hashes =
        |list: &[ComparedItem], places: &[usize]| places.iter().map(|p| list[*p].addition_hash()).collect::<Vec<_>>();
    let relinked = diff_items(&addition_hashes(before, &removed), &addition_hashes(after, &added));
    for (to, from) in relinked.origin.iter().enumerate() {
        if let Some(from) = from {
            old[removed[*from]] = new[added[to]];
        }
    }
}

/// An item of a playlist for the comparison.
struct ComparedItem {
    kind: String,
    uri: Option<String>,
    added_at: Option<String>,
    added_by: Option<String>,
    item_id: Option<String>,
    first_seen_at: Option<String>,
}

impl ComparedItem {
    /// Hash of what identifies an entry of a list.
    fn identity_hash(&self) -> u64 {
        let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "\u{0}".into());
        let what = if self.uri.is_some() { part(&self.uri) } else { self.kind.clone() };
        xxh3_64(format!("{what}\u{1}{}\u{1}{}", part(&self.added_at), part(&self.added_by)).as_bytes())
    }

    /// Hash of who added it and when, which identifies it whatever the track is.
    fn addition_hash(&self) -> u64 {
        let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "\u{0}".into());
        xxh3_64(format!("{}\u{1}{}", part(&self.added_at), part(&self.added_by)).as_bytes())
    }

    fn is_same_row(&self, other: &ComparedItem) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn item(uri: &str, added_at: &str) -> ComparedItem {
        ComparedItem {
            kind: "track".into(),
            uri: Some(uri.into()),
            added_at: Some(added_at.into()),
            added_by: None,
            item_id: None,
            first_seen_at: None,
        }
    }

    #[test]
    fn relinked_items_are_the_same_items() {
        let before = [item("a", "1"), item("x", "2"), item("x", "2"), item("b", "3"), item("removed", "5")];
        let after = [item("new", "9"), item("a", "1"), item("y", "2"), item("y", "2"), item("b", "3")];
        let names = |list: &[ComparedItem]| list.iter().map(ComparedItem::identity_hash).collect::<Vec<_>>();
        let (mut old, new) = (names(&before), names(&after));
        assert_eq!(diff_items(&old, &new).changes.len(), 6);
        match_relinked_items(&before, &after, &mut old, &new);
        assert_eq!(diff_items(&old, &new).changes, [ItemChange::Removed { before: 4 }, ItemChange::Added { after: 0 }]);
    }
}
