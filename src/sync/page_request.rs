//! Requests one page of a list, or the version of a list.

use std::sync::atomic::{AtomicBool, Ordering};

use super::app_facts::SmallerPage;
use super::context::{FetchContext, SyncContext};
use super::error::SyncError;
use super::list_request::ListRequest;
use crate::stream::Paging;
use spotify_client::client::{ApiRequest, ApiResponse, UnusableResponse};
use spotify_client::error::ApiError;
use spotify_client::page::{Envelope, RawPage};
use spotify_client::wire::Playlist;

/// The answer to the request for a page.
#[derive(Debug)]
pub(super) enum PageResponse {
    Page(RawPage),
    /// The page is the one with the entity tag that was sent.
    Unchanged,
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PagePosition<'a> {
    pub offset: i64,
    pub cursor: Option<&'a str>,
    /// Entity tag of the stored answer, if an unchanged answer is of use.
    pub etag: Option<&'a str>,
    /// The maximum number of items, if it is smaller than usual.
    pub max_items: Option<i64>,
    /// The maximum number of attempts, if it is smaller than usual.
    pub max_attempts: Option<u32>,
}

impl PagePosition<'_> {
    /// A page of one item, which is requested once.
    pub(super) fn of_one_item(offset: i64) -> PagePosition<'static> {
        PagePosition { offset, max_items: Some(1), max_attempts: Some(1), ..PagePosition::default() }
    }
}

/// Why a page was not read.
#[derive(Debug)]
pub(super) enum PageFailure {
    /// The request failed in all its attempts. A page with fewer items may be answered.
    OfItems(ApiError),
    /// Fewer items make no difference.
    Other(SyncError),
}

impl From<PageFailure> for SyncError {
    fn from(failure: PageFailure) -> SyncError {
        match failure {
            PageFailure::OfItems(e) => SyncError::Api(e),
            PageFailure::Other(e) => e,
        }
    }
}

impl From<SyncError> for PageFailure {
    fn from(error: SyncError) -> PageFailure {
        PageFailure::Other(error)
    }
}

impl From<ApiError> for PageFailure {
    fn from(error: ApiError) -> PageFailure {
        PageFailure::Other(error.into())
    }
}

/// How many items a page at an offset has at most.
pub(super) fn largest_page(sync: &SyncContext, list: &ListRequest, offset: i64) -> Result<i64, SyncError> {
    let path = sync.app.current_path(&list.path).map_err(ApiError::from)?;
    let largest = i64::from(sync.app.page_size(list.family, &path, list.paging).map_err(ApiError::from)?);
    Ok(list.max_items.map_or(largest, |max| largest.min((max - offset).max(1))))
}

/// Requests one page, as [`try_page`] does.
pub(super) async fn request_page(
    sync: &SyncContext,
    context: &FetchContext,
    list: &ListRequest,
    position: PagePosition<'_>,
) -> Result<PageResponse, SyncError> {
    Ok(try_page(sync, context, list, position).await?)
}

