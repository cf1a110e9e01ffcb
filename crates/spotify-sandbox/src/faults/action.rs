//! What can go wrong, and the usual ways of it.

use serde::{Deserialize, Serialize};

/// What goes wrong.
///
/// `Status`, `Redirect`, `Html200`, `GarbageStatusLine`, `EndlessBody` and `GzipBomb` come in place
/// of an answer. With all others the request is carried out first (a refresh token is spent, an
/// edit that waited is made) and what goes wrong is the answer's way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum FaultAction {
    /// Another status.
    Status {
        /// The status.
        code: u16,
        /// What the body looks like.
        #[serde(default)]
        body: ErrorBodyFormat,
        /// The `Retry-After` header.
        #[serde(default)]
        retry_after: RetryAfterHeader,
        /// The error's message; Spotify's usual one without.
        #[serde(default)]
        message: Option<String>,
        /// The error's reason, such as `QUOTA_EXCEEDED`; for the accounts service its error code.
        #[serde(default)]
        reason: Option<String>,
    },
    /// The connection is reset (RST).
    Reset,
    /// The connection is closed before any byte of an answer.
    CloseBeforeHeaders,
    /// `Content-Length` promises all, half of it comes.
    CutBody,
    /// `Content-Length` promises half of what comes.
    ShortLength,
    /// No `Content-Length`; the connection is closed after half.
    NoLength,
    /// A chunked body whose end never comes; the connection is closed.
    CutChunks,
    /// JSON that stops making sense.
    MalformedJson,
    /// A string with bytes that aren't UTF-8.
    InvalidUtf8,
    /// A string with half of a surrogate pair, `\ud83d`.
    LoneSurrogate,
    /// 200 with a web page, as a captive portal sends.
    Html200,
    /// One byte at a time.
    Drip {
        /// Milliseconds between two bytes.
        every_ms: u64,
    },
    /// A body that never ends.
    EndlessBody,
    /// A small body that unpacks to a large one.
    GzipBomb {
        /// Its size unpacked, in MiB.
        mib: u32,
    },
    /// A redirect.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        code: u16,
        /// The `Location`.
        to: String,
    },
    /// `next` and `href` of a page lead to another host.
    ForeignNext {
        /// `host:port`, with `http://` in front of it.
        host: String,
    },
    /// Something that isn't HTTP.
    GarbageStatusLine,
    /// The connection stays open and silent.
    Stall,
    /// A list without end: there is always a next page with items in it.
    EndlessPages,
    /// The previous page once more, under the offset asked for.
    RepeatPage,
    /// A page that lacks its second half, with everything else as usual.
    ShortPage,
    /// A page that lacks one item in its middle, with everything else as usual.
    HolePage,
    /// A page without items, with everything else as usual.
    EmptyPage,
    /// One value of an answer is another one.
    Set {
        /// Where, as a JSON pointer: `/artists/cursors`; empty for the whole answer.
        at: String,
        /// What stands there.
        to: serde_json::Value,
    },
    /// A list that has no more items than this, whatever it announces.
    EndsAfter {
        /// How many it has.
        items: u64,
    },
    /// A late answer.
    Latency {
        /// How late.
        ms: u64,
    },
}

impl FaultAction {
    /// A status with Spotify's usual JSON.
    pub fn status(code: u16) -> Self {
        Self::Status {
            code,
            body: ErrorBodyFormat::Json,
            retry_after: RetryAfterHeader::None,
            message: None,
            reason: None,
        }
    }

    /// 429 as the rate limit sends it.
    pub fn rate_limited(retry_after: RetryAfterHeader) -> Self {
        Self::Status { code: 429, body: ErrorBodyFormat::Json, retry_after, message: None, reason: None }
    }

    /// 429 as a spent quota sends it.
    pub fn quota_exceeded(seconds: u64) -> Self {
        Self::Status {
            code: 429,
            body: ErrorBodyFormat::Json,
            retry_after: RetryAfterHeader::Seconds(seconds),
            message: Some("Too many requests".to_owned()),
            reason: Some("QUOTA_EXCEEDED".to_owned()),
        }
    }

    /// The refusal of a refresh token, for `/api/token`.
    pub fn invalid_grant(description: &str) -> Self {
        Self::Status {
            code: 400,
            body: ErrorBodyFormat::Json,
            retry_after: RetryAfterHeader::None,
            message: Some(description.to_owned()),
            reason: Some("invalid_grant".to_owned()),
        }
    }

    /// Another value at a place of the answer.
    pub fn set(at: &str, to: serde_json::Value) -> Self {
        Self::Set { at: at.to_owned(), to }
    }

    /// The name it has in JSON and in the log.
    pub fn name(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value["do"].as_str().unwrap_or("fault").to_owned()
    }
}

/// What the body of a refusal looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorBodyFormat {
    /// The JSON that the service asked sends.
    #[default]
    Json,
    /// A proxy's web page.
    Html,
    /// Plain text.
    Text,
    /// No byte.
    Empty,
}

/// What stands in `Retry-After`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfterHeader {
    /// No such header.
    #[default]
    None,
    /// So many seconds.
    Seconds(u64),
    /// An HTTP date so many seconds from now.
    DateIn(u64),
    /// Whatever you like: `-5`, `soon`.
    Text(String),
}
