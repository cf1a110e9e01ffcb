//! Requests the answers of searches, and in smaller ones what fails as a whole.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::app_facts::SmallerPage;
use super::context::{FetchContext, SyncContext};
use super::error::SyncError;
use super::halving::Halving;
use super::open_list::OpenList;
use super::page_reader::{MAX_UNREAD_ITEMS, describe_failure};
use crate::store::Checkpoint;
use crate::stream::Paging;
use spotify_client::EntityKind;
use spotify_client::client::{ApiRequest, ApiResponse};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::page::{Envelope, RawPage};

/// Pages of a search: 10 hits in Development Mode, 50 with Extended Quota.
pub(super) const SEARCH_PAGING: Paging = Paging::Offset { development: 10, extended: 50 };

/// A search.
#[derive(Debug, Clone)]
pub(super) struct SearchRequest {
    pub query: String,
    pub kinds: Vec<EntityKind>,
    /// The maximum number of hits of each kind.
    pub max_hits: i64,
}

/// An answer of a search.
pub(super) struct SearchAnswer {
    pub body: bytes::Bytes,
    /// How many hits of each type it may have.
    pub limit: u16,
    /// Why its hit could not be read, if that is so.
    pub unread: Option<String>,
}

/// Requests the answers of a search, and in smaller ones what fails as a whole.
pub(super) struct SearchReader<'a> {
    open: &'a OpenList<'a>,
    search: &'a SearchRequest,
    /// The offset behind the last hit that is wanted.
    most: i64,
    has_answered: bool,
    /// The part that is read in smaller answers, with the failure of the whole.
    parts: Option<(Halving, ApiError)>,
}

impl<'a> SearchReader<'a> {
    /// Reads the hits before the offset `most`.
    pub(super) fn new(open: &'a OpenList<'a>, search: &'a SearchRequest, most: i64) -> SearchReader<'a> {
        SearchReader { open, search, most, has_answered: false, parts: None }
    }

    async fn request(
        &mut self,
        range: Range<i64>,
        max_attempts: Option<u32>,
    ) -> Result<(bytes::Bytes, u16), SyncError> {
        let SearchRequest { query, kinds, .. } = self.search;
        let page = SearchPage { query, kinds, offset: range.start, most: range.end, max_attempts };
        let answer = request_search_page(self.open.sync, self.open.context, page).await;
        self.has_answered |= answer.is_ok();
        answer
    }

    /// The answer where the search is read to. `None`: it has failed, and is requested in parts.
    pub(super) async fn next_answer(&mut self, at: &Checkpoint) -> Result<Option<SearchAnswer>, SyncError> {
        let offset = at.next_offset;
        let part = self.parts.as_mut().and_then(|(halving, _)| halving.next_range());
        let (range, max_attempts) = match part {
            Some(part) => (part.clone(), Some(if part.end - part.start == 1 { 2 } else { 1 })),
            None => (offset..self.most, None),
        };
        if max_attempts.is_none() {
            self.parts = None;
        }
        let e = match self.request(range, max_attempts).await {
            Ok((body, limit)) => return Ok(Some(SearchAnswer { body, limit, unread: None })),
            Err(SyncError::Api(e)) if e.is_failure() => e,
            Err(e) => return Err(e),
        };
        let Some((halving, whole)) = &mut self.parts else {
            let app = &self.open.sync.app;
            let size = app.page_size(EndpointFamily::SEARCH, "/search", SEARCH_PAGING).map_err(ApiError::from)?;
            let range = offset..(offset + i64::from(size)).min(self.most);
            let halving = if self.has_answered { Halving::new(range) } else { Halving::first_items(range, 1) };
            self.parts = Some((halving, e));
            return Ok(None);
        };
        let Some(position) = halving.record_failure() else { return Ok(None) };
        let (whole, last) = (whole.clone(), halving.next_range().map(|rest| rest.end - 1));
        // Perhaps the whole search fails.
        let is_alive = self.has_answered
            || match last {
                Some(last) => self.request(last..last + 1, Some(1)).await.is_ok(),
                None => false,
            };
        if !is_alive || at.unread.len() >= MAX_UNREAD_ITEMS {
            return Err(whole.into());
        }
        let detail = describe_failure(&e);
        let more = (position + 1 < self.most).then_some("more");
        let page = serde_json::json!({ "items": [null], "next": more });
        let pages = self.search.kinds.iter().map(|kind| (kind.plural().to_owned(), page.clone()));
        let body = serde_json::Value::Object(pages.collect()).to_string().into();
        Ok(Some(SearchAnswer { body, limit: 1, unread: Some(detail) }))
    }

    /// Records how far the search is read.
    pub(super) fn record_success(&mut self, at: &Checkpoint) {
        let is_unread = at.unread.last().is_some_and(|item| item.position + 1 == at.next_offset);
        if let Some((halving, _)) = self.parts.as_mut().filter(|_| !is_unread) {
            halving.record_success(at.next_offset);
        }
    }
}

/// A page of a search.
#[derive(Debug, Clone, Copy)]
pub(super) struct SearchPage<'a> {
    pub query: &'a str,
    pub kinds: &'a [EntityKind],
    pub offset: i64,
    /// The offset behind the last hit that is wanted.
    pub most: i64,
    /// The maximum number of attempts, if it is smaller than usual.
    pub max_attempts: Option<u32>,
}

