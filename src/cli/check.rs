//! `check [JOB…]`: checks settings and jobs offline. Problems go to stderr with their position. Valid jobs
//! go to stdout with their next three start times, which show whether a schedule means what its author intended.

mod users;

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::args::CheckArgs;
use super::command_error::count_problems;
use super::job_runner::{next_start, read_sign_ins};
use super::jobs::describe_start;
use super::local_time::format_with_zone;
use super::sign_in_commands::complete_sign_ins;
use super::sign_in_status;
use super::state_color::mark_state;
use super::store_file::has_readable_store;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print, push};
use crate::document::{Diagnostic, DiagnosticRenderer, printable};
use crate::job::{Fetch, Job, JobUsers};
use crate::report::{LogoError, PageLogo};
use crate::scheduler::{NextStart, RunHistory, starts_after};
use crate::settings::{FileFormat, SettingOrigin, Settings};
use crate::store::RunRow;
use crate::stream::StreamAccess;
use crate::target::{self, LoadedTargets, Target};
use spotify_client::AppClass;
use spotify_client::state::{ClientIdentity, EndpointAccess, EndpointFact, LearnedFacts, StateDb, TokenKind};

/// Checks settings and jobs with what has been learned about the app.
///
/// # Errors
///
/// If stdout cannot be written. Problems of the files are reported and lead to exit 2.
pub fn run(args: &CheckArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let known = app_knowledge(context);
    run_as(args, context, &known.unwrap_or_default(), Utc::now())
}

/// What has been learned about the app.
#[derive(Debug, Default)]
pub struct AppKnowledge {
    pub class: Option<AppClass>,
    /// What the app may call.
    pub endpoints: Vec<EndpointFact>,
}

/// What has been learned from Spotify, if a state folder exists; `check` does not create one.
fn app_knowledge(context: &CommandContext) -> Option<AppKnowledge> {
    let settings = Settings::load(&context.project, &context.flags).ok()?;
    let dir = context.state_dir(&settings).ok()?;
    if !dir.path().join("state.db").exists() {
        return None;
    }
    let client_id = context.credentials().ok()?.client_id;
    let state = StateDb::open(dir).ok()?;
    let learned = LearnedFacts::new(&Arc::new(state), &ClientIdentity::new(&client_id, &settings.account(&client_id)));
    let now = Utc::now();
    Some(AppKnowledge { class: learned.cached_class(now).ok()?, endpoints: learned.endpoints(now).ok()? })
}

