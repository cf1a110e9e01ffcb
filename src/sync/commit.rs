//! Commits a list: a page with its checkpoint is staged, and the complete list is published.

use std::collections::HashSet;

use super::anomalies::{CUT_SHORT, PageAnomaly};
use super::error::SyncError;
use super::gap_looks::LateItem;
use super::incremental::IncrementalRead;
use super::list_request::{ListRequest, Prefetch};
use super::open_list::OpenList;
use super::publication::{Publication, PublishOutcome, publish};
use super::staged_entries::StagedEntries;
use crate::ingest::{ensure_row, stage_entries};
use crate::store::timestamp;
use crate::store::{
    Checkpoint, ListMember, ListProof, ProofKind, SkippedItem, WriteTx, field_notes, known_gaps, list_proof, lists,
    members, playlist_commit, runs, skipped_items, staging,
};
use spotify_client::page::RawPage;

/// A page that is to be committed.
#[derive(Debug)]
pub(super) struct PageCommit {
    pub page: RawPage,
    pub offset: i64,
    /// Its first entry was staged before an interruption.
    pub overlap: bool,
    /// How far the list is read with this page.
    pub at: Checkpoint,
    /// Set if the page completes the list: what proves that.
    pub finish: Option<ProofKind>,
    /// The page may repeat the items before it.
    pub is_accepted: bool,
    /// Places of items that could not be read, where the page has nulls.
    pub unread_places: Vec<i64>,
    /// Items of the page that come only when they are requested alone.
    pub late_items: Vec<LateItem>,
    /// Hashes of the rows that are published, and of what an earlier pass read to its end.
    pub known_hashes: Vec<String>,
    /// When the playlist was last read by any reader before this read began.
    pub newest_read_at: Option<String>,
}

/// A list in order may have this many items twice, as long as they are not close to each other.
const ACCEPTED_DUPLICATES: usize = 5;

/// What committing a page did.
#[derive(Debug)]
pub(super) enum CommitOutcome {
    /// The page is staged.
    Staged {
        skipped: i64,
        /// The rows of the page.
        rows: Vec<ListMember>,
    },
    /// The page completed the list, which is published.
    Published { stored: i64, skipped: i64 },
    /// The page completed the list, which is suspicious. It is staged and not published.
    Suspect { detail: String, skipped: i64 },
    /// The page does not continue the list. Nothing was committed.
    Anomalous(PageAnomaly, RawPage),
}

