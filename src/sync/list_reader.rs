//! The one loop that reads lists: what all lists have in common before and after their strategy.
//!
//! A list is read under its lock, at most once in a run, and not at all within a week of a refusal. Its
//! strategy ([`ListStrategy`]) says how it is read and what that costs; the outcome becomes the result
//! of a work item here and nowhere else.

use super::anomalies::CUT_SHORT;
use super::brake::{SUSPECT_BATCH, describe_kept};
use super::change_detection;
use super::commit::{abandon_read, clear_skips, start_read};
use super::context::{FetchContext, SyncContext};
use super::counts::RecordCounts;
use super::error::SyncError;
use super::estimate::{CallEstimate, JobEstimator};
use super::gap_looks;
use super::incremental::PreviousRows;
use super::list_pass::ListPass;
use super::list_request::{ListRequest, Prefetch};
use super::missing;
use super::open_list::OpenList;
use super::page_request::request_version;
use super::read_outcome::{ReadOutcome, describe_unread};
use super::work_result::WorkResult;
use crate::store::{Checkpoint, ListKey, ListRow, SkippedItem, lists, members};
use crate::stream::RowMode;
use spotify_client::error::ApiError;

/// A list that changes while it is read is read again from its start this often.
pub(super) const MAX_RESTARTS: i64 = 2;

/// How one kind of list is read, and what reading it costs.
pub(super) trait ListStrategy: Sync {
    /// The key of the list.
    fn key(&self, context: &FetchContext) -> ListKey;

    /// If this id was refused within a week, the list is not requested.
    fn remembered_id(&self) -> Option<&str> {
        None
    }

