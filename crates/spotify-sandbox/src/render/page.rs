//! Pages of a list, with absolute links to the next and the previous one.

use super::RenderContext;
use crate::json;

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageRange {
    pub(crate) limit: usize,
    pub(crate) offset: usize,
}

impl PageRange {
    /// The page that stands inside a whole thing.
    pub(crate) fn first_page(limit: usize) -> Self {
        Self { limit, offset: 0 }
    }
}

/// A page whose numbers may lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListPage<'a> {
    /// `/playlists/…/items`
    pub(crate) path: &'a str,
    /// What else was asked, to be kept in the links: `market=DE`, or nothing.
    pub(crate) query: &'a str,
    pub(crate) slice: PageRange,
    pub(crate) len: usize,
    /// What `total` says, if not the length.
    pub(crate) total: usize,
    /// Whether a next page is named even where there is none.
    pub(crate) endless_next: bool,
}

/// Writes an honest page.
pub(crate) fn write_page(
    view: &RenderContext<'_>,
    out: &mut String,
    path: &str,
    query: &str,
    slice: PageRange,
    len: usize,
    each: impl FnMut(&mut String, usize),
) {
    let page = ListPage { path, query, slice, len, total: len, endless_next: false };
    page.write(view, out, each);
}

impl ListPage<'_> {
    /// Writes the page; `each` writes the item at a position.
    pub(crate) fn write(&self, view: &RenderContext<'_>, out: &mut String, each: impl FnMut(&mut String, usize)) {
        let PageRange { limit, offset } = self.slice;
        let end = offset.saturating_add(limit);
        let link = |offset: usize| {
            let mut link = format!("{}{}?offset={offset}&limit={limit}", view.api_url, self.path);
            if !self.query.is_empty() {
                link.push('&');
                link.push_str(self.query);
            }
            link
        };
        json::object(out, |o| {
            o.text("href", &link(offset));
            o.array("items", offset.min(self.len)..end.min(self.len), each);
            o.display("limit", limit);
            let next = (end < self.total || self.endless_next).then(|| link(end));
            o.text_or_null("next", next.as_deref());
            o.display("offset", offset);
            let previous = (offset > 0).then(|| link(offset.saturating_sub(limit)));
            o.text_or_null("previous", previous.as_deref());
            o.display("total", self.total);
        });
    }
}
