//! The lines about the project: jobs, credentials, Spotify, budget, grants, folders, store, disk.

use std::path::Path;
use std::sync::Arc;

use chrono::Utc;

use super::Line;
use crate::cli::figures::days_left;
use crate::cli::print::count;
use crate::cli::progress::Spoken;
use crate::cli::standing;
use crate::cli::workshop::{Most, Workshop, local, missed, runtime, storage};
use crate::cli::{Context, Exit, Failure};
use crate::job::{Job, Loaded, Users};
use crate::run::{JobLock, LockTrouble, tell_dead};
use crate::scheduler::Past;
use crate::settings::Settings;
use crate::settings::credentials::Credentials;
use crate::store::{RunState, check_quickly, open_reader};
use spotify_client::state::grants::GrantState;

/// Less than this is too little to go on with.
const LITTLE: u64 = 100 * 1024 * 1024;

/// A sign-in that ends within so many days is red.
const SOON: u32 = 14;

pub(super) fn lines(context: &Context, settings: &Settings, offline: bool) -> Vec<Line> {
    let root = &context.project.root;
    if !root.is_dir() {
        let text = format!("there is no folder {}", root.display());
        return vec![Line::red("project", text, format!("cratedigger init {}", root.display()), Exit::Usage)];
    }
    let loaded = context.jobs(settings, &[]);
    let mut page = vec![jobs(&loaded)];
    let database = context.project.database(settings);
    match context.state_dir(settings) {
        Ok(dir) if !dir.path().exists() => {
            page.push(Line::note("state folder", format!("{dir}: not there yet; the first run makes it")));
            page.extend(without_state(context, offline));
        }
        Ok(_) => page.extend(with_state(context, offline)),
        Err(e) => page.push(Line::red("state folder", e.to_string(), "set state.dir", Exit::Storage)),
    }
    match context.credentials() {
        Ok(found) => {
            let secret = if found.client_secret.is_some() { &*found.client_secret_from } else { "none" };
            let text = format!("client id from {}, secret: {secret}", found.client_id_from);
            let needs_it = loaded.jobs.iter().find(|job| job.users == Users::None);
            page.push(match (context.secret(&found), needs_it) {
                (Err(failure), Some(job)) => {
                    let line = Line::failed("credentials", &failure, "fill in .env");
                    Line {
                        text: format!("{text}; job {} reads with the app's own token: {}", job.name, line.text),
                        ..line
                    }
                }
                _ => Line::green("credentials", text),
            });
        }
        Err(failure) => page.push(Line::failed("credentials", &failure, "fill in .env")),
    }
    // A state folder that cannot be opened has a line of its own.
    let gone = missed(context, settings).map(|gone| Line::failed("store", &storage(gone), "mount its disk"));
    page.push(gone.unwrap_or_else(|| store(&database)));
    page.extend(runs(context, settings, &loaded.jobs));
    page.push(disk(&context.project.root, &database));
    page
}

fn jobs(loaded: &Loaded) -> Line {
    let scheduled = loaded.jobs.iter().filter(|job| job.schedule.is_some()).count();
    let good = format!("{}, {scheduled} with a schedule", count(loaded.jobs.len(), "job"));
    match loaded.broken.as_slice() {
        [] if loaded.has_errors() => {
            let why = loaded.problems.iter().find(|problem| problem.is_error()).map(ToString::to_string);
            Line::red("jobs", why.unwrap_or_default(), "cratedigger check", Exit::Usage)
        }
        [] => Line::green("jobs", good),
        broken => Line::red("jobs", format!("{good}; broken: {}", broken.join(", ")), "cratedigger check", Exit::Usage),
    }
}

