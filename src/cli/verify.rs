//! `verify`: checks the store and the CSV files against their records, offline.
//!
//! It exits with 74 if anything differs from what a run wrote. Leftovers of a killed export and foreign
//! files that are not CSV do not count as differences. It repairs nothing without `--rewrite-csv`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use super::app::App;
use super::args::VerifyArgs;
use super::error_exits::{file_error, store_error};
use super::export::{export_job_as_of, names_with_file};
use super::overview::write_overview;
use super::print::count;
use super::store_file::require_store;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::document::printable;
use crate::export::{
    ExportError, ExportedParts, FileFinding, FileIssue, FilesReport, JobFiles, OVERVIEW_FILE, verify_files,
};
use crate::job::Job;
use crate::scheduler::RunHistory;
use crate::settings::Settings;
use crate::store::{StoreError, StoreReport, open_reader, verify_store};
use crate::sync::{JobLock, LockError};

/// Compares and reports the differences.
pub fn run(args: &VerifyArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    let database = context.project.database(&settings);
    require_store(context, &settings)?;
    let mut store = verify_store(&database).map_err(store_error)?;
    let mut files = check_files(context, &settings, &mut store);
    let mut rewritten = RewriteResult::default();
    if args.rewrite_csv && files.findings.iter().any(|f| f.issue.is_fixed_by_export()) {
        if store.findings.is_empty() {
            rewritten = rewrite(context, &settings, &files)?;
            files = check_files(context, &settings, &mut store);
        } else {
            context.notice("the CSV files were not rewritten, since the store has differences");
        }
    }
    let differs = !store.findings.is_empty() || files.findings.iter().any(|f| f.issue.is_a_difference());
    if context.json {
        let value = json!({
            "sound": !differs, "database": database, "store": store, "files": files, "rewritten": rewritten.files,
        });
        print::json(&value).or_exit(ExitStatus::Storage)?;
    } else {
        let csv_dir = context.project.csv_dir(&settings);
        let shown = format!("{}{}", store_text(&database, &store), files_text(&csv_dir, &files, &rewritten.files));
        if differs || !context.quiet {
            print::paragraphs(&shown).or_exit(ExitStatus::Storage)?;
        }
        let with_file = names_with_file(&context.jobs(&settings, &[]));
        print_hints(context, &store, &files, with_file.as_ref(), args.rewrite_csv.then_some(&rewritten));
    }
    Ok(rewritten.exit.more_severe(if differs { ExitStatus::Storage } else { ExitStatus::Complete }))
}

/// Checks the files. If the store cannot be read for that, the store gets another finding.
fn check_files(context: &CommandContext, settings: &Settings, store: &mut StoreReport) -> FilesReport {
    let database = context.project.database(settings);
    let unreadable = |source| StoreError::Sqlite { path: database.clone(), what: "cannot be read", source };
    let csv_dir = context.project.csv_dir(settings);
    let conn = if store.empty { Ok(None) } else { open_reader(&database).map(Some) };
    let report = conn.and_then(|conn| verify_files(&csv_dir, conn.as_ref()).map_err(unreadable));
    report.unwrap_or_else(|e| {
        store.add_unreadable("files", &e);
        FilesReport::default()
    })
}

/// The result of rewriting files.
#[derive(Default)]
struct RewriteResult {
    /// The files that were written.
    files: Vec<String>,
    /// The jobs with files that were not written, for a reason that was reported.
    left: BTreeSet<String>,
    /// All current files of the jobs, relative to the CSV folder.
    current: BTreeSet<String>,
    exit: ExitStatus,
}

