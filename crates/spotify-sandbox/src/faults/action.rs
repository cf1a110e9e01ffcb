//! The faults, and constructors for the common ones.

use serde::{Deserialize, Serialize};

/// What goes wrong.
///
/// `Status`, `Answer`, `Redirect`, `Html200`, `GarbageStatusLine`, `EndlessBody` and `GzipBomb` replace the response. With
/// all others the request is carried out first (a refresh token is used up, a scheduled edit is made), and the
/// fault affects its response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum FaultAction {
    /// An error status.
    Status {
        code: u16,
        /// The format of the body.
        #[serde(default)]
        body: ErrorBodyFormat,
        /// The `Retry-After` header.
        #[serde(default)]
        retry_after: RetryAfterHeader,
        /// The message of the error; by default the usual message of Spotify.
        #[serde(default)]
        message: Option<String>,
        /// The reason of the error, such as `QUOTA_EXCEEDED`. For the accounts service it is the error code.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Any status with any JSON.
    Answer { code: u16, json: serde_json::Value },
    /// Several changes of one response, in this order.
    Several { actions: Vec<FaultAction> },
    /// The connection is reset (RST).
    Reset,
    /// The connection is closed before the first byte of a response.
    CloseBeforeHeaders,
    /// The body ends after half of its `Content-Length`.
    CutBody,
    /// The body is twice as long as its `Content-Length`.
    ShortLength,
    /// There is no `Content-Length`, and the connection is closed after half of the body.
    NoLength,
    /// A chunked body without its last chunk; the connection is closed.
    CutChunks,
    /// JSON that becomes invalid in the middle.
    MalformedJson,
    /// A string with bytes that aren't UTF-8.
    InvalidUtf8,
    /// A string with half of a surrogate pair, `\ud83d`.
    LoneSurrogate,
    /// Status 200 with the web page of a captive portal.
    Html200,
    /// One byte at a time.
    Drip {
        /// Milliseconds between two bytes.
        every_ms: u64,
    },
    /// A body that never ends.
    EndlessBody,
    /// A small compressed body that is large when it is decompressed.
    GzipBomb {
        /// The decompressed size in MiB.
        mib: u32,
    },
    /// A redirect.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        code: u16,
        /// The `Location`.
        to: String,
    },
    /// `next` and `href` of a page point to another host.
    ForeignNext {
        /// `host:port`, with `http://` in front of it.
        host: String,
    },
    /// Bytes that are not HTTP.
    GarbageStatusLine,
    /// The connection stays open without a response.
    Stall,
    /// A list without an end: every page has items and a next page.
    EndlessPages,
    /// The previous page again, with the requested offset.
    RepeatPage,
    /// From an offset on, pages begin some places too early and say that they do not.
    ShiftedPages {
        /// The first offset that is affected.
        from: u64,
        /// The number of places.
        by: u64,
    },
    /// The first page, whatever offset is requested.
    FirstPageAlways,
    /// A parameter of the query has no effect.
    IgnoredParameter {
        /// Such as `include_groups`.
        name: String,
    },
    /// Some items of a list are in none of its pages. The other numbers and links are as usual.
    MissingItems {
        /// The position of the first one in the list.
        from: u64,
        count: u64,
    },
    /// A list with other items: those at these positions of the usual list, in this order. Its pages and its total
    /// fit.
    Reordered { positions: Vec<usize> },
    /// Every page with some items of a list fails, however small it is.
    FailingItems {
        /// The position of the first one in the list.
        from: u64,
        count: u64,
        /// The status. With 200, the body is cut off.
        code: u16,
    },
    /// A page without its second half, but with the usual numbers and links.
    ShortPage,
    /// A page without one item in its middle, but with the usual numbers and links.
    HolePage,
    /// A page without items, but with the usual numbers and links.
    EmptyPage,
    /// Another value for one part of the response.
    Set {
        /// JSON pointer such as `/artists/cursors`; empty for the whole response. `*` means every entry, as in
        /// `/items/*/track/name`.
        at: String,
        /// The new value.
        to: serde_json::Value,
    },
    /// The response without one part of it.
    Remove {
        /// JSON pointer, as for `Set`.
        at: String,
    },
    /// A list with fewer items than its `total` says.
    EndsAfter {
        /// The number of items.
        items: u64,
    },
    /// A delayed response.
    Latency {
        /// The delay in milliseconds.
        ms: u64,
    },
}

impl FaultAction {
    /// An error status with the usual JSON of Spotify.
    pub fn status(code: u16) -> Self {
        Self::Status {
            code,
            body: ErrorBodyFormat::Json,
            retry_after: RetryAfterHeader::None,
            message: None,
            reason: None,
        }
    }

    /// The 429 of the rate limit.
    pub fn rate_limited(retry_after: RetryAfterHeader) -> Self {
        Self::Status { code: 429, body: ErrorBodyFormat::Json, retry_after, message: None, reason: None }
    }

    /// The 429 of a used-up quota.
    pub fn quota_exceeded(seconds: u64) -> Self {
        Self::Status {
            code: 429,
            body: ErrorBodyFormat::Json,
            retry_after: RetryAfterHeader::Seconds(seconds),
            message: Some("Too many requests".to_owned()),
            reason: Some("QUOTA_EXCEEDED".to_owned()),
        }
    }

    /// The error for an invalid refresh token, for `/api/token`.
    pub fn invalid_grant(description: &str) -> Self {
        Self::Status {
            code: 400,
            body: ErrorBodyFormat::Json,
            retry_after: RetryAfterHeader::None,
            message: Some(description.to_owned()),
            reason: Some("invalid_grant".to_owned()),
        }
    }

    /// Another value at a JSON pointer.
    pub fn set(at: &str, to: serde_json::Value) -> Self {
        Self::Set { at: at.to_owned(), to }
    }

    /// Without one part of the response.
    pub fn remove(at: &str) -> Self {
        Self::Remove { at: at.to_owned() }
    }

    /// The action itself, or those that it consists of.
    pub(crate) fn parts(&self) -> &[FaultAction] {
        match self {
            Self::Several { actions } => actions,
            _ => std::slice::from_ref(self),
        }
    }

    /// Whether the response has other data because of the action.
    pub(crate) fn changes_data(&self) -> bool {
        matches!(
            self,
            Self::Set { .. }
                | Self::Remove { .. }
                | Self::MissingItems { .. }
                | Self::ShiftedPages { .. }
                | Self::FirstPageAlways
                | Self::IgnoredParameter { .. }
                | Self::Reordered { .. }
        )
    }

    /// The name of the action in JSON and in the request log.
    pub fn name(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value["do"].as_str().unwrap_or("fault").to_owned()
    }
}

/// The format of an error body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorBodyFormat {
    /// The error JSON of the service.
    #[default]
    Json,
    /// The web page of a proxy.
    Html,
    /// Plain text.
    Text,
    /// No body.
    Empty,
}

/// The value of the `Retry-After` header.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfterHeader {
    /// No header.
    #[default]
    None,
    /// A number of seconds.
    Seconds(u64),
    /// An HTTP date this many seconds from now.
    DateIn(u64),
    /// Any text, such as `-5` or `soon`.
    Text(String),
}
