//! Observers of a run: progress bars on a terminal, or lines in a log.

/// Observes the progress of a run. The methods are called often and have to return quickly.
pub trait RunObserver: Send + Sync {
    /// A fetch starts, with this number of ids, lists or searches.
    fn fetch_started(&self, fetch: &str, asked: usize) {
        let _ = (fetch, asked);
    }
    /// Spotify served this number of items of a fetch.
    fn items_served(&self, fetch: &str, served: i64) {
        let _ = (fetch, served);
    }
    /// One id, list or search of a fetch is done.
    fn item_done(&self, fetch: &str) {
        let _ = fetch;
    }
    /// A fetch is finished.
    fn fetch_finished(&self, fetch: &str, state: &str) {
        let _ = (fetch, state);
    }
    /// Something that people should know now.
    fn note(&self, text: &str) {
        let _ = text;
    }
}

/// Observes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoopRunObserver;

impl RunObserver for NoopRunObserver {}