    /// Reads the list, which this run has not read yet.
    fn read(&self, open: &OpenList<'_>) -> impl Future<Output = Result<ReadOutcome, SyncError>> + Send;

    /// What a run would spend on the list now.
    fn estimate(
        &self,
        estimator: &mut JobEstimator<'_>,
        context: &FetchContext,
    ) -> impl Future<Output = Result<CallEstimate, SyncError>>;

    /// The counts of a list that this run has read already.
    fn fresh_counts(&self, open: &OpenList<'_>) -> RecordCounts {
        open.unchanged()
    }

    /// What people should know about a list that was read.
    fn warning(&self, _before: &ListRow, _counts: &RecordCounts) -> Option<String> {
        None
    }
}

/// Reads a list, unless this run has read it or Spotify refused it within a week.
pub(super) async fn read_list(
    sync: &SyncContext,
    context: &FetchContext,
    strategy: &impl ListStrategy,
) -> Result<WorkResult, SyncError> {
    let key = strategy.key(context);
    if let Some(id) = strategy.remembered_id()
        && let Some(result) = missing::find_missing_list(sync, context, id, &key).await?
    {
        return Ok(result);
    }
    let open = OpenList::lock(sync, context, key).await?;
    if open.is_read() {
        let result = WorkResult::complete(vec![open.requested()], strategy.fresh_counts(&open));
        let cut_short = || open.row.gaps.cut_at.map(|at| format!("{CUT_SHORT}: it ended after {at} items"));
        let problem = describe_unread(open.row.announced, &open.row.unread).or_else(cut_short);
        let problem = problem.map(|text| open.name_problem(&text));
        return Ok(WorkResult { problem_count: usize::from(problem.is_some()), problem, ..result });
    }
    let outcome = strategy.read(&open).await?;
    let warning = match &outcome {
        ReadOutcome::Complete(counts) | ReadOutcome::Incomplete { counts, .. } => strategy.warning(&open.row, counts),
        _ => None,
    };
    let mut result = finish_read(&open, outcome).await?;
    result.warnings.extend(warning);
    Ok(result)
}

/// Records how the read of a list ended, and returns the result of the work item.
pub(super) async fn finish_read(open: &OpenList<'_>, outcome: ReadOutcome) -> Result<WorkResult, SyncError> {
    let requested = vec![open.requested()];
    match outcome {
        ReadOutcome::Complete(counts) => {
            missing::clear_missing(open.sync, open.context, open.refusal_id()).await?;
            Ok(WorkResult::complete(requested, counts))
        }
        ReadOutcome::Incomplete { counts, detail } => {
            missing::clear_missing(open.sync, open.context, open.refusal_id()).await?;
            let problem = Some(open.name_problem(&detail));
            Ok(WorkResult { problem, problem_count: 1, ..WorkResult::complete(requested, counts) })
        }
        ReadOutcome::Unchanged(counts) => Ok(WorkResult::complete(requested, counts)),
        ReadOutcome::AwaitsVerification(pending) => {
            Ok(WorkResult { requested, pending: vec![*pending], ..WorkResult::default() })
        }
        ReadOutcome::Refused(e) => missing::record_missing(open.sync, open.context, open.refusal_id(), &e)
            .await
            .map(|result| result.with_requested(requested)),
        ReadOutcome::Moved => {
            let detail = format!("it changed in each of {} reads", MAX_RESTARTS + 1);
            record_unproved(open, "moved", detail).await
        }
        ReadOutcome::Unproved { reason, detail, .. } => record_unproved(open, reason, detail).await,
    }
}

/// Records that a list could not be proved complete. The old list stays, if there is one.
async fn record_unproved(open: &OpenList<'_>, reason: &'static str, detail: String) -> Result<WorkResult, SyncError> {
    let parent = &open.key.parent_id;
    let parent_id = Some(parent.clone()).filter(|p| !p.is_empty());
    let (fetch, stream) = (open.context.fetch.clone(), open.context.stream.name);
    let (detail_text, user_id) = (Some(detail.clone()), Some(open.context.recorded_for.clone()));
    let skip = SkippedItem { fetch, stream, parent_id, reason, detail: detail_text, user_id, ..SkippedItem::default() };
    open.sync.record_skip(skip).await?;
    let counts = RecordCounts { skipped: 1, stored: open.row.stored.unwrap_or(0), ..RecordCounts::default() };
    let kept = match &open.row.whole_at {
        Some(at) if matches!(reason, SUSPECT_BATCH | CUT_SHORT) => {
            describe_kept(at, &open.context.job, &open.context.fetch)
        }
        Some(_) => "the last whole list stays".to_owned(),
        None => "it was never read whole".to_owned(),
    };
    let name = if parent.is_empty() { reason.to_owned() } else { format!("{parent}: {reason}") };
    Ok(WorkResult::incomplete(vec![open.requested()], counts, format!("{name}: {detail}; {kept}")))
}

/// Reads the pages of a list until it is published, and again from the start where it changed meanwhile.
pub(super) async fn read_pages(
    open: &OpenList<'_>,
    list: &ListRequest,
    mut prefetch: Prefetch,
) -> Result<ReadOutcome, SyncError> {
    let previous = previous_rows(open, list).await?;
    let etag = useful_etag(open.sync, open.context, (list, &open.row));
    let mut at = match open.row.checkpoint.clone() {
        Some(at) if at.snapshot_id == prefetch.snapshot_id => at,
        other => {
            if let Some(at) = other {
                open.record_resume(&at, false);
            }
            start_read(open, &prefetch, 0).await?
        }
    };
    let (mut is_answered, was_begun) = (prefetch.parent_answers, at.next_offset > 0);
    loop {
        let pass = ListPass::new(open, list, previous.clone(), etag.clone());
        let started_at = at.next_offset;
        let outcome = pass.read(&mut at, &mut prefetch).await;
        is_answered |= at.next_offset > started_at;
        let is_last_pass = at.restarts >= MAX_RESTARTS;
        let is_discarded = match &outcome {
            Ok(ReadOutcome::Moved) => is_last_pass,
            Ok(ReadOutcome::Unproved { .. }) | Err(_) => true,
            Ok(_) => false,
        };
        if is_discarded {
            open.context.progress.add_unplaced_items(at.next_offset - started_at);
        }
        let outcome = outcome?;
        match &outcome {
            ReadOutcome::Unproved { reason, reached, .. } => {
                let at = Checkpoint { next_offset: reached.unwrap_or(at.next_offset), ..at.clone() };
                abandon_read(open, &at, None, reason).await?;
            }
            ReadOutcome::Moved if is_last_pass => {
                abandon_read(open, &at, prefetch.snapshot_id.clone(), "moved").await?;
            }
            ReadOutcome::Moved => {
                let restarts = at.restarts + 1;
                clear_skips(open).await?;
                if let Err(outcome) = note_other_readers(open, list, &mut prefetch).await? {
                    return Ok(outcome);
                }
                prefetch.page = None;
                prefetch.etag = None;
                at = start_read(open, &prefetch, restarts).await?;
                continue;
            }
            _ => {}
        }
        return match outcome {
            ReadOutcome::Refused(e @ ApiError::Refused { .. }) if prefetch.may_be_forbidden && at.next_offset == 0 => {
                Ok(ReadOutcome::Refused(e))
            }
            ReadOutcome::Refused(e) if (is_answered || was_begun) && is_denial(&e) => {
                let reason = "page_refused";
                if !is_answered {
                    // The next run asks whether there still is such a list.
                    abandon_read(open, &at, None, reason).await?;
                }
                Ok(ReadOutcome::Unproved { reason, detail: e.to_string(), reached: None })
            }
            outcome => Ok(outcome),
        };
    }
}

/// Before a playlist is read again: where another reader published another version meanwhile, the read goes by
/// Spotify's version now. An error that concerns this one list ends its read.
async fn note_other_readers(
    open: &OpenList<'_>,
    list: &ListRequest,
    prefetch: &mut Prefetch,
) -> Result<Result<(), ReadOutcome>, SyncError> {
    let Some(version) = &list.version else { return Ok(Ok(())) };
    let playlist = list.key.parent_id.clone();
    let newest = open.sync.store.write(move |s| lists::shared_rows(s, &playlist)).await?;
    let is_known = newest.read_at == prefetch.newest_read_at(&open.row);
    if is_known || newest.snapshot_id.is_some() && newest.snapshot_id == prefetch.snapshot_id {
        return Ok(Ok(()));
    }
    prefetch.newest_read = Some(newest);
    match request_version(open.sync, open.context, version).await {
        Ok(snapshot_id) => prefetch.snapshot_id = snapshot_id,
        Err(e) => return ReadOutcome::from_error(e).map(Err),
    }
    Ok(Ok(()))
}

/// Whether an answer says that there is nothing to read. Of a list that has just answered, only the page is affected.
fn is_denial(e: &ApiError) -> bool {
    matches!(e, ApiError::NotFound { .. } | ApiError::Gone { .. } | ApiError::Refused { .. })
}

/// Whether a list is read whole whatever is known of it: a person wants that, or accepts the end that a read has found.
pub(super) fn reads_whole(sync: &SyncContext, context: &FetchContext, row: &ListRow) -> bool {
    sync.full || context.accepts_batch && (row.early_end.is_some() || row.gaps.cut_at.is_some())
}

/// The rows that are published, if they are enough to read the list incrementally.
async fn previous_rows(open: &OpenList<'_>, list: &ListRequest) -> Result<Option<PreviousRows>, SyncError> {
    let row = &open.row;
    let recent = open.sync.full_read_span(open.context.full_every);
    let full = reads_whole(open.sync, open.context, row);
    if !change_detection::can_read_incrementally(row, list.changes, list.max_items, full, &recent) {
        return Ok(None);
    }
    let (id, kind) = (row.id, list.key.kind);
    let members = open.sync.store.write(move |s| members::current(s, id, kind)).await?;
    Ok(Some(PreviousRows::new(members, row.served.unwrap_or(0), row.announced.unwrap_or(0))))
}

/// The entity tag to send, where the same first answer means that the list is unchanged. A log needs
/// its rows again whatever they are.
pub(super) fn useful_etag(
    sync: &SyncContext,
    context: &FetchContext,
    (list, row): (&ListRequest, &ListRow),
) -> Option<String> {
    let (recent, full) = (sync.full_read_span(context.full_every), reads_whole(sync, context, row));
    let is_one_answer = row.proof.as_deref() == Some("one_answer");
    let is_incremental = || change_detection::can_read_incrementally(row, list.changes, list.max_items, full, &recent);
    let is_useful = context.stream.row_mode == RowMode::CurrentState
        && list.version.is_none()
        && (is_one_answer || list.wanted_newest().is_some() || is_incremental())
        && row.checkpoint.is_none()
        && row.unread.is_empty()
        && !gap_looks::is_wanted(sync, &row.gaps)
        && change_detection::is_full_read_recent(row, full, &recent);
    row.etag.clone().filter(|_| is_useful)
}
