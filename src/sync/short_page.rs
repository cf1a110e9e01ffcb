//! Pages that are shorter than they should be: the next page shows whether they lack items.

use serde_json::Value;

use super::list_request::ListRequest;
use crate::store::Checkpoint;
use crate::stream::Paging;
use spotify_client::page::RawPage;

/// Where a page ends that is shorter than it should be, and as many of its last items as it is short of.
#[derive(Debug)]
pub(super) struct ShortPageEnd {
    pub offset: i64,
    last: Vec<Option<Value>>,
}

impl ShortPageEnd {
    /// Whether the next page begins with the last items of the short one. A page without some items in its middle
    /// ends with items of the next page.
    pub(super) fn is_repeated_by(&self, next: &RawPage) -> bool {
        let next: Vec<Option<Value>> = next.entries().into_iter().take(self.last.len()).map(entry_value).collect();
        (1..=next.len()).any(|count| {
            let (first, last) = (&next[..count], &self.last[self.last.len() - count..]);
            // Nulls do not show that an item was repeated.
            first == last && first.iter().any(Option::is_some)
        })
    }
}

/// The end of a page that is shorter than its size, or than the rest of the list.
pub(super) fn short_page_end(list: &ListRequest, at: &Checkpoint, page: &RawPage, offset: i64) -> Option<ShortPageEnd> {
    let by_offset = matches!(list.paging, Paging::Offset { .. });
    let rest = at.announced.or(page.total).map_or(i64::MAX, |total| total - offset);
    let has_more = page.more || rest > page.served();
    let missing = page.limit.map_or(0, |limit| limit.min(rest.max(0)) - page.served());
    if !(by_offset && page.served() > 0 && missing > 0 && has_more) {
        return None;
    }
    let entries = page.entries();
    let count = usize::try_from(missing).unwrap_or(usize::MAX).min(entries.len());
    let last = entries[entries.len() - count..].iter().map(|entry| entry_value(*entry)).collect();
    Some(ShortPageEnd { offset: offset + page.served(), last })
}

/// The entries of a page, compared as values: the same entry may come with its keys in another order.
pub(super) fn entry_values(page: &RawPage) -> Vec<Option<Value>> {
    page.entries().into_iter().map(entry_value).collect()
}

fn entry_value(entry: Option<&str>) -> Option<Value> {
    serde_json::from_str(entry?).ok()
}
