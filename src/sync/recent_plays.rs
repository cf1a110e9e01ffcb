//! The latest plays of a user. Spotify has about 50 of them and no more.

use super::context::FetchContext;
use super::counts::RecordCounts;
use super::error::SyncError;
use super::estimate::{CallEstimate, JobEstimator};
use super::list_reader::ListStrategy;
use super::list_request::ListRequest;
use super::open_list::OpenList;
use super::read_outcome::ReadOutcome;
use super::user_lists::user_list_request;
use crate::ingest;
use crate::store::{ListKey, ListProof, ListRow, list_commit, lists};
use spotify_client::client::{ApiRequest, ApiResponse, UnusableResponse};
use spotify_client::page::{Envelope, RawPage};

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
        let request = ApiRequest::new(list.family, list.path).with_query("limit", "50");
        let check = |answer: &ApiResponse| {
            RawPage::read(answer, Envelope::Bare)?.ok_or_else(|| UnusableResponse::new("the answer holds no page"))
        };
        let page = match sync.api.get_checked(&context.bearer, &request, check).await {
            Ok(page) => page,
            Err(e) => return ReadOutcome::from_error(e.into()),
        };
        let (asked, key, run, id) = (context.asked(sync.now()), list.key, sync.run_id, open.row.id);
        let (served, entry_kind, notes) = (page.served(), list.entry_kind, open.skip_notes(&asked));
        let written = sync.store.write(move |s| {
            lists::discard_checkpoint(s, id)?;
            let staged = ingest::stage_entries(s, id, entry_kind, "", 0, &page.entries(), &asked)?;
            let skipped = notes.record_page(s, id, staged)?;
            let proof = ListProof { served, skipped, ..ListProof::default() };
            Ok((list_commit::commit(s, id, &key, &proof, run, &asked.now)?.stored, skipped))
        });
        let (stored, skipped) = written.await?;
        Ok(ReadOutcome::Complete(RecordCounts { served, stored, skipped, ..RecordCounts::default() }))
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
