//! Reading one list until it is proved whole, and beginning again where it moved meanwhile.
//!
//! One pass goes page by page (`pass`); each page is committed into staging with its checkpoint
//! (`land`); the whole list is put in place by one transaction. Lists that stand newest first are read
//! from their head to what is known, where that is enough (`head`).

use super::change_detection;
use super::context::{FetchContext, RecordCounts, SyncContext};
use super::error::SyncError;
use super::fetch_progress::ResumedRead;
use super::incremental::PreviousRows;
use super::list_lock::ListLock;
use super::list_reader::{ListReader, ReadOutcome};
use crate::store::{Checkpoint, ListKey, ListRow};
use crate::store::{lists, members};
use crate::stream::{ChangeDetection, EntryKind, Paging, RowMode};
use spotify_client::EntityKind;
use spotify_client::client::ApiRequest;
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::page::{Envelope, RawPage};

/// A list that moves while it is read is begun again this often.
pub(super) const MAX_RESTARTS: i64 = 2;

/// A list, and how to ask for it.
#[derive(Debug, Clone)]
pub(super) struct ListRequest {
    pub key: ListKey,
    pub family: EndpointFamily,
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    pub entry_kind: EntryKind,
    pub envelope: Envelope,
    pub paging: Paging,
    pub changes: ChangeDetection,
    /// Whether Spotify is known to announce more items than there are.
    pub total_is_unreliable: bool,
    /// Items wanted at most.
    pub max_items: Option<i64>,
    /// Where its version can be asked for, if it has one.
    pub version: Option<ApiRequest>,
    /// Whoever reads it proves it later, together with others.
    pub deferred_verification: bool,
    /// What it belongs to, if that has a row of its own.
    pub parent: Option<EntityKind>,
}

impl ListRequest {
    /// What is wrong with the total that Spotify announced, once the list was proved whole.
    pub(super) fn describe_wrong_total(&self, at: &Checkpoint) -> Option<String> {
        let announced = at.announced.filter(|n| *n != at.next_offset)?;
        let counts = self.max_items.is_none() && matches!(self.paging, Paging::Offset { .. });
        counts.then(|| format!("Spotify announced {announced} items, and the list ended after {}", at.next_offset))
    }

    /// The tally with what was noted when the list was put in place.
    pub(super) fn with_wrong_total(&self, at: &Checkpoint, mut tally: RecordCounts) -> RecordCounts {
        tally.skipped += i64::from(self.describe_wrong_total(at).is_some());
        tally
    }
}

/// What is in hand when the read begins.
#[derive(Debug, Default)]
pub(super) struct Prefetch {
    /// The first page, if another answer held it.
    pub page: Option<RawPage>,
    /// Spotify's version of the list.
    pub snapshot_id: Option<String>,
    /// Entity tag of the answer.
    pub etag: Option<String>,
    /// The checkpoint at hand is of this moment: what it staged need not be proved again.
    pub is_from_parent: bool,
    /// Hash of what the pass before this one read to its end.
    pub content_hash: Option<String>,
}

/// How a read ended.
#[derive(Debug)]
pub(super) enum ListOutcome {
    /// Whole, and in place.
    Whole(RecordCounts),
    /// Read to its end and staged; whoever asked for it has to prove it.
    AwaitsVerification(Box<Checkpoint>),
    /// It kept moving, or never ended; the old list stays.
    Unproved { reason: &'static str, detail: String },
    /// Spotify refuses it, or its pages stay unusable.
    Refused(ApiError),
}

impl ListOutcome {
    /// It was another one in every read.
    pub(super) fn moved() -> ListOutcome {
        ListOutcome::Unproved { reason: "moved", detail: format!("it changed in each of {} reads", MAX_RESTARTS + 1) }
    }
}

impl SyncContext {
    /// Waits until no other run reads the list; it is this one's until the lock is dropped.
    pub(super) async fn lock_list(&self, key: &ListKey) -> Result<ListLock, SyncError> {
        // A stop is heard here too. What is deferred is so for those who read as well.
        let goes_on = || match self.api.may_send(EndpointFamily::ME) {
            Err(e @ ApiError::Stopped) => Err(SyncError::Api(e)),
            _ => Ok(()),
        };
        ListLock::take(&self.state_folder, self.store.path(), key, goes_on).await
    }

    /// The number of a list and, unless everything is to be read anew, its interrupted read.
    pub(super) async fn open_list(&self, key: &ListKey) -> Result<ListRow, SyncError> {
        let (key, full) = (key.clone(), self.full);
        let row = self.store.write(move |s| {
            let mut row = lists::open(s, &key)?;
            if full && row.checkpoint.is_some() {
                lists::discard_checkpoint(s, row.id)?;
                row.checkpoint = None;
            }
            Ok(row)
        });
        Ok(row.await?)
    }

