//! What is said of runs that have ended: a few lines for a person, events for a log, one line of
//! JSON for a program.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::app::format_local;
use super::args::LogFormat;
use super::{CommandContext, CommandError, ExitStatus, print};
use crate::document::printable;
use crate::sync::RunReport;

/// What came of jobs that did not get to run.
#[derive(Debug, Default)]
pub(super) struct JsonExtras {
    /// Jobs whose earlier run is still going.
    pub running: Vec<String>,
    /// Why jobs could not be run.
    pub failures: Vec<CommandError>,
    /// How the users of the jobs stand.
    pub grants: Vec<serde_json::Value>,
}

/// Tells a person, or the log, how a run ended. `-q` leaves what needs attention.
pub(super) fn report_run(context: &CommandContext, report: &RunReport) {
    if context.quiet && report.exit_code == 0 && report.warnings.is_empty() {
        return;
    }
    match context.log_format {
        LogFormat::Json => log_events(report),
        LogFormat::Text => print::stderr(&run_summary(report)),
    }
}

fn run_summary(report: &RunReport) -> String {
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
        let (ours, theirs) = split_reason(reason);
        line("why", ours);
        theirs.into_iter().for_each(|words| line("caused by", words));
    }
    report.hints.iter().for_each(|text| line("hint", text));
    if let Some(at) = report.not_before.as_ref().and_then(|at| at.parse::<DateTime<Utc>>().ok()) {
        let (utc, local) = (at.to_rfc3339_opts(SecondsFormat::Secs, true), format_local(at));
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
fn split_reason(reason: &str) -> (&str, Option<&str>) {
    let at = [": status ", ": invalid_"].iter().filter_map(|mark| reason.find(mark)).min();
    match at {
        Some(at) => (&reason[..at], Some(&reason[at + 2..])),
        None => (reason, None),
    }
}

/// The same as events.
fn log_events(report: &RunReport) {
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
pub(super) fn report_json(reports: &[RunReport], told: &JsonExtras, exit: ExitStatus) -> Result<(), CommandError> {
    let not_before = reports.iter().filter_map(|r| r.not_before.clone()).max();
    let is = |state: &str| reports.iter().any(|report| report.state == state);
    // The gravest state of them all; a run that is deferred goes on later, whatever else it lacks.
    let state = if is("failed")
        || matches!(exit, ExitStatus::Storage | ExitStatus::UserAction | ExitStatus::Failed | ExitStatus::Usage)
    {
        "failed"
    } else if is("deferred") || exit == ExitStatus::Deferred {
        "deferred"
    } else if is("partial") {
        "partial"
    } else {
        "complete"
    };
    print::json(&report_object(reports, told, state, exit, not_before.as_deref()))
        .map_err(|e| CommandError::new(ExitStatus::Storage, e))
}

/// The same where nothing could be run.
pub(super) fn failed_report_json(failure: &CommandError) -> Value {
    let mut value = report_object(&[], &JsonExtras::default(), "failed", failure.exit(), None);
    value["errors"] = json!([failure.headline()]);
    failure.add_to_json(&mut value);
    value
}

/// The same where it is stopped at once, now that so much has been done.
pub(super) fn report_cut_short(reports: &[RunReport], told: &JsonExtras) -> Value {
    let mut line = report_object(reports, told, "deferred", ExitStatus::Deferred, None);
    // It ended by the stop; what failed before that stands in `errors`.
    (line["causes"], line["hint"]) = (json!([]), Value::Null);
    line.as_object_mut().and_then(|keys| keys.remove("problems"));
    line
}

/// The line, always with the same keys; the failure that it explains is the first.
fn report_object(
    reports: &[RunReport],
    told: &JsonExtras,
    state: &str,
    exit: ExitStatus,
    not_before: Option<&str>,
) -> Value {
    let mut line = json!({
        "state": state,
        "exit_code": exit.code(),
        "not_before": not_before,
        "calls": reports.iter().map(|r| r.calls).sum::<u64>(),
        "rows": reports.iter().map(|r| r.rows).sum::<i64>(),
        "files": reports.iter().flat_map(|r| &r.files).collect::<Vec<_>>(),
        "runs": reports,
        "running": told.running,
        "errors": told.failures.iter().map(CommandError::headline).collect::<Vec<_>>(),
        "error": null,
        "causes": [],
        "hint": null,
        "grants": told.grants,
    });
    if let Some(failure) = told.failures.first() {
        failure.add_to_json(&mut line);
    }
    line
}
