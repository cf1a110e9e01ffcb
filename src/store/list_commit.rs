//! Putting a list that was read whole in place of the old one, in one transaction.

use super::{list_proof, lists, members, playlist_commit, staging};
use rusqlite::params;

use super::members::membership_table;
use super::{ListKey, StoreError, WriteTx};

/// What shows that a list stands as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProofKind {
    /// It came in one answer.
    OneAnswer,
    /// Its version was the same before and after.
    Snapshot,
    /// Its version says nothing, and two reads in a row had the same content.
    Content,
    /// It was read to its end, and announced the same total on every page.
    #[default]
    EndReached,
    /// So many items were read from the newest, down to rows that were known; the rest adds up and
    /// was not read.
    Presumed {
        /// Places that were read.
        read: i64,
    },
}

impl ProofKind {
    /// The word in `lists.proof`.
    pub fn as_str(self) -> &'static str {
        match self {
            ProofKind::OneAnswer => "one_answer",
            ProofKind::Snapshot => "snapshot",
            ProofKind::Content => "content",
            ProofKind::EndReached => "end_reached",
            ProofKind::Presumed { .. } => "presumed",
        }
    }

    /// Places that were read, if that was not all.
    pub(super) fn read_count(self) -> Option<i64> {
        match self {
            ProofKind::Presumed { read } => Some(read),
            _ => None,
        }
    }
}

/// What a read says about its own wholeness.
#[derive(Debug, Clone, Default)]
pub struct ListProof {
    /// What shows it.
    pub kind: ProofKind,
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
    /// It ended before its total: what was not seen may still stand there.
    pub ended_early: bool,
    /// Only its beginning was wanted, which is a list of its own.
    pub first_items_only: bool,
}

/// What a swap did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListCommit {
    /// Rows that stand now.
    pub stored: i64,
    /// Whether the list differs from the read before.
    pub changed: bool,
    /// Items added, removed or moved, where that is recorded.
    pub changes: i64,
}

/// Places set apart for each type in the staging of one search: the place of a hit among its kind is what
/// is left of it.
pub const SEARCH_POSITIONS_PER_TYPE: i64 = 100_000;

/// Puts the staged rows of a list in place of the old ones and ends its checkpoint.
///
/// # Errors
/// If the store cannot be written.
pub fn commit(
    tx: &mut WriteTx,
    list: i64,
    key: &ListKey,
    proof: &ListProof,
    run: i64,
    now: &str,
) -> Result<ListCommit, StoreError> {
    list_proof::refuse_missing_rows(tx, list, key, proof)?;
    let hash = staging::hash(tx, list)?;
    let known: Option<String> = tx.query_one("SELECT content_hash FROM lists WHERE id = ?1", params![list])?;
    let same = known.as_deref() == Some(hash.as_str());
    let seen = &*later_than_before(tx, list, key, now)?;
    let mut swapped = match key.kind {
        "playlist_items" => playlist_commit::commit(tx, list, &key.parent_id, proof, run, seen)?,
        "search" => append_search(tx, list, key, seen)?,
        "top_artists" | "top_tracks" => replace_tops(tx, list, key, seen)?,
        "recently_played" => append_plays(tx, list, key, seen)?,
        _ => match membership_table(key.kind) {
            Some(target) => members::replace(tx, list, key, &target, proof, same, seen)?,
            None => ListCommit::default(),
        },
    };
    swapped.changed |= !same;
    tx.changed |= swapped.changed;
    let doubled = members::duplicates_as_json(tx, list, key)?;
    // What was presumed was not read whole: `read_at` and `whole_at` stay, so that a whole read comes due.
    tx.execute_counted(
        "UPDATE lists SET snapshot_id = ?2, etag = ?3, announced = ?4, served = ?5, stored = ?6, skipped = ?7, content_hash = ?8,
         read_at = iif(?11, read_at, ?9), checked_at = ?15, changed_at = iif(?10, ?9, changed_at), gone_at = NULL,
         gone_reason = NULL, proof = ?12, restless = ?13, doubled = ?14, first_read_at = coalesce(first_read_at, ?9),
         whole_at = iif(?11, whole_at, ?15) WHERE id = ?1",
        params![
            list, proof.snapshot_id, proof.etag, proof.announced, proof.served, swapped.stored, proof.skipped, hash, seen,
            swapped.changed, proof.kind.read_count().is_some(), proof.kind.as_str(), proof.kind == ProofKind::Content, doubled, now
        ],
    )?;
    list_proof::record(tx, list, proof, run, swapped.stored, &hash, seen)?;
    lists::discard_checkpoint(tx, list)?;
    Ok(swapped)
}

