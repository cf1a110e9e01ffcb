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
pub(crate) fn handle_api_request(world: &SandboxState, call: &ServerRequest) -> ServiceResponse {
    let now_ms = world.clock.now_ms();
    if let Some(header) = &call.authorization
        && call.bearer().is_none()
        && !header.is_empty()
    {
        return api_error(400, "Only valid bearer authentication supported").into();
    }
    let caller = match lock(&world.accounts).token_owner(call.bearer(), now_ms) {
        Ok(caller) => caller,
        Err(refusal) => return refusal.into(),
    };
    let on_behalf_of = Some(caller.user.clone().unwrap_or_else(|| "app".to_owned()));
    let admitted = lock(&world.limits).admit(&caller.client, &endpoint_family(&call.path), now_ms);
    let answer = match admitted {
        Err(refusal) => rate_limit_error(refusal),
        Ok(()) if !world.is_extended() && caller.user.as_deref() == Some(fixtures::CURATOR_USER) => {
            api_error(403, "User not registered in the Developer Dashboard")
        }
        Ok(()) => {
            let answer = EndpointContext::new(world, call, &caller)
                .and_then(|ask| dispatch_endpoint(&ask))
                .unwrap_or_else(|it| it);
            if world.options.etags { with_etag(answer, call) } else { answer }
        }
    };
    ServiceResponse { client_id: Some(caller.client), on_behalf_of, ..answer.into() }
}

/// Adds an `ETag`, or returns 304 if the client has this version.
fn with_etag(answer: ServerResponse, call: &ServerRequest) -> ServerResponse {
    if answer.status != 200 || answer.headers.iter().any(|(name, _)| *name == "etag") {
        return answer;
    }
    let hash = answer.body.iter().fold(0, |hash, byte| rng::mix(hash, u64::from(*byte)));
    let etag = format!("\"{hash:016x}\"");
    let answer = if call.if_none_match.as_deref() == Some(&etag) { ServerResponse::empty(304) } else { answer };
    answer.with_header("etag", etag)
}

fn rate_limit_error(refusal: LimitRefusal) -> ServerResponse {
    let answer = if refusal.quota {
        api_error_with_reason(429, "Too many requests", Some("QUOTA_EXCEEDED"))
    } else {
        api_error(429, "API rate limit exceeded")
    };
    answer.with_header("retry-after", refusal.retry_after_secs.to_string())
}

fn dispatch_endpoint(ask: &EndpointContext<'_>) -> Result<ServerResponse, ServerResponse> {
    let segments: Vec<&str> = ask.request.path["/v1/".len()..].split('/').collect();
    if ask.request.method != "GET" {
        return Err(api_error(405, "The sandbox only answers GET here"));
    }
    if !ask.render.extended && is_removed_in_development_mode(&segments) {
        return Err(forbidden());
    }
    match segments.as_slice() {
        ["albums"] => music::albums(ask),
        ["albums", id] => music::album(ask, id),
        ["albums", id, "tracks"] => music::album_tracks(ask, id),
        ["artists"] => music::artists(ask),
        ["artists", id] => music::artist(ask, id),
        ["artists", id, "albums"] => music::artist_albums(ask, id),
        ["artists", id, "top-tracks"] => music::top_tracks(ask, id),
        ["tracks"] => music::tracks(ask),
        ["tracks", id] => music::track(ask, id),
        ["shows"] => shows_and_audiobooks::shows(ask),
        ["shows", id] => shows_and_audiobooks::show(ask, id),
        ["shows", id, "episodes"] => shows_and_audiobooks::show_episodes(ask, id),
        ["episodes"] => shows_and_audiobooks::episodes(ask),
        ["episodes", id] => shows_and_audiobooks::episode(ask, id),
        ["audiobooks"] => shows_and_audiobooks::audiobooks(ask),
        ["audiobooks", id] => shows_and_audiobooks::audiobook(ask, id),
        ["audiobooks", id, "chapters"] => shows_and_audiobooks::audiobook_chapters(ask, id),
        ["chapters"] => shows_and_audiobooks::chapters(ask),
        ["chapters", id] => shows_and_audiobooks::chapter(ask, id),
        ["playlists", id] => playlists::playlist(ask, id),
        ["playlists", id, "items"] => playlists::items(ask, id, 20, 50),
        ["playlists", id, "tracks"] => {
            let most = ask.state.options.playlist_page_max;
            playlists::items(ask, id, most, most)
        }
        ["playlists", id, "images"] => playlists::images(ask, id),
        ["users", id] => playlists::user(ask, id),
        ["users", id, "playlists"] => playlists::user_playlists(ask, id),
        ["browse", "new-releases"] => browse::new_releases(ask),
        ["browse", "categories"] => browse::categories(ask),
        ["browse", "categories", id] => browse::category(ask, id),
        ["markets"] => Ok(browse::markets()),
        ["search"] => search::search(ask),
        ["me", rest @ ..] => me::me(ask, rest),
        ["playlists", id, "followers", "contains"] => me::follows_playlist(ask, id),
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
    fn a_family_is_the_path_without_ids() {
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
