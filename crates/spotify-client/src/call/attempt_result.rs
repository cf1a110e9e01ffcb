//! How one attempt of a call ended.

use crate::http::retry::AttemptOutcome;

/// How an attempt ended, with a message for people.
pub(super) struct AttemptResult<T> {
    pub outcome: AttemptOutcome,
    pub value: Option<T>,
    pub words: String,
    /// Whether it comes from Spotify and not from a proxy, as far as that shows.
    pub by_spotify: bool,
    /// There was no connection to the server.
    pub is_disconnected: bool,
}

impl<T> AttemptResult<T> {
    /// An attempt without a usable response.
    pub(super) fn failed(outcome: AttemptOutcome, words: String) -> AttemptResult<T> {
        AttemptResult { outcome, value: None, words, by_spotify: false, is_disconnected: false }
    }
}