/// As [`run`], with given knowledge about the app and a given time.
///
/// # Errors
///
/// As [`run`].
pub fn run_as(
    args: &CheckArgs,
    context: &CommandContext,
    known: &AppKnowledge,
    now: DateTime<Utc>,
) -> Result<ExitStatus, CommandError> {
    match super::restore::interrupted(context) {
        Ok(None) => {}
        Ok(Some(text)) => context.warn(None, text),
        Err(failure) => context.report(&failure),
    }
    let mut problems = Vec::new();
    let settings = Settings::load(&context.project, &context.flags).unwrap_or_else(|found| {
        problems = found;
        Settings::built_in()
    });
    let has_valid_settings = problems.is_empty();
    problems.extend(settings.hook_problems.iter().cloned());
    problems.extend(logo_problems(context, &settings));
    let class = settings.spotify.app_mode.class().or(known.class);
    let loaded = context.jobs(&settings, &args.jobs);
    problems.extend(loaded.problems);
    for job in &loaded.jobs {
        problems.extend(job.sql_problems.iter().cloned());
    }
    // The names in the arguments are those of jobs.
    let targets = match args.jobs.is_empty() {
        true => target::load(&context.project, &[]),
        false => LoadedTargets::default(),
    };
    problems.extend(targets.problems.iter().cloned());
    let grants = match has_valid_settings {
        true => sign_in_status::readable_grants(context, &settings),
        false => Err(CommandError::new(
            ExitStatus::Usage,
            anyhow::anyhow!("cannot tell who is signed in: the settings, which name the state folder, are invalid"),
        )),
    };
    let database = context.project.database(&settings);
    let history = has_readable_store(&database).and_then(|_| RunHistory::read(&database).or_exit(ExitStatus::Storage));
    let history = history.inspect_err(|error| context.warn(None, &format!("past runs cannot be read: {error}")));
    let start = |job: &Job| {
        let Ok(history) = &history else {
            return (starts_after(job, now).next().map_or(NextStart::Never, NextStart::At), None);
        };
        let sign_ins = |job: &Job| read_sign_ins(job, context, &settings);
        let past = history.job_or_default(&job.name);
        let last = past.runs.first().cloned();
        (next_start(job, past, &settings.schedule, now, sign_ins), last)
    };
    let notes = |job: &Job| {
        let mut notes = ids_file_notes(job);
        notes.extend(app_class_notes(job, class));
        notes.extend(refused_notes(job, &known.endpoints));
        notes.extend(users::user_notes(job, &grants).iter().map(|note| complete_sign_ins(context, note)));
        notes
    };
    let exit = if problems.iter().any(Diagnostic::is_error) { ExitStatus::Usage } else { ExitStatus::Complete };
    if context.json {
        let jobs: Vec<Value> =
            loaded.jobs.iter().map(|j| as_json(j, &notes(j), now, start(j).0.due().is_some())).collect();
        let class = class.map(|c| c.to_string());
        let of_target = |target: &Target| {
            let mut value = push::place_json(target);
            value.insert("tables".into(), json!(target.tables));
            Value::Object(value)
        };
        let of_targets: Vec<Value> = targets.targets.iter().map(of_target).collect();
        print::json(&json!({
            "ok": exit == ExitStatus::Complete, "app_class": class, "jobs": jobs, "broken": loaded.broken,
            "targets": of_targets, "broken_targets": targets.broken, "problems": problems,
        }))
        .or_exit(ExitStatus::Storage)?;
        return Ok(exit);
    }
    if !problems.is_empty() {
        print::stderr_colored(&DiagnosticRenderer::new(context.colour).render(&problems));
        print::stderr(&format!("{}\n", count_problems(&problems)));
    }
    let mut out = String::new();
    for job in &loaded.jobs {
        out.push_str(&as_text(job, context, &notes(job), now, start(job)));
    }
    for name in &loaded.broken {
        let path = context.project.jobs_dir.join(format!("{name}.toml"));
        out.push_str(&format!(
            "{}: {}, see above\n",
            printable(&context.project.display_path(&path)),
            mark_state("not usable")
        ));
    }
    for target in &targets.targets {
        let when = if target.after_run { "after each run" } else { "by name" };
        let tables = print::count(target.tables.len(), "table");
        out.push_str(&format!(
            "{}: {}, {tables} to {}, {when}\n",
            printable(&target.file),
            mark_state("ok"),
            push::place(target)
        ));
    }
    for name in &targets.broken {
        let path = context.project.targets_dir.join(format!("{name}.toml"));
        out.push_str(&format!(
            "{}: {}, see above\n",
            printable(&context.project.display_path(&path)),
            mark_state("not usable")
        ));
    }
    if loaded.jobs.is_empty() && loaded.broken.is_empty() && problems.is_empty() {
        out.push_str("no job files; `cratedigger init` creates examples\n");
    }
    let has_pages = loaded.jobs.iter().any(|job| job.report.is_some());
    if has_pages && settings.report.logo.is_none() && settings.report.logo_dark.is_none() {
        out.push_str("note: pages of jobs name Spotify in words; set `report.logo` to show its logo\n");
    }
    print::paragraphs(&out).or_exit(ExitStatus::Storage)?;
    Ok(exit)
}

/// Logos that cannot be shown, at the lines that name them.
fn logo_problems(context: &CommandContext, settings: &Settings) -> Vec<Diagnostic> {
    let report = &settings.report;
    let (_, errors) = PageLogo::read(&context.project.root, report.logo.as_deref(), report.logo_dark.as_deref());
    let problem = |error: LogoError| {
        let (LogoError::Unreadable { key, .. } | LogoError::Unfit { key, .. }) = &error;
        let origin = settings.origin(key);
        let problem = match &origin {
            SettingOrigin::File { file, line } => {
                Diagnostic { line: Some(*line), ..Diagnostic::for_file(file, error.to_string()) }
            }
            other => Diagnostic::for_file(&other.to_string(), error.to_string()),
        };
        problem.for_key(*key).with_hint("copy the file there, or remove the setting: pages then name Spotify in words")
    };
    errors.into_iter().map(problem).collect()
}