/// Commits a page and the checkpoint that goes with it in one transaction.
pub(super) async fn commit_page(
    open: &OpenList<'_>,
    list: &ListRequest,
    commit: PageCommit,
) -> Result<CommitOutcome, SyncError> {
    let (sync, id) = (open.sync, open.row.id);
    let asked = open.context.asked(sync.now());
    let (key, kind, max_items, run) = (list.key.clone(), list.entry_kind, list.max_items, sync.run_id);
    let (parent, notes, finishes) = (list.parent, open.skip_notes(&asked), commit.finish.is_some());
    let has_version = list.version.is_some();
    let (wrong_total, calls, accepts_batch) =
        (list.describe_wrong_total(&commit.at), sync.calls(), open.accepts_batch());
    let write = move |s: &mut WriteTx| {
        let PageCommit {
            page,
            offset,
            overlap,
            mut at,
            finish,
            is_accepted,
            unread_places,
            late_items,
            known_hashes,
            newest_read_at,
        } = commit;
        let (newest, version) = (newest_read_at.as_deref(), at.snapshot_id.as_deref());
        if finish.is_some() && playlist_commit::is_superseded(s, id, &key, newest, version)? {
            return Ok(CommitOutcome::Anomalous(PageAnomaly::OtherVersion, page));
        }
        if let Some(kind) = parent {
            // A parent that answers gets a row for its list to refer to. One that is refused gets none.
            ensure_row(s, kind, &key.parent_id, &asked)?;
        }
        let mut entries = page.entries();
        if let Some(max_items) = max_items {
            entries.truncate(usize::try_from(max_items - offset).unwrap_or(0));
        }
        if overlap {
            let before = StagedEntries { id, kind, key: &key, offset, asked: &asked };
            if entries.is_empty() || !before.are_same(s, &entries[..1])? {
                return Ok(CommitOutcome::Anomalous(PageAnomaly::DifferentRows, page));
            }
        }
        let staged = stage_entries(s, id, kind, &key.parent_id, offset, &entries, &asked)?;
        let reached = offset + i64::try_from(entries.len()).unwrap_or(0);
        if !is_accepted && staging::repeats_previous_rows(s, id, offset, reached)? {
            staging::discard_from(s, id, offset + i64::from(overlap))?;
            return Ok(CommitOutcome::Anomalous(PageAnomaly::RepeatedPage { offset }, page));
        }
        // A library cannot hold an item twice, so its doubles are counted at its end.
        if !is_accepted && !overlap && has_version {
            let items = staging::overlap_with_previous_rows(s, id, offset, reached)?;
            if items > 0 {
                staging::discard_from(s, id, offset)?;
                return Ok(CommitOutcome::Anomalous(PageAnomaly::OverlappingPage { offset, items }, page));
            }
        }
        let duplicates = if finish.is_some() { members::duplicates(s, id, &key, i64::MAX)? } else { Vec::new() };
        // An item that is added or removed while the list is read shows at the edge of two pages, and one that comes
        // in place of another leaves fewer different items than were announced.
        let is_odd = !duplicates.is_empty()
            && (duplicates.len() > ACCEPTED_DUPLICATES
                || members::has_duplicate_nearby(s, id)?
                || (!has_version
                    && lacks_items(&at, max_items, duplicates.len())
                    && members::repeats_more(s, id, &duplicates)?));
        if is_odd {
            let hash = staging::hash(s, id)?;
            if !known_hashes.contains(&hash) {
                staging::discard_from(s, id, offset + i64::from(overlap))?;
                return Ok(CommitOutcome::Anomalous(PageAnomaly::ManyDuplicates { content_hash: hash }, page));
            }
        }
        let unread = i64::try_from(unread_places.len()).unwrap_or(i64::MAX);
        let items = reached - offset - i64::from(overlap) - unread;
        runs::update_counts(s, run, calls, items)?;
        notes.record_fields(s, Some(id), &staged.fields)?;
        let mut skipped = 0;
        for (position, reason, detail) in staged.unstored {
            // What could not be read is noted when the list is published.
            if unread_places.contains(&position) || overlap && position == offset {
                continue;
            }
            skipped += 1;
            notes.record(s, position, SkippedItem { reason, detail, ..SkippedItem::default() })?;
        }
        for item in late_items {
            let (reason, item_id) = ("read_alone", Some(item.id));
            let detail = Some("its page has no item there; it came when it was requested alone".to_owned());
            let note = SkippedItem { reason, item_id, detail, already_known: true, ..SkippedItem::default() };
            notes.record(s, item.place, note)?;
        }
        if let Some(by) = finish {
            skipped += notes.record_duplicates(s, &duplicates)?;
            let proof = ListProof { first_items_only: max_items.is_some(), ..proof(&at, by, skipped) };
            let publication = Publication {
                list: id,
                key: &key,
                max_items,
                proof: &proof,
                unread: &at.unread,
                known_gaps: &[],
                run,
                now: &asked.now,
                is_accepted: accepts_batch,
                is_emptied_twice: is_accepted && offset == 0,
                notes: &notes,
            };
            return Ok(match publish(s, &publication)? {
                PublishOutcome::Stored(stored) => {
                    notes.record_wrong_total(s, wrong_total)?;
                    CommitOutcome::Published { stored, skipped }
                }
                PublishOutcome::Suspect { detail } => CommitOutcome::Suspect { detail, skipped },
                PublishOutcome::Superseded => CommitOutcome::Anomalous(PageAnomaly::OtherVersion, page),
            });
        }
        at.skipped += skipped;
        lists::save_checkpoint(s, id, run, &at, &asked.now)?;
        let rows = members::staged(s, id, offset, at.next_offset)?;
        Ok(CommitOutcome::Staged { skipped, rows })
    };
    Ok(if finishes { sync.store.write(write).await? } else { sync.store.write_page(write).await? })
}

