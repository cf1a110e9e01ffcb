//! An observer of calls and waits, for progress bars, logs and tests. Every method does nothing by
//! default.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::family::EndpointFamily;

/// Hears of calls and waits. Called from the hot path: be quick, and never block.
pub trait CallObserver: Send + Sync {
    /// A call goes out now.
    fn sent(&self, family: EndpointFamily) {
        let _ = family;
    }
    /// It was answered.
    fn answered(&self, family: EndpointFamily, status: u16) {
        let _ = (family, status);
    }
    /// An answer that can be used came, with this body.
    fn received(&self, path: &str, body: &[u8]) {
        let _ = (path, body);
    }
    /// Nothing is sent until then, and why. Once for each deadline, however many tasks wait.
    fn waiting(&self, why: &str, until: DateTime<Utc>) {
        let _ = (why, until);
    }
    /// The wait is over.
    fn resumed(&self) {}
    /// A call failed and will be sent again after a pause.
    fn retrying(&self, family: EndpointFamily, attempt: u32, why: &str, after: Duration) {
        let _ = (family, attempt, why, after);
    }
    /// Something odd that a person should see once.
    fn warned(&self, what: &str) {
        let _ = what;
    }
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoopObserver;

impl CallObserver for NoopObserver {}
