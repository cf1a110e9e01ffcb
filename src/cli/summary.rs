//! What is said of runs that have ended: a few lines for a person, events for a log, one line of
//! JSON for a program.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::args::LogFormat;
use super::workshop::local;
use super::{Context, Exit, Failure, print};
use crate::document::printable;
use crate::run::RunReport;

/// What came of jobs that did not get to run.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Jobs whose earlier run is still going.
    pub running: Vec<String>,
    /// Why jobs could not be run.
    pub failures: Vec<Failure>,
    /// How the users of the jobs stand.
    pub grants: Vec<serde_json::Value>,
}

/// Tells a person, or the log, how a run ended. `-q` leaves what needs attention.
pub(super) fn tell(context: &Context, report: &RunReport) {
    if context.quiet && report.exit_code == 0 && report.warnings.is_empty() {
        return;
    }
    match context.log_format {
        LogFormat::Json => events(report),
        LogFormat::Text => print::stderr(&summary(report)),
    }
}

fn summary(report: &RunReport) -> String {
    let (calls, items) = (print::count(report.calls, "call"), print::count(report.rows, "item"));
    let mut out = format!("{}: {}, {calls}, {items}\n", printable(&report.job), report.state);
    for fetch in &report.fetches {
        let name = fetch.user.as_ref().map_or_else(|| fetch.fetch.clone(), |user| format!("{} of {user}", fetch.fetch));
        out.push_str(&format!(
            "  {:<28} {:<9} {} of {} read, {}",
            printable(&name),
            fetch.state,
            fetch.read,
            fetch.asked,
            print::count(fetch.stored, "row")
        ));
        if fetch.skipped > 0 {
            out.push_str(&format!(", {} noted in skipped_items", fetch.skipped));
        }
        out.push('\n');
    }
    let mut line = |what: &str, text: &str| out.push_str(&format!("  {what}: {}\n", printable(text)));
    report.warnings.iter().for_each(|text| line("warning", text));
    for reason in &report.reasons {
        let (ours, theirs) = parted(reason);
        line("why", ours);
        theirs.into_iter().for_each(|words| line("caused by", words));
    }
    report.hints.iter().for_each(|text| line("hint", text));
    if let Some(at) = report.not_before.as_ref().and_then(|at| at.parse::<DateTime<Utc>>().ok()) {
        let (utc, local) = (at.to_rfc3339_opts(SecondsFormat::Secs, true), local(at));
        out.push_str(&match local.strip_suffix(" +00:00") {
            Some(_) => format!("  come back at {utc}\n"),
            None => format!("  come back at {local} ({utc})\n"),
        });
    }
    for file in &report.files {
        out.push_str(&format!(
            "  {:<9} {} ({})\n",
            file.outcome,
            printable(&file.path),
            print::count(file.rows, "row")
        ));
    }
    out
}

/// Our own words and Spotify's, which begin with a status or with OAuth's name of the error.
fn parted(reason: &str) -> (&str, Option<&str>) {
    let at = [": status ", ": invalid_"].iter().filter_map(|mark| reason.find(mark)).min();
    match at {
        Some(at) => (&reason[..at], Some(&reason[at + 2..])),
        None => (reason, None),
    }
}

/// The same as events.
fn events(report: &RunReport) {
    let job = report.job.as_str();
    for text in &report.warnings {
        tracing::warn!(job, "{text}");
    }
    for reason in &report.reasons {
        tracing::warn!(job, state = report.state, reason, "not complete");
    }
    for hint in &report.hints {
        tracing::warn!(job, "{hint}");
    }
    for file in &report.files {
        tracing::info!(job, path = file.path, rows = file.rows, outcome = file.outcome, "file");
    }
    let (run, state, exit_code, calls, rows) = (report.run, report.state, report.exit_code, report.calls, report.rows);
    let not_before = report.not_before.as_deref();
    tracing::info!(job, run, state, exit_code, calls, rows, not_before, "run ends");
}

/// The one line of `run --json`.
pub(super) fn report_json(reports: &[RunReport], told: &Told, exit: Exit) -> Result<(), Failure> {
    let not_before = reports.iter().filter_map(|r| r.not_before.clone()).max();
    let is = |state: &str| reports.iter().any(|report| report.state == state);
    // The gravest state of them all; a run that is deferred goes on later, whatever else it lacks.
    let state = if is("failed") || matches!(exit, Exit::Storage | Exit::Person | Exit::Failed | Exit::Usage) {
        "failed"
    } else if is("deferred") || exit == Exit::Deferred {
        "deferred"
    } else if is("partial") {
        "partial"
    } else {
        "complete"
    };
    print::json(&line(reports, told, state, exit, not_before.as_deref())).map_err(|e| Failure::new(Exit::Storage, e))
}

/// The same where nothing could be run.
pub(super) fn report_of(failure: &Failure) -> Value {
    let mut value = line(&[], &Told::default(), "failed", failure.exit(), None);
    value["errors"] = json!([failure.line()]);
    failure.explain(&mut value);
    value
}

/// The same where it is stopped at once, now that so much has been done.
pub(super) fn report_cut_short(reports: &[RunReport], told: &Told) -> Value {
    let mut line = line(reports, told, "deferred", Exit::Deferred, None);
    // It ended by the stop; what failed before that stands in `errors`.
    (line["causes"], line["hint"]) = (json!([]), Value::Null);
    line.as_object_mut().and_then(|keys| keys.remove("problems"));
    line
}

/// The line, always with the same keys; the failure that it explains is the first.
fn line(reports: &[RunReport], told: &Told, state: &str, exit: Exit, not_before: Option<&str>) -> Value {
    let mut line = json!({
        "state": state,
        "exit_code": exit.code(),
        "not_before": not_before,
        "calls": reports.iter().map(|r| r.calls).sum::<u64>(),
        "rows": reports.iter().map(|r| r.rows).sum::<i64>(),
        "files": reports.iter().flat_map(|r| &r.files).collect::<Vec<_>>(),
        "runs": reports,
        "running": told.running,
        "errors": told.failures.iter().map(Failure::line).collect::<Vec<_>>(),
        "error": null,
        "causes": [],
        "hint": null,
        "grants": told.grants,
    });
    if let Some(failure) = told.failures.first() {
        failure.explain(&mut line);
    }
    line
}
