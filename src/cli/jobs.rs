//! `jobs`: each job with its next and last run, the age of its data, and the days left of its sign-ins;
//! and for each of its streams how old the oldest row is, and how long reading all of it anew takes.

mod sweeps;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::args::Jobs;
use super::standing::{self, Standing};
use super::workshop::local;
use super::{Context, Exit, Failure, OrExit, print};
use crate::document::printable;
use crate::run::tell_dead;
use crate::scheduler::{self, Past};

/// Lists jobs.
pub fn run(args: &Jobs, context: &Context) -> Result<Exit, Failure> {
    let settings = context.settings()?;
    let loaded = context.jobs(&settings, &args.jobs);
    if loaded.has_errors() && !args.jobs.is_empty() {
        return Err(Failure::Problems(loaded.problems));
    }
    let (database, state) = (context.project.database(&settings), context.state_dir(&settings).ok());
    let past = Past::read(&database).or_exit(Exit::Storage)?;
    let now = Utc::now();
    let mut rows = vec![["JOB", "LAST RUN", "STATE", "NEXT", "DATA FROM", "SIGNED IN"].map(str::to_owned).to_vec()];
    let mut values = Vec::new();
    let grants = standing::open(context, &settings);
    let sweeps = sweeps::of(context, &settings, &loaded.jobs);
    let mut swept = vec![["JOB", "FETCH", "STREAM", "OLDEST ROW", "ALL OF IT ANEW"].map(str::to_owned).to_vec()];
    for job in &loaded.jobs {
        let users =
            grants.as_ref().ok().map(|grants| standing::of(job, grants.as_ref())).transpose()?.unwrap_or_default();
        let mut past = past.of(&job.name);
        if let Some(state) = &state {
            tell_dead(state.path(), &database, past.runs.first_mut());
        }
        let last = past.runs.first();
        let next = scheduler::starts_after(job, now).next();
        let not_before = last.and_then(|r| r.not_before.as_deref()).and_then(parse).filter(|at| *at > now);
        values.push(json!({
            "job": job.name,
            "description": job.description,
            "last_run_at": last.map(|r| &r.started_at),
            "last_state": last.map(|r| &r.state),
            "last_reason": last.and_then(|r| r.reason.as_ref()),
            "last_good_at": past.last_good.map(crate::run::stamp),
            "not_before": not_before.map(crate::run::stamp),
            "next_at": next.map(crate::run::stamp),
            "streams": sweeps.iter().filter(|it| it.job == job.name).map(|it| it.as_json(now)).collect::<Vec<_>>(),
            "grants": users.iter().map(|user| user.as_json(now)).collect::<Vec<_>>(),
        }));
        let when = |at: Option<DateTime<Utc>>| at.map_or_else(|| "-".to_owned(), local);
        rows.push(vec![
            printable(&job.name),
            when(last.and_then(|r| parse(&r.started_at))),
            last.map_or_else(|| "never run".to_owned(), |r| r.state.clone()),
            not_before.or(next).map_or_else(|| "by hand".to_owned(), local),
            past.last_good.map_or_else(|| "-".to_owned(), |at| age(now, at)),
            signed_in(&users, now),
        ]);
    }
    for it in &sweeps {
        let oldest = it.oldest.map_or_else(|| "not read yet".to_owned(), |at| age(now, at));
        swept.push(vec![printable(&it.job), printable(&it.fetch), it.stream.to_owned(), oldest, it.words()]);
    }
    for name in &loaded.broken {
        values.push(json!({ "job": name, "last_state": "broken file" }));
        rows.push(vec![
            printable(name),
            "-".into(),
            "broken file".into(),
            "see `check`".into(),
            "-".into(),
            "-".into(),
        ]);
    }
    if let Err(e) = &grants {
        context.tell(e);
    }
    if context.json {
        print::json(&json!({ "jobs": values })).or_exit(Exit::Storage)?;
    } else {
        print::stdout(&print::table(&rows)).or_exit(Exit::Storage)?;
        if swept.len() > 1 {
            print::stdout(&format!("\n{}", print::table(&swept))).or_exit(Exit::Storage)?;
        }
    }
    Ok(if loaded.has_errors() { Exit::Usage } else { Exit::Complete })
}

fn parse(text: &str) -> Option<DateTime<Utc>> {
    text.parse().ok()
}

/// `home 180 days, studio must sign in`.
fn signed_in(users: &[Standing], now: DateTime<Utc>) -> String {
    let words: Vec<String> = users.iter().map(|user| printable(&user.words(now))).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

/// `3 h ago`.
fn age(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    match (now - at).num_seconds() {
        s @ ..120 => format!("{} s ago", s.max(0)),
        s @ 120..7_200 => format!("{} min ago", s / 60),
        s @ 7_200..172_800 => format!("{} h ago", s / 3_600),
        s => format!("{} days ago", s / 86_400),
    }
}
