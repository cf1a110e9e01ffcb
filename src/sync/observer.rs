//! Whoever watches a run: bars on a terminal, lines in a log, nobody.

/// Hears how a run goes on. Called often: be quick.
pub trait RunObserver: Send + Sync {
    /// A fetch begins, with so many ids, lists or searches.
    fn fetch_started(&self, fetch: &str, asked: usize) {
        let _ = (fetch, asked);
    }
    /// Items of a fetch were served, of so many announced by the list at hand.
    fn items_served(&self, fetch: &str, served: i64) {
        let _ = (fetch, served);
    }
    /// One id, list or search of a fetch is done.
    fn item_done(&self, fetch: &str) {
        let _ = fetch;
    }
    /// A fetch is over.
    fn fetch_finished(&self, fetch: &str, state: &str) {
        let _ = (fetch, state);
    }
    /// Something that a person should know now.
    fn note(&self, text: &str) {
        let _ = text;
    }
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoopRunObserver;

impl RunObserver for NoopRunObserver {}
