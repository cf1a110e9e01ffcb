//! Checks of the project: jobs, credentials, Spotify, budget, grants, folders, store, disk.

use std::path::Path;
use std::sync::Arc;

use chrono::Utc;

use super::{DoctorLine, user};
use crate::cli::app::{App, RunCallLimits};
use crate::cli::error_exits::{grant_error, store_error};
use crate::cli::local_time::format_local;
use crate::cli::metrics::days_left;
use crate::cli::print::count;
use crate::cli::progress::LogObserver;
use crate::cli::runtime::runtime;
use crate::cli::sign_in_status;
use crate::cli::store_file::find_lost_store;
use crate::cli::{CommandContext, CommandError, ExitStatus, restore};
use crate::document::shell_word;
use crate::job::{Job, JobUsers, LoadedJobs};
use crate::scheduler::RunHistory;
use crate::settings::{Settings, open_folders};
use crate::store::{RunState, open_reader, quick_check};
use crate::sync::{JobLock, LockError, mark_crashed_runs};
use crate::target;
use spotify_client::state::grants::GrantState;

/// Less free space than this is a problem.
const LOW_SPACE: u64 = 100 * 1024 * 1024;

/// A sign-in that ends within this number of days is a problem.
const SIGN_IN_SOON_DAYS: u32 = 14;

pub(super) fn project_lines(context: &CommandContext, settings: &Settings, offline: bool) -> Vec<DoctorLine> {
    let root = &context.project.root;
    if !root.is_dir() {
        let text = format!("the folder {} does not exist", root.display());
        return vec![DoctorLine::problem(
            "project",
            text,
            format!("cratedigger init {}", shell_word(&root.display().to_string())),
            ExitStatus::Usage,
        )];
    }
    let loaded = context.jobs(settings, &[]);
    let mut page = vec![jobs(&loaded)];
    match restore::interrupted(context) {
        Ok(None) => {}
        Ok(Some(text)) => page.push(DoctorLine::problem("project", text, "cratedigger jobs", ExitStatus::Storage)),
        Err(failure) => page.push(DoctorLine::from_error("project", &failure, "cratedigger jobs")),
    }
    let lakes = target::lake_folders(&context.project, context.flags.shard);
    let open = open_folders(&context.project, settings, &lakes);
    page.extend(
        open.iter().map(|open| DoctorLine::problem("project", open.problem(), open.command(), ExitStatus::UserAction)),
    );
    let database = context.project.database(settings);
    if let Some(line) = user::other_user(context, settings) {
        // What follows depends on who asks: this user's state folder, sign-ins and rights are not those of the runs.
        page.push(line);
        page.push(disk(&context.project.root, &database));
        return page;
    }
    match context.state_dir(settings) {
        Ok(dir) if !dir.path().exists() => {
            page.push(DoctorLine::note("state folder", format!("{dir}: does not exist yet; the first run creates it")));
            page.extend(without_state(context, settings, &loaded.jobs, offline));
        }
        Ok(_) => page.extend(with_state(context, settings, &loaded.jobs, offline)),
        Err(e) => page.push(DoctorLine::problem("state folder", e.to_string(), "set state.dir", ExitStatus::Storage)),
    }
    match context.credentials() {
        Ok(found) => {
            let secret = if found.client_secret.is_some() { &*found.client_secret_from } else { "none" };
            let text = format!("client id from {}, secret: {secret}", found.client_id_from);
            let needs_it = loaded.jobs.iter().find(|job| job.users == JobUsers::None);
            page.push(match (context.require_secret(&found), needs_it) {
                (Err(failure), Some(job)) => {
                    let line = DoctorLine::from_error("credentials", &failure, "fill in .env");
                    DoctorLine {
                        text: format!("{text}; job {} needs the app's own token: {}", job.name, line.text),
                        ..line
                    }
                }
                _ => DoctorLine::passed("credentials", text),
            });
        }
        Err(failure) => page.push(DoctorLine::from_error("credentials", &failure, "fill in .env")),
    }
    page.extend(
        context
            .open_secret_files(settings)
            .iter()
            .map(|open| DoctorLine::problem("credentials", open.problem(), open.command(), ExitStatus::UserAction)),
    );
    // A state folder that cannot be opened has its own line.
    let gone = find_lost_store(context, settings)
        .map(|gone| DoctorLine::from_error("store", &store_error(gone), "mount its disk"));
    page.push(gone.unwrap_or_else(|| store(&database)));
    page.extend(runs(context, settings, &loaded.jobs));
    page.push(disk(&context.project.root, &database));
    page
}