    /// Reads a list and puts it in place.
    pub(super) async fn read_list(
        &self,
        frame: &FetchContext,
        list: &ListRequest,
        row: &ListRow,
        mut opening: Prefetch,
    ) -> Result<ListOutcome, SyncError> {
        let known = self.previous_rows(frame, list, row).await?;
        let tag = self.useful_etag(frame, list, row, known.is_some());
        let mut at = match row.checkpoint.clone() {
            Some(at) if at.snapshot_id == opening.snapshot_id => at,
            other => {
                if let Some(at) = other {
                    self.record_resume(frame, list, row, &at, false);
                }
                self.start_read(row.id, &opening, 0).await?
            }
        };
        loop {
            let pass = ListReader::new(self, frame, list, row, known.clone(), tag.clone());
            let began_at = at.next_offset;
            let ended = pass.read_once(&mut at, &mut opening).await;
            let given_up = matches!(ended, Ok(ReadOutcome::Moved)) && at.restarts >= MAX_RESTARTS;
            if given_up || matches!(ended, Err(_) | Ok(ReadOutcome::Unproved { .. })) {
                frame.progress.add_unplaced_items(at.next_offset - began_at);
            }
            match ended? {
                ReadOutcome::Whole(tally) => return Ok(ListOutcome::Whole(list.with_wrong_total(&at, tally))),
                ReadOutcome::Presumed(tally) | ReadOutcome::Unchanged(tally) => return Ok(ListOutcome::Whole(tally)),
                ReadOutcome::AwaitsVerification => return Ok(ListOutcome::AwaitsVerification(Box::new(at))),
                ReadOutcome::Refused(e) => return Ok(ListOutcome::Refused(e)),
                ReadOutcome::Unproved { reason, detail } => {
                    self.abandon_read(row.id, &at, None, reason).await?;
                    return Ok(ListOutcome::Unproved { reason, detail });
                }
                ReadOutcome::Moved if at.restarts >= MAX_RESTARTS => {
                    self.abandon_read(row.id, &at, opening.snapshot_id.clone(), "moved").await?;
                    return Ok(ListOutcome::moved());
                }
                ReadOutcome::Moved => {
                    let restarts = at.restarts + 1;
                    self.clear_skips(frame, list).await?;
                    opening.page = None;
                    opening.etag = None;
                    at = self.start_read(row.id, &opening, restarts).await?;
                }
            }
        }
    }

    /// Tells whether an interrupted read is gone on with, or begun again because the list is another one.
    pub(super) fn record_resume(
        &self,
        frame: &FetchContext,
        list: &ListRequest,
        row: &ListRow,
        at: &Checkpoint,
        goes_on: bool,
    ) {
        if at.next_offset == 0 {
            return;
        }
        let name = format!("{} {}", list.key.kind, list.key.parent_id);
        let by = row.last_read_by.as_ref().map(|(run, job)| format!("run {run} of {job}"));
        let taken_up = ResumedRead { list: name.trim().to_owned(), at: at.next_offset, of: at.announced, by, goes_on };
        self.observer.note(&taken_up.to_string());
        frame.progress.record_resume(taken_up);
    }

    /// What stood in a list, where reading on from there is enough.
    async fn previous_rows(
        &self,
        frame: &FetchContext,
        list: &ListRequest,
        row: &ListRow,
    ) -> Result<Option<PreviousRows>, SyncError> {
        let whole = self.full_read_span(frame.full_every);
        if !change_detection::can_read_incrementally(row, list.changes, list.max_items, self.full, &whole) {
            return Ok(None);
        }
        let (id, kind) = (row.id, list.key.kind);
        let standing = self.store.write(move |s| members::current(s, id, kind)).await?;
        Ok(Some(PreviousRows::new(standing, row.served.unwrap_or(0), row.announced.unwrap_or(0))))
    }

    /// The entity tag to ask with: where the same first answer means that the list stands as it is. A
    /// log needs its rows again whatever they are.
    fn useful_etag(
        &self,
        frame: &FetchContext,
        list: &ListRequest,
        row: &ListRow,
        from_the_head: bool,
    ) -> Option<String> {
        let whole = self.full_read_span(frame.full_every);
        let in_one = row.proof.as_deref() == Some("one_answer");
        let of_use =
            frame.stream.row_mode == RowMode::CurrentState && list.version.is_none() && (in_one || from_the_head);
        row.etag.clone().filter(|_| {
            of_use && row.checkpoint.is_none() && change_detection::is_full_read_recent(row, self.full, &whole)
        })
    }
}
