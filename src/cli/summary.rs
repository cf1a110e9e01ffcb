//! The report of finished runs: a few lines for people, events for a log, one line of JSON for programs.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::args::LogFormat;
use super::local_time::format_local;
use super::state_color::mark_state;
use super::table::pad;
use super::{CommandContext, CommandError, ExitStatus, print};
use crate::document::printable;
use crate::store::RunChanges;
use crate::sync::RunReport;

/// What `run --json` prints in addition to the reports of runs.
#[derive(Debug, Default)]
pub(super) struct JsonExtras {
    /// Jobs with a run that is still in progress.
    pub running: Vec<String>,
    /// Errors of jobs that could not run.
    pub failures: Vec<CommandError>,
    /// The sign-in status of the users of the jobs.
    pub grants: Vec<serde_json::Value>,
}

/// Reports a finished run on stderr or in the log. With `-q`, a complete run has only its warnings.
pub(super) fn report_run(context: &CommandContext, report: &RunReport) {
    if context.quiet && report.exit_code == 0 {
        return report_warnings(context, &report.job, &report.warnings);
    }
    match context.log_format {
        LogFormat::Json => log_events(report),
        LogFormat::Text => print::stderr(&run_summary(report)),
    }
}

/// Reports the warnings of a run, a line for each.
pub(super) fn report_warnings(context: &CommandContext, job: &str, warnings: &[String]) {
    for text in warnings {
        match context.log_format {
            LogFormat::Json => tracing::warn!(job, "{text}"),
            LogFormat::Text => context.warn(Some(job), &format!("{}: {}", printable(job), printable(text))),
        }
    }
}

fn run_summary(report: &RunReport) -> String {
    let (calls, items) = (print::count(report.calls, "call"), print::count(report.rows, "item"));
    let mut out = format!("{}: {}, {calls}, {items}\n", printable(&report.job), mark_state(report.state));
    for fetch in &report.fetches {
        let name = fetch.user.as_ref().map_or_else(|| fetch.fetch.clone(), |user| format!("{} of {user}", fetch.fetch));
        out.push_str(&format!(
            "  {} {} {} of {} read, {}",
            pad(&printable(&name), 28),
            pad(&mark_state(fetch.state), 9),
            fetch.read,
            fetch.asked,
            print::count(fetch.stored, "row")
        ));
        if fetch.skipped > 0 {
            out.push_str(&format!(", {} listed in skipped_items", fetch.skipped));
        }
        out.push('\n');
        if let Some(lists) = fetch.playlists.filter(|lists| lists.skipped > 0) {
            let listed = print::count(lists.listed, "playlist");
            out.push_str(&format!(
                "    {listed} listed: {} read or unchanged, {} in skipped_items\n",
                lists.read, lists.skipped
            ));
        }
    }
    if let Some(changes) = describe_changes(&report.changes) {
        out.push_str(&format!("  changed   {changes}; see cratedigger diff {}\n", printable(&report.job)));
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
        out.push_str(&format!("  come back at {}\n", format_local(at)));
    }
    for file in &report.files {
        let content = match (file.outcome, file.rows) {
            ("missing", 0) => "not written yet: its fetch has never been complete".to_owned(),
            _ => print::file_content(&file.path, file.rows),
        };
        out.push_str(&format!("  {:<9} {} ({content})\n", file.outcome, printable(&file.path)));
    }
    out
}

/// What changed in the lists of a job, such as `1 of 27 lists: +3 −2`; none if nothing did.
pub(super) fn describe_changes(changes: &RunChanges) -> Option<String> {
    if changes.changed == 0 {
        return None;
    }
    let mut parts = Vec::new();
    if changes.added + changes.removed > 0 {
        parts.push(format!("+{} \u{2212}{}", changes.added, changes.removed));
    }
    if changes.moved > 0 {
        parts.push(format!("{} moved", changes.moved));
    }
    let lists = print::count(changes.lists.max(changes.changed), "list");
    Some(format!("{} of {lists}: {}", changes.changed, parts.join(", ")))
}

/// Splits a reason into our text and Spotify's, which starts with a status or an OAuth error code.
fn split_reason(reason: &str) -> (&str, Option<&str>) {
    let at = [": status ", ": invalid_"].iter().filter_map(|mark| reason.find(mark)).min();
    match at {
        Some(at) => (&reason[..at], Some(&reason[at + 2..])),
        None => (reason, None),
    }
}

/// Logs a finished run.
fn log_events(report: &RunReport) {
    let job = report.job.as_str();
    for text in &report.warnings {
        tracing::warn!(job, "{text}");
    }
    for reason in &report.reasons {
        tracing::warn!(job, state = report.state, reason, "run is not complete");
    }
    for hint in &report.hints {
        tracing::warn!(job, "{hint}");
    }
    for file in &report.files {
        tracing::info!(job, path = file.path, rows = file.rows, outcome = file.outcome, "CSV file");
    }
    let (run, state, exit_code, calls, rows) = (report.run, report.state, report.exit_code, report.calls, report.rows);
    let not_before = report.not_before.as_deref();
    tracing::info!(job, run, state, exit_code, calls, rows, not_before, "run finished");
}

/// Prints the line of `run --json`.
pub(super) fn report_json(reports: &[RunReport], extras: &JsonExtras, exit: ExitStatus) -> Result<(), CommandError> {
    let not_before = reports.iter().filter_map(|r| r.not_before.clone()).max();
    let is = |state: &str| reports.iter().any(|report| report.state == state);
    // The most severe state; a deferred run continues later, so it comes before a partial one.
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
    print::json(&report_object(reports, extras, state, exit, not_before.as_deref()))
        .map_err(|e| CommandError::new(ExitStatus::Storage, e))
}

/// The line of `run --json` if no job could run.
pub(super) fn failed_report_json(failure: &CommandError) -> Value {
    let mut value = report_object(&[], &JsonExtras::default(), "failed", failure.exit(), None);
    value["errors"] = json!([failure.headline()]);
    failure.add_to_json(&mut value);
    value
}

/// The line of `run --json` for an immediate exit.
pub(super) fn report_cut_short(reports: &[RunReport], extras: &JsonExtras) -> Value {
    let mut line = report_object(reports, extras, "deferred", ExitStatus::Deferred, None);
    // The signal ended the run; earlier errors are listed in `errors`.
    (line["causes"], line["hint"]) = (json!([]), Value::Null);
    line.as_object_mut().and_then(|keys| keys.remove("problems"));
    line
}

/// The line of `run --json`, always with the same keys. `error` is the first error.
fn report_object(
    reports: &[RunReport],
    extras: &JsonExtras,
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
        "running": extras.running,
        "errors": extras.failures.iter().map(CommandError::headline).collect::<Vec<_>>(),
        "error": null,
        "causes": [],
        "hint": null,
        "grants": extras.grants,
    });
    if let Some(failure) = extras.failures.first() {
        failure.add_to_json(&mut line);
    }
    line
}