/// Runs that are under way, those that hang, and jobs whose newest run failed.
fn runs(context: &Context, settings: &Settings, jobs: &[Job]) -> Vec<Line> {
    let database = context.project.database(settings);
    let mut page = Vec::new();
    // Where no state folder is, nothing ever ran.
    let state = context.state_dir(settings).ok().filter(|dir| dir.path().exists());
    if let Some(dir) = &state {
        for job in jobs {
            match JobLock::look(dir.path(), &database, &job.name, settings.schedule.max_runtime) {
                Err(e @ LockTrouble::Hangs { .. }) => {
                    let todo = "look at that process, and end it if it hangs: the next run goes on where it is";
                    page.push(Line::red("runs", e.to_string(), todo, Exit::Failed));
                }
                Err(e) => page.push(Line::note("runs", e.to_string())),
                Ok(()) => {}
            }
        }
    }
    // A store that cannot be read has a line of its own.
    let past = Past::read(&database).unwrap_or_default();
    for job in jobs {
        let mut newest = past.of(&job.name).runs.into_iter().next();
        if let Some(dir) = &state {
            tell_dead(dir.path(), &database, &mut newest);
        }
        if let Some(run) = newest.filter(|run| run.state == RunState::Failed.word()) {
            let why = run.reason.as_deref().unwrap_or("no reason is recorded");
            let exit =
                run.exit_code.and_then(|code| Exit::BY_PRECEDENCE.into_iter().find(|it| i64::from(it.code()) == code));
            let todo = format!("cratedigger history {}", job.name);
            page.push(Line::red(
                "runs",
                format!("the newest of {} failed: {why}", job.name),
                todo,
                exit.unwrap_or(Exit::Failed),
            ));
        }
    }
    page
}

/// What can be known of the app before the first run: whether it is accepted, and who is signed in. What
/// the call needs is kept in a folder that goes away.
fn without_state(context: &Context, offline: bool) -> Vec<Line> {
    let Ok(credentials) = context.credentials() else { return Vec::new() };
    let failed = |failure: &Failure| vec![Line::failed("Spotify", failure, "cratedigger doctor --offline")];
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(e) => return failed(&Failure::new(Exit::Storage, e)),
    };
    let workshop = match Workshop::beside(context, &folder.path().join("state")) {
        Ok(workshop) => workshop,
        Err(failure) => return failed(&failure),
    };
    let mut page =
        vec![if offline { Line::note("Spotify", "not asked (--offline)") } else { accepted(&workshop, &credentials) }];
    page.push(Line::note("app", "what it may call is found out by the first run; development limits hold until then"));
    page.push(Line::green("budget", "no call was sent yet"));
    page.extend(grants(context, &workshop));
    page
}

/// What needs the state folder open: it is refused if others may read it.
fn with_state(context: &Context, offline: bool) -> Vec<Line> {
    let workshop = match Workshop::open(context) {
        Ok(workshop) => workshop,
        Err(failure) => {
            let dir = context.settings().ok().and_then(|s| context.state_dir(&s).ok());
            let folder = dir.map_or_else(String::new, |dir| dir.path().display().to_string());
            return vec![Line::failed("state folder", &failure, &format!("chmod -R go= {folder}"))];
        }
    };
    let mut page = vec![Line::green("state folder", format!("{}, closed to others", workshop.state.dir()))];
    let Ok(credentials) = context.credentials() else { return page };
    page.push(if offline { Line::note("Spotify", "not asked (--offline)") } else { accepted(&workshop, &credentials) });
    page.push(match workshop.class(&credentials) {
        Ok(Some(class)) => {
            Line::green("app", format!("{} mode; `cratedigger quota` lists what it may call", class.as_str()))
        }
        Ok(None) => Line::note("app", "its class is not known yet: development limits hold until a run finds out"),
        Err(failure) => Line::failed("app", &failure, "cratedigger quota"),
    });
    page.push(budget(&workshop, &credentials));
    page.extend(grants(context, &workshop));
    page
}

/// Whether the credentials are accepted, and whether the clocks agree.
fn accepted(workshop: &Workshop<'_>, credentials: &Credentials) -> Line {
    if credentials.client_secret.is_none() {
        return Line::note("Spotify", "not asked: without a client secret only users have tokens");
    }
    let greeting = workshop.api(credentials, Most::default(), Arc::new(Spoken)).and_then(|(api, _)| {
        let asked = runtime()?.block_on(api.greet());
        Ok(asked.map_err(crate::run::Halt::from))
    });
    match greeting {
        Ok(Ok(None)) => Line::green("Spotify", "accepts the credentials; its clock and ours agree"),
        Ok(Ok(Some(server))) => {
            let text =
                format!("accepts the credentials; by its clock it is {}, by ours {}", local(server), local(Utc::now()));
            Line::red("Spotify", text, "timedatectl set-ntp true", Exit::Failed)
        }
        Ok(Err(halt)) => {
            let exit = match halt.weight() {
                crate::run::Weight::Person => Exit::Person,
                crate::run::Weight::Deferred(_) => Exit::Deferred,
                _ => Exit::Failed,
            };
            let todo = halt.hint().unwrap_or_else(|| "cratedigger quota".to_owned());
            Line::red("Spotify", halt.words(), todo, exit)
        }
        Err(failure) => Line::failed("Spotify", &failure, "cratedigger doctor --offline"),
    }
}

