//! The gaps of a published list: places at which Spotify sent no usable item, and announced items behind the
//! last one. Runs that do not read the list whole look at these places, so that items are noticed that Spotify sends
//! after all, although neither the total nor the version of the list has changed.

use std::collections::BTreeSet;

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::list_kinds::list_table;
use super::{KeptRow, ListKey, ListProof, StoreError, WriteTx, members};
use crate::stream::StreamTable;

/// More places of one list are not remembered.
const MAX_PLACES: usize = 500;

/// The gaps of a published list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KnownGaps {
    /// Places, from 0, of nulls, of items that cannot be read, and of items that are listed twice.
    pub places: Vec<i64>,
    /// Announced items that did not come behind the last one.
    pub behind_end: i64,
    /// Where a later read ended that was not accepted, because known rows are missing from it.
    pub cut_at: Option<i64>,
    /// How many runs have looked at them without reading the list whole.
    pub looks: u32,
    /// When the last of these runs looked.
    pub looked_at: Option<String>,
}

impl KnownGaps {
    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty() && self.behind_end == 0 && self.cut_at.is_none()
    }

    /// Reads the column `lists.gaps`.
    pub(super) fn from_column(json: Option<String>) -> KnownGaps {
        json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
    }

    fn to_column(&self) -> Option<String> {
        if self.is_empty() { None } else { serde_json::to_string(self).ok() }
    }

    /// How much is missing.
    fn size(&self) -> i64 {
        i64::try_from(self.places.len()).unwrap_or(i64::MAX).saturating_add(self.behind_end)
    }
}

/// Returns the places of a staged list at which Spotify sent no usable item, also where a known row stays.
pub(super) fn staged_places(
    tx: &WriteTx,
    list: i64,
    key: &ListKey,
    proof: &ListProof,
    kept: &[KeptRow],
) -> Result<Vec<i64>, StoreError> {
    if proof.first_items_only {
        return Ok(Vec::new());
    }
    let mut places: BTreeSet<i64> = kept.iter().map(|row| row.position).collect();
    match list_table(key.kind) {
        Some(StreamTable::PlaylistItems) => {
            places.extend(positions(tx, list, "uri IS NULL")?);
        }
        Some(StreamTable::Members(_)) => {
            let read = positions(tx, list, "item_id IS NOT NULL")?;
            if i64::try_from(read.len()).is_ok_and(|read| read < proof.served) {
                let read: BTreeSet<i64> = read.into_iter().collect();
                places.extend((0..proof.served).filter(|place| !read.contains(place)));
            }
            places.extend(members::duplicates(tx, list, key, i64::MAX)?.into_iter().map(|row| row.position));
        }
        _ => return Ok(Vec::new()),
    }
    Ok(places.into_iter().collect())
}

fn positions(tx: &WriteTx, list: i64, condition: &str) -> Result<Vec<i64>, StoreError> {
    let sql = format!("SELECT position FROM staged_items WHERE list_id = ?1 AND {condition}");
    let mut statement = tx.prepare(&sql)?;
    let rows = statement.query_map([list], |row| row.get(0));
    rows.and_then(Iterator::collect).map_err(|e| tx.error("cannot be read", e))
}

/// Returns these places of a playlist, with the items that keep their rows there: the last parts of their URIs.
///
/// # Errors
/// If the store cannot be read.
pub fn with_playlist_items(
    tx: &WriteTx,
    playlist: &str,
    places: &[i64],
) -> Result<Vec<(i64, Option<String>)>, StoreError> {
    let sql = "SELECT value, (SELECT uri FROM playlist_items WHERE playlist_id = ?1 AND position = value)
               FROM json_each(?2)";
    let mut statement = tx.prepare(sql)?;
    let item = |uri: String| uri.rsplit(':').next().map(str::to_owned);
    let places = serde_json::to_string(places).unwrap_or_default();
    let rows = statement
        .query_map(params![playlist, places], |row| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?.and_then(item))));
    rows.and_then(Iterator::collect).map_err(|e| tx.error("cannot be read", e))
}

/// Records the gaps of a list that is published. As long as they do not grow, the runs that have looked at them still
/// count.
///
/// # Errors
/// If the store cannot be read or written.
pub fn record(tx: &mut WriteTx, list: i64, mut places: Vec<i64>, proof: &ListProof) -> Result<(), StoreError> {
    let before = find(tx, list)?;
    places.truncate(MAX_PLACES);
    let counts_end = !proof.first_items_only;
    let behind_end = proof.announced.filter(|_| counts_end).map_or(0, |total| (total - proof.served).max(0));
    // A list that was read from its start only may still end where it ended before.
    let cut_at = before.cut_at.filter(|_| proof.kind.read_count().is_some());
    let mut gaps = KnownGaps { places, behind_end, cut_at, ..KnownGaps::default() };
    if gaps.size() <= before.size() {
        (gaps.looks, gaps.looked_at) = (before.looks, before.looked_at.clone());
    }
    save(tx, list, &gaps, &before)
}

/// Records that a run has looked at the gaps.
///
/// # Errors
/// If the store cannot be read or written.
pub fn record_look(tx: &mut WriteTx, list: i64, now: &str) -> Result<(), StoreError> {
    let before = find(tx, list)?;
    let gaps = KnownGaps { looks: before.looks.saturating_add(1), looked_at: Some(now.to_owned()), ..before.clone() };
    save(tx, list, &gaps, &before)
}

/// Records where a read ended that was not accepted, or that the list does not end there any more.
///
/// # Errors
/// If the store cannot be read or written.
pub fn record_cut(tx: &mut WriteTx, list: i64, cut_at: Option<i64>) -> Result<(), StoreError> {
    let before = find(tx, list)?;
    save(tx, list, &KnownGaps { cut_at, ..before.clone() }, &before)
}

fn find(tx: &WriteTx, list: i64) -> Result<KnownGaps, StoreError> {
    Ok(KnownGaps::from_column(tx.query_one("SELECT gaps FROM lists WHERE id = ?1", params![list])?))
}

fn save(tx: &mut WriteTx, list: i64, gaps: &KnownGaps, before: &KnownGaps) -> Result<(), StoreError> {
    if gaps == before {
        return Ok(());
    }
    tx.execute(
        "UPDATE lists SET gaps = ?2, row_version = next_row_version() WHERE id = ?1",
        params![list, gaps.to_column()],
    )
}
