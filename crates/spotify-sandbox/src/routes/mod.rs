//! The Web API: checks the token, the limits and the quota mode, and then calls the endpoint.
//!
//! The checks have the same order as at Spotify: 401, 429, 403, and then 400 and 404. The endpoints are in files
//! by subject.

mod browse;
mod control;
mod me;
mod music;
mod playlists;
mod plays;
mod request;
mod search;
mod shows_and_audiobooks;

pub(crate) use control::handle_control;
pub(crate) use request::{COUNTRY, EndpointContext, ServerRequest};

use super::limits::LimitRefusal;
use super::response::{ServerResponse, api_error, api_error_with_reason, forbidden};
use super::state::{SandboxState, ServiceResponse};
use super::{fixtures, lock, rng};

/// Whether a path belongs to the Web API.
pub(crate) fn is_api(path: &str) -> bool {
    path.starts_with("/v1/")
}

/// The endpoint family of a path, by which daily quotas count: the path without ids.
pub(crate) fn endpoint_family(path: &str) -> String {
    let Some(rest) = path.strip_prefix("/v1") else {
        return path.to_owned();
    };
    let mut segments: Vec<&str> = rest.split('/').collect();
    let id = match segments.get(1) {
        Some(&("me" | "search" | "markets" | "recommendations")) => None,
        Some(&"browse") => Some(3),
        _ => Some(2),
    };
    if let Some(segment) = id.and_then(|id| segments.get_mut(id)) {
        *segment = "{id}";
    }
    segments.join("/")
}

/// Handles a request to the Web API.
pub(crate) fn handle_api_request(state: &SandboxState, request: &ServerRequest) -> ServiceResponse {
    let now_ms = state.clock.now_ms();
    if let Some(header) = &request.authorization
        && request.bearer().is_none()
        && !header.is_empty()
    {
        return api_error(400, "Only valid bearer authentication supported").into();
    }
    let token_owner = match lock(&state.accounts).token_owner(request.bearer(), now_ms) {
        Ok(token_owner) => token_owner,
        Err(refusal) => return refusal.into(),
    };
    let on_behalf_of = Some(token_owner.user.clone().unwrap_or_else(|| "app".to_owned()));
    let admitted = lock(&state.limits).admit(&token_owner.client, &endpoint_family(&request.path), now_ms);
    let response = match admitted {
        Err(refusal) => rate_limit_error(refusal),
        Ok(()) if !state.is_extended() && token_owner.user.as_deref() == Some(fixtures::CURATOR_USER) => {
            api_error(403, "User not registered in the Developer Dashboard")
        }
        Ok(()) => {
            let response = EndpointContext::new(state, request, &token_owner)
                .and_then(|context| dispatch_endpoint(&context))
                .unwrap_or_else(|it| it);
            if state.options.etags { with_etag(response, request) } else { response }
        }
    };
    ServiceResponse { client_id: Some(token_owner.client), on_behalf_of, ..response.into() }
}

/// The response of an endpoint to a request that counts against no limit.
pub(crate) fn respond_without_limits(state: &SandboxState, request: &ServerRequest) -> ServerResponse {
    let token_owner = match lock(&state.accounts).token_owner(request.bearer(), state.clock.now_ms()) {
        Ok(token_owner) => token_owner,
        Err(refusal) => return refusal,
    };
    EndpointContext::new(state, request, &token_owner)
        .and_then(|context| dispatch_endpoint(&context))
        .unwrap_or_else(|error| error)
}

/// Adds an `ETag`, or returns 304 if the client has this version.
fn with_etag(response: ServerResponse, request: &ServerRequest) -> ServerResponse {
    if response.status != 200 || response.headers.iter().any(|(name, _)| *name == "etag") {
        return response;
    }
    let hash = response.body.iter().fold(0, |hash, byte| rng::mix(hash, u64::from(*byte)));
    let etag = format!("\"{hash:016x}\"");
    let response = if request.if_none_match.as_deref() == Some(&etag) { ServerResponse::empty(304) } else { response };
    response.with_header("etag", etag)
}

fn rate_limit_error(refusal: LimitRefusal) -> ServerResponse {
    let response = if refusal.quota {
        api_error_with_reason(429, "Too many requests", Some("QUOTA_EXCEEDED"))
    } else {
        api_error(429, "API rate limit exceeded")
    };
    response.with_header("retry-after", refusal.retry_after_secs.to_string())
}

