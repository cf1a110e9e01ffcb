//! The latest plays of a user. Spotify has about 50 of them and no more.

use super::context::FetchContext;
use super::counts::RecordCounts;
use super::error::SyncError;
use super::estimate::{CallEstimate, JobEstimator};
use super::list_reader::ListStrategy;
use super::list_request::ListRequest;
use super::open_list::OpenList;
use super::page_reader::describe_failure;
use super::read_outcome::{ReadOutcome, describe_unread};
use super::user_lists::user_list_request;
use crate::ingest;
use crate::store::{ListKey, ListProof, ListRow, UnreadItem, list_commit, lists};
use spotify_client::client::{ApiRequest, ApiResponse, UnusableResponse};
use spotify_client::error::ApiError;
use spotify_client::page::{Envelope, RawPage};

/// Spotify returns no more plays than this.
const MAX_PLAYS: i64 = 50;

/// The latest plays of a user.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecentPlays;

impl RecentPlays {
    fn request(self, context: &FetchContext) -> ListRequest {
        user_list_request(context.stream, context)
    }
}

impl ListStrategy for RecentPlays {
    fn key(&self, context: &FetchContext) -> ListKey {
        self.request(context).key
    }

    async fn read(&self, open: &OpenList<'_>) -> Result<ReadOutcome, SyncError> {
        let (sync, context) = (open.sync, open.context);
        let list = self.request(context);
        let (page, unread) = match request_plays(open, &list, (MAX_PLAYS, None)).await {
            Ok(page) => (page, None),
            Err(e) if e.is_failure() => match request_newest_plays(open, &list, e).await {
                Ok((page, unread)) => (page, unread),
                Err(e) => return ReadOutcome::from_error(e.into()),
            },
            Err(e) => return ReadOutcome::from_error(e.into()),
        };
        let (asked, key, run, id) = (context.asked(sync.now()), list.key, sync.run_id, open.row.id);
        let (served, entry_kind, notes) = (page.served(), list.entry_kind, open.skip_notes(&asked));
        let unread: Vec<UnreadItem> = unread.into_iter().collect();
        let problem = describe_unread(None, &unread);
        let written = sync.store.write(move |s| {
            lists::discard_checkpoint(s, id)?;
            let staged = ingest::stage_entries(s, id, entry_kind, "", 0, &page.entries(), &asked)?;
            let skipped = notes.record_page(s, id, staged)?;
            notes.record_unread(s, &unread)?;
            let skipped = skipped + i64::try_from(unread.len()).unwrap_or(0);
            let proof = ListProof { served, skipped, ..ListProof::default() };
            Ok((list_commit::commit(s, id, &key, &proof, run, &asked.now)?.stored, skipped))
        });
        let (stored, skipped) = written.await?;
        let counts = RecordCounts { served, stored, skipped, ..RecordCounts::default() };
        Ok(match problem {
            Some(detail) => ReadOutcome::Incomplete {
                counts,
                detail: format!("{detail}; older plays cannot be requested without it"),
            },
            None => ReadOutcome::Complete(counts),
        })
    }

    async fn estimate(
        &self,
        estimator: &mut JobEstimator<'_>,
        context: &FetchContext,
    ) -> Result<CallEstimate, SyncError> {
        self.request(context).estimate(estimator, context).await
    }

    fn fresh_counts(&self, _open: &OpenList<'_>) -> RecordCounts {
        RecordCounts { unchanged: 1, ..RecordCounts::default() }
    }

    /// `stored` counts the plays that are new. As many as were served means that none was known before, so
    /// some in between may be lost.
    fn warning(&self, before: &ListRow, counts: &RecordCounts) -> Option<String> {
        let served = counts.served;
        let is_all_new = before.whole_at.is_some() && served > 0 && counts.stored >= served - counts.skipped;
        is_all_new.then(|| {
            format!(
                "all {served} plays are new, so plays before them may be missing: Spotify keeps about 50; run the job \
                 at least every 25 minutes (schedule = \"*/25 * * * *\")"
            )
        })
    }
}

/// Requests this many of the latest plays, in at most so many attempts.
async fn request_plays(
    open: &OpenList<'_>,
    list: &ListRequest,
    (plays, max_attempts): (i64, Option<u32>),
) -> Result<RawPage, ApiError> {
    let mut request = ApiRequest::new(list.family, list.path.clone()).with_query("limit", plays.to_string());
    request.max_attempts = max_attempts;
    let check = |answer: &ApiResponse| {
        RawPage::read(answer, Envelope::Bare)?.ok_or_else(|| UnusableResponse::new("the answer holds no page"))
    };
    open.sync.api.get_checked(&open.context.bearer, &request, check).await
}

/// As many of the latest plays as are answered, after a request for all of them failed, with the play before them,
/// which cannot be read. The plays have no offset, so nothing leads past that one.
async fn request_newest_plays(
    open: &OpenList<'_>,
    list: &ListRequest,
    failure: ApiError,
) -> Result<(RawPage, Option<UnreadItem>), ApiError> {
    let mut newest = match request_plays(open, list, (1, Some(1))).await {
        Err(e) if e.is_failure() => return Err(failure),
        other => other?,
    };
    let (mut read, mut failing, mut last) = (1, MAX_PLAYS, failure);
    while failing - read > 1 {
        let plays = read.midpoint(failing);
        match request_plays(open, list, (plays, Some(1))).await {
            Ok(page) if page.served() < plays => return Ok((page, None)),
            Ok(page) => (newest, read) = (page, plays),
            Err(e) if e.is_failure() => (failing, last) = (plays, e),
            Err(e) => return Err(e),
        }
    }
    Ok((newest, Some(UnreadItem { position: read, detail: describe_failure(&last) })))
}