/// One job as text, with when it starts next and its last run.
fn as_text(
    job: &Job,
    context: &CommandContext,
    notes: &[String],
    now: DateTime<Utc>,
    (start, last): (NextStart, Option<RunRow>),
) -> String {
    let is_broken = job.sql_problems.iter().any(Diagnostic::is_error);
    let state = if is_broken { mark_state("not usable") + ", see above" } else { mark_state("ok") };
    let mut out = format!(
        "{}: {state}, {}, {}\n",
        context.project.display_path(&job.path),
        print::count(job.fetches.len(), "fetch"),
        print::count(job.queries.len(), "query"),
    );
    match &job.schedule {
        None => out.push_str("  no schedule; run it by name\n"),
        Some(schedule) => {
            let fires = next_fires(job, now);
            let first = match start {
                NextStart::At(at) => Some(at),
                _ => None,
            };
            match first {
                Some(at) => out.push_str(&format!("  next  {}\n", format_with_zone(at, job.timezone, now))),
                None if start.due().is_none() && fires.is_empty() => {
                    out.push_str(&format!("  {schedule}: no further start\n"));
                }
                None => out.push_str(&format!("  next  {}\n", describe_start(start, last.as_ref(), now))),
            }
            // A start that is due or delayed is not one of the schedule.
            for fire in fires.into_iter().filter(|fire| first.is_none_or(|first| *fire > first)) {
                out.push_str(&format!("        {}\n", format_with_zone(fire, job.timezone, now)));
            }
        }
    }
    for note in notes {
        out.push_str(&format!("  note: {note}\n"));
    }
    out
}

fn as_json(job: &Job, notes: &[String], now: DateTime<Utc>, is_due: bool) -> Value {
    let next: Vec<Value> = next_fires(job, now)
        .into_iter()
        .map(|fire| {
            let local = fire.with_timezone(&job.timezone).to_rfc3339_opts(SecondsFormat::Secs, false);
            json!({ "utc": format_instant(fire), "local": local })
        })
        .collect();
    let fetches: Vec<Value> = job
        .fetches
        .iter()
        .map(|f| {
            let file = |format| f.file_name(format).map(ToString::to_string);
            json!({ "name": f.name, "stream": f.stream.name, "csv": file(FileFormat::Csv), "jsonl": file(FileFormat::JsonL), "parquet": file(FileFormat::Parquet) })
        })
        .collect();
    json!({
        "name": job.name, "path": job.path, "hash": job.hash, "description": job.description,
        "schedule": job.schedule.as_ref().map(ToString::to_string), "timezone": job.timezone.name(),
        "due": is_due, "next": next, "fetches": fetches, "queries": job.queries.len(), "xlsx": job.xlsx, "notes": notes,
    })
}

fn format_instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The next three start times of a job.
fn next_fires(job: &Job, now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    starts_after(job, now).take(3).collect()
}

/// Notes on calls that a job needs and that Spotify has refused to the app.
pub(super) fn refused_notes(job: &Job, endpoints: &[EndpointFact]) -> Vec<String> {
    let mut notes = Vec::new();
    for fetch in &job.fetches {
        let by_user = fetch.stream.needs_user() || job.users != JobUsers::None;
        let token = if by_user { TokenKind::User } else { TokenKind::App };
        for family in fetch.stream.families() {
            let of = |it: &&EndpointFact| {
                it.family == family.as_str() && it.token == token && it.access != EndpointAccess::Allowed
            };
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

/// The input files of a job: the ids that were read, and the column that was chosen.
fn ids_file_notes(job: &Job) -> Vec<String> {
    let note = |fetch: &Fetch| Some(format!("fetch `{}` reads {}", fetch.name, fetch.ids_file.as_ref()?.summary()));
    job.fetches.iter().filter_map(note).collect()
}

/// Notes on data that an app of this class, or of an unknown class, cannot get.
fn app_class_notes(job: &Job, class: Option<AppClass>) -> Vec<String> {
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
        match fetch.stream.access {
            StreamAccess::ExtendedOnly => {
                gaps.push(format!("fetch `{name}`: {who} may not read `{}`", fetch.stream.name));
                continue;
            }
            StreamAccess::OwnerInDevelopment if job.users == JobUsers::None => gaps.push(format!(
                "fetch `{name}`: {who} may read `{}` only of playlists of its signed-in users, and the job names no user",
                fetch.stream.name
            )),
            StreamAccess::OwnerInDevelopment | StreamAccess::Both => {}
        }
        let columns: Vec<&str> = match &fetch.columns {
            Some(columns) => columns.iter().filter(|c| c.extended_quota_only).map(|c| c.name).collect(),
            None => fetch.stream.default_columns().filter(|c| c.extended_quota_only).map(|c| c.name).collect(),
        };
        if !fetch.files.is_empty() && !columns.is_empty() {
            gaps.push(format!("fetch `{name}`: {who} gets no values in {}", columns.join(", ")));
        }
    }
    gaps
}
