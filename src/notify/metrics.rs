//! Figures for Prometheus, as its node exporter's textfile collector reads them.
//!
//! The file is replaced in one step, so a scrape sees a whole one. Names and labels are a contract.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

/// What the file holds.
#[derive(Debug, Clone, Default)]
pub struct PrometheusMetrics {
    /// When it is written.
    pub at: DateTime<Utc>,
    /// Each job.
    pub jobs: Vec<JobMetrics>,
    /// Calls of the last 24 hours, by endpoint family; the account as a whole has an empty name.
    pub calls_used: Vec<(String, u32)>,
    /// Calls that may still go, where there is a limit.
    pub calls_left: Vec<(String, u32)>,
    /// Until when nothing may be sent, if that is so.
    pub held_until: Option<DateTime<Utc>>,
    /// Who is signed in for how long.
    pub grants: Vec<GrantDays>,
}

/// The figures of a job.
#[derive(Debug, Clone, Default)]
pub struct JobMetrics {
    /// Its name.
    pub job: String,
    /// Recorded runs by how they ended.
    pub runs: Vec<(String, i64)>,
    /// Calls and items of all recorded runs.
    pub totals: (i64, i64),
    /// Start, exit code, calls and items of the newest.
    pub last_run: Option<(DateTime<Utc>, i64, i64, i64)>,
    /// Start of the newest complete run.
    pub last_complete: Option<DateTime<Utc>>,
    /// Whether its data are older than its schedule promises.
    pub overdue: bool,
}

/// A user's grant.
#[derive(Debug, Clone, Default)]
pub struct GrantDays {
    /// The local name.
    pub user: String,
    /// Days until Spotify ends it; 0 if it is lost.
    pub days: u32,
}

/// One figure: its name, type and meaning, and its lines.
struct MetricFamily<'a> {
    out: &'a mut String,
    name: &'static str,
}

impl<'a> MetricFamily<'a> {
    fn new(out: &'a mut String, name: &'static str, about: &str) -> MetricFamily<'a> {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "# HELP {name} {about}\n# TYPE {name} gauge");
        MetricFamily { out, name }
    }

    fn line(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<String> = labels.iter().map(|(name, text)| format!("{name}=\"{}\"", escaped(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.out, "{}{labels} {value}", self.name);
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

impl PrometheusMetrics {
    /// The text of the file.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let all = &mut out;
        let mut f = MetricFamily::new(all, "cratedigger_runs", "Recorded runs of a job, by how they ended.");
        for job in &self.jobs {
            job.runs.iter().for_each(|(state, runs)| f.line(&[("job", &job.job), ("state", state)], runs));
        }
        type Figure = fn(&JobMetrics) -> Option<i64>;
        let per_job: [(&'static str, &str, Figure); 9] = [
            ("cratedigger_calls", "Calls of all recorded runs of a job.", |j| Some(j.totals.0)),
            ("cratedigger_rows", "Items read by all recorded runs of a job.", |j| Some(j.totals.1)),
            ("cratedigger_last_run_timestamp_seconds", "Start of the newest run.", |j| {
                j.last_run.map(|last| last.0.timestamp())
            }),
            ("cratedigger_last_run_exit_code", "Exit code of the newest run.", |j| j.last_run.map(|last| last.1)),
            ("cratedigger_last_run_calls", "Calls of the newest run.", |j| j.last_run.map(|last| last.2)),
            ("cratedigger_last_run_rows", "Items read by the newest run.", |j| j.last_run.map(|last| last.3)),
            ("cratedigger_data_timestamp_seconds", "Start of the newest complete run.", |j| {
                j.last_complete.map(|at| at.timestamp())
            }),
            ("cratedigger_overdue", "1: two fires have come and no complete run since.", |j| {
                Some(i64::from(j.overdue))
            }),
            ("cratedigger_jobs", "1 for each job.", |_| Some(1)),
        ];
        for (name, about, figure) in per_job {
            let mut f = MetricFamily::new(all, name, about);
            for job in &self.jobs {
                if let Some(value) = figure(job) {
                    f.line(&[("job", &job.job)], value);
                }
            }
        }
        let mut f =
            MetricFamily::new(all, "cratedigger_data_age_seconds", "Age of a job's data when this was written.");
        for job in &self.jobs {
            if let Some(at) = job.last_complete {
                f.line(&[("job", &job.job)], (self.at - at).num_seconds().max(0));
            }
        }
        let mut f =
            MetricFamily::new(all, "cratedigger_calls_used_24h", "Calls of the last 24 hours; family \"\" is all.");
        self.calls_used.iter().for_each(|(family, n)| f.line(&[("family", family)], n));
        let mut f =
            MetricFamily::new(all, "cratedigger_calls_left", "Calls that may still go now, where there is a limit.");
        self.calls_left.iter().for_each(|(family, n)| f.line(&[("family", family)], n));
        let mut f =
            MetricFamily::new(all, "cratedigger_held_until_timestamp_seconds", "Nothing may be sent before; 0: free.");
        f.line(&[], self.held_until.map_or(0, |at| at.timestamp()));
        let mut f = MetricFamily::new(all, "cratedigger_grant_days_left", "Days until a user must sign in again.");
        self.grants.iter().for_each(|grant| f.line(&[("user", &grant.user)], grant.days));
        let mut f = MetricFamily::new(all, "cratedigger_written_timestamp_seconds", "When this was written.");
        f.line(&[], self.at.timestamp());
        out
    }

    /// Replaces the file in one step; others may read it.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        remove_leftovers(folder);
        // Not ending in .prom: the collector reads all that does.
        let mut new = tempfile::Builder::new().prefix(UNFINISHED_PREFIX).tempfile_in(folder)?;
        new.write_all(self.text().as_bytes())?;
        new.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        new.persist(path).map_err(|e| e.error)?;
        Ok(())
    }
}

/// How files begin that are not in their place yet.
const UNFINISHED_PREFIX: &str = ".cratedigger-metrics-";

/// Removes what killed processes left: nobody takes an hour to write a page.
fn remove_leftovers(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED_PREFIX));
        let written = |it: std::fs::Metadata| it.modified().ok().filter(|_| it.is_file());
        let is_old = |at: SystemTime| at.elapsed().is_ok_and(|ago| ago > Duration::from_secs(3_600));
        if is_ours && entry.metadata().ok().and_then(written).is_some_and(is_old) {
            // What cannot be removed now is in nobody's way.
            drop(std::fs::remove_file(entry.path()));
        }
    }
}
