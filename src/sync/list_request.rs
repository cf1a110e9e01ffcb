//! A list, and the request for it.

use super::counts::RecordCounts;
use super::gap_looks::LateItem;
use crate::store::{Checkpoint, ListKey, ListRow, SharedRows};
use crate::stream::{ChangeDetection, EntryKind, Paging};
use spotify_client::EntityKind;
use spotify_client::client::ApiRequest;
use spotify_client::family::EndpointFamily;
use spotify_client::page::{Envelope, RawPage};

/// A list, and the request for it.
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
    /// Spotify is known to announce more items than there are.
    pub total_is_unreliable: bool,
    /// The maximum number of items that the job wants.
    pub max_items: Option<i64>,
    /// The request that returns the list's version, if the list has one.
    pub version: Option<ApiRequest>,
    /// The caller verifies the list later, together with others.
    pub deferred_verification: bool,
    /// The kind of the entity that the list belongs to, if that has a row of its own.
    pub parent: Option<EntityKind>,
}

/// The facts that are known before the first page is requested.
#[derive(Debug, Default)]
pub(super) struct Prefetch {
    /// The first page, if another answer contained it.
    pub page: Option<RawPage>,
    /// Spotify's version of the list.
    pub snapshot_id: Option<String>,
    /// Entity tag of the answer.
    pub etag: Option<String>,
    /// The checkpoint was written a moment ago, from the answer about the parent, so its staged rows are
    /// not checked again.
    pub is_from_parent: bool,
    /// Spotify has answered for the parent of the list, so the list cannot be gone.
    pub parent_answers: bool,
    /// The items of the list may be refused although its parent answers.
    pub may_be_forbidden: bool,
    /// Hash of the items that the previous pass read to its end.
    pub content_hash: Option<String>,
    /// The previous pass found items twice. Pages that begin elsewhere show whether the list or its pages are wrong.
    pub has_doubles: bool,
    /// Where the previous pass found the list cut short.
    pub cut_short_at: Option<i64>,
    /// The totals of two pages that ended the previous pass, because they differ.
    pub changed_totals: Option<(Option<i64>, Option<i64>)>,
    /// Items that a look has found before the read.
    pub late_items: Vec<LateItem>,
    /// The newest read of the playlist by any reader when this read began, if it is not that of the open list.
    pub newest_read: Option<SharedRows>,
}

impl Prefetch {
    /// When the playlist was last read by any reader before this read began.
    pub(super) fn newest_read_at(&self, row: &ListRow) -> Option<String> {
        self.newest_read.as_ref().unwrap_or(&row.shared).read_at.clone()
    }
}

impl ListRequest {
    /// Whether pages follow a cursor rather than an offset.
    pub(super) fn has_cursor(&self) -> bool {
        matches!(self.paging, Paging::Cursor { .. })
    }

    /// How many of the newest items are wanted, if the job wants only some and the items have dates.
    pub(super) fn wanted_newest(&self) -> Option<i64> {
        self.max_items.filter(|_| self.entry_kind.has_release_dates())
    }

    /// The same list, with all its items.
    pub(super) fn without_limit(&self) -> ListRequest {
        ListRequest { max_items: None, ..self.clone() }
    }

    /// How the total that Spotify announced differs from a list that was read to its end.
    pub(super) fn describe_wrong_total(&self, at: &Checkpoint) -> Option<String> {
        let announced = at.announced?;
        let is_wrong = match self.max_items {
            Some(max_items) => at.next_offset < announced.min(max_items),
            None => at.next_offset != announced,
        };
        let is_counted = matches!(self.paging, Paging::Offset { .. } | Paging::Cursor { .. });
        (is_counted && is_wrong)
            .then(|| format!("Spotify announced {announced} items, and the list ended after {}", at.next_offset))
    }

    /// The counts with the note about a wrong total, which is written when the list is published.
    pub(super) fn with_wrong_total(&self, at: &Checkpoint, mut counts: RecordCounts) -> RecordCounts {
        counts.skipped += i64::from(self.describe_wrong_total(at).is_some());
        counts
    }
}
