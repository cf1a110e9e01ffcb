//! An observer of calls and waits, for progress bars, logs and tests. Every method does nothing by
//! default.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::family::EndpointFamily;

/// Receives calls and waits as events. The methods run on the hot path: they must be quick and never block.
pub trait CallObserver: Send + Sync {
    /// A call is sent now.
    fn sent(&self, family: EndpointFamily) {
        let _ = family;
    }
    /// A response arrived.
    fn answered(&self, family: EndpointFamily, status: u16) {
        let _ = (family, status);
    }
    /// A usable response arrived, with this body.
    fn received(&self, path: &str, body: &[u8]) {
        let _ = (path, body);
    }
    /// No call is sent until then. Reported once for each deadline, however many tasks wait.
    fn waiting(&self, why: &str, until: DateTime<Utc>) {
        let _ = (why, until);
    }
    /// The wait is over.
    fn resumed(&self) {}
    /// A call failed and will be repeated after a pause.
    fn retrying(&self, family: EndpointFamily, attempt: u32, why: &str, after: Duration) {
        let _ = (family, attempt, why, after);
    }
    /// Something unusual that the user should see once.
    fn warned(&self, what: &str) {
        let _ = what;
    }
}

/// An observer that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoopObserver;

impl CallObserver for NoopObserver {}