/// Whether a list has fewer different items than it announced.
fn lacks_items(at: &Checkpoint, max_items: Option<i64>, duplicates: usize) -> bool {
    let as_wanted = |count: i64| max_items.map_or(count, |max| max.min(count));
    let repeated = i64::try_from(duplicates).unwrap_or(i64::MAX);
    at.announced.is_some_and(|announced| as_wanted(at.next_offset) - repeated < as_wanted(announced))
}

/// Whether the pages that were read so far repeat items that the list did not repeat before.
pub(super) async fn repeats_items(open: &OpenList<'_>, list: &ListRequest, at: &Checkpoint) -> Result<bool, SyncError> {
    let (id, key, up_to) = (open.row.id, list.key.clone(), at.next_offset);
    let repeats = open.sync.store.write(move |s| {
        let duplicates = members::duplicates(s, id, &key, up_to)?;
        members::repeats_more(s, id, &duplicates)
    });
    Ok(repeats.await?)
}

/// Publishes the staged rows in place of the old list. `newest_read_at` is the newest read of the playlist by any
/// reader when this read began.
pub(super) async fn publish_staged(
    open: &OpenList<'_>,
    list: &ListRequest,
    at: &Checkpoint,
    by: ProofKind,
    newest_read_at: Option<String>,
) -> Result<PublishOutcome, SyncError> {
    // The version was requested once more and is the same, or it says nothing.
    let snapshot_after = at.snapshot_id.clone().filter(|_| by == ProofKind::Snapshot);
    let proof = ListProof { snapshot_after, ..proof(at, by, 0) };
    let asked = open.context.asked(open.sync.now());
    let (notes, wrong_total) = (open.skip_notes(&asked), list.describe_wrong_total(at));
    let (id, key, run, max_items) = (open.row.id, list.key.clone(), open.sync.run_id, list.max_items);
    let unread = at.unread.clone();
    let (is_accepted, is_emptied_twice) = (open.accepts_batch(), by == ProofKind::Content);
    let write = move |s: &mut WriteTx| {
        let (key, proof, now, notes) = (&key, &proof, &*asked.now, &notes);
        if playlist_commit::is_superseded(s, id, key, newest_read_at.as_deref(), proof.snapshot_id.as_deref())? {
            return Ok(PublishOutcome::Superseded);
        }
        let outcome = publish(
            s,
            &Publication {
                list: id,
                key,
                max_items,
                proof,
                unread: &unread,
                known_gaps: &[],
                run,
                now,
                is_accepted,
                is_emptied_twice,
                notes,
            },
        )?;
        if matches!(outcome, PublishOutcome::Stored(_)) {
            notes.record_wrong_total(s, wrong_total)?;
        }
        Ok(outcome)
    };
    Ok(open.sync.store.write(write).await?)
}

/// Publishes the pages of an incremental read with the rows that are presumed to follow them. `cut_short` says that the
/// list still ends before them. Returns what that did, and how many of the items that were read are in the list twice.
pub(super) async fn publish_incremental(
    open: &OpenList<'_>,
    list: &ListRequest,
    at: &Checkpoint,
    (read, cut_short): (&IncrementalRead, Option<String>),
) -> Result<(PublishOutcome, i64), SyncError> {
    let (sync, row) = (open.sync, &open.row);
    let asked = open.context.asked(sync.now());
    let notes = open.skip_notes(&asked);
    let (id, key, rest, at, run) = (row.id, list.key.clone(), read.presumed_rows(), at.clone(), sync.run_id);
    let grown = at.announced.unwrap_or(0) - row.announced.unwrap_or(0);
    let served = row.served.unwrap_or(0) + grown;
    let is_accepted = open.accepts_batch();
    let gaps: Vec<i64> = read.presumed_gaps(&row.gaps.places).into_iter().map(|(place, _)| place).collect();
    let published = sync.store.write(move |s| {
        let duplicates = members::duplicates(s, id, &key, at.next_offset)?;
        let duplicates = notes.record_duplicates(s, &duplicates)?;
        // Some of the items that could not be read before are read now.
        let late: HashSet<i64> =
            members::staged(s, id, at.next_offset, i64::MAX)?.iter().map(|row| row.position).collect();
        let rest: Vec<ListMember> = rest.into_iter().filter(|row| !late.contains(&row.position)).collect();
        members::stage_presumed(s, id, key.kind, &rest)?;
        let all = i64::try_from(members::duplicates(s, id, &key, i64::MAX)?.len()).unwrap_or(i64::MAX);
        let skipped = (served - staging::count(s, id)? + all).max(0);
        let by = ProofKind::Presumed { read: at.next_offset };
        let proof = ListProof { served, skipped, ..proof(&at, by, 0) };
        let (key, proof, now, notes) = (&key, &proof, &*asked.now, &notes);
        let unread = &at.unread;
        let publication = Publication {
            list: id,
            key,
            max_items: None,
            proof,
            unread,
            known_gaps: &gaps,
            run,
            now,
            is_accepted,
            is_emptied_twice: false,
            notes,
        };
        let outcome = publish(s, &publication)?;
        if matches!(outcome, PublishOutcome::Stored(_)) {
            notes.record_cut_short(s, cut_short)?;
        }
        Ok((outcome, duplicates))
    });
    Ok(published.await?)
}

