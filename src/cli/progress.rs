//! What a person sees of a run: a bar on a terminal, one line an event otherwise.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, Utc};
use indicatif::{ProgressBar, ProgressStyle};

use super::Context;
use super::args::LogFormat;
use super::workshop::local;
use crate::document::printable;
use crate::http::family::Family;
use crate::http::observer::Observer;
use crate::run::{Progress, stamp};
use crate::store::RawKeeper;

/// Shows a run as it goes.
pub(super) struct Watcher {
    job: String,
    bar: Option<ProgressBar>,
    raw: Option<RawKeeper>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    fetch: String,
    calls: u64,
    items: i64,
    waiting: Option<String>,
}

impl Watcher {
    /// A watcher of a run: with a bar if stderr is a terminal and logs are for people. `raw` gets
    /// every answer as it came.
    pub(super) fn new(context: &Context, job: &str, raw: Option<RawKeeper>) -> Watcher {
        let shown = std::io::stderr().is_terminal() && !context.quiet && context.log_format == LogFormat::Text;
        let bar = shown.then(|| {
            let bar = ProgressBar::new(0);
            let template = "{prefix:.bold} {bar:24} {pos}/{len} {elapsed_precise} eta {eta} {wide_msg}";
            bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Watcher { job: job.to_owned(), bar, raw, counts: Mutex::default() }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn counts(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut counts);
        let Some(bar) = &self.bar else { return };
        let mut message = format!("{} calls, {} items", counts.calls, counts.items);
        if let Some(why) = &counts.waiting {
            message.push_str(&format!(", waiting: {why}"));
        }
        bar.set_message(message);
    }

    /// A line above the bar, or in the log.
    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(printable(text)),
            None => tracing::info!(job = self.job, "{text}"),
        }
    }
}

impl Progress for Watcher {
    fn fetch_began(&self, fetch: &str, asked: usize) {
        self.counts(|c| c.fetch = fetch.to_owned());
        match &self.bar {
            Some(bar) => {
                bar.set_prefix(format!("{} {fetch}", self.job));
                bar.set_length(asked as u64);
                bar.set_position(0);
            }
            None => tracing::info!(job = self.job, fetch, asked, "fetch begins"),
        }
    }

    fn items(&self, _: &str, served: i64) {
        self.counts(|c| c.items += served);
    }

    fn unit_done(&self, _: &str) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    fn fetch_ended(&self, fetch: &str, state: &str) {
        if self.bar.is_none() {
            tracing::info!(job = self.job, fetch, state, "fetch ends");
        }
    }

    fn note(&self, text: &str) {
        self.line(text);
    }
}

impl Observer for Watcher {
    fn sent(&self, _: Family) {
        self.counts(|c| c.calls += 1);
    }

    fn came(&self, path: &str, body: &[u8]) {
        let Some(raw) = &self.raw else { return };
        // What is kept raw is no part of the record, so trouble with it does not end the run.
        if let Err(e) = raw.keep(path, &stamp(Utc::now()), body) {
            self.warned(&format!("{e}; the run goes on without it"));
        }
    }

    fn waiting(&self, why: &str, until: DateTime<Utc>) {
        let text = format!("{why}, until {}", local(until));
        self.counts(|c| c.waiting = Some(text.clone()));
        self.line(&format!("waiting: {text}"));
    }

    fn resumed(&self) {
        self.counts(|c| c.waiting = None);
    }

    fn retrying(&self, family: Family, attempt: u32, why: &str, after: Duration) {
        tracing::debug!(job = self.job, %family, attempt, why, after_ms = after.as_millis() as u64, "trying again");
    }

    fn warned(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.println(format!("warning: {}", printable(what))),
            None => tracing::warn!(job = self.job, "{what}"),
        }
    }
}
