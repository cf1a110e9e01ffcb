//! `export`: rewrites the CSV files from the store, without any call.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::app::App;
use super::args::ExportArgs;
use super::error_exits::{file_error, store_error};
use super::store_file::require_store;
use super::{CommandContext, CommandError, ExitStatus, print};
use crate::document::printable;
use crate::export::{ExportedRun, FileReport, JobExportReport, JobFiles};
use crate::job::Job;
use crate::scheduler::RunHistory;
use crate::store::{RunRow, RunState, state_after_run};
use crate::sync::{mark_crashed_runs, query_bindings};

/// Rewrites the CSV files of jobs as of their newest run.
pub fn run(args: &ExportArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    let app = App::open(context, &settings)?;
    let loaded = context.jobs(app.settings, &args.jobs);
    let mut exit = ExitStatus::Complete;
    if loaded.has_errors() {
        let broken = CommandError::Problems(loaded.problems);
        if !args.jobs.is_empty() {
            return Err(broken);
        }
        print::stderr(&broken.report(context.colour));
        exit = ExitStatus::Usage;
    }
    require_store(context, app.settings)?;
    let files = app.job_files()?;
    let past = RunHistory::read(&app.database_path()).map_err(store_error)?;
    let (mut written, mut deleted): (Vec<FileReport>, u64) = (Vec::new(), 0);
    let mut failures = Vec::new();
    for job in &loaded.jobs {
        // An error with the files of one job does not affect those of other jobs.
        let done = match export_job(&app, &files, job, &past) {
            Ok(Some(done)) => done,
            Ok(None) => {
                if !args.jobs.is_empty() {
                    print::stderr(&format!("{}: never ran, so there is nothing to write\n", job.name));
                }
                continue;
            }
            Err(failure) => {
                exit = exit.more_severe(failure.exit());
                print::stderr(&failure.report(context.colour));
                failures.push(failure.json());
                continue;
            }
        };
        for failed in done.failed {
            let failure = file_error(failed);
            exit = exit.more_severe(failure.exit());
            print::stderr(&failure.report(context.colour));
            failures.push(failure.json());
        }
        written.extend(done.files);
        deleted += done.deleted;
    }
    if context.json {
        print::json(&json!({ "files": written, "files_deleted": deleted, "errors": failures }))
            .map_err(|e| CommandError::new(ExitStatus::Storage, e))?;
    } else if !context.quiet {
        for file in &written {
            print::stderr(&format!(
                "{:<9} {} ({})\n",
                file.outcome,
                printable(&file.path),
                print::count(file.rows, "row")
            ));
        }
    }
    Ok(exit)
}

/// Rewrites the files of a job that have changed, as of its newest run. `None` if it never ran.
pub(super) fn export_job(
    app: &App<'_>,
    files: &JobFiles,
    job: &Job,
    past: &RunHistory,
) -> Result<Option<JobExportReport>, CommandError> {
    let mut runs = past.job_or_default(&job.name).runs;
    // The newest finished or crashed run counts.
    mark_crashed_runs(app.state.path(), &files.database, &mut runs);
    let Some(newest) = runs.iter().find(|run| run.state != RunState::Running.as_str()) else { return Ok(None) };
    export_job_as_of(files, job, newest, &BTreeSet::new()).map(Some)
}

/// Writes the files of a job as of one of its runs. Files in `anew` are written even if nothing changed.
pub(super) fn export_job_as_of(
    files: &JobFiles,
    job: &Job,
    newest: &RunRow,
    anew: &BTreeSet<String>,
) -> Result<JobExportReport, CommandError> {
    let parse = |text: &str| text.parse::<DateTime<Utc>>().ok();
    let fire_at =
        newest.fire_at.as_deref().and_then(parse).or_else(|| parse(&newest.started_at)).unwrap_or_else(Utc::now);
    let left = state_after_run(&files.database, &job.name, newest.id).map_err(store_error)?;
    let last_run_at = left.last_usable_at.as_deref().and_then(parse);
    let reasons: Vec<String> = newest.reason.iter().cloned().collect();
    let bound = query_bindings(job, fire_at, last_run_at);
    let state = match newest.state.as_str() {
        "complete" => RunState::Complete,
        "partial" => RunState::Partial,
        "deferred" => RunState::Deferred,
        _ => RunState::Failed,
    };
    // Each fetch shows the data of its last finished read; a fetch that never finished has no data to show.
    let unfinished: BTreeSet<String> = job
        .fetches
        .iter()
        .map(|fetch| fetch.name.clone())
        .filter(|name| !left.finished_fetches.contains(name))
        .collect();
    let shown = ExportedRun {
        job,
        run: newest.id,
        state,
        is_incomplete: state == RunState::Partial,
        reasons: &reasons,
        unfinished: &unfinished,
        bound: &bound,
        fire_at,
        force_render: anew,
    };
    files.write(&shown).map_err(|e| {
        let exit = if e.is_storage() { ExitStatus::Storage } else { ExitStatus::Usage };
        CommandError::new(exit, e)
    })
}
