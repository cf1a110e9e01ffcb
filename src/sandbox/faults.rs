//! What should go wrong, and for which requests.
//!
//! A fault is a matcher and an [`Action`]. The matchers of one sandbox are tried in order, and the
//! first that fires is played. As JSON, for `POST /_sandbox/faults`:
//!
//! ```json
//! {"path": "/v1/playlists/*", "skip": 2, "times": 1,
//!  "action": {"do": "status", "code": 429, "retry_after": {"seconds": 5}}}
//! ```

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::{dice, hold};

/// Which requests go wrong, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// Path of the request; `*` stands for any run of characters.
    pub path: String,
    /// Method, if it matters.
    pub method: Option<String>,
    /// Text that the query must hold, such as `offset=100`.
    pub query: Option<String>,
    /// How many matching requests go well first.
    pub skip: u32,
    /// How many then go wrong; all of them without.
    pub times: Option<u32>,
    /// Chance of going wrong, 0 to 1, rolled from `seed`; certain without.
    pub probability: Option<f64>,
    /// Seed of that roll.
    pub seed: u64,
    /// What happens.
    pub action: Action,
}

impl Default for Fault {
    fn default() -> Self {
        Self {
            path: "*".to_owned(),
            method: None,
            query: None,
            skip: 0,
            times: None,
            probability: None,
            seed: 0,
            action: Action::Reset,
        }
    }
}

impl Fault {
    /// A fault of every request to a path.
    pub fn on(path: &str, action: Action) -> Self {
        Self {
            path: path.to_owned(),
            action,
            ..Self::default()
        }
    }

    /// Only of the nth matching request, counted from 1.
    #[must_use]
    pub fn nth(self, n: u32) -> Self {
        Self {
            skip: n.saturating_sub(1),
            times: Some(1),
            ..self
        }
    }

    /// Only of the first so many matching requests (after those skipped).
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    /// Only if the query holds a text.
    #[must_use]
    pub fn with_query(self, text: &str) -> Self {
        Self {
            query: Some(text.to_owned()),
            ..self
        }
    }

    /// Only now and then.
    #[must_use]
    pub fn with_probability(self, probability: f64, seed: u64) -> Self {
        Self {
            probability: Some(probability),
            seed,
            ..self
        }
    }
}

/// What goes wrong.
///
/// `Status`, `Redirect`, `Html200`, `GarbageStatusLine`, `EndlessBody` and `GzipBomb` come in place
/// of an answer. With all others the request is carried out first (a refresh token is spent, an
/// edit that waited is made) and what goes wrong is the answer's way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Action {
    /// Another status.
    Status {
        /// The status.
        code: u16,
        /// What the body looks like.
        #[serde(default)]
        body: Body,
        /// The `Retry-After` header.
        #[serde(default)]
        retry_after: RetryAfter,
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
    /// A page without items, with everything else as usual.
    EmptyPage,
    /// A late answer.
    Latency {
        /// How late.
        ms: u64,
    },
}

impl Action {
    /// A status with Spotify's usual JSON.
    pub fn status(code: u16) -> Self {
        Self::Status {
            code,
            body: Body::Json,
            retry_after: RetryAfter::None,
            message: None,
            reason: None,
        }
    }

    /// 429 as the rate limit sends it.
    pub fn rate_limited(retry_after: RetryAfter) -> Self {
        Self::Status {
            code: 429,
            body: Body::Json,
            retry_after,
            message: None,
            reason: None,
        }
    }

    /// 429 as a spent quota sends it.
    pub fn quota_exceeded(seconds: u64) -> Self {
        Self::Status {
            code: 429,
            body: Body::Json,
            retry_after: RetryAfter::Seconds(seconds),
            message: Some("Too many requests".to_owned()),
            reason: Some("QUOTA_EXCEEDED".to_owned()),
        }
    }