/// When a list is seen that is put in place now: later than whatever was seen of it before, though the
/// clock was set back since.
fn later_than_before(tx: &WriteTx, list: i64, key: &ListKey, now: &str) -> Result<String, StoreError> {
    let sql = "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', max(at), '+0.001 seconds') FROM (
                 SELECT read_at AS at FROM run_lists WHERE list_id = ?1
                 UNION ALL SELECT read_at FROM lists WHERE id = ?1 OR (?2 = 'playlist_items' AND kind = ?2 AND parent_id = ?3)
                 UNION ALL SELECT seen_at FROM playlist_versions WHERE ?2 = 'playlist_items' AND playlist_id = ?3)";
    let after: Option<String> = tx.query_one(sql, params![list, key.kind, key.parent_id])?;
    Ok(after.filter(|after| after.as_str() > now).unwrap_or_else(|| now.to_owned()))
}

fn append_search(tx: &mut WriteTx, list: i64, key: &ListKey, now: &str) -> Result<ListCommit, StoreError> {
    let stored = tx.execute_counted(
        "INSERT INTO search_results (list_id, searched_at, query, market, kind, rank, item_id, uri, first_seen_at, fetched_at)
         SELECT ?1, ?2, ?3, ?4, kind, position % ?5 + 1, item_id, uri, ?2, ?2
         FROM staged_items WHERE list_id = ?1 AND item_id IS NOT NULL",
        params![list, now, key.parent_id, key.market, SEARCH_POSITIONS_PER_TYPE],
    )?;
    Ok(ListCommit { stored, changed: stored > 0, changes: 0 })
}

/// The ranks of a day: a later reading of the same day stands in place of the earlier one.
fn replace_tops(tx: &mut WriteTx, list: i64, key: &ListKey, now: &str) -> Result<ListCommit, StoreError> {
    let kind = if key.kind == "top_artists" { "artist" } else { "track" };
    let day = now.get(..10).unwrap_or(now);
    let gone = "DELETE FROM top_items WHERE user_id = ?1 AND kind = ?2 AND time_range = ?3 AND day = ?4";
    tx.execute_counted(gone, params![key.audience, kind, key.variant, day])?;
    let stored = tx.execute_counted(
        "INSERT INTO top_items (user_id, kind, time_range, day, rank, item_id, list_id, first_seen_at, fetched_at)
         SELECT ?1, ?2, ?3, ?4, position + 1, item_id, list_id, ?5, ?5
         FROM staged_items WHERE list_id = ?6 AND item_id IS NOT NULL",
        params![key.audience, kind, key.variant, day, now, list],
    )?;
    Ok(ListCommit { stored, changed: stored > 0, changes: 0 })
}

/// Plays that were not known yet; `stored` counts these.
fn append_plays(tx: &mut WriteTx, list: i64, key: &ListKey, now: &str) -> Result<ListCommit, StoreError> {
    let stored = tx.execute_counted(
        "INSERT OR IGNORE INTO plays (user_id, played_at, track_id, context_type, context_uri, list_id, first_seen_at, fetched_at)
         SELECT ?1, added_at, item_id, detail ->> 0, detail ->> 1, list_id, ?2, ?2
         FROM staged_items WHERE list_id = ?3 AND item_id IS NOT NULL AND added_at IS NOT NULL",
        params![key.audience, now, list],
    )?;
    Ok(ListCommit { stored, changed: stored > 0, changes: 0 })
}
