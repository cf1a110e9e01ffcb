//! `check [JOB…]`: settings and jobs, offline. Every problem goes to stderr with its place; what is
//! right is told on stdout, with the next three times of each job: a schedule that nobody saw fire
//! is a guess.

mod sql;
mod users;

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::args::Check;
use super::failure::summary;
use super::{Context, Exit, Failure, OrExit, print};
use crate::document::{Frames, Problem};
use crate::job::{Job, Users};
use crate::scheduler::starts_after;
use crate::settings::Settings;
use crate::stream::Classes;
use spotify_client::AppClass;
use spotify_client::state::{Endpoint, Identity, Learned, State, TokenKind, Word};

/// Checks, with what class the settings say the app is of.
///
/// # Errors
///
/// If stdout cannot be written. Problems of the files are told, and end with exit 2.
pub fn run(args: &Check, context: &Context) -> Result<Exit, Failure> {
    let known = learned(context);
    run_as(args, context, &known.unwrap_or_default(), Utc::now())
}

/// What was learned about the app.
#[derive(Debug, Default)]
pub struct AppKnown {
    /// Its class.
    pub class: Option<AppClass>,
    /// What it may call.
    pub endpoints: Vec<Endpoint>,
}

/// What was learned from Spotify, where the state folder knows it; `check` makes none.
fn learned(context: &Context) -> Option<AppKnown> {
    let settings = Settings::load(&context.project, &context.flags).ok()?;
    let dir = context.state_dir(&settings).ok()?;
    if !dir.path().join("state.db").exists() {
        return None;
    }
    let client_id = context.credentials().ok()?.client_id;
    let state = State::open(dir).ok()?;
    let learned = Learned::of(&Arc::new(state), &Identity::new(&client_id, &settings.account(&client_id)));
    let now = Utc::now();
    Some(AppKnown { class: learned.believed_class(now).ok()?, endpoints: learned.endpoints(now).ok()? })
}

/// The same with what was learned from Spotify, for settings that leave the class open.
///
/// # Errors
///
/// As [`run`].
pub fn run_as(args: &Check, context: &Context, known: &AppKnown, now: DateTime<Utc>) -> Result<Exit, Failure> {
    let mut problems = Vec::new();
    let settings = Settings::load(&context.project, &context.flags).unwrap_or_else(|found| {
        problems = found;
        Settings::built_in()
    });
    let class = settings.spotify.app_mode.class().or(known.class);
    let loaded = context.jobs(&settings, &args.jobs);
    problems.extend(loaded.problems);
    for job in &loaded.jobs {
        problems.extend(sql::problems(job, &context.project.shown(&job.path)));
    }
    let grants = users::grants(context, &settings);
    let notes = |job: &Job| {
        let mut notes = gaps(job, class);
        notes.extend(refused(job, &known.endpoints));
        notes.extend(users::notes(job, &grants));
        notes
    };
    let exit = if problems.iter().any(Problem::is_error) { Exit::Usage } else { Exit::Complete };
    if context.json {
        let jobs: Vec<Value> = loaded.jobs.iter().map(|j| as_json(j, &notes(j), now)).collect();
        let class = class.map(|c| c.to_string());
        print::json(&json!({
            "ok": exit == Exit::Complete, "app_class": class, "jobs": jobs, "broken": loaded.broken,
            "problems": problems,
        }))
        .or_exit(Exit::Storage)?;
        return Ok(exit);
    }
    if !problems.is_empty() {
        print::stderr(&Frames::new(context.colour).draw(&problems));
        print::stderr(&format!("{}\n", summary(&problems)));
    }
    let mut out = String::new();
    for job in &loaded.jobs {
        out.push_str(&as_text(job, context, &notes(job), now));
    }
    if loaded.jobs.is_empty() && loaded.broken.is_empty() && problems.is_empty() {
        out.push_str("no job files; `cratedigger init` writes some to start from\n");
    }
    print::stdout(&out).or_exit(Exit::Storage)?;
    Ok(exit)
}