    /// The refusal of a refresh token, for `/api/token`.
    pub fn invalid_grant(description: &str) -> Self {
        Self::Status {
            code: 400,
            body: Body::Json,
            retry_after: RetryAfter::None,
            message: Some(description.to_owned()),
            reason: Some("invalid_grant".to_owned()),
        }
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
pub enum Body {
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
pub enum RetryAfter {
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

#[derive(Debug)]
struct Armed {
    fault: Fault,
    matched: u32,
    played: u32,
}

/// The faults that are waiting, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Vec<Armed>>);

impl Faults {
    pub(crate) fn add(&self, fault: Fault) {
        hold(&self.0).push(Armed {
            fault,
            matched: 0,
            played: 0,
        });
    }

    pub(crate) fn clear(&self) {
        hold(&self.0).clear();
    }

    /// What goes wrong with this request, if anything.
    pub(crate) fn strike(&self, method: &str, path: &str, query: &str) -> Option<Action> {
        hold(&self.0)
            .iter_mut()
            .find_map(|armed| armed.strike(method, path, query))
    }
}

impl Armed {
    fn strike(&mut self, method: &str, path: &str, query: &str) -> Option<Action> {
        let fault = &self.fault;
        let matches = glob(&fault.path, path)
            && fault
                .method
                .as_ref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && fault
                .query
                .as_ref()
                .is_none_or(|wanted| query.contains(wanted.as_str()));
        if !matches || fault.times.is_some_and(|times| self.played >= times) {
            return None;
        }
        self.matched += 1;
        if self.matched <= fault.skip {
            return None;
        }
        if let Some(probability) = fault.probability {
            let roll = dice::mix(fault.seed, u64::from(self.matched)) >> 11;
            if roll as f64 / (1u64 << 53) as f64 >= probability {
                return None;
            }
        }
        self.played += 1;
        Some(fault.action.clone())
    }
}

/// Whether a pattern with `*` in it covers a whole path.
fn glob(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((head, rest)) => path.strip_prefix(head).is_some_and(|tail| {
            (0..=tail.len()).any(|n| tail.is_char_boundary(n) && glob(rest, &tail[n..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(fault: Fault, requests: usize) -> Vec<bool> {
        let faults = Faults::default();
        faults.add(fault);
        let strike = |_| {
            faults
                .strike("GET", "/v1/albums/x", "limit=50&offset=50")
                .is_some()
        };
        (0..requests).map(strike).collect()
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, fits) in [
            ("*", true),
            ("/v1/playlists/*/items", true),
            ("/v1/playlists/*", true),
            ("/v1/playlists", false),
            ("*/items", true),
            ("/v1/*/tracks", false),
            ("/v1/playlists/a/items", true),
        ] {
            assert_eq!(glob(pattern, "/v1/playlists/a/items"), fits, "{pattern}");
        }
    }

    #[test]
    fn a_fault_strikes_the_requests_it_names_and_no_other() {
        let fault = |path| Fault::on(path, Action::Reset);
        assert_eq!(
            struck(fault("/v1/albums/*").nth(2), 3),
            [false, true, false]
        );
        assert_eq!(struck(fault("*").times(2), 3), [true, true, false]);
        assert_eq!(struck(fault("*").with_query("offset=50"), 1), [true]);
        assert_eq!(struck(fault("*").with_query("offset=0"), 1), [false]);
        assert_eq!(struck(fault("/v1/tracks/*"), 1), [false]);
    }

    #[test]
    fn a_probability_strikes_about_as_often_as_it_says_and_the_same_each_time() {
        let fault = Fault::on("*", Action::Reset).with_probability(0.3, 7);
        let (one, two) = (struck(fault.clone(), 1000), struck(fault, 1000));
        assert_eq!(one, two);
        let strikes = one.iter().filter(|struck| **struck).count();
        assert!((250..350).contains(&strikes), "{strikes}");
    }

    #[test]
    fn a_fault_is_read_from_json_and_a_misspelt_key_is_refused() {
        let json = r#"{"path":"/v1/*","skip":1,"times":1,"action":
            {"do":"status","code":429,"body":"empty","retry_after":{"seconds":5}}}"#;
        let fault: Fault = serde_json::from_str(json).unwrap();
        assert_eq!(fault.skip, 1);
        assert_eq!(fault.action.name(), "status");
        assert!(serde_json::from_str::<Fault>(r#"{"pth":"*","action":{"do":"reset"}}"#).is_err());
    }
}
