//! Committing what was read of a list: a page with its checkpoint into staging, the whole into place.

use super::context::{FetchContext, SyncContext, timestamp};
use super::error::SyncError;
use super::incremental::IncrementalRead;
use super::list::{ListRequest, Prefetch};
use crate::ingest::{IngestContext, ensure_row, stage_entries};
use crate::store::{Checkpoint, ListKey, ListMember, ListProof, ListRow, ProofKind, SkippedItem, StoreError, WriteTx};
use crate::store::{list_commit, list_proof, lists, members, runs, skipped_items, staging};
use crate::stream::EntryKind;
use spotify_client::page::RawPage;

/// A page that is to be committed.
#[derive(Debug)]
pub(super) struct PageCommit {
    pub page: RawPage,
    pub offset: i64,
    /// Its first entry was staged before an interruption.
    pub overlap: bool,
    /// How far the list is read with it.
    pub at: Checkpoint,
    /// It completes the list: what proves that, and whether it ended before its total.
    pub finish: Option<(ProofKind, bool)>,
    /// It may repeat the items before it.
    pub is_accepted: bool,
    /// Hashes of what stood, and of what an earlier pass read to its end.
    pub known_hashes: Vec<String>,
}

/// A list that is in order may have a thing twice, and so many more, as long as they stand apart.
const ACCEPTED_DUPLICATES: usize = 5;

/// What committing a page found.
#[derive(Debug)]
pub(super) enum CommitOutcome {
    Staged {
        skipped: i64,
        /// What stands on the page.
        rows: Vec<ListMember>,
    },
    /// The list is not the one whose read was interrupted.
    Different,
    /// The page has the items before it once more: nothing was committed.
    Repeats(RawPage),
    /// So many things stand in the list twice that it may have moved; the hash of what was read.
    ManyDuplicates(String),
    Swapped {
        stored: i64,
        skipped: i64,
    },
}

/// Where what could not be stored whole is noted.
#[derive(Debug, Clone)]
pub(super) struct SkipNotes {
    run: i64,
    fetch: String,
    stream: &'static str,
    parent_id: Option<String>,
    now: String,
}

impl SkipNotes {
    pub(super) fn record(&self, s: &mut WriteTx, position: i64, skip: SkippedItem) -> Result<(), StoreError> {
        let (fetch, parent_id) = (self.fetch.clone(), self.parent_id.clone());
        let skip = SkippedItem { fetch, stream: self.stream, parent_id, position: Some(position), ..skip };
        skipped_items::record(s, self.run, &skip, &self.now)
    }

    /// Notes a total that does not fit a list that is put in place: in the same transaction, or a kill in
    /// between would lose it.
    fn record_wrong_total(&self, s: &mut WriteTx, detail: Option<String>) -> Result<(), StoreError> {
        if detail.is_none() {
            return Ok(());
        }
        let (fetch, parent_id) = (self.fetch.clone(), self.parent_id.clone());
        let reason = "wrong_total";
        skipped_items::record(
            s,
            self.run,
            &SkippedItem { fetch, stream: self.stream, parent_id, reason, detail, ..SkippedItem::default() },
            &self.now,
        )
    }

    /// Notes what stands in a list for another time: one row of it is kept.
    fn record_duplicates(&self, s: &mut WriteTx, doubled: &[ListMember]) -> Result<i64, StoreError> {
        for row in doubled {
            let detail = row.added_at.as_ref().map(|at| format!("saved at {at}"));
            let skip =
                SkippedItem { item_id: Some(row.id.clone()), reason: "listed_twice", detail, ..SkippedItem::default() };
            self.record(s, row.position, skip)?;
        }
        Ok(i64::try_from(doubled.len()).unwrap_or(i64::MAX))
    }
}

impl SyncContext {
    pub(super) fn skip_notes(&self, frame: &FetchContext, key: &ListKey, asked: &IngestContext) -> SkipNotes {
        SkipNotes {
            run: self.run_id,
            fetch: frame.fetch.clone(),
            stream: frame.stream.name,
            parent_id: Some(key.parent_id.clone()).filter(|p| !p.is_empty()),
            now: asked.now.clone(),
        }
    }

