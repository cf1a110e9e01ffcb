//! The overview of all jobs (`index.html` in the CSV folder): collects its contents and has it written.

use chrono::{DateTime, Utc};

use super::app::App;
use super::error_exits::store_error;
use super::job_runner::{next_start, read_sign_ins};
use super::{CommandContext, CommandError, ExitStatus, sign_in_status};
use crate::export::{ExportError, FileChange, FileReport, publish_overview, remove_overview};
use crate::job::Job;
use crate::report::{Overview, OverviewJob, OverviewSignIn, OverviewStart, render_overview};
use crate::scheduler::{JobHistory, NextStart, RunHistory, overdue};
use crate::settings::Settings;
use crate::store::{RunRow, open_writer, timestamp};
use crate::sync::mark_crashed_runs;

/// Writes the overview of these jobs and of those with errors in their files. `None` if it is switched off or there is
/// no store.
pub(super) fn write_overview(
    context: &CommandContext,
    settings: &Settings,
    jobs: &[Job],
    broken: &[String],
) -> Result<Option<FileReport>, CommandError> {
    let database = context.project.database(settings);
    if !database.exists() {
        return Ok(None);
    }
    let app = App::open(context, settings)?;
    let files = app.job_files()?;
    let store = open_writer(&database, files.access).map_err(store_error)?;
    if !settings.report.overview {
        remove_overview(&store, &files.target).map_err(page_error)?;
        return Ok(None);
    }
    let mut failed = None;
    let published = publish_overview(&store, &files.target, &timestamp(Utc::now()), || {
        let history = RunHistory::from_store(&store)?;
        let (shown, newest) = match collect(&app, history, jobs, broken) {
            Ok(collected) => collected,
            Err(error) => {
                failed = Some(error);
                return Err(rusqlite::Error::QueryReturnedNoRows.into());
            }
        };
        Ok((render_overview(&store, &shown)?, newest))
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let file = published.map_err(page_error)?;
    Ok(Some(FileReport {
        path: file.path.display().to_string(),
        rows: 0,
        bytes: file.bytes,
        guarded: 0,
        outcome: if file.change == FileChange::Written { "written" } else { "unchanged" },
    }))
}

/// Like [`write_overview`] after a run, for all jobs of the project.
pub(super) fn write_overview_of_project(
    context: &CommandContext,
    settings: &Settings,
) -> Result<Option<FileReport>, CommandError> {
    let loaded = context.jobs(settings, &[]);
    write_overview(context, settings, &loaded.jobs, &loaded.broken)
}

fn page_error(error: ExportError) -> CommandError {
    let hint = error.hint();
    CommandError::new(ExitStatus::Storage, error).with_optional_hint(hint)
}

/// What the overview shows, and the number of the newest run.
fn collect(
    app: &App<'_>,
    mut history: RunHistory,
    jobs: &[Job],
    broken: &[String],
) -> Result<(Overview, i64), CommandError> {
    let (context, settings, database) = (app.context, app.settings, app.database_path());
    mark_crashed_runs(app.state.path(), &database, history.newest_runs_mut());
    // The same runs give the same page, whenever it is written.
    let newest = history.newest_runs_mut().max_by_key(|run| ended_at(run)).map(|run| (ended_at(run), run.id));
    let (as_of, run) = newest.unwrap_or_default();
    let now = as_of.unwrap_or_else(Utc::now);
    let mut shown = Overview { as_of, ..Overview::default() };
    for job in jobs.iter().filter(|job| !broken.contains(&job.name)) {
        let past = history.job_or_default(&job.name);
        let sign_ins = |job: &_| read_sign_ins(job, context, settings);
        let start = next_start(job, past.clone(), &settings.schedule, now, sign_ins);
        shown.jobs.push(overview_job(job, past, start, now));
    }
    for name in broken {
        let JobHistory { runs, last_good, .. } = history.job_or_default(name);
        let name = name.clone();
        shown.jobs.push(OverviewJob { name, is_broken: true, runs, data_from: last_good, ..OverviewJob::default() });
    }
    let is_shown = |name: &str| shown.jobs.iter().any(|job| job.name == name);
    shown.other_jobs = history.job_names().filter(|name| !is_shown(name)).map(str::to_owned).collect();
    shown.other_jobs.sort();
    let class = app.app_class().ok().flatten();
    shown.calls_per_day = settings.limits_for(class).calls_per_day;
    shown.sign_ins = sign_ins(context, settings, jobs, now);
    Ok((shown, run))
}

fn overview_job(job: &Job, past: JobHistory, start: NextStart, now: DateTime<Utc>) -> OverviewJob {
    OverviewJob {
        name: job.name.clone(),
        is_broken: false,
        // A job of several users has a page for each of them, and the address of a page names the user.
        has_page: job.report.is_some() && !past.runs.is_empty() && !job.has_several_users(),
        fetches: job.fetches.iter().map(|fetch| fetch.name.clone()).collect(),
        data_from: past.last_good,
        next: match start {
            NextStart::Due(_) => Some(OverviewStart::Due),
            NextStart::At(at) => Some(OverviewStart::At(at)),
            NextStart::Never => None,
        },
        overdue_since: overdue(job, &past, now),
        runs: past.runs,
    }
}

/// When a run ended, or began if it has not ended.
fn ended_at(run: &RunRow) -> Option<DateTime<Utc>> {
    run.finished_at.as_deref().unwrap_or(&run.started_at).parse().ok()
}

/// The sign-ins that the jobs use. Problems with reading them are reported by the commands that need them.
fn sign_ins(context: &CommandContext, settings: &Settings, jobs: &[Job], now: DateTime<Utc>) -> Vec<OverviewSignIn> {
    let grants = sign_in_status::open_existing_grants(context, settings).ok().flatten();
    let users = sign_in_status::users_as_json(jobs, grants.as_ref(), now).unwrap_or_default();
    let shows_people =
        |name: &str| jobs.iter().any(|job| job.name == name && job.report.as_ref().is_some_and(|report| report.people));
    let of_user = |user: &serde_json::Value| {
        let names = user["jobs"].as_array().into_iter().flatten();
        let is_named = names.clone().any(|name| name.as_str().is_some_and(shows_people));
        OverviewSignIn {
            user: user["user"].as_str().filter(|_| is_named).map(str::to_owned),
            is_valid: matches!(user["state"].as_str(), Some("ok" | "refreshing")),
            ends_at: user["ends_at"].as_str().and_then(|at| at.parse().ok()),
            days_left: user["days_left"].as_i64(),
            is_at_most: user["ends_at_is_at_most"].as_bool().unwrap_or(false),
            lacks_scopes: user["lacks_scopes"].as_array().is_some_and(|scopes| !scopes.is_empty()),
            jobs: names.filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        }
    };
    users.iter().map(of_user).collect()
}
