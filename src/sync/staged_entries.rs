//! Whether a list still has the entries that an interrupted read has staged.

use super::error::SyncError;
use super::list_request::ListRequest;
use super::open_list::OpenList;
use crate::ingest::{IngestContext, stage_entries};
use crate::store::{ListKey, StoreError, WriteTx, staging};
use crate::stream::EntryKind;
use spotify_client::page::RawPage;

/// Entries of a list that an interrupted read has staged from an offset.
pub(super) struct StagedEntries<'a> {
    pub id: i64,
    pub kind: EntryKind,
    pub key: &'a ListKey,
    pub offset: i64,
    pub asked: &'a IngestContext,
}

impl StagedEntries<'_> {
    /// Whether entries that were read now are the ones that are staged. They are staged afterwards.
    pub(super) fn are_same(&self, s: &mut WriteTx, entries: &[Option<&str>]) -> Result<bool, StoreError> {
        let up_to = self.offset + i64::try_from(entries.len()).unwrap_or(0);
        let before = staging::as_text(s, self.id, self.offset, up_to)?;
        staging::discard_between(s, self.id, self.offset, up_to)?;
        stage_entries(s, self.id, self.kind, &self.key.parent_id, self.offset, entries, self.asked)?;
        Ok(staging::as_text(s, self.id, self.offset, up_to)? == before)
    }
}

/// Whether a list begins with its staged rows, up to an offset that an interrupted read has reached.
pub(super) async fn starts_with_page(
    open: &OpenList<'_>,
    list: &ListRequest,
    page: RawPage,
    up_to: i64,
) -> Result<bool, SyncError> {
    let (asked, key) = (open.context.asked(open.sync.now()), list.key.clone());
    let (id, kind) = (open.row.id, list.entry_kind);
    let same = open.sync.store.write(move |s| {
        let mut entries = page.entries();
        entries.truncate(usize::try_from(up_to).unwrap_or(0));
        StagedEntries { id, kind, key: &key, offset: 0, asked: &asked }.are_same(s, &entries)
    });
    Ok(same.await?)
}