    pub(super) async fn commit_page(
        &self,
        frame: &FetchContext,
        list: &ListRequest,
        id: i64,
        landing: PageCommit,
    ) -> Result<CommitOutcome, SyncError> {
        let asked = frame.asked(self.now());
        let (key, shape, most, run) = (list.key.clone(), list.entry_kind, list.max_items, self.run_id);
        let (parent, notes, finishes) =
            (list.parent, self.skip_notes(frame, &list.key, &asked), landing.finish.is_some());
        let (wrong_total, calls) = (list.describe_wrong_total(&landing.at), self.calls());
        let land = move |s: &mut WriteTx| {
            let PageCommit { page, offset, overlap, mut at, finish, is_accepted: vouched, known_hashes: known } =
                landing;
            if let Some(kind) = parent {
                // What is refused gets no row; what answers has one that its list can point at.
                ensure_row(s, kind, &key.parent_id, &asked)?;
            }
            let mut entries = page.entries();
            if let Some(most) = most {
                entries.truncate(usize::try_from(most - offset).unwrap_or(0));
            }
            if overlap && (entries.is_empty() || !has_same_rows(s, id, shape, &key, offset, &entries[..1], &asked)?) {
                return Ok(CommitOutcome::Different);
            }
            let staged = stage_entries(s, id, shape, &key.parent_id, offset, &entries, &asked)?;
            let reached = offset + i64::try_from(entries.len()).unwrap_or(0);
            if !vouched && staging::repeats_previous_rows(s, id, offset, reached)? {
                staging::discard_from(s, id, offset + i64::from(overlap))?;
                return Ok(CommitOutcome::Repeats(page));
            }
            let doubled = if finish.is_some() { members::duplicates(s, id, &key, i64::MAX)? } else { Vec::new() };
            // What comes or goes while a list is read shows at the edge of two pages.
            if doubled.len() > ACCEPTED_DUPLICATES || (!doubled.is_empty() && members::has_duplicate_nearby(s, id)?) {
                let hash = staging::hash(s, id)?;
                if !known.contains(&hash) {
                    staging::discard_from(s, id, offset + i64::from(overlap))?;
                    return Ok(CommitOutcome::ManyDuplicates(hash));
                }
            }
            runs::update_counts(s, run, calls, reached - offset - i64::from(overlap))?;
            let mut skipped = 0;
            for (position, reason, detail) in staged.unstored {
                if overlap && position == offset {
                    continue;
                }
                skipped += 1;
                notes.record(s, position, SkippedItem { reason, detail, ..SkippedItem::default() })?;
            }
            if let Some((by, short)) = finish {
                skipped += notes.record_duplicates(s, &doubled)?;
                notes.record_wrong_total(s, wrong_total)?;
                let proof =
                    ListProof { ended_early: short, first_items_only: most.is_some(), ..proof(&at, by, skipped) };
                let swapped = list_commit::commit(s, id, &key, &proof, run, &asked.now)?;
                return Ok(CommitOutcome::Swapped { stored: swapped.stored, skipped });
            }
            at.skipped += skipped;
            lists::save_checkpoint(s, id, run, &at, &asked.now)?;
            let rows = members::staged(s, id, offset, at.next_offset)?;
            Ok(CommitOutcome::Staged { skipped, rows })
        };
        Ok(if finishes { self.store.write(land).await? } else { self.store.write_page(land).await? })
    }

    /// Whether a list begins as what was staged of it, up to a place that an interrupted read has reached.
    pub(super) async fn starts_with_page(
        &self,
        frame: &FetchContext,
        list: &ListRequest,
        id: i64,
        page: RawPage,
        up_to: i64,
    ) -> Result<bool, SyncError> {
        let (asked, key, shape) = (frame.asked(self.now()), list.key.clone(), list.entry_kind);
        let same = self.store.write(move |s| {
            let mut entries = page.entries();
            entries.truncate(usize::try_from(up_to).unwrap_or(0));
            has_same_rows(s, id, shape, &key, 0, &entries, &asked)
        });
        Ok(same.await?)
    }

    /// Puts what is staged in place of the old list.
    pub(super) async fn publish_staged(
        &self,
        frame: &FetchContext,
        list: &ListRequest,
        id: i64,
        at: &Checkpoint,
        by: ProofKind,
    ) -> Result<i64, SyncError> {
        // The version was asked for once more, and it is the same; or it says nothing.
        let snapshot_after = at.snapshot_id.clone().filter(|_| by == ProofKind::Snapshot);
        let proof = ListProof { snapshot_after, ..proof(at, by, 0) };
        let asked = frame.asked(self.now());
        let (notes, wrong_total) = (self.skip_notes(frame, &list.key, &asked), list.describe_wrong_total(at));
        let (key, run) = (list.key.clone(), self.run_id);
        let swap = move |s: &mut WriteTx| {
            notes.record_wrong_total(s, wrong_total)?;
            Ok(list_commit::commit(s, id, &key, &proof, run, &asked.now)?.stored)
        };
        Ok(self.store.write(swap).await?)
    }