/// Requests a page of a search. Returns the answer and the size of the page.
pub(super) async fn request_search_page(
    sync: &SyncContext,
    context: &FetchContext,
    page: SearchPage<'_>,
) -> Result<(bytes::Bytes, u16), SyncError> {
    let types = type_list(page.kinds);
    let wanted = page.most - page.offset;
    let mut smaller: Option<SmallerPage> = None;
    let was_odd = AtomicBool::new(false);
    loop {
        let largest = match &smaller {
            Some(page) => page.size,
            None => sync.app.page_size(EndpointFamily::SEARCH, "/search", SEARCH_PAGING).map_err(ApiError::from)?,
        };
        let limit = u16::try_from(wanted.clamp(1, i64::from(largest))).unwrap_or(largest);
        let mut request = ApiRequest::new(EndpointFamily::SEARCH, "/search")
            .with_query("q", page.query)
            .with_query("type", types.as_str());
        request.query.extend(context.query());
        let after_failure = context.progress.max_attempts(page.query);
        request.max_attempts = page.max_attempts.into_iter().chain(after_failure).min();
        let request = request.with_query("limit", limit.to_string()).with_query("offset", page.offset.to_string());
        let check = |answer: &ApiResponse| {
            // A type without its page is an answer with rows missing. In a second answer, the other types are used.
            let pages = page.kinds.iter().map(|kind| RawPage::read(answer, Envelope::Key(kind.plural())));
            let (read, odd): (Vec<_>, Vec<_>) = pages.partition(Result::is_ok);
            match odd.into_iter().find_map(Result::err) {
                Some(unusable) if read.is_empty() || !was_odd.swap(true, Ordering::Relaxed) => Err(unusable),
                _ => Ok((answer.body.clone(), smaller_limit(read.into_iter().flatten().flatten(), limit))),
            }
        };
        match sync.api.get_checked(&context.bearer, &request, check).await {
            Ok((body, limit)) => {
                if let Some(page) = &smaller {
                    sync.app.record_smaller_page(&context.bearer, (EndpointFamily::SEARCH, "/search"), page).await?;
                }
                return Ok((body, limit));
            }
            Err(ApiError::BadRequest { message, .. })
                if let Some(page) = SmallerPage::from_refusal(SEARCH_PAGING, &request, limit, &message) =>
            {
                smaller = Some(page);
            }
            Err(e) => return Err(e.into()),
        }
    }
}

/// The size of the pages of an answer, where the server says that it is smaller than requested. The next answer begins
/// where they end.
fn smaller_limit(pages: impl Iterator<Item = RawPage>, requested: u16) -> u16 {
    let mut smallest = None;
    for page in pages.filter(|page| page.served() > 0) {
        let stated = page.limit.filter(|limit| *limit > 0 && page.served() <= *limit);
        // Types with pages of other sizes have no common place where the next answer begins.
        match (stated.and_then(|limit| u16::try_from(limit).ok()), smallest) {
            (Some(limit), None) => smallest = Some(limit),
            (Some(limit), Some(before)) if limit == before => {}
            _ => return requested,
        }
    }
    smallest.map_or(requested, |limit: u16| limit.min(requested))
}

/// The types of a search, as the request names them.
pub(super) fn type_list(kinds: &[EntityKind]) -> String {
    kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(",")
}