fn jobs(loaded: &LoadedJobs) -> DoctorLine {
    let scheduled = loaded.jobs.iter().filter(|job| job.schedule.is_some()).count();
    let good = format!("{}, {scheduled} with a schedule", count(loaded.jobs.len(), "job"));
    match loaded.broken.as_slice() {
        [] if loaded.has_errors() => {
            let why = loaded.problems.iter().find(|problem| problem.is_error()).map(ToString::to_string);
            DoctorLine::problem("jobs", why.unwrap_or_default(), "cratedigger check", ExitStatus::Usage)
        }
        [] => DoctorLine::passed("jobs", good),
        broken => DoctorLine::problem(
            "jobs",
            format!("{good}; broken: {}", broken.join(", ")),
            "cratedigger check",
            ExitStatus::Usage,
        ),
    }
}

/// Runs in progress, runs that hang, and jobs with a failed newest run.
fn runs(context: &CommandContext, settings: &Settings, jobs: &[Job]) -> Vec<DoctorLine> {
    let database = context.project.database(settings);
    let mut page = Vec::new();
    // Without a state folder no job has run yet.
    let state = context.state_dir(settings).ok().filter(|dir| dir.path().exists());
    if let Some(dir) = &state {
        for job in jobs {
            match JobLock::check(dir.path(), &database, &job.name, settings.schedule.max_runtime) {
                Err(e @ LockError::Hangs { .. }) => {
                    let todo = "check that process, and kill it if it hangs; the next run continues where it stopped";
                    page.push(DoctorLine::problem("runs", e.to_string(), todo, ExitStatus::Failed));
                }
                Err(e) => page.push(DoctorLine::note("runs", e.to_string())),
                Ok(()) => {}
            }
        }
    }
    // A store that cannot be read has its own line.
    let past = RunHistory::read(&database).unwrap_or_default();
    for job in jobs {
        let mut newest = past.job_or_default(&job.name).runs.into_iter().next();
        if let Some(dir) = &state {
            mark_crashed_runs(dir.path(), &database, &mut newest);
        }
        if let Some(run) = newest.filter(|run| run.state == RunState::Failed.as_str()) {
            let why = run.reason.as_deref().unwrap_or("no reason is recorded");
            let exit = run
                .exit_code
                .and_then(|code| ExitStatus::BY_PRECEDENCE.into_iter().find(|it| i64::from(it.code()) == code));
            let todo = format!("cratedigger history {}", job.name);
            page.push(DoctorLine::problem(
                "runs",
                format!("the newest run of {} failed: {why}", job.name),
                todo,
                exit.unwrap_or(ExitStatus::Failed),
            ));
        }
    }
    page
}

/// The checks of the app that need no state folder: whether Spotify accepts it, and who is signed in. The
/// call uses a temporary state folder.
fn without_state(context: &CommandContext, settings: &Settings, jobs: &[Job], offline: bool) -> Vec<DoctorLine> {
    if context.credentials().is_err() {
        return Vec::new();
    }
    let failed =
        |failure: &CommandError| vec![DoctorLine::from_error("Spotify", failure, "cratedigger doctor --offline")];
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(e) => return failed(&CommandError::new(ExitStatus::Storage, e)),
    };
    let app = match App::open_in(context, settings, &folder.path().join("state")) {
        Ok(app) => app,
        Err(failure) => return failed(&failure),
    };
    let mut page =
        vec![if offline { DoctorLine::note("Spotify", "not checked (--offline)") } else { credentials_line(&app) }];
    page.push(DoctorLine::note(
        "app",
        "the first run finds out which calls are allowed; the limits of Development Mode apply until then",
    ));
    page.push(DoctorLine::passed("budget", "no call has been sent yet"));
    page.extend(grants(&app, jobs));
    page
}