    /// Puts what was read from the head, and behind it what is presumed to stand, in place of the old
    /// list; how many rows stand now, and how many of those read stand there twice.
    pub(super) async fn publish_presumed(
        &self,
        frame: &FetchContext,
        list: &ListRequest,
        row: &ListRow,
        at: &Checkpoint,
        head: &IncrementalRead,
    ) -> Result<(i64, i64), SyncError> {
        let asked = frame.asked(self.now());
        let notes = self.skip_notes(frame, &list.key, &asked);
        let (id, key, rest, at, run) = (row.id, list.key.clone(), head.presumed_rows(), at.clone(), self.run_id);
        let grown = at.announced.unwrap_or(0) - row.announced.unwrap_or(0);
        let served = row.served.unwrap_or(0) + grown;
        let presumed = self.store.write(move |s| {
            let doubled = members::duplicates(s, id, &key, at.next_offset)?;
            let doubled = notes.record_duplicates(s, &doubled)?;
            members::stage_presumed(s, id, key.kind, &rest)?;
            let all = duplicate_count(s, id, &key)?;
            let skipped = (served - staging::count(s, id)? + all).max(0);
            let by = ProofKind::Presumed { read: at.next_offset };
            let proof = ListProof { served, skipped, ..proof(&at, by, 0) };
            Ok((list_commit::commit(s, id, &key, &proof, run, &asked.now)?.stored, doubled))
        });
        Ok(presumed.await?)
    }

    /// Forgets what was staged and begins anew.
    pub(super) async fn start_read(&self, id: i64, opening: &Prefetch, restarts: i64) -> Result<Checkpoint, SyncError> {
        self.discard_checkpoint(id).await?;
        let (snapshot_id, etag) = (opening.snapshot_id.clone(), opening.etag.clone());
        Ok(Checkpoint { snapshot_id, etag, restarts, ..Checkpoint::default() })
    }

    /// Forgets a read that came to nothing, and keeps the record of it.
    pub(super) async fn abandon_read(
        &self,
        id: i64,
        at: &Checkpoint,
        snapshot_after: Option<String>,
        reason: &'static str,
    ) -> Result<(), SyncError> {
        let (at, run, now) = (at.clone(), self.run_id, timestamp(self.now()));
        let give_up = move |s: &mut WriteTx| {
            let proof = ListProof { snapshot_after, ..proof(&at, ProofKind::default(), 0) };
            list_proof::record_unproved(s, id, &proof, run, reason, &now)?;
            lists::discard_checkpoint(s, id)
        };
        Ok(self.store.write(give_up).await?)
    }

    pub(super) async fn discard_checkpoint(&self, id: i64) -> Result<(), SyncError> {
        Ok(self.store.write(move |s| lists::discard_checkpoint(s, id)).await?)
    }

    pub(super) async fn clear_skips(&self, frame: &FetchContext, list: &ListRequest) -> Result<(), SyncError> {
        let (run, fetch, parent) = (self.run_id, frame.fetch.clone(), list.key.parent_id.clone());
        Ok(self.store.write(move |s| skipped_items::clear(s, run, &fetch, &parent)).await?)
    }

    /// A list that was found to stand as it is.
    pub(super) async fn mark_unchanged(&self, list: i64) -> Result<(), SyncError> {
        let now = timestamp(self.now());
        let confirm = move |s: &mut WriteTx| {
            lists::discard_checkpoint(s, list)?;
            lists::mark_unchanged(s, list, &now)
        };
        Ok(self.store.write(confirm).await?)
    }
}

/// How many rows stand in a list for another time.
fn duplicate_count(s: &WriteTx, list: i64, key: &ListKey) -> Result<i64, StoreError> {
    Ok(i64::try_from(members::duplicates(s, list, key, i64::MAX)?.len()).unwrap_or(i64::MAX))
}

/// Whether the items at a place of an interrupted read are still those that were staged there.
fn has_same_rows(
    s: &mut WriteTx,
    id: i64,
    shape: EntryKind,
    key: &ListKey,
    offset: i64,
    entries: &[Option<&str>],
    asked: &IngestContext,
) -> Result<bool, StoreError> {
    let up_to = offset + i64::try_from(entries.len()).unwrap_or(0);
    let before = staging::as_text(s, id, offset, up_to)?;
    staging::discard_between(s, id, offset, up_to)?;
    stage_entries(s, id, shape, &key.parent_id, offset, entries, asked)?;
    Ok(staging::as_text(s, id, offset, up_to)? == before)
}

fn proof(at: &Checkpoint, by: ProofKind, skipped: i64) -> ListProof {
    ListProof {
        kind: by,
        announced: at.announced,
        served: at.next_offset,
        skipped: at.skipped + skipped,
        snapshot_id: at.snapshot_id.clone(),
        snapshot_after: None,
        etag: at.etag.clone(),
        ended_early: false,
        first_items_only: false,
    }
}
