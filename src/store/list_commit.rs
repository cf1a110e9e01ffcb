//! Replaces a list by a complete new read in one transaction.

use rusqlite::params;

use super::imported_plays;
use super::list_kinds::{is_playlist, list_table};
use super::{
    ListCommit, ListKey, ListProof, ProofKind, StoreError, WriteTx, known_gaps, known_rows, list_proof, lists, members,
    playlist_commit, staging,
};
use crate::stream::StreamTable;
use spotify_client::EntityKind;

/// Positions reserved for each type when a search is staged. The remainder is the rank of a hit in its type.
pub const SEARCH_POSITIONS_PER_TYPE: i64 = 100_000;

/// Replaces the rows of a list by the staged rows and ends its checkpoint.
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
    let seen = &*later_than_before(tx, list, key, now)?;
    let mut kept = known_rows::stage_known(tx, list, key, proof)?;
    if let Some(StreamTable::TopItems(kind)) = list_table(key.kind) {
        kept.extend(known_rows::stage_known_tops(tx, list, (key, kind), proof, day_of(seen))?);
    }
    // The hash is that of what Spotify sends, so that the same answer is known again.
    let hash = staging::hash(tx, list)?;
    kept.extend(known_rows::stage_displaced(tx, list, key, proof)?);
    let known: Option<String> = tx.query_one("SELECT content_hash FROM lists WHERE id = ?1", params![list])?;
    let same = known.as_deref() == Some(hash.as_str());
    let mut commit = match list_table(key.kind) {
        Some(StreamTable::PlaylistItems) => playlist_commit::commit(tx, list, &key.parent_id, proof, run, seen)?,
        Some(StreamTable::SearchResults) => append_search(tx, list, key, seen)?,
        Some(StreamTable::TopItems(kind)) => replace_tops(tx, list, key, kind, seen)?,
        Some(StreamTable::Plays) => append_plays(tx, list, key, seen)?,
        Some(StreamTable::Members(table)) => members::replace(tx, list, key, &table, proof, same, seen)?,
        Some(StreamTable::Entities(_)) | None => ListCommit::default(),
    };
    if is_playlist(key.kind) {
        commit.changed |= known_rows::mark_unavailable(tx, &key.parent_id, &kept)?;
    }
    commit.empty_places = known_gaps::staged_places(tx, list, key, proof, &kept)?;
    commit.kept = kept;
    commit.changed |= !same;
    tx.changed |= commit.changed;
    let doubled = members::duplicates_as_json(tx, list, key)?;
    // A presumed list was not read completely: `read_at` and `whole_at` stay, so that a complete read becomes
    // due.
    tx.execute_counted(
        "UPDATE lists SET row_version = next_row_version(), snapshot_id = ?2, etag = ?3, announced = ?4, served = ?5, stored = ?6, skipped = ?7, content_hash = ?8,
         read_at = iif(?11, read_at, ?9), checked_at = ?15, changed_at = iif(?10, ?9, changed_at), gone_at = NULL,
         gone_reason = NULL, proof = ?12, restless = ?13, doubled = ?14, first_read_at = coalesce(first_read_at, ?9),
         whole_at = iif(?11, whole_at, ?15) WHERE id = ?1",
        params![
            list, proof.snapshot_id, proof.etag, proof.announced, proof.served, commit.stored, proof.skipped, hash, seen,
            commit.changed, proof.kind.read_count().is_some(), proof.kind.as_str(), proof.kind == ProofKind::Content, doubled, now
        ],
    )?;
    list_proof::record(tx, list, proof, run, commit.stored, &hash, seen)?;
    lists::discard_checkpoint(tx, list)?;
    Ok(commit)
}

/// Returns the time to record for a list that is committed now: later than every earlier time of the list, even
/// if the clock was set back.
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
        "INSERT INTO search_results (list_id, searched_at, query, market, kind, rank, item_id, uri, first_seen_at, fetched_at,
         row_version) SELECT ?1, ?2, ?3, ?4, kind, position % ?5 + 1, item_id, uri, ?2, ?2, next_row_version()
         FROM staged_items WHERE list_id = ?1 AND item_id IS NOT NULL",
        params![list, now, key.parent_id, key.market, SEARCH_POSITIONS_PER_TYPE],
    )?;
    Ok(ListCommit { stored, changed: stored > 0, ..ListCommit::default() })
}

fn day_of(now: &str) -> &str {
    now.get(..10).unwrap_or(now)
}

/// Replaces the ranks of a day: a later reading of the same day wins.
fn replace_tops(
    tx: &mut WriteTx,
    list: i64,
    key: &ListKey,
    kind: EntityKind,
    now: &str,
) -> Result<ListCommit, StoreError> {
    let kind = kind.as_str();
    let day = day_of(now);
    let gone = "DELETE FROM top_items WHERE user_id = ?1 AND kind = ?2 AND time_range = ?3 AND day = ?4";
    tx.execute_counted(gone, params![key.audience, kind, key.variant, day])?;
    let stored = tx.execute_counted(
        "INSERT INTO top_items (user_id, kind, time_range, day, rank, item_id, list_id, first_seen_at, fetched_at, row_version)
         SELECT ?1, ?2, ?3, ?4, position + 1, item_id, list_id, ?5, ?5, next_row_version()
         FROM staged_items i WHERE list_id = ?6 AND item_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM staged_items e
           WHERE e.list_id = i.list_id AND e.item_id = i.item_id AND e.position < i.position)",
        params![key.audience, kind, key.variant, day, now, list],
    )?;
    Ok(ListCommit { stored, changed: stored > 0, ..ListCommit::default() })
}

/// Adds plays that are new; `stored` counts these.
fn append_plays(tx: &mut WriteTx, list: i64, key: &ListKey, now: &str) -> Result<ListCommit, StoreError> {
    let stored = tx.execute_counted(
        "INSERT OR IGNORE INTO plays (user_id, played_at, track_id, context_type, context_uri, list_id, first_seen_at, fetched_at,
         row_version) SELECT ?1, added_at, item_id, detail ->> 0, detail ->> 1, list_id, ?2, ?2, next_row_version()
         FROM staged_items i WHERE list_id = ?3 AND item_id IS NOT NULL AND added_at IS NOT NULL
         -- Earlier versions stored the time as Spotify wrote it, and Spotify may write one time with and without
         -- milliseconds. No track is played twice within a second.
         AND NOT EXISTS (SELECT 1 FROM plays p WHERE p.user_id = ?1 AND p.track_id = i.item_id
           AND p.played_at > date(i.added_at, '-1 day') AND p.played_at < date(i.added_at, '+2 days')
           AND (strftime('%Y-%m-%dT%H:%M:%fZ', p.played_at) = i.added_at OR p.imported_at IS NULL
             AND abs(julianday(p.played_at) - julianday(i.added_at)) * 86400 < 0.9995))",
        params![key.audience, now, list],
    )?;
    let replaced = imported_plays::drop_imported_doubles(tx, &key.audience, now)?;
    Ok(ListCommit { stored, changed: stored + replaced > 0, ..ListCommit::default() })
}
