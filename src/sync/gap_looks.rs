//! Looks at the gaps of a list that is not read whole, because it seems to be unchanged.
//!
//! Spotify may send items later that it did not send at first, under the same total and the same version. So a run
//! requests one page with places that were empty, and the first item behind the end. If an item comes, the list is read
//! whole. An item that its pages lack even then keeps the place at which the look has found it. Most missing items
//! never come, so after some looks in vain there is a pause, which doubles each time, and a fetch looks at few lists.
//! A list that ends before known rows is looked at by each run until the rows are back or a person accepts the end.

use std::collections::HashSet;
use std::ops::Range;

use chrono::TimeDelta;
use serde_json::Value;

use super::context::SyncContext;
use super::error::SyncError;
use super::list_request::ListRequest;
use super::open_list::OpenList;
use super::page_request::{PagePosition, PageResponse, largest_page, try_page};
use crate::ingest::is_other_kind;
use crate::store::{KnownGaps, known_gaps, members, timestamp};
use crate::stream::EntryKind;
use spotify_client::page::RawPage;

/// This many looks in vain are made without a pause.
const LOOKS_WITHOUT_PAUSE: u32 = 5;

/// The longest pause is 2 to the power of this, in days: as long as the time after which a list is read whole anyway.
const LONGEST_PAUSE: u32 = 5;

/// The part of a list that is presumed to be unchanged.
pub(super) struct PresumedPart<'r> {
    /// Places that are known to be empty, with the items that have them: doubles, and items that keep their rows.
    pub gaps: Vec<(i64, Option<String>)>,
    /// The place behind the last item.
    pub end: i64,
    /// The end is known: the last page that was read is short.
    pub is_end_known: bool,
    /// Where the list has ended before known rows.
    pub cut_at: Option<i64>,
    /// The first items, if they are at hand.
    pub first_items: Option<&'r RawPage>,
}

/// An item that was missing, as a look has found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LateItem {
    pub place: i64,
    /// Its id, or the last part of its URI.
    pub id: String,
    /// The entry of the list.
    pub entry: String,
    /// The item that has its place so far.
    pub known: Option<String>,
}

impl LateItem {
    /// The first item of a page.
    pub(super) fn first_of(page: &RawPage, place: i64, kind: EntryKind) -> Option<LateItem> {
        find_items(page, place, &[(place, None)], kind).pop()
    }
}

/// What a look has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LookResult {
    /// Nothing new.
    Nothing,
    /// Items that were missing.
    Items(Vec<LateItem>),
    /// The list still ends before known rows.
    StillCut(String),
}

/// Whether something is missing, and it is time to look at it.
pub(super) fn is_due(sync: &SyncContext, gaps: &KnownGaps) -> bool {
    if gaps.places.is_empty() && gaps.behind_end == 0 {
        return false;
    }
    let Some(pauses) = gaps.looks.checked_sub(LOOKS_WITHOUT_PAUSE) else { return true };
    let pause = TimeDelta::days(1 << pauses.min(LONGEST_PAUSE));
    !sync.known_span(pause).contains(gaps.looked_at.as_deref())
}

/// Whether a run looks at a list that seems to be unchanged.
pub(super) fn is_wanted(sync: &SyncContext, gaps: &KnownGaps) -> bool {
    gaps.cut_at.is_some() || is_due(sync, gaps)
}

/// How many calls a look takes at most, if it finds nothing.
pub(super) fn calls_of_look(sync: &SyncContext, gaps: &KnownGaps) -> u64 {
    let due = is_due(sync, gaps);
    2 * u64::from(gaps.cut_at.is_some())
        + u64::from(due && !gaps.places.is_empty())
        + u64::from(due && gaps.behind_end > 0)
}

