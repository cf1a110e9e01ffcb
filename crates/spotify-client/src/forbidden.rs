//! Tells the kinds of 403 apart, by Spotify's message and by the request.
//!
//! Only the first kind says something about the app. If another kind were taken for it, the client would
//! believe for weeks that a route does not exist. The messages are few: `Forbidden` means a removed
//! endpoint as well as a playlist of another user, so the route decides in that case. It does so only if
//! the refusal comes from Spotify: a proxy's page says nothing about the route.

use std::fmt;

use super::client::ApiRequest;
use super::family::EndpointFamily;

/// Why Spotify answers 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ForbiddenReason {
    /// This app class does not have the endpoint.
    EndpointRemoved,
    /// Contents are for the owner and collaborators only.
    NotYourPlaylist,
    /// The grant lacks a scope.
    ScopeMissing,
    /// The user is not on the app's allow-list.
    NotAllowListed,
    /// The owner of the app has no Premium.
    PremiumLapsed,
    /// None of these, as far as the client can tell.
    Unknown,
}

impl ForbiddenReason {
    /// Classifies a 403. `by_spotify` says that its body is Spotify's error object.
    pub fn classify(request: &ApiRequest, words: &str, by_spotify: bool) -> ForbiddenReason {
        let words = words.to_ascii_lowercase();
        let says = |some: &[&str]| some.iter().any(|part| words.contains(part));
        if says(&["premium"]) {
            ForbiddenReason::PremiumLapsed
        } else if says(&["scope"]) {
            ForbiddenReason::ScopeMissing
        } else if says(&["not registered", "allowlist", "allow-list", "developer dashboard"]) {
            ForbiddenReason::NotAllowListed
        } else if !by_spotify {
            ForbiddenReason::Unknown
        } else if request.family == EndpointFamily::PLAYLIST_ITEMS {
            // Development Mode lost the old name of the route, but not the new one.
            if request.path.ends_with("/tracks") {
                ForbiddenReason::EndpointRemoved
            } else {
                ForbiddenReason::NotYourPlaylist
            }
        } else if request.family == EndpointFamily::PLAYLISTS {
            ForbiddenReason::NotYourPlaylist
        } else if request.family.removed_in_development() || request.is_batch() {
            ForbiddenReason::EndpointRemoved
        } else {
            ForbiddenReason::Unknown
        }
    }

    /// Whether the user has to do something at Spotify before the same call can succeed.
    pub fn requires_user_action(self) -> bool {
        matches!(self, ForbiddenReason::ScopeMissing | ForbiddenReason::NotAllowListed | ForbiddenReason::PremiumLapsed)
    }
}

impl fmt::Display for ForbiddenReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ForbiddenReason::EndpointRemoved => "this class of app does not have the endpoint",
            ForbiddenReason::NotYourPlaylist => "only the owner and collaborators may read this playlist",
            ForbiddenReason::ScopeMissing => "the grant lacks a scope",
            ForbiddenReason::NotAllowListed => "the user is not on the app's allow-list",
            ForbiddenReason::PremiumLapsed => "the owner of the app has no active Premium",
            ForbiddenReason::Unknown => "Spotify does not say why",
        })
    }
}
