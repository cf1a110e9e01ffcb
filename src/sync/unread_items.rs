//! Items that could not be read because their requests fail: they are requested again, alone, after all others.

use super::anomalies::CUT_SHORT;
use super::brake::describe_known_rows;
use super::commit::mark_unchanged;
use super::error::{SyncError, is_about_one_list};
use super::gap_looks::{LateItem, LookResult, PresumedPart, look_at_gaps};
use super::list_request::ListRequest;
use super::open_list::OpenList;
use super::page_request::{PageFailure, PagePosition, PageResponse, try_page};
use super::read_outcome::{ReadOutcome, describe_unread};
use crate::ingest::stage_entries;
use crate::store::{Checkpoint, WriteTx, known_gaps, lists, runs};
use spotify_client::page::RawPage;

/// What follows for a list that has not changed since it was read.
pub(super) enum UnchangedList {
    /// It keeps its rows.
    Finished(ReadOutcome),
    /// An item that could not be read then, or did not come, is there now, so the list is read again. The items are
    /// those that a look has found.
    ReadAgain(Vec<LateItem>),
}

/// Finishes a list that has not changed since it was read. `included` are the first items, if they are at hand already.
pub(super) async fn finish_unchanged(
    open: &OpenList<'_>,
    list: &ListRequest,
    included: Option<&RawPage>,
) -> Result<UnchangedList, SyncError> {
    let unread = &open.row.unread;
    for item in unread {
        if item.position < included.map_or(0, RawPage::served) {
            return Ok(UnchangedList::ReadAgain(Vec::new()));
        }
        match try_page(open.sync, open.context, list, PagePosition::of_one_item(item.position)).await {
            Ok(PageResponse::Page(page)) if page.served() > 0 => return Ok(UnchangedList::ReadAgain(Vec::new())),
            Ok(_) | Err(PageFailure::OfItems(_)) => {}
            // The list itself has just been found unchanged: a refusal is about the item.
            Err(PageFailure::Other(SyncError::Api(e))) if is_about_one_list(&e) => {}
            Err(PageFailure::Other(e)) => return Err(e),
        }
    }
    let gaps = &open.row.gaps;
    let (playlist, places) = (list.key.parent_id.clone(), gaps.places.clone());
    let part = PresumedPart {
        gaps: open.sync.store.write(move |s| known_gaps::with_playlist_items(s, &playlist, &places)).await?,
        end: open.row.served.unwrap_or(0),
        is_end_known: included.is_some_and(RawPage::is_short_end),
        cut_at: gaps.cut_at,
        first_items: included,
    };
    let cut_short = match look_at_gaps(open, list, &part).await? {
        LookResult::Items(late) => return Ok(UnchangedList::ReadAgain(late)),
        LookResult::StillCut(detail) => Some(detail),
        LookResult::Nothing => None,
    };
    mark_unchanged(open).await?;
    let kept = describe_known_rows(&open.context.job, &open.context.fetch);
    let cut = cut_short.as_ref().map(|detail| format!("{CUT_SHORT}: {detail}; {kept}"));
    let Some(detail) = describe_unread(open.row.announced, unread).or(cut) else {
        return Ok(UnchangedList::Finished(ReadOutcome::Unchanged(open.unchanged())));
    };
    let (asked, unread) = (open.context.asked(open.sync.now()), unread.clone());
    let notes = open.skip_notes(&asked);
    let mut counts = open.unchanged();
    counts.skipped += i64::try_from(unread.len()).unwrap_or(i64::MAX) + i64::from(cut_short.is_some());
    let note = move |s: &mut WriteTx| {
        notes.record_unread(s, &unread)?;
        notes.record_cut_short(s, cut_short)
    };
    open.sync.store.write(note).await?;
    Ok(UnchangedList::Finished(ReadOutcome::Incomplete { counts, detail }))
}

/// Stages an item that could not be read before. Returns how many items of the list that leaves without a row.
pub(super) async fn stage_late_item(
    open: &OpenList<'_>,
    list: &ListRequest,
    (page, position): (RawPage, i64),
    at: &Checkpoint,
) -> Result<i64, SyncError> {
    let asked = open.context.asked(open.sync.now());
    let (notes, key, kind, mut at) = (open.skip_notes(&asked), list.key.clone(), list.entry_kind, at.clone());
    let (id, run, calls) = (open.row.id, open.sync.run_id, open.sync.calls());
    let written = open.sync.store.write(move |s| {
        let staged = stage_entries(s, id, kind, &key.parent_id, position, &page.entries()[..1], &asked)?;
        let skipped = notes.record_page(s, id, staged)?;
        at.skipped += skipped;
        runs::update_counts(s, run, calls, 1)?;
        lists::save_checkpoint(s, id, run, &at, &asked.now)?;
        Ok(skipped)
    });
    Ok(written.await?)
}
