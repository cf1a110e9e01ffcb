//! A list that is open for reading: its lock, its row in the store, and how its result is recorded.

use super::context::{FetchContext, SyncContext};
use super::counts::RecordCounts;
use super::error::SyncError;
use super::fetch_progress::ResumedRead;
use super::list_lock::ListLock;
use super::skip_notes::SkipNotes;
use crate::ingest::IngestContext;
use crate::store::{Checkpoint, ListKey, ListRow, RequestedItem, lists};
use crate::stream::{self, StreamTable};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;

/// A list that a fetch reads. No other fetch reads it until this is dropped.
#[derive(Debug)]
pub(super) struct OpenList<'a> {
    pub sync: &'a SyncContext,
    pub context: &'a FetchContext,
    pub key: ListKey,
    pub row: ListRow,
    _lock: Option<ListLock>,
}

impl<'a> OpenList<'a> {
    /// Waits until no other run reads the list, and opens it.
    pub(super) async fn lock(
        sync: &'a SyncContext,
        context: &'a FetchContext,
        key: ListKey,
    ) -> Result<OpenList<'a>, SyncError> {
        let lock = lock_list(sync, &key).await?;
        let row = list_row(sync, &key).await?;
        Ok(OpenList { _lock: Some(lock), ..OpenList::with_row(sync, context, key, row) })
    }

    /// A list that the caller has locked, with its row.
    pub(super) fn with_row(
        sync: &'a SyncContext,
        context: &'a FetchContext,
        key: ListKey,
        row: ListRow,
    ) -> OpenList<'a> {
        OpenList { sync, context, key, row, _lock: None }
    }

    /// Whether this run has read the list, or found it unchanged.
    pub(super) fn is_read(&self) -> bool {
        self.sync.is_from_this_run(self.row.checked_at.as_ref())
    }

    /// Whether a batch is published however suspicious it is: a person has looked at it.
    pub(super) fn accepts_batch(&self) -> bool {
        self.sync.full || self.context.accepts_batch
    }

    /// The counts of a list with published rows that are still right.
    pub(super) fn unchanged(&self) -> RecordCounts {
        RecordCounts { unchanged: 1, stored: self.row.stored.unwrap_or(0), ..RecordCounts::default() }
    }

    /// Records whether an interrupted read is continued, or starts again because the list changed.
    pub(super) fn record_resume(&self, at: &Checkpoint, is_continued: bool) {
        if at.next_offset == 0 {
            return;
        }
        let name = format!("{} {}", self.key.kind, self.key.parent_id);
        let resumed = ResumedRead {
            list: name.trim().to_owned(),
            at: at.next_offset,
            of: at.announced,
            by: self.row.last_read_by.as_ref().map(|(run, job)| format!("run {run} of {job}")),
            goes_on: is_continued,
        };
        self.sync.observer.note(&resumed.to_string());
        self.context.progress.record_resume(resumed);
    }

    /// Notes about items of the list.
    pub(super) fn skip_notes(&self, asked: &IngestContext) -> SkipNotes {
        let parent_id = Some(self.key.parent_id.clone()).filter(|id| !id.is_empty());
        SkipNotes::new(self.sync, self.context, parent_id, asked.now.clone())
    }

    /// What the fetch records as requested.
    pub(super) fn requested(&self) -> RequestedItem {
        requested_list(self.context, &self.key, self.row.id)
    }

    /// A problem of the list, with its name if it is one of several.
    pub(super) fn name_problem(&self, problem: &str) -> String {
        match self.key.parent_id.as_str() {
            "" => problem.to_owned(),
            parent => format!("{parent}: {problem}"),
        }
    }

    /// The id under which a refusal of the list is remembered.
    pub(super) fn refusal_id(&self) -> &str {
        if self.key.parent_id.is_empty() { self.context.stream.name } else { &self.key.parent_id }
    }
}

/// How a fetch records that it requested a list.
pub(super) fn requested_list(context: &FetchContext, key: &ListKey, list: i64) -> RequestedItem {
    let is_user_list = context.stream.needs_user() && key.parent_id.is_empty();
    let is_playlist = stream::find(key.kind).is_some_and(|stream| stream.table == StreamTable::PlaylistItems);
    RequestedItem {
        user_id: is_user_list.then(|| context.audience.clone()),
        list_id: Some(list),
        item_id: is_playlist.then(|| key.parent_id.clone()),
    }
}

/// Waits until no other run reads the list. The list belongs to this run until the lock is dropped.
pub(super) async fn lock_list(sync: &SyncContext, key: &ListKey) -> Result<ListLock, SyncError> {
    // A signal ends the wait. A deferral does not: it holds for the run that reads the list as well.
    let may_wait = || match sync.api.may_send(EndpointFamily::ME) {
        Err(e @ ApiError::Stopped) => Err(SyncError::Api(e)),
        _ => Ok(()),
    };
    ListLock::take(&sync.state_folder, sync.store.path(), key, may_wait).await
}

/// The row of a list with its interrupted read, if there is one that may be resumed.
pub(super) async fn list_row(sync: &SyncContext, key: &ListKey) -> Result<ListRow, SyncError> {
    let (key, full) = (key.clone(), sync.full);
    let row = sync.store.write(move |s| {
        let mut row = lists::open(s, &key)?;
        if full && row.checkpoint.is_some() {
            lists::discard_checkpoint(s, row.id)?;
            row.checkpoint = None;
        }
        Ok(row)
    });
    Ok(row.await?)
}
