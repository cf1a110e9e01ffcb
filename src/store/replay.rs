//! A playlist at an earlier time: the current list with its recorded changes undone, newest first.
//!
//! The changes of one read record which positions were removed, added or moved; the rest of the list kept its
//! order. So each read can be undone exactly: take out the added and moved items, put the removed and moved items
//! back at their old positions, and fill the gaps with the rest in order.

use rusqlite::{Connection, OptionalExtension, params};

/// One position of a playlist.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlaylistPlace {
    /// track, episode, local or unavailable.
    pub kind: String,
    /// `spotify:` URI.
    pub uri: Option<String>,
    /// Id of the track or episode.
    pub item_id: Option<String>,
    /// When it was added.
    pub added_at: Option<String>,
    /// User who added it.
    pub added_by: Option<String>,
}

/// A playlist at one time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlaylistVersion {
    /// Items in order.
    pub places: Vec<PlaylistPlace>,
    /// When this version was first seen.
    pub seen_at: Option<String>,
    /// When the next version was first seen; none for the current version.
    pub until: Option<String>,
    /// Spotify's version id.
    pub snapshot_id: Option<String>,
}

/// Why a playlist cannot be shown at an earlier time.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] rusqlite::Error),
    /// It was not known at that time.
    #[error("its items were first seen at {first}")]
    NotYetSeen {
        /// When it was first seen, or when its history starts.
        first: String,
    },
    #[error("its items were never read")]
    NeverRead,
    /// A change does not fit the list that it led to.
    #[error("the change {change} recorded at {seen_at} does not fit the list that it led to")]
    Broken {
        /// Id of the change.
        change: i64,
        /// When the change was seen.
        seen_at: String,
    },
}

/// A recorded change.
struct RecordedChange {
    id: i64,
    seen_at: String,
    from: Option<usize>,
    to: Option<usize>,
    place: PlaylistPlace,
}

/// Returns a playlist at a time (ISO 8601 in UTC), or the current one.
///
/// # Errors
/// If it was not known at that time, or the history does not fit.
pub fn playlist_at(store: &Connection, playlist: &str, at: Option<&str>) -> Result<PlaylistVersion, ReplayError> {
    let newest = |store: &Connection, bound: &str| {
        let sql = "SELECT seen_at, snapshot_id FROM playlist_versions WHERE playlist_id = ?1 AND seen_at <= ?2
                   ORDER BY seen_at DESC LIMIT 1";
        let version = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?));
        store.query_row(sql, [playlist, bound], version).optional()
    };
    let first: Option<String> =
        store
            .query_row("SELECT min(seen_at) FROM playlist_versions WHERE playlist_id = ?1", [playlist], |r| r.get(0))?;
    let Some(first) = first else { return Err(ReplayError::NeverRead) };
    let Some((seen_at, snapshot_id)) = newest(store, at.unwrap_or("9"))? else {
        return Err(ReplayError::NotYetSeen { first });
    };
    let mut back = PlaylistRewind::start(store, playlist)?;
    let mut until = None;
    while let Some(later) = back.next_seen_at().filter(|later| *later > seen_at.as_str()) {
        until = Some(later.to_owned());
        back.step_back(false)?;
    }
    Ok(PlaylistVersion { places: back.places, seen_at: Some(seen_at), until, snapshot_id })
}

/// Undoes the changes of a playlist read by read, starting at the current list. Only the changes of one read
/// are in memory, however long the history is.
pub(super) struct PlaylistRewind<'a> {
    store: &'a Connection,
    playlist: &'a str,
    places: Vec<PlaylistPlace>,
    /// The changes that are undone next; empty if there are no more.
    next: Vec<RecordedChange>,
}

impl<'a> PlaylistRewind<'a> {
    /// Starts at the current list.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(super) fn start(store: &'a Connection, playlist: &'a str) -> Result<PlaylistRewind<'a>, ReplayError> {
        let (places, next) = (current_items(store, playlist)?, changes_of_previous_read(store, playlist, i64::MAX)?);
        Ok(PlaylistRewind { store, playlist, places, next })
    }

    pub(super) fn places(&self) -> &[PlaylistPlace] {
        &self.places
    }

    /// Returns when the changes were seen that are undone next.
    pub(super) fn next_seen_at(&self) -> Option<&str> {
        self.next.first().map(|change| change.seen_at.as_str())
    }

    /// Undoes the changes of one more read. `by_name` checks that each change names the item at its position.
    ///
    /// # Errors
    /// If the changes do not fit.
    pub(super) fn step_back(&mut self, by_name: bool) -> Result<(), ReplayError> {
        let Some(oldest) = self.next.first().map(|change| change.id) else { return Ok(()) };
        let changes = std::mem::take(&mut self.next);
        let is_other = |change: &&RecordedChange| {
            let there = change.to.and_then(|to| self.places.get(to));
            there.is_some_and(|place| !place.is_same_item(&change.place))
        };
        if let Some(other) = changes.iter().find(is_other).filter(|_| by_name) {
            return Err(ReplayError::Broken { change: other.id, seen_at: other.seen_at.clone() });
        }
        self.places = undo_changes(std::mem::take(&mut self.places), &changes)?;
        self.next = changes_of_previous_read(self.store, self.playlist, oldest)?;
        Ok(())
    }
}