fn dispatch_endpoint(context: &EndpointContext<'_>) -> Result<ServerResponse, ServerResponse> {
    let segments: Vec<&str> = context.request.path["/v1/".len()..].split('/').collect();
    if context.request.method != "GET" {
        return Err(api_error(405, "The sandbox only answers GET here"));
    }
    if !context.render.extended && is_removed_in_development_mode(&segments) {
        return Err(forbidden());
    }
    match segments.as_slice() {
        ["albums"] => music::albums(context),
        ["albums", id] => music::album(context, id),
        ["albums", id, "tracks"] => music::album_tracks(context, id),
        ["artists"] => music::artists(context),
        ["artists", id] => music::artist(context, id),
        ["artists", id, "albums"] => music::artist_albums(context, id),
        ["artists", id, "top-tracks"] => music::top_tracks(context, id),
        ["tracks"] => music::tracks(context),
        ["tracks", id] => music::track(context, id),
        ["shows"] => shows_and_audiobooks::shows(context),
        ["shows", id] => shows_and_audiobooks::show(context, id),
        ["shows", id, "episodes"] => shows_and_audiobooks::show_episodes(context, id),
        ["episodes"] => shows_and_audiobooks::episodes(context),
        ["episodes", id] => shows_and_audiobooks::episode(context, id),
        ["audiobooks"] => shows_and_audiobooks::audiobooks(context),
        ["audiobooks", id] => shows_and_audiobooks::audiobook(context, id),
        ["audiobooks", id, "chapters"] => shows_and_audiobooks::audiobook_chapters(context, id),
        ["chapters"] => shows_and_audiobooks::chapters(context),
        ["chapters", id] => shows_and_audiobooks::chapter(context, id),
        ["playlists", id] => playlists::playlist(context, id),
        ["playlists", id, "items"] => playlists::items(context, id, 20, 50),
        ["playlists", id, "tracks"] => {
            let most = context.state.options.playlist_page_max;
            playlists::items(context, id, most, most)
        }
        ["playlists", id, "images"] => playlists::images(context, id),
        ["users", id] => playlists::user(context, id),
        ["users", id, "playlists"] => playlists::user_playlists(context, id),
        ["browse", "new-releases"] => browse::new_releases(context),
        ["browse", "categories"] => browse::categories(context),
        ["browse", "categories", id] => browse::category(context, id),
        ["markets"] => Ok(browse::markets()),
        ["search"] => search::search(context),
        ["me", rest @ ..] => me::me(context, rest),
        ["playlists", id, "followers", "contains"] => me::follows_playlist(context, id),
        // Since November 2024 only apps that used these before may use them. The sandbox app did not.
        ["artists", _, "related-artists"]
        | ["browse", "featured-playlists"]
        | ["browse", "categories", _, "playlists"]
        | ["recommendations", ..]
        | ["audio-features" | "audio-analysis", ..] => Err(forbidden()),
        _ => Err(api_error(404, "Service not found")),
    }
}

/// Whether an endpoint was removed from Development Mode in February 2026.
fn is_removed_in_development_mode(segments: &[&str]) -> bool {
    matches!(
        segments,
        ["albums" | "artists" | "tracks" | "shows" | "episodes" | "audiobooks" | "chapters" | "markets"]
            | ["playlists", _, "tracks"]
            | ["playlists", _, "followers", "contains"]
            | ["users", ..]
            | ["artists", _, "top-tracks"]
            | ["browse", ..]
            | ["me", "tracks" | "albums" | "shows" | "episodes" | "audiobooks" | "following", "contains"]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn family_is_the_path_without_ids() {
        for (path, shape) in [
            ("/v1/playlists/abc/items", "/playlists/{id}/items"),
            ("/v1/albums", "/albums"),
            ("/v1/albums/abc", "/albums/{id}"),
            ("/v1/me/tracks", "/me/tracks"),
            ("/v1/browse/categories/abc", "/browse/categories/{id}"),
            ("/v1/browse/new-releases", "/browse/new-releases"),
            ("/v1/search", "/search"),
            ("/api/token", "/api/token"),
        ] {
            assert_eq!(endpoint_family(path), shape);
        }
    }
}
