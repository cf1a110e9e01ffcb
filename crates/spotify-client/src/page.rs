//! A page as it was received, checked and split into its entries without parsing them.
//!
//! The body stays one block of bytes, and the entries are ranges of it. A page therefore reaches the writer
//! thread without a copy and is parsed there, once.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::client::{ApiResponse, UnusableResponse};
use super::wire::{HasNextPage, JsonField, PageObject, Playlist};

/// Where a page is inside a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// The response is the page.
    Bare,
    /// Under this key.
    Key(&'static str),
    /// Inside a playlist, under `items` or `tracks`.
    InPlaylist,
    /// A bare array under this key: everything at once.
    Array(&'static str),
}

/// A page, with its entries still unread.
#[derive(Debug, Clone, Default)]
pub struct RawPage {
    body: Bytes,
    entries: Vec<Option<Range<usize>>>,
    /// How many items the list has, by Spotify's word.
    pub total: Option<i64>,
    /// The offset as the server understood it.
    pub offset: Option<i64>,
    /// How many items a page has, but for the last, as the server understood it.
    pub limit: Option<i64>,
    /// Whether Spotify says that more follows.
    pub more: bool,
    /// Cursor of the next page.
    pub after: Option<String>,
    /// Entity tag of the answer.
    pub etag: Option<String>,
}

impl RawPage {
    /// The page of one item that could not be read. `more` says whether items follow.
    pub fn of_unread_item(more: bool) -> RawPage {
        RawPage { entries: vec![None], more, ..RawPage::default() }
    }

    /// How many entries were served, nulls counted.
    pub fn served(&self) -> i64 {
        i64::try_from(self.entries.len()).unwrap_or(i64::MAX)
    }

    /// Whether the page has fewer items than a page has, and names no next one.
    pub fn is_short_end(&self) -> bool {
        !self.more && self.limit.is_some_and(|limit| self.served() < limit)
    }

    /// The entries as JSON, nulls as `None`.
    pub fn entries(&self) -> Vec<Option<&str>> {
        // The body was found to be UTF-8, and each range is that of a JSON value in it.
        let body = std::str::from_utf8(&self.body).unwrap_or_default();
        self.entries.iter().map(|entry| entry.as_ref().and_then(|range| body.get(range.clone()))).collect()
    }

    /// A page of the same list with other entries.
    #[must_use]
    pub fn with_entries(&self, entries: &[Option<&str>], total: Option<i64>, more: bool) -> RawPage {
        let (mut body, mut ranges) = (String::new(), Vec::with_capacity(entries.len()));
        for entry in entries {
            let start = body.len();
            body.push_str(entry.unwrap_or_default());
            ranges.push(entry.map(|_| start..body.len()));
        }
        let limit = i64::try_from(ranges.len()).ok();
        RawPage { body: Bytes::from(body), entries: ranges, total, limit, more, ..self.clone() }
    }

    /// Reads the page out of an answer; `None` where a playlist came without its contents.
    ///
    /// # Errors
    /// If the answer is not JSON of that shape.
    pub fn read(answer: &ApiResponse, wrapping: Envelope) -> Result<Option<RawPage>, UnusableResponse> {
        let page = RawPage::parse_page(answer, wrapping)?;
        Ok(page.map(|page| RawPage { etag: answer.etag.clone(), ..page }))
    }

    fn parse_page(answer: &ApiResponse, wrapping: Envelope) -> Result<Option<RawPage>, UnusableResponse> {
        let text = utf8(&answer.body)?;
        match wrapping {
            Envelope::Bare => Ok(Some(split_entries(&answer.body, &json::<PageObject<'_>>(text)?, true)?)),
            Envelope::Key(key) => {
                let mut keys: HashMap<Cow<'_, str>, &RawValue> = json(text)?;
                let inside =
                    keys.remove(key).ok_or_else(|| UnusableResponse::new(format!("the answer has no {key}")))?;
                Ok(Some(split_entries(&answer.body, &json::<PageObject<'_>>(inside.get())?, false)?))
            }
            Envelope::InPlaylist => match json::<Playlist<'_>>(text)?.contents() {
                Some(page) if page.items.is_some() => Ok(Some(split_entries(&answer.body, page, false)?)),
                _ => Ok(None),
            },
            Envelope::Array(key) => {
                let mut keys: HashMap<Cow<'_, str>, &RawValue> = json(text)?;
                let inside =
                    keys.remove(key).ok_or_else(|| UnusableResponse::new(format!("the answer has no {key}")))?;
                let items: Vec<Option<&RawValue>> = json(inside.get())?;
                let total = i64::try_from(items.len()).ok();
                let entries = items.iter().map(|entry| entry.map(|raw| byte_range(&answer.body, raw))).collect();
                Ok(Some(RawPage { body: answer.body.clone(), entries, total, ..RawPage::default() }))
            }
        }
    }
}

/// The text of a body.
///
/// # Errors
/// If it is not UTF-8.
pub fn utf8(body: &Bytes) -> Result<&str, UnusableResponse> {
    std::str::from_utf8(body).map_err(|e| UnusableResponse::new(format!("the answer is not UTF-8: {e}")))
}

fn json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, UnusableResponse> {
    serde_json::from_str(text)
        .map_err(|e| UnusableResponse::new(format!("the answer is not what Spotify documents: {e}")))
}

/// Splits a page. `may_end_with_cursor` says that its list may end with a cursor and without a total, as the latest plays do.
fn split_entries(body: &Bytes, page: &PageObject<'_>, may_end_with_cursor: bool) -> Result<RawPage, UnusableResponse> {
    let items = page.entries().ok_or_else(|| UnusableResponse::new("the page has no items"))?;
    // Without these the list would seem to end here. By offset, the total says the same.
    let cursor = page.cursors.as_ref().map(|cursors| &cursors.after);
    let reached = i64::try_from(items.len()).ok().and_then(|served| Some(page.offset.value()?.0 + served));
    let more_by_total = || Some(page.total()? > reached?);
    let has_cursor = cursor.is_some_and(|cursor| cursor.value().is_some());
    let more_by_cursor = || match page.total() {
        Some(total) => Some(i64::try_from(items.len()).is_ok_and(|served| total > served)),
        None => may_end_with_cursor.then_some(false),
    };
    let more = match page.next {
        JsonField::Unreadable if page.cursors.is_none() => more_by_total(),
        JsonField::Unreadable => None,
        // A list by cursor announces the total of the whole list, so its last page says that more follows, but names
        // no cursor.
        JsonField::Absent | JsonField::Value(HasNextPage(false)) if has_cursor => more_by_cursor(),
        _ => Some(page.has_next()),
    };
    let (Some(more), false) = (more, matches!(cursor, Some(JsonField::Unreadable))) else {
        return Err(UnusableResponse::new("the page does not say whether more follows"));
    };
    Ok(RawPage {
        body: body.clone(),
        entries: items.iter().map(|entry| entry.map(|raw| byte_range(body, raw))).collect(),
        total: page.total(),
        offset: page.offset.value().map(|o| o.0),
        limit: page.limit.value().map(|limit| limit.0),
        more,
        after: page.cursors.as_ref().and_then(|c| c.after.value()).map(|after| after.to_string()),
        etag: None,
    })
}

/// The position in the body of a value that was borrowed from it.
fn byte_range(body: &Bytes, raw: &RawValue) -> Range<usize> {
    let text = raw.get();
    let start = text.as_ptr() as usize - body.as_ptr() as usize;
    start..start + text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &'static str) -> ApiResponse {
        ApiResponse { status: 200, body: Bytes::from_static(body.as_bytes()), etag: None }
    }

    #[test]
    fn entries_and_nulls_keep_their_positions() {
        let page =
            RawPage::read(&answer(r#"{"items":[{"a":1},null, "x"],"total":9,"next":"n","offset":0}"#), Envelope::Bare);
        let page = page.unwrap().unwrap();
        assert_eq!(page.entries(), [Some(r#"{"a":1}"#), None, Some(r#""x""#)]);
        assert_eq!((page.served(), page.total, page.more), (3, Some(9), true));
    }

    #[test]
    fn playlist_with_both_names_uses_the_filled_one() {
        let both = answer(r#"{"id":"p","items":{"total":1,"items":[{}]},"tracks":{"href":"h","total":1}}"#);
        assert_eq!(RawPage::read(&both, Envelope::InPlaylist).unwrap().unwrap().served(), 1);
        let old = answer(r#"{"id":"p","tracks":{"total":2,"items":[{},{}]},"items":{"href":"h","total":2}}"#);
        assert_eq!(RawPage::read(&old, Envelope::InPlaylist).unwrap().unwrap().served(), 2);
        let neither = answer(r#"{"id":"p","name":"metadata only"}"#);
        assert!(RawPage::read(&neither, Envelope::InPlaylist).unwrap().is_none());
    }

    #[test]
    fn odd_heads_of_pages_are_read() {
        let cases = [
            (r#"{"items":[1,2],"total":"10","limit":"50","offset":"0","next":""}"#, Some(10), Some(0), false),
            (r#"{"items":[1,2],"total":10.0,"offset":null,"next":"n","cursors":[]}"#, Some(10), None, true),
            (r#"{"items":[1,2],"total":3,"offset":0,"next":{"href":"n"}}"#, Some(3), Some(0), true),
            (r#"{"items":[1,2],"total":-1,"offset":0}"#, None, Some(0), false),
            (r#"{"items":[1,2],"total":3,"cursors":{"after":"a"}}"#, Some(3), None, true),
            (r#"{"items":[1,2],"total":3,"next":"","cursors":{"after":"a"}}"#, Some(3), None, true),
            (r#"{"items":[1,2],"total":3,"cursors":{"after":null}}"#, Some(3), None, false),
            (r#"{"items":[1,2],"total":3,"next":null,"cursors":{"after":"a"}}"#, Some(3), None, false),
        ];
        for (body, total, offset, more) in cases {
            let page = RawPage::read(&answer(body), Envelope::Bare).unwrap().unwrap();
            assert_eq!((page.served(), page.total, page.offset, page.more), (2, total, offset, more), "{body}");
        }
    }

    #[test]
    fn cursor_without_an_end_is_unusable() {
        let page = r#"{"items":[1,2],"cursors":{"after":"a"}}"#;
        let wrapped: &'static str = r#"{"artists":{"items":[1,2],"cursors":{"after":"a"}}}"#;
        let ended = r#"{"artists":{"items":[1,2],"next":null,"cursors":{"after":"a"}}}"#;
        assert!(RawPage::read(&answer(wrapped), Envelope::Key("artists")).is_err());
        assert!(!RawPage::read(&answer(ended), Envelope::Key("artists")).unwrap().unwrap().more);
        // The latest plays end so.
        assert!(!RawPage::read(&answer(page), Envelope::Bare).unwrap().unwrap().more);
    }

    #[test]
    fn what_is_not_a_page_is_unusable() {
        let null = r#"{"items":null,"next":false,"total":"0"}"#;
        for body in [null, "", "<html>", "{}", "[]", r#"{"items":5}"#, r#"{"items":[1"#, "{\"items\":[\"\u{0}\"]}"] {
            assert!(RawPage::read(&answer(body), Envelope::Bare).is_err(), "{body}");
        }
    }
}
