//! `jobs`: shows each job with its last and next run, the age of its data and the days left of its
//! sign-ins; and for each stream the age of its oldest row and the time for a full read.

mod sweeps;
mod target_rows;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::args::JobsArgs;
use super::job_runner::{next_start, read_sign_ins};
use super::local_time::format_local;
use super::sign_in_status::{self, SignInStatus};
use super::state_color::mark_state;
use super::store_file::{has_readable_store, report_lost_store};
use super::table::format_table;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::document::printable;
use crate::job::{Job, JobUsers};
use crate::scheduler::{self, JobHistory, NextStart, RunHistory};
use crate::store::RunRow;
use crate::sync::mark_crashed_runs;
use spotify_client::state::grants::GrantStore;

pub fn run(args: &JobsArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    let loaded = context.jobs(&settings, &args.jobs);
    if loaded.has_errors() && !args.jobs.is_empty() {
        return Err(CommandError::Problems(loaded.problems));
    }
    let (database, state) = (context.project.database(&settings), context.state_dir(&settings).ok());
    if loaded.has_errors() && loaded.jobs.is_empty() && loaded.broken.is_empty() {
        return Err(CommandError::Problems(loaded.problems));
    }
    has_readable_store(&database)?;
    let past = RunHistory::read(&database).or_exit(ExitStatus::Storage)?;
    let now = Utc::now();
    let mut rows = vec![["JOB", "LAST RUN", "STATE", "NEXT", "DATA FROM", "SIGNED IN"].map(str::to_owned).to_vec()];
    let mut values = Vec::new();
    let grants = sign_in_status::readable_grants(context, &settings);
    let sweeps = sweeps::list_sweeps(context, &settings, &loaded.jobs, &past);
    let mut swept = vec![["JOB", "FETCH", "STREAM", "OLDEST ROW", "FULL READ"].map(str::to_owned).to_vec()];
    for job in &loaded.jobs {
        let users = grants
            .as_ref()
            .ok()
            .map(|grants| sign_in_status::sign_in_statuses(job, grants.as_ref()))
            .transpose()?
            .unwrap_or_default();
        let mut past = past.job_or_default(&job.name);
        if let Some(state) = &state {
            mark_crashed_runs(state.path(), &database, past.runs.first_mut());
        }
        let last = past.runs.first();
        let start = {
            let sign_ins = |job: &_| read_sign_ins(job, context, &settings);
            next_start(job, past.clone(), &settings.schedule, now, sign_ins)
        };
        let waits = waiting_users(job, &past, start, grants.as_ref().ok(), &users)?;
        let next_at = match start {
            _ if !waits.is_empty() => None,
            NextStart::At(at) => Some(at),
            _ => scheduler::starts_after(job, now).next(),
        };
        let not_before = last.and_then(|r| r.not_before.as_deref()).and_then(parse_time).filter(|at| *at > now);
        values.push(json!({
            "job": job.name,
            "description": job.description,
            "last_run_at": last.map(|r| &r.started_at),
            "last_state": last.map(|r| &r.state),
            "last_reason": last.and_then(|r| r.reason.as_ref()),
            "last_good_at": past.last_good.map(crate::store::timestamp),
            "not_before": not_before.map(crate::store::timestamp),
            "next_at": next_at.map(crate::store::timestamp),
            "due": start.due().is_some(),
            "streams": sweeps.iter().filter(|it| it.job == job.name).map(|it| it.as_json(now)).collect::<Vec<_>>(),
            "waits_for_sign_in": waits,
            "grants": match &grants {
                Ok(_) => users.iter().map(|user| user.as_json(now)).collect::<Vec<_>>(),
                Err(_) => sign_in_status::unknown_users(job),
            },
        }));
        let when = |at: Option<DateTime<Utc>>| at.map_or_else(|| "-".to_owned(), format_local);
        rows.push(vec![
            printable(&job.name),
            when(last.and_then(|r| parse_time(&r.started_at))),
            last.map_or_else(|| mark_state("never run"), |r| mark_state(&r.state)),
            match waits.as_slice() {
                [] => describe_start(start, last, now),
                users => format!("after the sign-in of {}", printable(&users.join(", "))),
            },
            past.last_good.map_or_else(|| "-".to_owned(), |at| format_age(now, at)),
            match &grants {
                Err(_) if job.users != JobUsers::None => "unknown".to_owned(),
                _ => describe_sign_ins(&users, now),
            },
        ]);
    }
    for it in &sweeps {
        let oldest = it.oldest.map_or_else(|| "not read yet".to_owned(), |at| format_age(now, at));
        swept.push(vec![printable(&it.job), printable(&it.fetch), it.stream.to_owned(), oldest, it.describe()]);
    }
    for name in &loaded.broken {
        values.push(json!({ "job": name, "last_state": "broken file" }));
        rows.push(vec![
            printable(name),
            "-".into(),
            mark_state("broken file"),
            "see `check`".into(),
            "-".into(),
            "-".into(),
        ]);
    }
    if let Err(e) = &grants
        && loaded.jobs.iter().any(|job| job.users != JobUsers::None)
    {
        context.report(e);
    }
    if loaded.has_errors() && loaded.broken.is_empty() {
        context.report(&CommandError::Problems(loaded.problems.clone()));
    }
    let targets = target_rows::TargetRows::read(context, &database, state.as_ref().map(|dir| dir.path()));
    let lost = report_lost_store(context, &settings);
    if context.json {
        print::json(&json!({ "jobs": values, "targets": targets.as_json() })).or_exit(ExitStatus::Storage)?;
    } else {
        print::paragraphs(&format_table(&rows)).or_exit(ExitStatus::Storage)?;
        if swept.len() > 1 {
            print::paragraphs(&format!("\n{}", format_table(&swept))).or_exit(ExitStatus::Storage)?;
        }
        if let Some(table) = targets.as_table() {
            print::paragraphs(&format!("\n{table}")).or_exit(ExitStatus::Storage)?;
        }
    }
    Ok(match lost {
        Some(exit) => exit,
        None if loaded.has_errors() => ExitStatus::Usage,
        None => ExitStatus::Complete,
    })
}