/// Hash of the rows that are staged.
pub(super) async fn staged_hash(open: &OpenList<'_>) -> Result<String, SyncError> {
    let id = open.row.id;
    Ok(open.sync.store.write(move |s| staging::hash(s, id)).await?)
}

/// Discards the staged rows and starts the read again.
pub(super) async fn start_read(
    open: &OpenList<'_>,
    prefetch: &Prefetch,
    restarts: i64,
) -> Result<Checkpoint, SyncError> {
    discard_checkpoint(open).await?;
    let (snapshot_id, etag) = (prefetch.snapshot_id.clone(), prefetch.etag.clone());
    Ok(Checkpoint { snapshot_id, etag, restarts, ..Checkpoint::default() })
}

/// Discards a read that led nowhere, and records that it happened.
pub(super) async fn abandon_read(
    open: &OpenList<'_>,
    at: &Checkpoint,
    snapshot_after: Option<String>,
    reason: &'static str,
) -> Result<(), SyncError> {
    let (id, at, run, now) = (open.row.id, at.clone(), open.sync.run_id, timestamp(open.sync.now()));
    let abandon = move |s: &mut WriteTx| {
        let proof = ListProof { snapshot_after, ..proof(&at, ProofKind::default(), 0) };
        list_proof::record_unproved(s, id, &proof, run, reason, &now)?;
        if reason == CUT_SHORT {
            known_gaps::record_cut(s, id, Some(proof.served))?;
        }
        lists::discard_checkpoint(s, id)
    };
    Ok(open.sync.store.write(abandon).await?)
}

/// Discards the interrupted read of a list.
pub(super) async fn discard_checkpoint(open: &OpenList<'_>) -> Result<(), SyncError> {
    let id = open.row.id;
    Ok(open.sync.store.write(move |s| lists::discard_checkpoint(s, id)).await?)
}

/// Removes what this run noted about items of the list.
pub(super) async fn clear_skips(open: &OpenList<'_>) -> Result<(), SyncError> {
    let (run, fetch, parent) = (open.sync.run_id, open.context.fetch.clone(), open.key.parent_id.clone());
    let (list, user) = (open.row.id, open.context.recorded_for.clone());
    let clear = move |s: &mut WriteTx| {
        field_notes::clear(s, run, &fetch, list)?;
        skipped_items::clear(s, run, (&fetch, &user), &parent)
    };
    Ok(open.sync.store.write(clear).await?)
}

/// Records that the published rows are still the list's.
pub(super) async fn mark_unchanged(open: &OpenList<'_>) -> Result<(), SyncError> {
    let (id, now) = (open.row.id, timestamp(open.sync.now()));
    let confirm = move |s: &mut WriteTx| {
        lists::discard_checkpoint(s, id)?;
        lists::mark_unchanged(s, id, &now)
    };
    Ok(open.sync.store.write(confirm).await?)
}

fn proof(at: &Checkpoint, by: ProofKind, skipped: i64) -> ListProof {
    ListProof {
        kind: by,
        announced: at.announced,
        served: at.next_offset,
        skipped: at.skipped + i64::try_from(at.unread.len()).unwrap_or(i64::MAX) + skipped,
        snapshot_id: at.snapshot_id.clone(),
        snapshot_after: None,
        etag: at.etag.clone(),
        first_items_only: false,
    }
}
