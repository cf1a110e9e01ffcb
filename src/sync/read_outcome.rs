//! How the read of one list ended.

use super::counts::RecordCounts;
use super::error::{SyncError, is_about_one_list};
use super::list_request::ListRequest;
use crate::store::{Checkpoint, ListRow, UnreadItem};
use spotify_client::error::ApiError;

/// How a read of a list ended.
#[derive(Debug)]
pub(super) enum ReadOutcome {
    /// The list was read, and its rows are published.
    Complete(RecordCounts),
    /// The list was read, and its rows are published, but for items that could not be read.
    Incomplete { counts: RecordCounts, detail: String },
    /// The rows that are published are still the list's.
    Unchanged(RecordCounts),
    /// The list was read to its end and staged. The caller verifies it together with other lists.
    AwaitsVerification(Box<PendingVerification>),
    /// The list changed while it was read.
    Moved,
    /// The list never ends, or contradicts itself.
    Unproved {
        /// The word for `skipped_items`.
        reason: &'static str,
        detail: String,
        /// The offset behind the last item that was served, if that is not how far the list is committed.
        reached: Option<i64>,
    },
    /// Spotify refuses the list, or its answers stay unusable.
    Refused(ApiError),
}

/// A list that was read to its end and has to be verified together with others.
#[derive(Debug)]
pub(super) struct PendingVerification {
    pub request: ListRequest,
    pub row: ListRow,
    pub checkpoint: Checkpoint,
}

impl ReadOutcome {
    /// The outcome of a read, once its rows are published.
    pub(super) fn published(at: &Checkpoint, counts: RecordCounts) -> ReadOutcome {
        match describe_unread(at.announced, &at.unread) {
            None => ReadOutcome::Complete(counts),
            Some(detail) => ReadOutcome::Incomplete { counts, detail },
        }
    }

    /// The outcome of a failed request: an error that concerns this one list is how its read ended, and
    /// any other error stops the fetch.
    ///
    /// # Errors
    /// The error itself, if it is not about one list.
    pub(super) fn from_error(error: SyncError) -> Result<ReadOutcome, SyncError> {
        match error {
            SyncError::Api(e) if is_about_one_list(&e) => Ok(ReadOutcome::Refused(e)),
            e => Err(e),
        }
    }
}

/// Which items of a list could not be read, with the number of those that could.
pub(super) fn describe_unread(announced: Option<i64>, unread: &[UnreadItem]) -> Option<String> {
    const MAX_NAMED: usize = 5;
    let first = unread.first()?;
    let offsets: Vec<String> = unread.iter().take(MAX_NAMED).map(|item| item.position.to_string()).collect();
    let items = match unread.len() {
        1 => format!("the item at offset {}", first.position),
        n if n > MAX_NAMED => format!("the items at offsets {} and {} more", offsets.join(", "), n - MAX_NAMED),
        _ => format!("the items at offsets {}", offsets.join(", ")),
    };
    let count = announced.map_or_else(String::new, |total| {
        format!("{} of {total} items; ", total - i64::try_from(unread.len()).unwrap_or(0))
    });
    Some(format!("{count}{items} cannot be read: {}", first.detail))
}

/// What ends a pass over a list before its next step.
#[derive(Debug)]
pub(super) enum ReadStop {
    /// The pass has its outcome.
    Outcome(ReadOutcome),
    /// The fetch cannot continue.
    Error(SyncError),
}

impl ReadStop {
    /// What a failed request means for the pass that sent it.
    pub(super) fn from_request(error: SyncError) -> ReadStop {
        ReadOutcome::from_error(error).into()
    }
}

impl From<SyncError> for ReadStop {
    fn from(error: SyncError) -> ReadStop {
        ReadStop::Error(error)
    }
}

impl From<ReadOutcome> for ReadStop {
    fn from(outcome: ReadOutcome) -> ReadStop {
        ReadStop::Outcome(outcome)
    }
}

impl From<Result<ReadOutcome, SyncError>> for ReadStop {
    fn from(result: Result<ReadOutcome, SyncError>) -> ReadStop {
        match result {
            Ok(outcome) => ReadStop::Outcome(outcome),
            Err(error) => ReadStop::Error(error),
        }
    }
}

impl From<ReadStop> for Result<ReadOutcome, SyncError> {
    fn from(stop: ReadStop) -> Result<ReadOutcome, SyncError> {
        match stop {
            ReadStop::Outcome(outcome) => Ok(outcome),
            ReadStop::Error(error) => Err(error),
        }
    }
}