/// The checks that open the state folder, which must not be readable by other users.
fn with_state(context: &CommandContext, settings: &Settings, jobs: &[Job], offline: bool) -> Vec<DoctorLine> {
    let app = match App::open(context, settings) {
        Ok(app) => app,
        Err(failure) => {
            let dir = context.state_dir(settings).ok();
            let folder = dir.map_or_else(String::new, |dir| dir.path().display().to_string());
            return vec![DoctorLine::from_error(
                "state folder",
                &failure,
                &format!("chmod -R go= {}", shell_word(&folder)),
            )];
        }
    };
    let mut page = vec![DoctorLine::passed("state folder", format!("{}, closed to others", app.state.dir()))];
    if app.credentials().is_err() {
        return page;
    }
    page.push(if offline { DoctorLine::note("Spotify", "not checked (--offline)") } else { credentials_line(&app) });
    page.push(match app.app_class() {
        Ok(Some(class)) => {
            DoctorLine::passed("app", format!("{} mode; `cratedigger quota` lists its endpoints", class.as_str()))
        }
        Ok(None) => DoctorLine::note(
            "app",
            "its class is not known yet; the limits of Development Mode apply until a run finds out",
        ),
        Err(failure) => DoctorLine::from_error("app", &failure, "cratedigger quota"),
    });
    page.push(budget(&app));
    page.extend(grants(&app, jobs));
    page
}

/// Whether Spotify accepts the credentials, and whether the clocks agree.
fn credentials_line(app: &App<'_>) -> DoctorLine {
    if app.credentials().is_ok_and(|found| found.client_secret.is_none()) {
        return DoctorLine::note("Spotify", "not checked: without a client secret only users have tokens");
    }
    let greeting = app.open_client(RunCallLimits::default(), Arc::new(LogObserver)).and_then(|(api, _)| {
        let asked = runtime()?.block_on(api.check_credentials());
        Ok(asked.map_err(crate::sync::SyncError::from))
    });
    match greeting {
        Ok(Ok(None)) => DoctorLine::passed("Spotify", "accepts the credentials; its clock and this machine's agree"),
        Ok(Ok(Some(server))) => {
            let text = format!(
                "accepts the credentials; its clock shows {}, this machine's shows {}",
                format_local(server),
                format_local(Utc::now())
            );
            DoctorLine::problem("Spotify", text, "timedatectl set-ntp true", ExitStatus::Failed)
        }
        Ok(Err(halt)) => {
            let exit = match halt.class() {
                crate::sync::SyncErrorClass::UserAction => ExitStatus::UserAction,
                crate::sync::SyncErrorClass::Deferred(_) => ExitStatus::Deferred,
                _ => ExitStatus::Failed,
            };
            let todo = halt.hint().unwrap_or_else(|| "cratedigger quota".to_owned());
            DoctorLine::problem("Spotify", halt.message(), todo, exit)
        }
        Err(failure) => DoctorLine::from_error("Spotify", &failure, "cratedigger doctor --offline"),
    }
}

fn budget(app: &App<'_>) -> DoctorLine {
    let usage = match app.call_ceilings().and_then(|ceilings| app.usage(ceilings)) {
        Ok(usage) => usage,
        Err(failure) => return DoctorLine::from_error("budget", &failure, "cratedigger quota"),
    };
    let used = count(usage.account.used, "call");
    let text = match usage.account.left {
        Some(left) => format!("{used} in the last 24 hours, {left} left"),
        None => format!("{used} in the last 24 hours, no limit"),
    };
    if let Some(until) = usage.blocked_until() {
        return DoctorLine::problem(
            "budget",
            format!("{text}; nothing may be sent until {}", format_local(until)),
            "cratedigger quota",
            ExitStatus::Deferred,
        );
    }
    match usage.account.left {
        Some(0) => DoctorLine::problem("budget", text, "cratedigger quota", ExitStatus::Deferred),
        _ => DoctorLine::passed("budget", text),
    }
}

