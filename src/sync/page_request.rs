//! Requests one page of a list, or the version of a list.

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
    /// The page is the one whose entity tag was sent.
    Unchanged,
}

/// Where a page begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct PagePosition<'a> {
    pub offset: i64,
    pub cursor: Option<&'a str>,
    /// Entity tag of the stored answer, if an unchanged answer is of use.
    pub etag: Option<&'a str>,
}

/// Requests one page. A page size that the app may not use is learned on the way, and so is that it has to
/// use the new route of a playlist's items.
pub(super) async fn request_page(
    sync: &SyncContext,
    context: &FetchContext,
    list: &ListRequest,
    position: PagePosition<'_>,
) -> Result<PageResponse, SyncError> {
    sync.check_store_room()?;
    let mut path = sync.app.current_path(&list.path).map_err(ApiError::from)?;
    let mut smaller: Option<SmallerPage> = None;
    loop {
        let largest = match &smaller {
            Some(page) => page.size,
            None => sync.app.page_size(list.family, &path, list.paging).map_err(ApiError::from)?,
        };
        // Where only the first items of a list are wanted, no more than these are requested.
        let limit = match list.max_items.map(|max| u16::try_from(max - position.offset)) {
            Some(Ok(wanted)) => wanted.clamp(1, largest),
            _ => largest,
        };
        let mut request = page_request(list, &path, position, limit);
        request.max_attempts = context.progress.max_attempts(&list.key.parent_id);
        let check = |answer: &ApiResponse| match answer.status {
            304 => Ok(PageResponse::Unchanged),
            _ => check_page(answer, list.envelope, position.offset).map(PageResponse::Page),
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

fn check_page(answer: &ApiResponse, envelope: Envelope, offset: i64) -> Result<RawPage, UnusableResponse> {
    let page = RawPage::read(answer, envelope)?.ok_or_else(|| UnusableResponse::new("the answer holds no page"))?;
    if let Some(echo) = page.offset
        && echo != offset
    {
        return Err(UnusableResponse::new(format!("the page begins at {echo}, but {offset} was requested")));
    }
    Ok(page)
}