/// Rewrites missing and changed files, and repairs what interrupted exports left behind.
fn rewrite(context: &CommandContext, settings: &Settings, report: &FilesReport) -> Result<RewriteResult, CommandError> {
    let app = App::open(context, settings)?;
    let loaded = context.jobs(settings, &[]);
    let files = app.job_files()?;
    let mut done = RewriteResult { left: loaded.broken.iter().cloned().collect(), ..RewriteResult::default() };
    if loaded.has_errors() {
        done.tell(context, &CommandError::Problems(loaded.problems.clone()));
    }
    for job in &loaded.jobs {
        let of_job = || report.findings.iter().filter(|f| f.job == job.name);
        let rewritable: BTreeSet<String> =
            of_job().filter(|f| f.issue.can_be_rewritten()).map(|f| f.path.clone()).collect();
        if !of_job().any(|f| f.issue.is_fixed_by_export()) {
            continue;
        }
        let failures = match rewrite_job(&app, &files, job, &rewritable, &mut done) {
            Ok(failed) => failed.into_iter().map(file_error).collect(),
            // The run in progress repairs it.
            Err(failure) if rewritable.is_empty() && failure.exit() == ExitStatus::Deferred => continue,
            Err(failure) => vec![failure],
        };
        for failure in failures {
            done.left.insert(job.name.clone());
            done.tell(context, &failure);
        }
    }
    if report.findings.iter().any(|f| f.job.is_empty() && f.issue.is_fixed_by_export()) {
        match write_overview(context, settings, &loaded.jobs, &loaded.broken) {
            Ok(file) => {
                done.current.insert(OVERVIEW_FILE.to_owned());
                done.files.extend(file.filter(|file| file.outcome == "written").map(|file| file.path));
            }
            Err(failure) => {
                done.left.insert(String::new());
                done.tell(context, &failure);
            }
        }
    }
    Ok(done)
}

/// Rewrites the files of one job while holding its lock. Returns the errors of single files.
fn rewrite_job(
    app: &App<'_>,
    files: &JobFiles,
    job: &Job,
    rewritable: &BTreeSet<String>,
    done: &mut RewriteResult,
) -> Result<Vec<ExportError>, CommandError> {
    let hangs = app.settings.schedule.max_runtime;
    let _lock = JobLock::take(app.state.path(), &files.database, &job.name, hangs).map_err(|e| match e {
        LockError::Io { .. } => CommandError::new(ExitStatus::Storage, e),
        _ => CommandError::new(ExitStatus::Deferred, e).with_hint("its CSV files were not rewritten; try again later"),
    })?;
    // Under the lock the newest run is over, even if it was killed.
    let past = RunHistory::read(&files.database).map_err(store_error)?;
    let runs = past.job_or_default(&job.name).runs;
    let Some(newest) = runs.first() else {
        print::stderr(&format!("{}: never ran, so there is nothing to write\n", job.name));
        done.left.insert(job.name.clone());
        return Ok(Vec::new());
    };
    let written = export_job_as_of(files, job, newest, rewritable, ExportedParts::All)?;
    done.current.insert(format!("{}/datapackage.json", job.name));
    for file in written.files {
        let below = Path::new(&file.path).strip_prefix(&files.target.csv_dir).unwrap_or(Path::new(&file.path));
        done.current.insert(below.display().to_string());
        if file.outcome == "written" {
            done.files.push(file.path);
        }
    }
    Ok(written.failed)
}

impl RewriteResult {
    fn tell(&mut self, context: &CommandContext, failure: &CommandError) {
        self.exit = self.exit.more_severe(failure.exit());
        context.report(failure);
    }
}

/// `sound`, or the number of differences.
fn differ_verdict(differ: u64) -> String {
    match differ {
        0 => "sound".to_owned(),
        1 => "1 difference".to_owned(),
        n => format!("{n} differences"),
    }
}

fn store_text(database: &Path, store: &StoreReport) -> String {
    if store.empty {
        return format!("store  {}: nothing has been written to it yet\n", database.display());
    }
    let mut out = format!(
        "store  {}: {}; {}, {}, {}\n",
        database.display(),
        differ_verdict(store.finding_count()),
        count(store.lists, "list"),
        count(store.histories, "playlist history"),
        count(store.runs, "run")
    );
    for finding in &store.findings {
        out.push_str(&format!("  {:<11} {}\n", finding.check, printable(&finding.detail)));
    }
    for (check, untold) in store.omitted_counts() {
        out.push_str(&format!("  {check:<11} and {untold} more\n"));
    }
    if store.lists_ahead > 0 {
        let lists = count(store.lists_ahead, "list");
        out.push_str(&format!(
            "  note: {lists} last checked at a time in the future; a clock was ahead then, or is behind now\n"
        ));
    }
    out
}

fn files_text(csv_dir: &Path, files: &FilesReport, rewritten: &[String]) -> String {
    let differ = files.findings.iter().filter(|f| f.issue.is_a_difference()).count();
    let mut out = format!(
        "files  {}: {}; {}, {}\n",
        csv_dir.display(),
        differ_verdict(differ as u64),
        count(files.files, "file"),
        count(files.packages, "data package")
    );
    for finding in &files.findings {
        let word = match finding.issue {
            FileIssue::Missing => "missing",
            FileIssue::Changed => "changed",
            FileIssue::Stray => "stray",
            FileIssue::Edited => "edited",
            FileIssue::Unreadable => "unreadable",
            FileIssue::Behind | FileIssue::Leftover => "note",
        };
        let path = relative_path(csv_dir, finding);
        out.push_str(&format!("  {word:<11} {}: {}\n", printable(&path), printable(&finding.detail)));
    }
    for path in rewritten {
        out.push_str(&format!("  written     {}\n", printable(path)));
    }
    out
}