/// Requests one page. A page size that the app may not use is learned on the way, and so is that it has to
/// use the new route of a playlist's items.
pub(super) async fn try_page(
    sync: &SyncContext,
    context: &FetchContext,
    list: &ListRequest,
    position: PagePosition<'_>,
) -> Result<PageResponse, PageFailure> {
    sync.check_store_room()?;
    let mut path = sync.app.current_path(&list.path).map_err(ApiError::from)?;
    let mut smaller: Option<SmallerPage> = None;
    loop {
        let largest = match &smaller {
            Some(page) => page.size,
            None => sync.app.page_size(list.family, &path, list.paging).map_err(ApiError::from)?,
        };
        // Where only the first items of a list are wanted, no more than these are requested.
        let wanted = list.max_items.map(|max| max - position.offset).into_iter().chain(position.max_items).min();
        let limit = match wanted.map(u16::try_from) {
            Some(Ok(wanted)) => wanted.clamp(1, largest),
            _ => largest,
        };
        let mut request = page_request(list, &path, position, limit);
        let after_failure = context.progress.max_attempts(&list.key.parent_id);
        request.max_attempts = position.max_attempts.into_iter().chain(after_failure).min();
        let is_other_offset = AtomicBool::new(false);
        let check = |answer: &ApiResponse| {
            if answer.status == 304 {
                return Ok(PageResponse::Unchanged);
            }
            let page = check_page(answer, list.envelope)?;
            if let Some(echo) = page.offset
                && echo != position.offset
            {
                is_other_offset.store(true, Ordering::Relaxed);
                let reason = format!("the page begins at {echo}, but {} was requested", position.offset);
                return Err(UnusableResponse::new(reason));
            }
            Ok(PageResponse::Page(page))
        };
        match sync.api.get_checked(&context.bearer, &request, check).await {
            Ok(response) => {
                if let Some(page) = &smaller {
                    sync.app.record_smaller_page(&context.bearer, (list.family, &path), page).await?;
                }
                if path != list.path {
                    sync.app.record_moved_route(&list.path, &path).map_err(ApiError::from)?;
                }
                return Ok(response);
            }
            Err(ApiError::BadRequest { message, .. })
                if let Some(page) = SmallerPage::from_refusal(list.paging, &request, limit, &message) =>
            {
                smaller = Some(page);
            }
            Err(e) => match renamed_path(&path).filter(|_| may_be_moved_route(&e)) {
                // An app that is being moved to the new routes loses the old one first.
                Some(new) => (path, smaller) = (new, None),
                // A server that ignores the offset does so for smaller pages too.
                None if e.is_failure() && !is_other_offset.load(Ordering::Relaxed) => {
                    return Err(PageFailure::OfItems(e));
                }
                None => return Err(e.into()),
            },
        }
    }
}

fn page_request(list: &ListRequest, path: &str, position: PagePosition<'_>, limit: u16) -> ApiRequest {
    let mut request = ApiRequest::new(list.family, path.to_owned());
    request.query.clone_from(&list.query);
    request.etag = position.etag.map(str::to_owned);
    match list.paging {
        Paging::Whole | Paging::ById { .. } => request,
        Paging::Offset { .. } => {
            request.with_query("limit", limit.to_string()).with_query("offset", position.offset.to_string())
        }
        Paging::Cursor { .. } => {
            let request = request.with_query("limit", limit.to_string());
            match position.cursor {
                Some(cursor) => request.with_query("after", cursor),
                None => request,
            }
        }
    }
}

/// Requests the version that Spotify has of a list now.
pub(super) async fn request_version(
    sync: &SyncContext,
    context: &FetchContext,
    request: &ApiRequest,
) -> Result<Option<String>, SyncError> {
    let check = |answer: &ApiResponse| {
        let playlist: Playlist<'_> = serde_json::from_slice(&answer.body)
            .map_err(|e| UnusableResponse::new(format!("the answer is not what Spotify documents: {e}")))?;
        Ok(playlist.snapshot_id.value().map(|s| s.to_string()))
    };
    Ok(sync.api.get_checked(&context.bearer, request, check).await?)
}

/// The path that the items of a playlist have had since February 2026.
fn renamed_path(path: &str) -> Option<String> {
    let rest = path.strip_prefix("/playlists/")?.strip_suffix("/tracks")?;
    Some(format!("/playlists/{rest}/items"))
}

fn may_be_moved_route(e: &ApiError) -> bool {
    matches!(e, ApiError::Refused { .. } | ApiError::NotFound { .. } | ApiError::Gone { .. })
}

fn check_page(answer: &ApiResponse, envelope: Envelope) -> Result<RawPage, UnusableResponse> {
    RawPage::read(answer, envelope)?.ok_or_else(|| UnusableResponse::new("the answer holds no page"))
}
