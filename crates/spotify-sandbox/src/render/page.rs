//! Pages of a list with absolute links to the next and the previous page.

use super::RenderContext;
use crate::json;

/// The requested part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageRange {
    pub(crate) limit: usize,
    pub(crate) offset: usize,
}

impl PageRange {
    /// The first page, which is part of a full object.
    pub(crate) fn first_page(limit: usize) -> Self {
        Self { limit, offset: 0 }
    }
}

/// A page with numbers that may be wrong on purpose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListPage<'a> {
    /// `/playlists/…/items`
    pub(crate) path: &'a str,
    /// The rest of the query for the links, such as `market=DE`; may be empty.
    pub(crate) query: &'a str,
    pub(crate) slice: PageRange,
    pub(crate) len: usize,
    /// The value of `total`.
    pub(crate) total: usize,
    /// Whether `next` is set even on the last page.
    pub(crate) endless_next: bool,
}

/// Writes a page with correct numbers.
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
    /// Writes the page; `each` writes the item at an index.
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
