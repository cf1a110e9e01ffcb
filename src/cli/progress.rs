//! The progress of a run: a bar on a terminal, log lines elsewhere.

use std::io::IsTerminal;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::args::LogFormat;
use super::local_time::{format_clock_time, format_local};
use super::{CommandContext, print};
use crate::document::printable;
use crate::store::RawAnswers;
use crate::store::timestamp;
use crate::sync::RunObserver;
use spotify_client::http::family::EndpointFamily;
use spotify_client::http::observer::CallObserver;

/// Short enough for one line of a narrow terminal; the message is cut at the end of the line.
const TEMPLATE: &str = "{bar:12} {elapsed_precise} {wide_msg}";

/// The bars on the terminal. Anything else that writes there has to suspend them.
pub(super) fn bars() -> &'static MultiProgress {
    static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);
    &BARS
}

/// Shows the progress of one run.
pub(super) struct ProgressDisplay {
    job: String,
    bar: Option<ProgressBar>,
    raw: Option<RawAnswers>,
    counts: Mutex<ProgressCounts>,
}

struct ProgressCounts {
    fetch: String,
    started: Instant,
    calls: u64,
    items: i64,
    /// Until when, while Spotify or our own limits hold calls back.
    waiting: Option<String>,
}

impl ProgressCounts {
    /// `3 of 9, 1200 items, 31 calls, 2m left, roster playlist_items`. A line is cut at its end, which matters least.
    fn print_line(&self, done: u64, asked: u64) -> String {
        let secs = self.started.elapsed().as_secs_f64();
        let mut line =
            format!("{done} of {asked}, {}, {}", print::count(self.items, "item"), print::count(self.calls, "call"));
        if done > 0 && done < asked {
            let left = Duration::from_secs_f64(secs / done as f64 * (asked - done) as f64);
            line.push_str(&format!(", {:#} left", indicatif::HumanDuration(left)));
        }
        line.push_str(&format!(", {}", printable(&self.fetch)));
        match &self.waiting {
            // The line above the bar has the reason.
            Some(until) => format!("waiting until {until}; {line}"),
            None => line,
        }
    }
}

impl ProgressDisplay {
    /// Shows a bar if stderr is a terminal and the log is for people. `raw` stores every response unchanged.
    pub(super) fn new(context: &CommandContext, job: &str, raw: Option<RawAnswers>) -> ProgressDisplay {
        let shown = std::io::stderr().is_terminal() && !context.quiet && context.log_format == LogFormat::Text;
        let bar = shown.then(|| {
            let bar = bars().add(ProgressBar::new(0));
            bar.set_style(ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let counts =
            ProgressCounts { fetch: job.to_owned(), started: Instant::now(), calls: 0, items: 0, waiting: None };
        ProgressDisplay { job: job.to_owned(), bar, raw, counts: Mutex::new(counts) }
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn update_counts(&self, change: impl FnOnce(&mut ProgressCounts)) {
        let mut counts = self.counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut counts);
        let Some(bar) = &self.bar else { return };
        bar.set_message(printable(&counts.print_line(bar.position(), bar.length().unwrap_or(0))));
    }

    /// Prints a line above the bar or in the log.
    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(print::fit_stderr(&printable(text))),
            None => tracing::info!(job = self.job, "{text}"),
        }
    }
}

impl RunObserver for ProgressDisplay {
    fn fetch_started(&self, fetch: &str, asked: usize) {
        match &self.bar {
            Some(bar) => {
                bar.set_length(asked as u64);
                bar.set_position(0);
            }
            None => tracing::info!(job = self.job, fetch, asked, "fetch started"),
        }
        self.update_counts(|c| {
            c.fetch = format!("{} {fetch}", self.job);
            c.started = Instant::now();
        });
    }

    fn items_served(&self, _: &str, served: i64) {
        self.update_counts(|c| c.items += served);
    }

    fn item_done(&self, _: &str) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
            self.update_counts(|_| {});
        }
    }

    fn fetch_finished(&self, fetch: &str, state: &str) {
        if self.bar.is_none() {
            tracing::info!(job = self.job, fetch, state, "fetch finished");
        }
    }

    fn note(&self, text: &str) {
        self.line(text);
    }
}

impl CallObserver for ProgressDisplay {
    fn sent(&self, _: EndpointFamily) {
        self.update_counts(|c| c.calls += 1);
    }

    fn received(&self, path: &str, body: &[u8]) {
        let Some(raw) = &self.raw else { return };
        // Raw responses are not part of the data, so an error here does not end the run.
        if let Err(e) = raw.save(path, &timestamp(Utc::now()), body) {
            self.warned(&format!("{e}; the run continues without raw responses"));
        }
    }

    fn waiting(&self, why: &str, until: DateTime<Utc>) {
        self.update_counts(|c| c.waiting = Some(format_clock_time(until, Utc::now())));
        self.line(&format!("waiting: {why}, until {}", format_local(until)));
    }

    fn resumed(&self) {
        self.update_counts(|c| c.waiting = None);
    }

    fn retrying(&self, family: EndpointFamily, attempt: u32, why: &str, after: Duration) {
        tracing::debug!(job = self.job, %family, attempt, why, after_ms = after.as_millis() as u64, "retrying");
    }

    fn warned(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.println(print::fit_stderr(&format!("warning: {}", printable(what)))),
            None => tracing::warn!(job = self.job, "{what}"),
        }
    }
}

/// Logs what concerns no single run.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogObserver;

impl CallObserver for LogObserver {
    fn warned(&self, what: &str) {
        tracing::warn!("{what}");
    }
}
