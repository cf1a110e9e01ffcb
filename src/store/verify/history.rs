//! Checks the histories of playlists: undone read by read, each must lead to the list as it was read at that time.

use rusqlite::Connection;

use super::StoreReport;
use crate::store::replay::{PlaylistPlace, PlaylistRewind, ReplayError};

/// Number of findings of one playlist that are listed, because one wrong change spoils all before it.
const MAX_FINDINGS_PER_PLAYLIST: usize = 3;

/// A recorded version of a playlist.
struct RecordedVersion {
    seen_at: String,
    items: i64,
    /// It was migrated from a store without versions.
    taken_over: bool,
}

/// Compares the history of every playlist with the lists that were read.
pub(super) fn check_histories(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    check_records(conn, report)?;
    let mut statement = conn.prepare(
        "SELECT playlist_id FROM playlist_changes UNION
         SELECT playlist_id FROM playlist_versions GROUP BY 1 HAVING count(*) > 1 ORDER BY 1",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        report.histories += 1;
        for detail in check_playlist(conn, &id)? {
            report.add("history", format!("playlist {id}: {detail}"));
        }
    }
    Ok(())
}

/// Checks the records without undoing changes.
fn check_records(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    let claims = [
        (
            "SELECT DISTINCT l.parent_id FROM lists l WHERE l.kind = 'playlist_items' AND l.read_at IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM playlist_versions v WHERE v.playlist_id = l.parent_id)",
            "its items were read, but no version is recorded",
        ),
        (
            "SELECT v.playlist_id FROM playlist_versions v LEFT JOIN playlist_items i USING (playlist_id)
             WHERE v.seen_at = (SELECT max(seen_at) FROM playlist_versions n WHERE n.playlist_id = v.playlist_id)
             GROUP BY 1 HAVING count(i.position) <> v.items",
            "its number of items differs from its newest version",
        ),
        (
            "SELECT DISTINCT c.playlist_id FROM playlist_changes c JOIN playlist_versions v USING (playlist_id, seen_at)
             WHERE (c.snapshot_after, c.run_id) IS NOT (v.snapshot_id, v.run_id)",
            "a change and its version name different snapshots or runs",
        ),
        (
            "SELECT DISTINCT v.playlist_id FROM playlist_versions v
             JOIN lists l ON l.kind = 'playlist_items' AND l.parent_id = v.playlist_id
             JOIN run_lists r ON r.list_id = l.id AND r.run_id = v.run_id AND r.read_at = v.seen_at
             WHERE (r.snapshot_before, r.stored) IS NOT (v.snapshot_id, v.items)",
            "a version differs from the record of the run that saw it",
        ),
        (
            "SELECT DISTINCT playlist_id FROM playlist_changes WHERE NOT CASE change
               WHEN 'added' THEN position_before IS NULL AND position_after IS NOT NULL
               WHEN 'removed' THEN position_before IS NOT NULL AND position_after IS NULL
               ELSE position_before IS NOT NULL AND position_after IS NOT NULL END",
            "the type of a change does not match its positions",
        ),
        (
            "SELECT DISTINCT playlist_id FROM playlist_changes c WHERE seen_before_at NOT BETWEEN
             (SELECT min(seen_at) FROM playlist_versions v WHERE v.playlist_id = c.playlist_id) AND seen_at",
            "a change was seen before the previous read",
        ),
        (
            "SELECT DISTINCT playlist_id FROM playlist_items WHERE first_seen_at > fetched_at",
            "an item was first seen after its last read",
        ),
        (
            "SELECT id FROM playlists p WHERE name IS NOT NULL AND (name, description) IS NOT
             (SELECT name, description FROM playlist_details d WHERE d.playlist_id = p.id ORDER BY seen_at DESC LIMIT 1)",
            "its name or description is not the newest recorded one",
        ),
    ];
    claims.iter().try_for_each(|(sql, what)| {
        report.add_each(conn, "history", sql, |row| Ok(format!("playlist {}: {what}", row.get::<_, String>(0)?)))
    })
}

/// Undoes the history of a playlist back to its start.
fn check_playlist(conn: &Connection, id: &str) -> rusqlite::Result<Vec<String>> {
    let back = match PlaylistRewind::start(conn, id) {
        Err(ReplayError::Store(error)) => return Err(error),
        Err(other) => return Ok(vec![other.to_string()]),
        Ok(back) => back,
    };
    let mut way = HistoryCheck { rewind: back, reads: reads(conn, id)?, found: Vec::new() };
    let mut versions = versions(conn, id)?;
    loop {
        let Some(version) = versions.pop() else {
            let seen_at = way.rewind.next_seen_at().unwrap_or("?");
            way.found.push(format!("changes at {seen_at} have no recorded version"));
            break;
        };
        way.check_count(&version);
        way.check_hashes(&version);
        if !way.has_previous_version(&version, versions.is_empty()) || !way.step_back()? {
            break;
        }
    }
    let mut found = way.found;
    found.dedup();
    if let Some(more) = found.len().checked_sub(MAX_FINDINGS_PER_PLAYLIST).filter(|more| *more > 0) {
        found.truncate(MAX_FINDINGS_PER_PLAYLIST);
        found.push(format!("and {more} more findings for this playlist"));
    }
    Ok(found)
}

