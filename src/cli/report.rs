//! `report`: writes the pages of jobs and the overview from the store, without any call, and opens one.

use std::path::Path;

use serde_json::json;
use url::Url;

use super::app::App;
use super::args::ReportArgs;
use super::compact::share_store;
use super::error_exits::{file_error, store_error};
use super::export::export_job;
use super::overview::write_overview_of_project;
use super::store_file::require_store;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::document::printable;
use crate::export::{ExportedParts, FileReport};
use crate::job::Job;
use crate::scheduler::RunHistory;
use crate::signin::browser::BrowserCommand;

/// Writes the pages of the named jobs, or of all jobs with `[report]`, and the overview.
pub fn run(args: &ReportArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    let app = App::open(context, &settings)?;
    let loaded = context.jobs(app.settings, &args.jobs);
    let mut written = WrittenPages::default();
    if loaded.has_errors() {
        let broken = CommandError::Problems(loaded.problems);
        if !args.jobs.is_empty() {
            return Err(broken);
        }
        written.add_failure(&broken, context);
    }
    require_store(context, app.settings)?;
    // Rows that were read before a purge must not be written after it.
    let _lock = share_store(&app, "no page was written")?;
    app.warn_of_logos();
    let past = RunHistory::read(&app.database_path()).map_err(store_error)?;
    // A job that is named gets a page even without `[report]`.
    for job in loaded.jobs.iter().filter(|job| job.report.is_some() || !args.jobs.is_empty()) {
        written.add_job(&app, job, &past);
    }
    let overview = write_overview_of_project(context, app.settings).unwrap_or_else(|failure| {
        written.add_failure(&failure, context);
        None
    });
    if args.open {
        let first = written.pages.first().map(|(_, page)| page.path.as_str());
        let overview = overview.as_ref().map(|page| page.path.as_str());
        // The page of the only job that was named, and otherwise the overview, which links to the others.
        let page = if args.jobs.len() == 1 { first.or(overview) } else { overview.or(first) }.map(str::to_owned);
        open_page(page.as_deref()).unwrap_or_else(|failure| written.add_failure(&failure, context));
    }
    if context.json {
        let pages: Vec<_> = written.pages.iter().map(|(job, page)| json!({ "job": job, "file": page })).collect();
        let value = json!({
            "pages": pages, "overview": overview, "errors": written.failures, "warnings": written.warnings,
        });
        print::json(&value).or_exit(ExitStatus::Storage)?;
    } else if !context.quiet {
        for page in written.pages.iter().map(|(_, page)| page).chain(&overview) {
            print::stderr(&format!("{:<9} {}\n", page.outcome, printable(&page.path)));
        }
    }
    Ok(written.exit)
}

/// The pages that were written, and what went wrong.
#[derive(Default)]
struct WrittenPages {
    /// Name of the job, and its page.
    pages: Vec<(String, FileReport)>,
    failures: Vec<serde_json::Value>,
    warnings: Vec<serde_json::Value>,
    exit: ExitStatus,
}

impl WrittenPages {
    fn add_job(&mut self, app: &App<'_>, job: &Job, past: &RunHistory) {
        let done = app.job_files().and_then(|files| export_job(app, &files, job, past, ExportedParts::Page));
        match done {
            Ok(Some(done)) => {
                done.failed.into_iter().for_each(|failed| self.add_failure(&file_error(failed), app.context));
                for text in &done.warnings {
                    app.context.warn(Some(&job.name), &format!("{}: {text}", job.name));
                }
                self.warnings.extend(done.warnings.into_iter().map(|text| json!({ "job": job.name, "text": text })));
                self.pages.extend(done.files.into_iter().map(|page| (job.name.clone(), page)));
            }
            Ok(None) => {
                app.context.notice(&format!("{}: never ran, so there is nothing to show", printable(&job.name)))
            }
            // An error of one page does not affect the others.
            Err(failure) => self.add_failure(&failure, app.context),
        }
    }

    fn add_failure(&mut self, failure: &CommandError, context: &CommandContext) {
        self.exit = self.exit.more_severe(failure.exit());
        context.report(failure);
        self.failures.push(failure.json());
    }
}

/// Opens a page in a browser.
fn open_page(page: Option<&str>) -> Result<(), CommandError> {
    let failed = |text: &str| CommandError::new(ExitStatus::Failed, anyhow::anyhow!("{text}"));
    let Some(page) = page else {
        return Err(failed("there is no page to open").with_hint("`cratedigger run` runs the jobs and writes pages"));
    };
    let path = Path::new(page).canonicalize().or_exit(ExitStatus::Storage)?;
    let candidates = BrowserCommand::candidates(|name| std::env::var_os(name));
    let address = Url::from_file_path(&path);
    if address.is_ok_and(|address| candidates.iter().any(|browser| browser.open(&address))) {
        return Ok(());
    }
    let hint = format!("open {} yourself, or set BROWSER to the command of a browser", printable(page));
    Err(failed("no browser could be started").with_hint(hint))
}
