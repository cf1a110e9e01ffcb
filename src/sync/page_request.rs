//! One look at a list: a page of it, or its version.

use super::app_facts::SmallerPage;
use super::context::{FetchContext, SyncContext};
use super::error::SyncError;
use super::list::ListRequest;
use crate::stream::Paging;
use spotify_client::client::{ApiRequest, ApiResponse, UnusableResponse};
use spotify_client::error::ApiError;
use spotify_client::page::{Envelope, RawPage};
use spotify_client::wire::Playlist;

/// What came of asking for a page.
#[derive(Debug)]
pub(super) enum PageResponse {
    Page(RawPage),
    /// The answer would be what it was.
    Unchanged,
}

/// Where a page begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct PagePosition<'a> {
    pub offset: i64,
    pub cursor: Option<&'a str>,
    /// Tag of the answer that stands, if one that is the same is of use.
    pub etag: Option<&'a str>,
}

impl SyncContext {
    /// One page from the server; a page size that the app may not use is learned on the way, and so is
    /// that it has to use the new name of a playlist's items.
    pub(super) async fn request_page(
        &self,
        frame: &FetchContext,
        list: &ListRequest,
        place: PagePosition<'_>,
    ) -> Result<PageResponse, SyncError> {
        self.check_store_room()?;
        let mut path = self.app.current_path(&list.path).map_err(ApiError::from)?;
        let mut smaller: Option<SmallerPage> = None;
        loop {
            let largest = match &smaller {
                Some(page) => page.size,
                None => self.app.page_size(list.family, &path, list.paging).map_err(ApiError::from)?,
            };
            // Of the beginning of a list no more is asked for than is wanted.
            let limit = match list.max_items.map(|most| u16::try_from(most - place.offset)) {
                Some(Ok(wanted)) => wanted.clamp(1, largest),
                _ => largest,
            };
            let mut request = ApiRequest::new(list.family, path.clone());
            request.query.clone_from(&list.query);
            request.etag = place.etag.map(str::to_owned);
            match list.paging {
                Paging::Whole | Paging::ById { .. } => {}
                Paging::Offset { .. } => {
                    request =
                        request.with_query("limit", limit.to_string()).with_query("offset", place.offset.to_string());
                }
                Paging::Cursor { .. } => {
                    request = request.with_query("limit", limit.to_string());
                    if let Some(cursor) = place.cursor {
                        request = request.with_query("after", cursor);
                    }
                }
            }
            let check = |answer: &ApiResponse| match answer.status {
                304 => Ok(PageResponse::Unchanged),
                _ => check_page(answer, list.envelope, place.offset, limit).map(PageResponse::Page),
            };
            match self.api.get_checked(&frame.bearer, &request, check).await {
                Ok(look) => {
                    if let Some(page) = &smaller {
                        self.app.record_smaller_page(&frame.bearer, (list.family, &path), page).await?;
                    }
                    if path != list.path {
                        self.app.record_moved_route(&list.path, &path).map_err(ApiError::from)?;
                    }
                    return Ok(look);
                }
                Err(ApiError::BadRequest { message, .. })
                    if let Some(page) = SmallerPage::from_refusal(list.paging, &request, limit, &message) =>
                {
                    smaller = Some(page);
                }
                Err(e) => match renamed_path(&path).filter(|_| may_be_moved_route(&e)) {
                    // An app that is being moved to the new names loses the old one first.
                    Some(new) => (path, smaller) = (new, None),
                    None => return Err(e.into()),
                },
            }
        }
    }

    /// Spotify's version of the list now.
    pub(super) async fn request_version(
        &self,
        frame: &FetchContext,
        request: &ApiRequest,
    ) -> Result<Option<String>, SyncError> {
        let check = |answer: &ApiResponse| {
            let playlist: Playlist<'_> = serde_json::from_slice(&answer.body)
                .map_err(|e| UnusableResponse::new(format!("the answer is not what Spotify documents: {e}")))?;
            Ok(playlist.snapshot_id.value().map(|s| s.to_string()))
        };
        Ok(self.api.get_checked(&frame.bearer, request, check).await?)
    }
}

/// Whether an error concerns one list and not the run.
pub(super) fn is_about_the_list(e: &ApiError) -> bool {
    use spotify_client::forbidden::ForbiddenReason;
    match e {
        ApiError::Refused { kind, .. } => matches!(kind, ForbiddenReason::NotYourPlaylist | ForbiddenReason::Unknown),
        ApiError::BadRequest { .. }
        | ApiError::NotFound { .. }
        | ApiError::Gone { .. }
        | ApiError::Unexpected { .. }
        | ApiError::Unusable { .. } => true,
        _ => false,
    }
}

/// The name that the route of a playlist's items has had since February 2026.
fn renamed_path(path: &str) -> Option<String> {
    let rest = path.strip_prefix("/playlists/")?.strip_suffix("/tracks")?;
    Some(format!("/playlists/{rest}/items"))
}

fn may_be_moved_route(e: &ApiError) -> bool {
    matches!(e, ApiError::Refused { .. } | ApiError::NotFound { .. } | ApiError::Gone { .. })
}

fn check_page(answer: &ApiResponse, wrapping: Envelope, offset: i64, limit: u16) -> Result<RawPage, UnusableResponse> {
    let page = RawPage::read(answer, wrapping)?.ok_or_else(|| UnusableResponse::new("the answer holds no page"))?;
    if let Some(echo) = page.offset
        && echo != offset
    {
        return Err(UnusableResponse::new(format!("the page begins at {echo}, but {offset} was asked for")));
    }
    if !matches!(wrapping, Envelope::Array(_)) && page.served() > i64::from(limit) {
        return Err(UnusableResponse::new(format!("{} items on a page of {limit}", page.served())));
    }
    Ok(page)
}
