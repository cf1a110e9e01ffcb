//! `history`: shows past runs, newest first.

use serde_json::json;

use super::args::HistoryArgs;
use super::local_time::format_stored;
use super::state_color::mark_state;
use super::store_file::{has_readable_store, report_lost_store};
use super::table::format_table;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::document::printable;
use crate::store::{PlannedCalls, past_runs};
use crate::sync::mark_crashed_runs;

pub fn run(args: &HistoryArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    let database = context.project.database(&settings);
    let has_store = has_readable_store(&database)?;
    if !has_store {
        context.require_project()?;
    }
    let mut runs = if has_store { past_runs(&database, args.limit).or_exit(ExitStatus::Storage)? } else { Vec::new() };
    if let Some(job) = &args.job {
        runs.retain(|r| r.job == *job);
        if runs.is_empty() && has_store {
            print::stderr(&format!("{}: no recorded run\n", printable(job)));
        }
    }
    runs.truncate(usize::try_from(args.limit).unwrap_or(usize::MAX));
    if let Ok(state) = context.state_dir(&settings) {
        mark_crashed_runs(state.path(), &database, &mut runs);
    }
    let exit = report_lost_store(context, &settings).unwrap_or(ExitStatus::Complete);
    if context.json {
        let values: Vec<_> = runs
            .iter()
            .map(|r| {
                json!({
                    "run": r.id, "job": r.job, "state": r.state, "reason": r.reason, "fire_at": r.fire_at,
                    "started_at": r.started_at, "finished_at": r.finished_at, "not_before": r.not_before,
                    "exit_code": r.exit_code, "calls": r.calls, "rows": r.rows, "stored": r.stored, "skipped": r.skipped,
                    "planned": r.planned.map(|it| json!({ "least": it.least, "most": it.most })),
                })
            })
            .collect();
        print::json(&json!({ "runs": values })).or_exit(ExitStatus::Storage)?;
        return Ok(exit);
    }
    if runs.is_empty() {
        match exit {
            ExitStatus::Complete if !has_store => {
                print::stderr(&format!(
                    "there is no store at {} yet; `cratedigger run` creates one\n",
                    printable(&database.display().to_string())
                ));
            }
            _ if args.job.is_none() => print::stderr("no recorded run\n"),
            _ => {}
        }
        return Ok(exit);
    }
    let mut rows =
        vec![["RUN", "JOB", "STARTED", "STATE", "PLANNED", "CALLS", "ITEMS", "WHY"].map(str::to_owned).to_vec()];
    for r in &runs {
        let started = format_stored(&r.started_at);
        let why = printable(r.reason.as_deref().unwrap_or(""));
        rows.push(vec![
            r.id.to_string(),
            printable(&r.job),
            started,
            mark_state(&r.state),
            format_planned(r.planned),
            r.calls.to_string(),
            r.rows.to_string(),
            why,
        ]);
    }
    print::paragraphs(&format_table(&rows)).or_exit(ExitStatus::Storage)?;
    Ok(exit)
}

/// `6`, `3 to 5`, `7+`; runs of older versions have no price.
fn format_planned(planned: Option<PlannedCalls>) -> String {
    match planned.map(|it| (it.least, it.most)) {
        None => "-".to_owned(),
        Some((least, None)) => format!("{least}+"),
        Some((least, Some(most))) if least == most => least.to_string(),
        Some((least, Some(most))) => format!("{least} to {most}"),
    }
}
