//! A page of a list: the part that all lists share. Each item is kept as raw JSON.
//!
//! Items stay raw so that one broken item does not spoil its page, and so that an item that was already
//! read in this run is recognised by its bytes and not parsed again.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::field::{HasNextPage, JsonField, JsonInt, JsonText};
use super::objects::optional;

/// A page, by offset or by cursor.
#[derive(Debug, Deserialize)]
pub struct PageObject<'a> {
    /// The entries, nulls included; `None` where the answer has no such key, and `Some(None)` where it is null.
    #[serde(borrow, default, deserialize_with = "entries")]
    pub items: Option<Option<Vec<RawEntry<'a>>>>,
    /// How many items the whole list has, according to Spotify. It is sometimes wrong.
    #[serde(default)]
    pub total: JsonField<JsonInt>,
    /// The offset of this page as the server understood it.
    #[serde(default)]
    pub offset: JsonField<JsonInt>,
    /// How many entries a page has, but for the last, as the server understood it.
    #[serde(default)]
    pub limit: JsonField<JsonInt>,
    /// Whether there is more; the address itself is never followed.
    #[serde(default)]
    pub next: JsonField<HasNextPage>,
    /// Where the next page starts, for cursor lists.
    #[serde(borrow, default, deserialize_with = "optional")]
    pub cursors: Option<PageCursors<'a>>,
}

/// The cursors of a cursor list.
#[derive(Debug, Deserialize)]
pub struct PageCursors<'a> {
    /// Cursor of the next page.
    #[serde(borrow, default)]
    pub after: JsonField<JsonText<'a>>,
    /// Cursor of the page before, in time.
    #[serde(borrow, default)]
    pub before: JsonField<JsonText<'a>>,
}

type Entries<'a> = Option<Vec<RawEntry<'a>>>;

fn entries<'de: 'a, 'a, D: Deserializer<'de>>(items: D) -> Result<Option<Entries<'a>>, D::Error> {
    Option::deserialize(items).map(Some)
}

/// One entry of a page, unread; `None` is a null.
pub type RawEntry<'a> = Option<&'a RawValue>;

impl<'a> PageObject<'a> {
    /// The entries, nulls included; `None` where the answer has no list of them.
    pub fn entries(&self) -> Option<&[RawEntry<'a>]> {
        self.items.as_ref()?.as_deref()
    }

    /// How many entries were served, nulls counted.
    pub fn served(&self) -> usize {
        self.entries().map_or(0, <[RawEntry<'a>]>::len)
    }

    /// Whether Spotify says that more follows.
    pub fn has_next(&self) -> bool {
        self.next.value().is_some_and(|next| next.0)
    }

    /// The announced total, if it is a sane number.
    pub fn total(&self) -> Option<i64> {
        self.total.value().map(|t| t.0).filter(|t| *t >= 0)
    }
}
