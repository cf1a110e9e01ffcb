//! `export`: rewrites the CSV files from the store, without any call.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::app::App;
use super::args::ExportArgs;
use super::compact::share_store;
use super::error_exits::{file_error, store_error};
use super::overview::write_overview_of_project;
use super::store_file::require_store;
use super::{CommandContext, CommandError, ExitStatus, print};
use crate::document::printable;
use crate::export::{
    ExportedParts, ExportedRun, FileReport, JobExportReport, JobFiles, forget_missing_files_of_other_jobs,
};
use crate::job::{Job, LoadedJobs};
use crate::scheduler::RunHistory;
use crate::store::{RunRow, RunState, open_writer, state_after_run};
use crate::sync::{StoreLock, mark_crashed_runs, query_bindings};

/// Rewrites the CSV files of jobs as of their newest run.
pub fn run(args: &ExportArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    // Rows that were read before a purge must not be written after it.
    run_with(args, context, |app| share_store(app, "no file was written").map(Some))
}

/// The same for a command that has locked the store.
pub(super) fn run_in_locked_store(args: &ExportArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    run_with(args, context, |_| Ok(None))
}

fn run_with(
    args: &ExportArgs,
    context: &CommandContext,
    lock: impl FnOnce(&App<'_>) -> Result<Option<StoreLock>, CommandError>,
) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    let app = App::open(context, &settings)?;
    let loaded = context.jobs(app.settings, &args.jobs);
    let with_file = names_with_file(&loaded).filter(|_| args.jobs.is_empty());
    let mut exit = ExitStatus::Complete;
    if loaded.has_errors() {
        let broken = CommandError::Problems(loaded.problems);
        if !args.jobs.is_empty() {
            return Err(broken);
        }
        print::stderr_colored(&broken.report(context.colour));
        exit = ExitStatus::Usage;
    }
    require_store(context, app.settings)?;
    let _lock = lock(&app)?;
    let files = app.job_files()?;
    app.warn_of_logos();
    let past = RunHistory::read(&app.database_path()).map_err(store_error)?;
    let (mut written, mut deleted): (Vec<FileReport>, u64) = (Vec::new(), 0);
    let (mut failures, mut warnings) = (Vec::new(), Vec::new());
    for job in &loaded.jobs {
        // An error with the files of one job does not affect those of other jobs.
        let done = match export_job(&app, &files, job, &past, ExportedParts::All) {
            Ok(Some(done)) => done,
            Ok(None) => {
                if !args.jobs.is_empty() {
                    print::stderr(&format!("{}: never ran, so there is nothing to write\n", job.name));
                }
                continue;
            }
            Err(failure) => {
                exit = exit.more_severe(failure.exit());
                print::stderr_colored(&failure.report(context.colour));
                failures.push(failure.json());
                continue;
            }
        };
        for failed in done.failed {
            let failure = file_error(failed);
            exit = exit.more_severe(failure.exit());
            print::stderr_colored(&failure.report(context.colour));
            failures.push(failure.json());
        }
        for text in &done.warnings {
            context.warn(Some(&job.name), &format!("{}: {text}", job.name));
        }
        warnings.extend(done.warnings.into_iter().map(|text| json!({ "job": job.name, "text": text })));
        written.extend(done.files);
        deleted += done.deleted;
    }
    let mut forgotten = Vec::new();
    if let Some(with_file) = with_file {
        match forget_missing_files(&app, &files, &with_file) {
            Ok(paths) => forgotten = paths,
            Err(failure) => {
                exit = exit.more_severe(failure.exit());
                print::stderr_colored(&failure.report(context.colour));
                failures.push(failure.json());
            }
        }
    }
    let overview = write_overview_of_project(context, app.settings).unwrap_or_else(|failure| {
        exit = exit.more_severe(failure.exit());
        print::stderr_colored(&failure.report(context.colour));
        failures.push(failure.json());
        None
    });
    if context.json {
        print::json(&json!({
            "files": written, "files_deleted": deleted, "files_forgotten": forgotten, "overview": overview,
            "errors": failures, "warnings": warnings,
        }))
        .map_err(|e| CommandError::new(ExitStatus::Storage, e))?;
    } else if !context.quiet {
        for file in written.iter().chain(&overview) {
            print::stderr(&format!(
                "{:<9} {} ({})\n",
                file.outcome,
                printable(&file.path),
                print::file_content(&file.path, file.rows)
            ));
        }
        for path in &forgotten {
            print::stderr(&format!("forgotten {} (it is missing, and no job writes it)\n", printable(path)));
        }
    }
    Ok(exit)
}

/// The names of all jobs that have a file, even one with errors; `None` if the folder of job files cannot be read.
pub(super) fn names_with_file(loaded: &LoadedJobs) -> Option<BTreeSet<String>> {
    let names: BTreeSet<String> =
        loaded.jobs.iter().map(|job| &job.name).chain(&loaded.broken).map(Clone::clone).collect();
    (!names.is_empty() || !loaded.has_errors()).then_some(names)
}

/// Forgets the missing files of jobs that have no job file any more.
fn forget_missing_files(
    app: &App<'_>,
    files: &JobFiles,
    with_file: &BTreeSet<String>,
) -> Result<Vec<String>, CommandError> {
    let store = open_writer(&app.database_path(), files.access).map_err(store_error)?;
    forget_missing_files_of_other_jobs(&store, &files.target, with_file).map_err(file_error)
}

/// Rewrites the files of a job that have changed, as of its newest run. `None` if it never ran.
pub(super) fn export_job(
    app: &App<'_>,
    files: &JobFiles,
    job: &Job,
    past: &RunHistory,
    parts: ExportedParts,
) -> Result<Option<JobExportReport>, CommandError> {
    let mut runs = past.job_or_default(&job.name).runs;
    // The newest finished or crashed run counts.
    mark_crashed_runs(app.state.path(), &files.database, &mut runs);
    let Some(newest) = runs.iter().find(|run| run.state != RunState::Running.as_str()) else { return Ok(None) };
    export_job_as_of(files, job, newest, &BTreeSet::new(), parts).map(Some)
}

/// Writes the files of a job as of one of its runs. Files in `forced` are written even if nothing changed.
pub(super) fn export_job_as_of(
    files: &JobFiles,
    job: &Job,
    newest: &RunRow,
    forced: &BTreeSet<String>,
    parts: ExportedParts,
) -> Result<JobExportReport, CommandError> {
    let parse = |text: &str| text.parse::<DateTime<Utc>>().ok();
    let fire_at =
        newest.fire_at.as_deref().and_then(parse).or_else(|| parse(&newest.started_at)).unwrap_or_else(Utc::now);
    let left = state_after_run(&files.database, &job.name, newest.id).map_err(store_error)?;
    let last_run_at = left.last_usable_at.as_deref().and_then(parse);
    let reasons: Vec<String> = newest.reason.iter().cloned().collect();
    let bound = query_bindings(job, fire_at, last_run_at);
    let state = match RunState::from_word(&newest.state) {
        // The caller knows that no run is in progress.
        RunState::Running => RunState::Failed,
        ended => ended,
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
        force_render: forced,
        parts,
    };
    files.write(&shown).map_err(|e| {
        let exit = if e.is_storage() { ExitStatus::Storage } else { ExitStatus::Usage };
        CommandError::new(exit, e)
    })
}