impl PlaylistPlace {
    /// Whether it is the same entry of the list, by the values that are compared between two reads.
    fn is_same_item(&self, other: &PlaylistPlace) -> bool {
        (&self.uri, &self.added_at, &self.added_by) == (&other.uri, &other.added_at, &other.added_by)
            && (self.uri.is_some() || self.kind == other.kind)
    }
}

fn current_items(store: &Connection, playlist: &str) -> rusqlite::Result<Vec<PlaylistPlace>> {
    let mut statement = store.prepare_cached(
        "SELECT kind, uri, coalesce(track_id, episode_id), added_at, added_by FROM playlist_items
         WHERE playlist_id = ?1 ORDER BY position",
    )?;
    statement.query_map([playlist], |row| read_place(row, 0))?.collect()
}

fn read_place(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<PlaylistPlace> {
    Ok(PlaylistPlace {
        kind: row.get(first)?,
        uri: row.get(first + 1)?,
        item_id: row.get(first + 2)?,
        added_at: row.get(first + 3)?,
        added_by: row.get(first + 4)?,
    })
}

/// Returns the changes of the newest read before a change, in order. The changes of one read have consecutive
/// ids.
fn changes_of_previous_read(store: &Connection, playlist: &str, before: i64) -> rusqlite::Result<Vec<RecordedChange>> {
    let mut statement = store.prepare_cached(
        "SELECT id, seen_at, position_before, position_after, kind, uri, coalesce(track_id, episode_id), added_at, added_by
         FROM playlist_changes WHERE playlist_id = ?1 AND id < ?2 ORDER BY id DESC",
    )?;
    let index = |n: Option<i64>| n.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    let mut batch: Vec<RecordedChange> = Vec::new();
    let mut rows = statement.query(params![playlist, before])?;
    while let Some(row) = rows.next()? {
        let seen_at: String = row.get(1)?;
        if batch.first().is_some_and(|newest| newest.seen_at != seen_at) {
            break;
        }
        let (from, to) = (index(row.get(2)?), index(row.get(3)?));
        batch.push(RecordedChange { id: row.get(0)?, seen_at, from, to, place: read_place(row, 4)? });
    }
    batch.reverse();
    Ok(batch)
}

/// Returns the list before the changes of one read, from the list after them.
fn undo_changes(after: Vec<PlaylistPlace>, changes: &[RecordedChange]) -> Result<Vec<PlaylistPlace>, ReplayError> {
    let broken = |c: &RecordedChange| ReplayError::Broken { change: c.id, seen_at: c.seen_at.clone() };
    let mut after: Vec<Option<PlaylistPlace>> = after.into_iter().map(Some).collect();
    let mut back: Vec<(usize, PlaylistPlace, &RecordedChange)> = Vec::new();
    for change in changes {
        if let Some(to) = change.to {
            let taken = after.get_mut(to).and_then(Option::take).ok_or_else(|| broken(change))?;
            if let Some(from) = change.from {
                back.push((from, taken, change));
            }
        } else if let Some(from) = change.from {
            back.push((from, change.place.clone(), change));
        }
    }
    back.sort_by_key(|(from, ..)| *from);
    let mut stayed = after.into_iter().flatten();
    let mut before: Vec<PlaylistPlace> = Vec::new();
    for (from, place, change) in back {
        while before.len() < from {
            before.push(stayed.next().ok_or_else(|| broken(change))?);
        }
        if before.len() != from {
            return Err(broken(change));
        }
        before.push(place);
    }
    before.extend(stayed);
    Ok(before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::playlist_diff::{ItemChange as Diffed, diff_items};
    use proptest::prelude::*;

    fn named(n: u64) -> PlaylistPlace {
        PlaylistPlace { kind: "track".into(), uri: Some(n.to_string()), ..PlaylistPlace::default() }
    }

    proptest! {
        #[test]
        fn changes_can_be_undone(
            before in prop::collection::vec(0u64..9, 0..50),
            after in prop::collection::vec(0u64..9, 0..50),
        ) {
            let changes: Vec<RecordedChange> = diff_items(&before, &after).changes.into_iter().map(|change| {
                let (from, to, what) = match change {
                    Diffed::Added { after: to } => (None, Some(to), after[to]),
                    Diffed::Removed { before: from } => (Some(from), None, before[from]),
                    Diffed::Moved { before: from, after: to } => (Some(from), Some(to), after[to]),
                };
                RecordedChange { id: 0, seen_at: String::new(), from, to, place: named(what) }
            }).collect();
            let list = |numbers: &[u64]| numbers.iter().map(|n| named(*n)).collect::<Vec<_>>();
            prop_assert_eq!(undo_changes(list(&after), &changes).unwrap(), list(&before));
        }
    }

    #[test]
    fn a_change_that_does_not_fit_is_refused() {
        let change = |from, to| RecordedChange { id: 7, seen_at: "then".into(), from, to, place: named(1) };
        for broken in [change(None, Some(3)), change(Some(9), None)] {
            let error = undo_changes(vec![named(1)], &[broken]).unwrap_err().to_string();
            assert!(error.contains("change 7"), "{error}");
        }
    }
}
