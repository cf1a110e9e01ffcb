//! Metrics in the format that the textfile collector of Prometheus' node exporter reads.
//!
//! The file is replaced atomically, so a scrape never sees half of it. Names and labels are a contract.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

/// The metrics in the file.
#[derive(Debug, Clone, Default)]
pub struct PrometheusMetrics {
    /// The time of writing.
    pub at: DateTime<Utc>,
    pub jobs: Vec<JobMetrics>,
    /// Calls of the last 24 hours by endpoint family; the whole account has an empty name.
    pub calls_used: Vec<(String, u32)>,
    /// Calls that are left, where there is a limit.
    pub calls_left: Vec<(String, u32)>,
    /// Until when no call may be sent, if that is so.
    pub held_until: Option<DateTime<Utc>>,
    pub grants: Vec<GrantDays>,
}

/// The metrics of a job.
#[derive(Debug, Clone, Default)]
pub struct JobMetrics {
    pub job: String,
    /// The number of recorded runs by state.
    pub runs: Vec<(String, i64)>,
    /// Calls and items of all recorded runs.
    pub totals: (i64, i64),
    /// Start, exit code, calls and items of the newest run.
    pub last_run: Option<(DateTime<Utc>, i64, i64, i64)>,
    /// Start of the newest complete run.
    pub last_complete: Option<DateTime<Utc>>,
    /// Whether its data are older than its schedule promises.
    pub overdue: bool,
}

#[derive(Debug, Clone, Default)]
pub struct GrantDays {
    /// The user's name in job files.
    pub user: String,
    /// Days until the grant ends; 0 if it is lost.
    pub days: u32,
}

/// Writes one metric: its name, type and meaning, and its lines.
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
        let mut f = MetricFamily::new(all, "cratedigger_runs", "Recorded runs of a job by state.");
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
            ("cratedigger_overdue", "1 if two scheduled times have passed without a complete run.", |j| {
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
            MetricFamily::new(all, "cratedigger_data_age_seconds", "Age of a job's data at the time of writing.");
        for job in &self.jobs {
            if let Some(at) = job.last_complete {
                f.line(&[("job", &job.job)], (self.at - at).num_seconds().max(0));
            }
        }
        let mut f = MetricFamily::new(
            all,
            "cratedigger_calls_used_24h",
            "Calls of the last 24 hours; family \"\" is the total.",
        );
        self.calls_used.iter().for_each(|(family, n)| f.line(&[("family", family)], n));
        let mut f =
            MetricFamily::new(all, "cratedigger_calls_left", "Calls that are left now, where there is a limit.");
        self.calls_left.iter().for_each(|(family, n)| f.line(&[("family", family)], n));
        let mut f = MetricFamily::new(
            all,
            "cratedigger_held_until_timestamp_seconds",
            "No call may be sent before this time; 0 if there is no such limit.",
        );
        f.line(&[], self.held_until.map_or(0, |at| at.timestamp()));
        let mut f = MetricFamily::new(all, "cratedigger_grant_days_left", "Days until a user must sign in again.");
        self.grants.iter().for_each(|grant| f.line(&[("user", &grant.user)], grant.days));
        let mut f = MetricFamily::new(all, "cratedigger_written_timestamp_seconds", "Time of writing.");
        f.line(&[], self.at.timestamp());
        out
    }

    /// Replaces the file atomically. Other users may read it.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        remove_leftovers(folder);
        // The name must not end in .prom, since the collector reads all such files.
        let mut new = tempfile::Builder::new().prefix(UNFINISHED_PREFIX).tempfile_in(folder)?;
        new.write_all(self.text().as_bytes())?;
        new.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        new.persist(path).map_err(|e| e.error)?;
        Ok(())
    }
}

/// The prefix of files that are not complete yet.
const UNFINISHED_PREFIX: &str = ".cratedigger-metrics-";

/// Removes the leftovers of killed processes: files that are older than an hour.
fn remove_leftovers(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED_PREFIX));
        let written = |it: std::fs::Metadata| it.modified().ok().filter(|_| it.is_file());
        let is_old = |at: SystemTime| at.elapsed().is_ok_and(|ago| ago > Duration::from_secs(3_600));
        if is_ours && entry.metadata().ok().and_then(written).is_some_and(is_old) {
            // A leftover that cannot be removed does no harm.
            drop(std::fs::remove_file(entry.path()));
        }
    }
}