/// The path of a finding.
fn relative_path(csv_dir: &Path, finding: &FileFinding) -> String {
    csv_dir.join(path_below_csvs(finding)).display().to_string()
}

/// The path of a finding below the CSV folder.
fn path_below_csvs(finding: &FileFinding) -> String {
    let parts = [finding.job.as_str(), &finding.path].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("/")
}

/// Prints what to do about the findings. `with_file` are the jobs that have a job file, if they are known.
fn print_hints(
    context: &CommandContext,
    store: &StoreReport,
    files: &FilesReport,
    with_file: Option<&BTreeSet<String>>,
    rewritten: Option<&RewriteResult>,
) {
    if !store.findings.is_empty() {
        context.notice(
            "hint: keep this file and report the findings; note that a backup also restores users whom \
             `auth logout --purge` has deleted since",
        );
    }
    let again = files.findings.iter().filter(|f| f.issue.can_be_rewritten());
    // A job without a job file is not run and not exported, so nothing can write its files.
    let (again, without_job): (Vec<&FileFinding>, Vec<&FileFinding>) =
        again.partition(|f| f.job.is_empty() || with_file.is_none_or(|names| names.contains(&f.job)));
    print_hints_without_job(context, &without_job);
    match rewritten {
        None if again.is_empty() => {}
        None => context
            .notice("hint: `cratedigger verify --rewrite-csv` rewrites missing and changed CSV files from the store"),
        Some(done) => print_rewrite_hints(context, &again, done),
    }
    if files.findings.iter().any(|f| f.issue == FileIssue::Stray) {
        context.notice("hint: a stray CSV file was not written by any recorded run; move it away");
    }
    if files.findings.iter().any(|f| f.issue == FileIssue::Edited) {
        context.notice("hint: the changes in an edited file are yours; move the file away to keep them, or delete it");
    }
    if files.findings.iter().any(|f| f.issue == FileIssue::Unreadable) {
        context.notice("hint: move the unreadable file away, or let this user read it; then run `cratedigger export`");
    }
}

/// Prints what to do about files of jobs that have no job file any more.
fn print_hints_without_job(context: &CommandContext, findings: &[&FileFinding]) {
    let named = |issue: FileIssue| -> Vec<String> {
        findings.iter().filter(|f| f.issue == issue).map(|f| path_below_csvs(f)).collect()
    };
    let (missing, changed) = (named(FileIssue::Missing), named(FileIssue::Changed));
    if !missing.is_empty() {
        context.notice(&format!(
            "hint: no job writes {} any more; restore the missing files, or let `cratedigger export` forget it",
            name_some(&missing)
        ));
    }
    if !changed.is_empty() {
        context.notice(&format!(
            "hint: no job writes {} any more; restore what has changed, or delete it, and `cratedigger export` forgets it",
            name_some(&changed)
        ));
    }
}

/// Prints what to do about files that still differ after rewriting.
fn print_rewrite_hints(context: &CommandContext, differ: &[&FileFinding], done: &RewriteResult) {
    // The errors of the other jobs have been reported.
    let differ = differ.iter().filter(|f| !done.left.contains(&f.job)).map(|f| path_below_csvs(f));
    let (due, past): (Vec<String>, Vec<String>) = differ.partition(|path| done.current.contains(path));
    if !due.is_empty() {
        context.notice(&format!("hint: the next run writes {} when its fetch is finished", name_some(&due)));
    }
    if !past.is_empty() {
        context.notice(&format!(
            "hint: no job writes {} any more; restore the file, or delete it, and the next export forgets it",
            name_some(&past)
        ));
    }
}

/// The first paths by name and the number of the others.
fn name_some(paths: &[String]) -> String {
    const NAMED: usize = 5;
    let mut text = paths.iter().take(NAMED).map(|path| printable(path)).collect::<Vec<_>>().join(", ");
    if let Some(rest) = paths.len().checked_sub(NAMED).filter(|rest| *rest > 0) {
        text.push_str(&format!(" and {}", count(rest, "other")));
    }
    text
}
