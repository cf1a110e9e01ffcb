//! Faults: what goes wrong, and for which requests.
//!
//! A fault consists of conditions and a [`FaultAction`]. A request gets the first fault with conditions that
//! it fulfills. As JSON, for `POST /_sandbox/faults`:
//!
//! ```json
//! {"path": "/v1/playlists/*", "skip": 2, "times": 1,
//!  "action": {"do": "status", "code": 429, "retry_after": {"seconds": 5}}}
//! ```

mod action;

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::{lock, rng};
pub use action::{ErrorBodyFormat, FaultAction, RetryAfterHeader};

/// A fault for some requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// Path of the request; `*` matches any characters.
    pub path: String,
    /// Method of the request; any by default.
    pub method: Option<String>,
    /// Text that the query must contain, such as `offset=100`.
    pub query: Option<String>,
    /// Number of matching requests that are not affected.
    pub skip: u32,
    /// Number of requests after that which are affected; all by default.
    pub times: Option<u32>,
    /// Probability of the fault from 0 to 1, decided by `seed`; 1 by default.
    pub probability: Option<f64>,
    /// Seed for `probability`.
    pub seed: u64,
    pub action: FaultAction,
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
            action: FaultAction::Reset,
        }
    }
}

impl Fault {
    /// A fault for every request to a path.
    pub fn on_path(path: &str, action: FaultAction) -> Self {
        Self { path: path.to_owned(), action, ..Self::default() }
    }

    /// Limits the fault to the nth matching request, counted from 1.
    #[must_use]
    pub fn nth(self, n: u32) -> Self {
        Self { skip: n.saturating_sub(1), times: Some(1), ..self }
    }

    /// Limits the fault to a number of matching requests.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Limits the fault to requests with this text in their query.
    #[must_use]
    pub fn with_query(self, text: &str) -> Self {
        Self { query: Some(text.to_owned()), ..self }
    }

    /// Injects the fault with a probability.
    #[must_use]
    pub fn with_probability(self, probability: f64, seed: u64) -> Self {
        Self { probability: Some(probability), seed, ..self }
    }
}

#[derive(Debug)]
struct ArmedFault {
    fault: Fault,
    matched_requests: u32,
    injected_faults: u32,
}

/// The faults in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct FaultQueue(Mutex<Vec<ArmedFault>>);

impl FaultQueue {
    pub(crate) fn add(&self, fault: Fault) {
        lock(&self.0).push(ArmedFault { fault, matched_requests: 0, injected_faults: 0 });
    }

    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }

    /// The action of the first fault that applies to a request.
    pub(crate) fn next_action(&self, method: &str, path: &str, query: &str) -> Option<FaultAction> {
        lock(&self.0).iter_mut().find_map(|armed| armed.trigger(method, path, query))
    }
}

impl ArmedFault {
    fn trigger(&mut self, method: &str, path: &str, query: &str) -> Option<FaultAction> {
        let fault = &self.fault;
        let matches = glob_matches(&fault.path, path)
            && fault.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && fault.query.as_ref().is_none_or(|wanted| query.contains(wanted.as_str()));
        if !matches || fault.times.is_some_and(|times| self.injected_faults >= times) {
            return None;
        }
        self.matched_requests += 1;
        if self.matched_requests <= fault.skip {
            return None;
        }
        if let Some(probability) = fault.probability {
            let sample = rng::mix(fault.seed, u64::from(self.matched_requests)) >> 11;
            if sample as f64 / (1u64 << 53) as f64 >= probability {
                return None;
            }
        }
        self.injected_faults += 1;
        Some(fault.action.clone())
    }
}

/// Whether a pattern with `*` matches a whole path.
fn glob_matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((head, rest)) => path
            .strip_prefix(head)
            .is_some_and(|tail| (0..=tail.len()).any(|n| tail.is_char_boundary(n) && glob_matches(rest, &tail[n..]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn injections(fault: Fault, requests: usize) -> Vec<bool> {
        let faults = FaultQueue::default();
        faults.add(fault);
        let is_injected = |_| faults.next_action("GET", "/v1/albums/x", "limit=50&offset=50").is_some();
        (0..requests).map(is_injected).collect()
    }

    #[test]
    fn star_matches_any_characters() {
        for (pattern, fits) in [
            ("*", true),
            ("/v1/playlists/*/items", true),
            ("/v1/playlists/*", true),
            ("/v1/playlists", false),
            ("*/items", true),
            ("/v1/*/tracks", false),
            ("/v1/playlists/a/items", true),
        ] {
            assert_eq!(glob_matches(pattern, "/v1/playlists/a/items"), fits, "{pattern}");
        }
    }

    #[test]
    fn fault_hits_only_matching_requests() {
        let fault = |path| Fault::on_path(path, FaultAction::Reset);
        assert_eq!(injections(fault("/v1/albums/*").nth(2), 3), [false, true, false]);
        assert_eq!(injections(fault("*").times(2), 3), [true, true, false]);
        assert_eq!(injections(fault("*").with_query("offset=50"), 1), [true]);
        assert_eq!(injections(fault("*").with_query("offset=0"), 1), [false]);
        assert_eq!(injections(fault("/v1/tracks/*"), 1), [false]);
    }

    #[test]
    fn probability_is_reproducible() {
        let fault = Fault::on_path("*", FaultAction::Reset).with_probability(0.3, 7);
        let (one, two) = (injections(fault.clone(), 1000), injections(fault, 1000));
        assert_eq!(one, two);
        let injected = one.iter().filter(|injected| **injected).count();
        assert!((250..350).contains(&injected), "{injected}");
    }

    #[test]
    fn fault_is_read_from_json() {
        let json = r#"{"path":"/v1/*","skip":1,"times":1,"action":
            {"do":"status","code":429,"body":"empty","retry_after":{"seconds":5}}}"#;
        let fault: Fault = serde_json::from_str(json).unwrap();
        assert_eq!(fault.skip, 1);
        assert_eq!(fault.action.name(), "status");
        assert!(serde_json::from_str::<Fault>(r#"{"pth":"*","action":{"do":"reset"}}"#).is_err());
    }
}