/// Looks at the gaps of the rest of a list.
pub(super) async fn look_at_gaps(
    open: &OpenList<'_>,
    list: &ListRequest,
    part: &PresumedPart<'_>,
) -> Result<LookResult, SyncError> {
    let (sync, known) = (open.sync, &open.row.gaps);
    let mut result = LookResult::Nothing;
    if let Some(cut_at) = part.cut_at {
        match find_cut(open, list, (cut_at, part.end)).await {
            Some(reached) => {
                let announced = open.row.announced.unwrap_or(part.end).max(part.end);
                let detail = format!("it ended after {reached} of the {announced} items that Spotify announced");
                result = LookResult::StillCut(detail);
            }
            None => {
                let id = open.row.id;
                sync.store.write(move |s| known_gaps::record_cut(s, id, None)).await?;
            }
        }
    }
    let included = part.first_items.map_or(0, RawPage::served);
    if let Some(page) = part.first_items {
        let items = new_items(open, list, find_items(page, 0, &part.gaps, list.entry_kind)).await?;
        if known.behind_end > 0 && included > part.end || !items.is_empty() {
            return Ok(LookResult::Items(items));
        }
    }
    if !is_due(sync, known) || matches!(result, LookResult::StillCut(_)) {
        return Ok(result);
    }
    let behind_end = (known.behind_end > 0 && !part.is_end_known).then_some(part.end);
    let places: Vec<i64> = part.gaps.iter().map(|(place, _)| *place).filter(|place| *place >= included).collect();
    let requests = requests_of_look(known.looks, &places, behind_end, largest_page(sync, list, included)?);
    if requests.is_empty() || !open.context.progress.take_look() {
        return Ok(result);
    }
    let mut has_looked = false;
    for range in requests {
        let position = PagePosition {
            offset: range.start,
            max_items: Some(range.end - range.start),
            max_attempts: Some(1),
            ..PagePosition::default()
        };
        // Where this fails, a later run looks.
        let Ok(PageResponse::Page(page)) = try_page(sync, open.context, list, position).await else { continue };
        has_looked = true;
        let behind_end = behind_end.filter(|end| *end == range.start).map(|end| (end, None));
        let wanted = behind_end.as_ref().map_or(&part.gaps[..], std::slice::from_ref);
        let items = new_items(open, list, find_items(&page, range.start, wanted, list.entry_kind)).await?;
        if !items.is_empty() {
            result = LookResult::Items(items);
            break;
        }
    }
    if has_looked {
        let (id, now) = (open.row.id, timestamp(sync.now()));
        sync.store.write(move |s| known_gaps::record_look(s, id, &now)).await?;
    }
    Ok(result)
}

/// Where a list ends that has ended before known rows; `None` if its last known item is there again. What cannot be
/// requested is not there.
async fn find_cut(open: &OpenList<'_>, list: &ListRequest, (cut_at, end): (i64, i64)) -> Option<i64> {
    let last = (end - 1).max(0);
    let first = cut_at.clamp(0, last);
    for place in [first, last] {
        match try_page(open.sync, open.context, list, PagePosition::of_one_item(place)).await {
            Ok(PageResponse::Page(page)) if page.served() > 0 => {}
            _ => return Some(first),
        }
    }
    None
}

/// The requests of a look: a page with some of the places, other ones each time, and the item behind the end.
fn requests_of_look(looks: u32, places: &[i64], behind_end: Option<i64>, page_size: i64) -> Vec<Range<i64>> {
    let mut pages = Vec::new();
    let mut rest = places;
    while let Some(first) = rest.first() {
        let count = rest.partition_point(|place| *place < first + page_size.max(1));
        pages.push(*first..rest[count - 1] + 1);
        rest = &rest[count..];
    }
    let turn = usize::try_from(looks).unwrap_or(0).checked_rem(pages.len()).unwrap_or(0);
    let page = if pages.is_empty() { None } else { Some(pages.swap_remove(turn)) };
    page.into_iter().chain(behind_end.map(|end| end..end + 1)).collect()
}

/// The items of a page at the places that were empty.
fn find_items(page: &RawPage, offset: i64, gaps: &[(i64, Option<String>)], kind: EntryKind) -> Vec<LateItem> {
    let entries = page.entries();
    let item = |(place, known): &(i64, Option<String>)| {
        let entry = usize::try_from(place - offset).ok().and_then(|at| entries.get(at).copied().flatten())?;
        let id = item_of_entry(entry, kind).filter(|id| known.as_ref() != Some(id))?;
        Some(LateItem { place: *place, id, entry: entry.to_owned(), known: known.clone() })
    };
    gaps.iter().filter_map(item).collect()
}