/// The users that must sign in before a job starts again, if there are any.
fn waiting_users(
    job: &Job,
    past: &JobHistory,
    start: NextStart,
    grants: Option<&Option<GrantStore>>,
    users: &[SignInStatus],
) -> Result<Vec<String>, CommandError> {
    let Some(grants) = grants.filter(|_| job.schedule.is_some() && past.needed_user_action()) else {
        return Ok(Vec::new());
    };
    if start.due().is_some() || !sign_in_status::sign_ins(job, grants.as_ref())?.all_missing {
        return Ok(Vec::new());
    }
    Ok(users.iter().filter(|user| user.must_sign_in()).map(|user| user.user.clone()).collect())
}

/// When a job starts next, as `check` and `jobs` say it. A job without a schedule that is deferred names the time from
/// which it can continue, as its run did.
pub(super) fn describe_start(start: NextStart, last: Option<&RunRow>, now: DateTime<Utc>) -> String {
    let not_before = last.and_then(|run| run.not_before.as_deref()).and_then(parse_time).filter(|at| *at > now);
    match (start, not_before) {
        (NextStart::Due(_), _) if last.is_none() => "now, first run".to_owned(),
        (NextStart::Due(_), _) => "now".to_owned(),
        (NextStart::At(at), _) => format_local(at),
        (NextStart::Never, Some(at)) => format!("by hand, not before {}", format_local(at)),
        (NextStart::Never, None) => "by hand".to_owned(),
    }
}

fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    text.parse().ok()
}

/// `home 180 days, studio must sign in`.
fn describe_sign_ins(users: &[SignInStatus], now: DateTime<Utc>) -> String {
    let words: Vec<String> = users.iter().map(|user| printable(&user.describe(now))).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

/// `3 h ago`.
fn format_age(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    match (now - at).num_seconds() {
        s @ ..120 => format!("{} s ago", s.max(0)),
        s @ 120..7_200 => format!("{} min ago", s / 60),
        s @ 7_200..172_800 => format!("{} h ago", s / 3_600),
        s => format!("{} days ago", s / 86_400),
    }
}
