//! `export`: the CSVs again, from the store, without one call.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::args::Export;
use super::workshop::{Workshop, must_exist, storage};
use super::{Context, Exit, Failure, print};
use crate::document::printable;
use crate::export::ExportError;
use crate::job::Job;
use crate::run::{FileReport, Files, Shown, Written, bound, tell_dead};
use crate::scheduler::Past;
use crate::store::{RunRow, RunState, left_by};

/// Writes the CSVs of jobs again, as their newest run left the store.
pub fn run(args: &Export, context: &Context) -> Result<Exit, Failure> {
    let workshop = Workshop::open(context)?;
    let loaded = context.jobs(&workshop.settings, &args.jobs);
    let mut exit = Exit::Complete;
    if loaded.has_errors() {
        let broken = Failure::Problems(loaded.problems);
        if !args.jobs.is_empty() {
            return Err(broken);
        }
        print::stderr(&broken.report(context.colour));
        exit = Exit::Usage;
    }
    must_exist(context, &workshop.settings)?;
    let files = workshop.files()?;
    let past = Past::read(&workshop.database()).map_err(storage)?;
    let (mut written, mut deleted): (Vec<FileReport>, u64) = (Vec::new(), 0);
    let mut failures = Vec::new();
    for job in &loaded.jobs {
        // What stands in the way of one job's files leaves those of the others to be written.
        let done = match write_again(&workshop, &files, job, &past) {
            Ok(Some(done)) => done,
            Ok(None) => {
                if !args.jobs.is_empty() {
                    print::stderr(&format!("{}: never run, so there is nothing to write\n", job.name));
                }
                continue;
            }
            Err(failure) => {
                exit = exit.and(failure.exit());
                print::stderr(&failure.report(context.colour));
                failures.push(failure.json());
                continue;
            }
        };
        for failed in done.failed {
            let failure = of_a_file(failed);
            exit = exit.and(failure.exit());
            print::stderr(&failure.report(context.colour));
            failures.push(failure.json());
        }
        written.extend(done.files);
        deleted += done.deleted;
    }
    if context.json {
        print::json(&json!({ "files": written, "files_deleted": deleted, "errors": failures }))
            .map_err(|e| Failure::new(Exit::Storage, e))?;
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

/// Writes what has changed of a job's files, as its newest run left the store; `None` if it never ran.
pub(super) fn write_again(
    workshop: &Workshop<'_>,
    files: &Files,
    job: &Job,
    past: &Past,
) -> Result<Option<Written>, Failure> {
    let mut runs = past.of(&job.name).runs;
    // Shown is what the newest run that is over left, be it that it was killed; one that never ran has
    // nothing to show.
    tell_dead(workshop.state.path(), &files.database, &mut runs);
    let Some(newest) = runs.iter().find(|run| run.state != RunState::Running.word()) else { return Ok(None) };
    write_as_of(files, job, newest, &BTreeSet::new()).map(Some)
}

/// Writes a job's files as a run of it left the store; those that are named `anew` whatever is known of them.
pub(super) fn write_as_of(
    files: &Files,
    job: &Job,
    newest: &RunRow,
    anew: &BTreeSet<String>,
) -> Result<Written, Failure> {
    let parse = |text: &str| text.parse::<DateTime<Utc>>().ok();
    let fire_at =
        newest.fire_at.as_deref().and_then(parse).or_else(|| parse(&newest.started_at)).unwrap_or_else(Utc::now);
    let left = left_by(&files.database, &job.name, newest.id).map_err(storage)?;
    let last_run_at = left.good.as_deref().and_then(parse);
    let reasons: Vec<String> = newest.reason.iter().cloned().collect();
    let bound = bound(job, fire_at, last_run_at);
    let state = match newest.state.as_str() {
        "complete" => RunState::Complete,
        "partial" => RunState::Partial,
        "deferred" => RunState::Deferred,
        _ => RunState::Failed,
    };
    // Each fetch shows what it last brought; one that never ended has brought nothing that could be shown.
    let unfinished: BTreeSet<String> =
        job.fetches.iter().map(|fetch| fetch.name.clone()).filter(|name| !left.ended.contains(name)).collect();
    let shown = Shown {
        job,
        run: newest.id,
        state,
        lacks: state == RunState::Partial,
        reasons: &reasons,
        unfinished: &unfinished,
        bound: &bound,
        fire_at,
        anew,
    };
    files.write(&shown).map_err(|e| {
        let exit = if e.is_storage() { Exit::Storage } else { Exit::Usage };
        Failure::new(exit, e)
    })
}

/// What stood in the way of one file.
pub(super) fn of_a_file(error: ExportError) -> Failure {
    let exit = if error.is_storage() { Exit::Storage } else { Exit::Usage };
    Failure::new(exit, error)
}