/// Those of the items that the list does not have elsewhere. A playlist may have an item twice.
async fn new_items(open: &OpenList<'_>, list: &ListRequest, items: Vec<LateItem>) -> Result<Vec<LateItem>, SyncError> {
    if items.is_empty() || list.entry_kind == EntryKind::PlaylistItems {
        return Ok(items);
    }
    let (id, kind) = (open.row.id, list.key.kind);
    let known = open.sync.store.write(move |s| members::current(s, id, kind)).await?;
    let known: HashSet<String> = known.into_iter().map(|row| row.id).collect();
    Ok(items.into_iter().filter(|item| !known.contains(&item.id)).collect())
}

/// A page with the late items at the places that are still empty or that have a double again, and these items.
pub(super) fn fill_page(page: RawPage, offset: i64, late: &[LateItem], kind: EntryKind) -> (RawPage, Vec<LateItem>) {
    let mut entries = page.entries();
    let mut filled = Vec::new();
    for item in late {
        let Some(entry) = usize::try_from(item.place - offset).ok().and_then(|at| entries.get_mut(at)) else {
            continue;
        };
        let sent = entry.and_then(|entry| item_of_entry(entry, kind));
        if sent.is_none() || sent == item.known {
            *entry = Some(&item.entry);
            filled.push(item.clone());
        }
    }
    if filled.is_empty() {
        return (page, filled);
    }
    let mut whole = page.with_entries(&entries, page.total, page.more);
    whole.limit = page.limit;
    (whole, filled)
}

/// The id or URI of the item of an entry, if it can have a row.
fn item_of_entry(entry: &str, kind: EntryKind) -> Option<String> {
    let value: Value = serde_json::from_str(entry).ok()?;
    let item = match kind {
        EntryKind::PlaylistItems => [&value["item"], &value["track"]].into_iter().find(|item| item.is_object())?,
        EntryKind::Saved(kind) if value[kind.as_str()].is_object() => &value[kind.as_str()],
        EntryKind::Saved(kind) if value.get(kind.as_str()).is_some() => return None,
        _ => &value,
    };
    let text = |field: &str| item[field].as_str().filter(|text| !text.is_empty());
    let id = text("id").or_else(|| text("uri").map(|uri| uri.rsplit(':').next().unwrap_or(uri)))?;
    (kind == EntryKind::PlaylistItems || !is_other_kind(kind, &item.to_string())).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_look_takes_another_page() {
        let places = [60, 61, 99, 120, 300];
        let pages = |looks| requests_of_look(looks, &places, None, 50);
        assert_eq!((0..4).flat_map(pages).collect::<Vec<_>>(), [60..100, 120..121, 300..301, 60..100]);
        assert_eq!(requests_of_look(7, &[], Some(60), 50).first(), Some(&(60..61)));
        assert_eq!(requests_of_look(0, &[5], Some(60), 50), [5..6, 60..61]);
        assert_eq!(requests_of_look(0, &[], None, 50), []);
    }

    #[test]
    fn only_another_item_fills_a_place() {
        let saved = EntryKind::Saved(spotify_client::EntityKind::Track);
        let table = [
            (r#"{"track":{"id":"a"}}"#, saved, Some("a")),
            (r#"{"track":{"id":null,"uri":"spotify:track:b"}}"#, saved, Some("b")),
            (r#"{"track":null,"added_at":"2020"}"#, saved, None),
            (r#"{"track":{"id":null,"uri":null}}"#, saved, None),
            (r#"{"id":"a"}"#, EntryKind::Albums, Some("a")),
            (r#"{"item":{"uri":"spotify:episode:c"}}"#, EntryKind::PlaylistItems, Some("c")),
            (r#"{"track":null}"#, EntryKind::PlaylistItems, None),
            (r#"{"id":"a","uri":"spotify:track:a"}"#, EntryKind::Albums, None),
        ];
        for (entry, kind, item) in table {
            assert_eq!(item_of_entry(entry, kind).as_deref(), item, "{entry}");
        }
    }
}
