//! Publishes the staged rows of a list, unless they are much worse than those that are published.

use super::brake::{BatchVersion, NewBatch, find_suspicion, merged_quality};
use super::skip_notes::SkipNotes;
use crate::store::{
    ListKey, ListProof, ProofKind, StoreError, UnreadItem, WriteTx, known_gaps, list_commit, list_proof, list_quality,
    lists,
};

/// What publishing a list did.
#[derive(Debug)]
pub(super) enum PublishOutcome {
    /// The list has this many rows.
    Stored(i64),
    /// The batch is suspicious, and the old list stays.
    Suspect { detail: String },
    /// Another reader has published another version of the playlist since the read began.
    Superseded,
}

/// A list with staged rows to publish.
pub(super) struct Publication<'a> {
    pub list: i64,
    pub key: &'a ListKey,
    /// The maximum number of items that the job wants.
    pub max_items: Option<i64>,
    pub proof: &'a ListProof,
    /// Items that could not be read.
    pub unread: &'a [UnreadItem],
    /// Of a list that was read from its start only: places of the rest that are known to be empty.
    pub known_gaps: &'a [i64],
    pub run: i64,
    pub now: &'a str,
    /// The batch is published whatever it holds.
    pub is_accepted: bool,
    /// Two answers say that nearly nothing is left of the list.
    pub is_emptied_twice: bool,
    pub notes: &'a SkipNotes,
}

/// Publishes a list, unless its batch is much worse than the published rows.
pub(super) fn publish(s: &mut WriteTx, publication: &Publication<'_>) -> Result<PublishOutcome, StoreError> {
    let Publication { list, key, proof, run, now, notes, .. } = *publication;
    let as_wanted = |count: i64| publication.max_items.map_or(count, |max| max.min(count));
    let (served, is_incremental) = match proof.kind {
        ProofKind::Presumed { read } => (read, true),
        _ => (as_wanted(proof.served), false),
    };
    let (quality, flaws) = list_quality::of_staged(s, list, key, served)?;
    let before = list_quality::of_published(s, list, key)?;
    if let Some(before) = before.as_ref().filter(|_| !publication.is_accepted) {
        let batch = NewBatch {
            items: list_quality::distinct_rows(s, list, key)? + quality.unreadable,
            quality: quality.clone(),
            flaws,
            announced: proof.announced.map(as_wanted),
            version: match proof.snapshot_id.as_ref() {
                None => BatchVersion::Missing,
                same if same == before.snapshot_id.as_ref() => BatchVersion::Same,
                Some(_) => BatchVersion::New,
            },
            is_emptied_twice: publication.is_emptied_twice,
            left_out_before: list_proof::rows_left_out_before(s, list, run)?,
        };
        if let Some(suspicion) = find_suspicion(before, &batch) {
            let first = notes.first_of_list(s)?;
            let first = first.map(|(position, reason, detail)| match detail {
                Some(detail) => format!("position {position}: {reason}: {detail}"),
                None => format!("position {position}: {reason}"),
            });
            return Ok(PublishOutcome::Suspect { detail: suspicion.describe(first.as_deref()) });
        }
    }
    let committed = list_commit::commit(s, list, key, proof, run, now)?;
    lists::save_unread(s, list, publication.unread)?;
    let mut places = committed.empty_places;
    places.extend(publication.known_gaps);
    places.sort_unstable();
    places.dedup();
    // What could not be read is requested again by itself.
    places.retain(|place| publication.unread.iter().all(|item| item.position != *place));
    known_gaps::record(s, list, places, proof)?;
    notes.record_unread(s, publication.unread)?;
    notes.record_kept(s, &committed.kept)?;
    let stored = committed.stored;
    list_quality::save(s, list, &merged_quality(before.as_ref(), quality, is_incremental))?;
    Ok(PublishOutcome::Stored(stored))
}