fn as_text(job: &Job, context: &Context, notes: &[String], now: DateTime<Utc>) -> String {
    let mut out = format!(
        "{}: ok, {}, {}\n",
        context.project.shown(&job.path),
        print::count(job.fetches.len(), "fetch"),
        print::count(job.queries.len(), "query"),
    );
    match &job.schedule {
        None => out.push_str("  no schedule: it is run by name\n"),
        Some(schedule) => {
            let fires = fires(job, now);
            if fires.is_empty() {
                out.push_str(&format!("  {schedule}: never again\n"));
            }
            for (n, fire) in fires.iter().enumerate() {
                let label = if n == 0 { "next" } else { "    " };
                let local = fire.with_timezone(&job.timezone).format("%a %Y-%m-%d %H:%M %Z");
                out.push_str(&format!("  {label}  {local}  {}\n", instant(*fire)));
            }
        }
    }
    for note in notes {
        out.push_str(&format!("  note: {note}\n"));
    }
    out
}

fn as_json(job: &Job, notes: &[String], now: DateTime<Utc>) -> Value {
    let next: Vec<Value> = fires(job, now)
        .into_iter()
        .map(|fire| {
            let local = fire.with_timezone(&job.timezone).to_rfc3339_opts(SecondsFormat::Secs, false);
            json!({ "utc": instant(fire), "local": local })
        })
        .collect();
    let fetches: Vec<Value> = job
        .fetches
        .iter()
        .map(|f| json!({ "name": f.name, "stream": f.stream.name, "csv": f.csv.as_ref().map(ToString::to_string) }))
        .collect();
    json!({
        "name": job.name, "path": job.path, "hash": job.hash, "description": job.description,
        "schedule": job.schedule.as_ref().map(ToString::to_string), "timezone": job.timezone.name(),
        "next": next, "fetches": fetches, "queries": job.queries.len(), "notes": notes,
    })
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The next three times at which a job starts.
fn fires(job: &Job, now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    starts_after(job, now).take(3).collect()
}

/// What the app was refused before, of what the fetches of a job cannot do without.
pub(super) fn refused(job: &Job, endpoints: &[Endpoint]) -> Vec<String> {
    let mut notes = Vec::new();
    for fetch in &job.fetches {
        let by_user = fetch.stream.needs_user() || job.users != Users::None;
        let token = if by_user { TokenKind::User } else { TokenKind::App };
        for family in fetch.stream.families() {
            let of = |it: &&Endpoint| it.family == family.as_str() && it.token == token && it.word != Word::Allowed;
            if let Some(it) = endpoints.iter().find(of) {
                notes.push(format!(
                    "fetch `{}`: this app was refused `{family}` on {}: {}",
                    fetch.name,
                    it.learned_at.format("%Y-%m-%d"),
                    it.evidence
                ));
            }
        }
    }
    notes
}

/// What an app of this class never gets; while the class is not known, what one of the two doesn't.
fn gaps(job: &Job, class: Option<AppClass>) -> Vec<String> {
    if class == Some(AppClass::Extended) {
        return Vec::new();
    }
    let who = match class {
        Some(_) => "this app (Development Mode)",
        None => "an app in Development Mode",
    };
    let mut gaps = Vec::new();
    for fetch in &job.fetches {
        let name = &fetch.name;
        match fetch.stream.classes {
            Classes::ExtendedOnly => {
                gaps.push(format!("fetch `{name}`: {who} may not read `{}`", fetch.stream.name));
                continue;
            }
            Classes::OwnerInDevelopment if job.users == Users::None => gaps.push(format!(
                "fetch `{name}`: {who} may read `{}` of its signed-in users' own playlists only, and the job names no user",
                fetch.stream.name
            )),
            Classes::OwnerInDevelopment | Classes::Both => {}
        }
        let columns: Vec<&str> = match &fetch.columns {
            Some(columns) => columns.iter().filter(|c| c.extended_only).map(|c| c.name).collect(),
            None => fetch.stream.default_columns().filter(|c| c.extended_only).map(|c| c.name).collect(),
        };
        if fetch.csv.is_some() && !columns.is_empty() {
            gaps.push(format!("fetch `{name}`: {who} gets nothing in {}", columns.join(", ")));
        }
    }
    gaps
}