/// The users who are signed in with the days left, and the users who are not.
fn grants(app: &App<'_>, jobs: &[Job]) -> Vec<DoctorLine> {
    let grants = match sign_in_status::open_existing_grants(app.context, app.settings) {
        Ok(grants) => grants,
        Err(failure) => return vec![DoctorLine::from_error("grants", &failure, "cratedigger auth list")],
    };
    let now = Utc::now();
    let list = grants.as_ref().and_then(|grants| grants.list().ok()).unwrap_or_default();
    let mut page: Vec<DoctorLine> = list
        .iter()
        .map(|grant| {
            let days = days_left(grant, now);
            let login = format!("cratedigger auth login {}", grant.user);
            if let Some(Err(failure)) = grants.as_ref().map(|grants| grants.check_grant_servers(&grant.user)) {
                return DoctorLine::from_error("grants", &grant_error(failure), &login);
            }
            match grant.state {
                GrantState::NeedsSignIn => {
                    DoctorLine::problem("grants", format!("{} must sign in", grant.user), login, ExitStatus::UserAction)
                }
                _ if days <= SIGN_IN_SOON_DAYS => DoctorLine::problem(
                    "grants",
                    format!("{}: {days} days left", grant.user),
                    login,
                    ExitStatus::UserAction,
                ),
                _ => DoctorLine::passed("grants", format!("{}: {days} days left", grant.user)),
            }
        })
        .collect();
    let mut missing: Vec<String> = Vec::new();
    for job in jobs {
        for user in sign_in_status::sign_in_statuses(job, grants.as_ref()).unwrap_or_default() {
            if !user.is_signed_in() && !missing.contains(&user.user) {
                missing.push(user.user.clone());
                let text = format!("{} is not signed in, and job {} reads data of this user", user.user, job.name);
                page.push(DoctorLine::problem(
                    "grants",
                    text,
                    format!("cratedigger auth login {}", user.user),
                    ExitStatus::UserAction,
                ));
            }
        }
    }
    if page.is_empty() {
        page.push(DoctorLine::passed("grants", "no job needs a grant"));
    }
    page
}

fn store(database: &Path) -> DoctorLine {
    if !database.exists() {
        return DoctorLine::note(
            "store",
            format!("{}: does not exist yet; the first run creates it", database.display()),
        );
    }
    let size = std::fs::metadata(database).map_or(0, |m| m.len());
    if size == 0 {
        return DoctorLine::note("store", format!("{}: empty; the first run fills it", database.display()));
    }
    let checked = open_reader(database).and_then(|conn| quick_check(&conn, database));
    match checked {
        Ok(()) => DoctorLine::passed(
            "store",
            format!(
                "{}, {}, sound (`cratedigger verify` checks more); other programs need SQLite 3.37 or later to read it",
                database.display(),
                format_megabytes(size)
            ),
        ),
        Err(e) => {
            let todo = e.hint().unwrap_or_else(|| "restore a backup, or run cratedigger verify".into());
            DoctorLine::problem("store", e.to_string(), todo, ExitStatus::Storage)
        }
    }
}

fn disk(root: &Path, database: &Path) -> DoctorLine {
    let folder = database.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(root);
    match rustix::fs::statvfs(folder) {
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            // A migration keeps a copy, and new CSV files are written next to the old ones.
            let wants = LOW_SPACE.max(2 * std::fs::metadata(database).map_or(0, |m| m.len()));
            let text = format!("{} free in {}", format_megabytes(free), folder.display());
            if free < wants {
                let text = format!("{text}, {} needed", format_megabytes(wants));
                return DoctorLine::problem(
                    "disk",
                    text,
                    format!("df -h {}", shell_word(&folder.display().to_string())),
                    ExitStatus::Storage,
                );
            }
            DoctorLine::passed("disk", text)
        }
        Err(e) => DoctorLine::problem("disk", format!("{}: {e}", folder.display()), "df -h", ExitStatus::Storage),
    }
}

fn format_megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}