/// A playlist with its history, as it is undone, and the mismatches so far.
struct HistoryCheck<'a> {
    rewind: PlaylistRewind<'a>,
    /// When it was read and the hash of each read, oldest first; none if they cannot be compared.
    reads: Option<Vec<(String, String)>>,
    found: Vec<String>,
}

impl HistoryCheck<'_> {
    /// Compares the number of items with a version.
    fn check_count(&mut self, version: &RecordedVersion) {
        let (places, items) = (self.rewind.places().len(), version.items);
        if i64::try_from(places) != Ok(items) {
            let seen_at = &version.seen_at;
            self.found.push(format!("undone to {seen_at}, it has {places} items, but {items} were seen then"));
        }
    }

    /// Compares the items with every read that saw this version: the later ones that changed nothing, and the
    /// one that saw it first.
    fn check_hashes(&mut self, version: &RecordedVersion) {
        let Some(reads) = &mut self.reads else { return };
        let saw_it = |(read_at, _): &(String, String)| *read_at >= version.seen_at;
        let first = reads.partition_point(|read| !saw_it(read));
        if first == reads.len() {
            return;
        }
        let hash = hash(self.rewind.places());
        for (read_at, was) in reads.drain(first..).rev() {
            if was != hash {
                self.found.push(format!("undone to {read_at}, it differs from the list that was read then"));
            }
        }
    }

    /// Whether there are changes that led to a version. Every version except the oldest must have some.
    fn has_previous_version(&mut self, version: &RecordedVersion, oldest: bool) -> bool {
        let wrong = match self.rewind.next_seen_at() {
            None if oldest => return false,
            _ if version.taken_over => return false,
            Some(seen_at) if seen_at == version.seen_at && !oldest => return true,
            Some(seen_at) if seen_at == version.seen_at => {
                format!("the version before the changes at {seen_at} is not recorded")
            }
            Some(seen_at) if seen_at > version.seen_at.as_str() || oldest => {
                format!("the changes at {seen_at} have no recorded version")
            }
            _ => format!("the changes that led to the version of {} are missing", version.seen_at),
        };
        self.found.push(wrong);
        false
    }

    /// Undoes the changes of one more read. Returns false if they do not fit.
    fn step_back(&mut self) -> rusqlite::Result<bool> {
        // With reads of another reader in between, the names match no change and prove nothing.
        match self.rewind.step_back(self.reads.is_some()) {
            Ok(()) => Ok(true),
            Err(ReplayError::Store(error)) => Err(error),
            Err(other) => {
                self.found.push(other.to_string());
                Ok(false)
            }
        }
    }
}

/// Returns the versions of a playlist, oldest first.
fn versions(conn: &Connection, id: &str) -> rusqlite::Result<Vec<RecordedVersion>> {
    let mut statement = conn.prepare_cached(
        "SELECT seen_at, items, run_id IS NULL FROM playlist_versions WHERE playlist_id = ?1 ORDER BY seen_at",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(RecordedVersion { seen_at: row.get(0)?, items: row.get(1)?, taken_over: row.get(2)? })
    };
    statement.query_map([id], read)?.collect()
}

/// Returns when a playlist was read and the hash of each read, oldest first. None if it was read as more than
/// one list: another market or user gets other names for the same items.
fn reads(conn: &Connection, id: &str) -> rusqlite::Result<Option<Vec<(String, String)>>> {
    // A list that retention or a purge deleted has left its versions, or rows that are newer than the read of
    // the other list.
    let alone = "SELECT (SELECT count(*) = 1 FROM lists WHERE kind = 'playlist_items' AND parent_id = ?1)
                 AND NOT EXISTS (SELECT 1 FROM playlist_items i JOIN lists l ON l.kind = 'playlist_items' AND l.parent_id = ?1
                   WHERE i.playlist_id = ?1 AND i.position = 0 AND i.fetched_at > l.read_at)
                 AND NOT EXISTS (SELECT 1 FROM playlist_versions v JOIN runs ON runs.id = v.run_id WHERE v.playlist_id = ?1
                   AND NOT EXISTS (SELECT 1 FROM run_lists r JOIN lists o ON o.id = r.list_id WHERE r.run_id = v.run_id
                     AND r.read_at = v.seen_at AND o.kind = 'playlist_items' AND o.parent_id = ?1))";
    if !conn.prepare_cached(alone)?.query_row([id], |row| row.get(0))? {
        return Ok(None);
    }
    let mut statement = conn.prepare_cached(
        "SELECT r.read_at, r.content_hash FROM run_lists r JOIN lists l ON l.id = r.list_id
         WHERE l.kind = 'playlist_items' AND l.parent_id = ?1 ORDER BY r.read_at",
    )?;
    statement.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>().map(Some)
}

/// Returns the hash that the read of such a list recorded.
fn hash(places: &[PlaylistPlace]) -> String {
    let mut hash = crate::store::row_hash::RowsHasher::default();
    for place in places {
        hash.text(Some(&place.kind));
        for text in [&place.item_id, &place.uri, &place.added_at, &place.added_by, &None] {
            hash.text(text.as_deref());
        }
    }
    hash.finish()
}
