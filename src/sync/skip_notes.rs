//! Notes in `skipped_items` about items of a list.

use super::anomalies::CUT_SHORT;
use super::brake::SUSPECT_BATCH;
use super::context::{FetchContext, SyncContext};
use crate::ingest::StagedPage;
use crate::store::{
    FieldCounts, FieldScope, KeptRow, ListMember, SkippedItem, StoreError, UnreadItem, WriteTx, field_notes,
    skipped_items,
};

/// Writes notes about the items of one list.
#[derive(Debug, Clone)]
pub(super) struct SkipNotes {
    pub run: i64,
    pub fetch: String,
    pub stream: &'static str,
    /// `app`, or the id of the owner of the used token.
    pub audience: String,
    pub parent_id: Option<String>,
    /// The owner of the used token, as the run records it; empty for the app.
    pub user_id: String,
    pub now: String,
}

impl SkipNotes {
    /// Notes about a list of this parent, or about entities.
    pub(super) fn new(sync: &SyncContext, context: &FetchContext, parent_id: Option<String>, now: String) -> SkipNotes {
        SkipNotes {
            run: sync.run_id,
            fetch: context.fetch.clone(),
            stream: context.stream.name,
            audience: context.audience.clone(),
            parent_id,
            user_id: context.recorded_for.clone(),
            now,
        }
    }

    /// Records the items of a page that could not be stored whole, and the fields that could not be read as
    /// documented. Returns the number of items.
    pub(super) fn record_page(&self, s: &mut WriteTx, list: i64, page: StagedPage) -> Result<i64, StoreError> {
        self.record_fields(s, Some(list), &page.fields)?;
        let skipped = i64::try_from(page.unstored.len()).unwrap_or(i64::MAX);
        for (position, reason, detail) in page.unstored {
            self.record(s, position, SkippedItem { reason, detail, ..SkippedItem::default() })?;
        }
        Ok(skipped)
    }

    /// Records the fields that could not be read as documented. `list` is none for entities that are read by id.
    pub(super) fn record_fields(
        &self,
        s: &mut WriteTx,
        list: Option<i64>,
        fields: &FieldCounts,
    ) -> Result<(), StoreError> {
        if fields.is_empty() {
            return Ok(());
        }
        let (fetch, audience) = (self.fetch.clone(), self.audience.clone());
        let scope = FieldScope { run: self.run, fetch, stream: self.stream, audience, list };
        field_notes::add(s, &scope, fields, &self.now)
    }

    /// Records why the item at a position could not be stored whole.
    pub(super) fn record(&self, s: &mut WriteTx, position: i64, skip: SkippedItem) -> Result<(), StoreError> {
        let skip = SkippedItem { position: Some(position), ..skip };
        skipped_items::record(s, self.run, &self.of_list(skip), &self.now)
    }

    /// Records that a search has no hits. This is no gap: the search is complete.
    pub(super) fn record_no_hits(&self, s: &mut WriteTx, query: &str) -> Result<(), StoreError> {
        let skip = SkippedItem {
            fetch: self.fetch.clone(),
            stream: self.stream,
            parent_id: self.parent_id.clone(),
            item_id: Some(query.to_owned()),
            reason: "no_hits",
            detail: Some("Spotify finds nothing".to_owned()),
            already_known: true,
            ..SkippedItem::default()
        };
        skipped_items::record(s, self.run, &skip, &self.now)
    }

    /// Records the items of a list that is published without them, because their requests fail.
    pub(super) fn record_unread(&self, s: &mut WriteTx, unread: &[UnreadItem]) -> Result<(), StoreError> {
        unread.iter().try_for_each(|item| {
            let (reason, detail) = ("unread_item", Some(item.detail.clone()));
            self.record(s, item.position, SkippedItem { reason, detail, ..SkippedItem::default() })
        })
    }

    /// Records which items nulls stand for. Their rows stay.
    pub(super) fn record_kept(&self, s: &mut WriteTx, kept: &[KeptRow]) -> Result<(), StoreError> {
        kept.iter()
            .try_for_each(|row| skipped_items::name_null(s, self.run, (&self.fetch, self.parent_id.as_deref()), row))
    }

    /// Position, reason and detail of the first item of the list that this run could not store.
    pub(super) fn first_of_list(&self, s: &WriteTx) -> Result<Option<(i64, String, Option<String>)>, StoreError> {
        skipped_items::first_of_list(s, self.run, &self.fetch, self.parent_id.as_deref())
    }

    /// Records a total that does not fit the list that is published. This belongs to the transaction that
    /// publishes the list: a kill in between would lose the note.
    pub(super) fn record_wrong_total(&self, s: &mut WriteTx, detail: Option<String>) -> Result<(), StoreError> {
        if detail.is_none() {
            return Ok(());
        }
        let note = SkippedItem { reason: "wrong_total", detail, ..SkippedItem::default() };
        skipped_items::record(s, self.run, &self.of_list(note), &self.now)
    }

    /// Records that a list still ends before known rows of it.
    pub(super) fn record_cut_short(&self, s: &mut WriteTx, detail: Option<String>) -> Result<(), StoreError> {
        if detail.is_none() {
            return Ok(());
        }
        let note = SkippedItem { reason: CUT_SHORT, detail, ..SkippedItem::default() };
        skipped_items::record(s, self.run, &self.of_list(note), &self.now)
    }

    fn of_list(&self, skip: SkippedItem) -> SkippedItem {
        let (fetch, parent_id) = (self.fetch.clone(), self.parent_id.clone());
        SkippedItem { fetch, stream: self.stream, parent_id, user_id: Some(self.user_id.clone()), ..skip }
    }

    /// Records that a suspicious batch of the list was left out.
    pub(super) fn record_suspect(&self, s: &mut WriteTx, detail: &str) -> Result<(), StoreError> {
        let (fetch, parent_id) = (self.fetch.clone(), self.parent_id.clone());
        let (reason, detail) = (SUSPECT_BATCH, Some(detail.to_owned()));
        let skip = SkippedItem { fetch, stream: self.stream, parent_id, reason, detail, ..SkippedItem::default() };
        skipped_items::record(s, self.run, &skip, &self.now)
    }

    /// Records items that are in a list more than once. One row of each is kept.
    pub(super) fn record_duplicates(&self, s: &mut WriteTx, duplicates: &[ListMember]) -> Result<i64, StoreError> {
        for row in duplicates {
            let detail = row.added_at.as_ref().map(|at| format!("saved at {at}"));
            let skip =
                SkippedItem { item_id: Some(row.id.clone()), reason: "listed_twice", detail, ..SkippedItem::default() };
            self.record(s, row.position, skip)?;
        }
        Ok(i64::try_from(duplicates.len()).unwrap_or(i64::MAX))
    }
}