fn budget(workshop: &Workshop<'_>, credentials: &Credentials) -> Line {
    let usage = match workshop.usage(credentials) {
        Ok(usage) => usage,
        Err(failure) => return Line::failed("budget", &failure, "cratedigger quota"),
    };
    let used = count(usage.account.used, "call");
    let text = match usage.account.left {
        Some(left) => format!("{used} in the last 24 hours, {left} left"),
        None => format!("{used} in the last 24 hours, no limit"),
    };
    if let Some(until) = usage.all_held_until() {
        return Line::red(
            "budget",
            format!("{text}; nothing may be sent until {}", local(until)),
            "cratedigger quota",
            Exit::Deferred,
        );
    }
    match usage.account.left {
        Some(0) => Line::red("budget", text, "cratedigger quota", Exit::Deferred),
        _ => Line::green("budget", text),
    }
}

/// Who is signed in for how long, and who is not.
fn grants(context: &Context, workshop: &Workshop<'_>) -> Vec<Line> {
    let loaded = context.jobs(&workshop.settings, &[]);
    let grants = match standing::open(context, &workshop.settings) {
        Ok(grants) => grants,
        Err(failure) => return vec![Line::failed("grants", &failure, "cratedigger auth list")],
    };
    let now = Utc::now();
    let list = grants.as_ref().and_then(|grants| grants.list().ok()).unwrap_or_default();
    let mut page: Vec<Line> = list
        .iter()
        .map(|grant| {
            let days = days_left(grant, now);
            let login = format!("cratedigger auth login {}", grant.user);
            match grant.state {
                GrantState::NeedsSignIn => {
                    Line::red("grants", format!("{} must sign in", grant.user), login, Exit::Person)
                }
                _ if days <= SOON => {
                    Line::red("grants", format!("{}: {days} days left", grant.user), login, Exit::Person)
                }
                _ => Line::green("grants", format!("{}: {days} days left", grant.user)),
            }
        })
        .collect();
    let mut missing: Vec<String> = Vec::new();
    for job in &loaded.jobs {
        for user in standing::of(job, grants.as_ref()).unwrap_or_default() {
            if !user.is_signed_in() && !missing.contains(&user.user) {
                missing.push(user.user.clone());
                let text = format!("{} is not signed in, and job {} reads for that user", user.user, job.name);
                page.push(Line::red("grants", text, format!("cratedigger auth login {}", user.user), Exit::Person));
            }
        }
    }
    if page.is_empty() {
        page.push(Line::green("grants", "no job needs any"));
    }
    page
}

fn store(database: &Path) -> Line {
    if !database.exists() {
        return Line::note("store", format!("{}: not there yet; the first run makes it", database.display()));
    }
    let size = std::fs::metadata(database).map_or(0, |m| m.len());
    if size == 0 {
        return Line::note("store", format!("{}: empty; the first run fills it", database.display()));
    }
    let checked = open_reader(database).and_then(|conn| check_quickly(&conn, database));
    match checked {
        Ok(()) => Line::green(
            "store",
            format!("{}, {}, sound (`cratedigger verify` looks deeper)", database.display(), megabytes(size)),
        ),
        Err(e) => {
            let todo = e.hint().unwrap_or_else(|| "restore a backup, or cratedigger verify".into());
            Line::red("store", e.to_string(), todo, Exit::Storage)
        }
    }
}

fn disk(root: &Path, database: &Path) -> Line {
    let folder = database.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(root);
    match rustix::fs::statvfs(folder) {
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            // A copy before a migration, and CSVs written beside the old ones, want room.
            let wants = LITTLE.max(2 * std::fs::metadata(database).map_or(0, |m| m.len()));
            let text = format!("{} free in {}", megabytes(free), folder.display());
            if free < wants {
                let text = format!("{text}, {} are wanted", megabytes(wants));
                return Line::red("disk", text, format!("df -h {}", folder.display()), Exit::Storage);
            }
            Line::green("disk", text)
        }
        Err(e) => Line::red("disk", format!("{}: {e}", folder.display()), "df -h", Exit::Storage),
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}
