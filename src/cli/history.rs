//! `history`: past runs, newest first.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::args::History;
use super::workshop::local;
use super::{Context, Exit, Failure, OrExit, print};
use crate::document::printable;
use crate::run::tell_dead;
use crate::store::{Planned, past_runs};

/// Lists past runs.
pub fn run(args: &History, context: &Context) -> Result<Exit, Failure> {
    let settings = context.settings()?;
    let database = context.project.database(&settings);
    let mut runs =
        if database.exists() { past_runs(&database, args.limit).or_exit(Exit::Storage)? } else { Vec::new() };
    if let Some(job) = &args.job {
        runs.retain(|r| r.job == *job);
        if runs.is_empty() {
            print::stderr(&format!("{}: no run is recorded\n", printable(job)));
        }
    }
    runs.truncate(usize::try_from(args.limit).unwrap_or(usize::MAX));
    if let Ok(state) = context.state_dir(&settings) {
        tell_dead(state.path(), &database, &mut runs);
    }
    if context.json {
        let values: Vec<_> = runs
            .iter()
            .map(|r| {
                json!({
                    "run": r.id, "job": r.job, "state": r.state, "reason": r.reason, "fire_at": r.fire_at,
                    "started_at": r.started_at, "finished_at": r.finished_at, "not_before": r.not_before,
                    "exit_code": r.exit_code, "calls": r.calls, "rows": r.rows, "stored": r.stored, "skipped": r.skipped,
                    "planned": r.planned.map(|it| json!({ "least": it.least, "most": it.most })),
                })
            })
            .collect();
        print::json(&json!({ "runs": values })).or_exit(Exit::Storage)?;
        return Ok(Exit::Complete);
    }
    let mut rows =
        vec![["RUN", "JOB", "STARTED", "STATE", "PLANNED", "CALLS", "ITEMS", "WHY"].map(str::to_owned).to_vec()];
    for r in &runs {
        let started = r.started_at.parse::<DateTime<Utc>>().map_or_else(|_| r.started_at.clone(), local);
        let why = printable(r.reason.as_deref().unwrap_or(""));
        rows.push(vec![
            r.id.to_string(),
            printable(&r.job),
            started,
            r.state.clone(),
            planned(r.planned),
            r.calls.to_string(),
            r.rows.to_string(),
            why,
        ]);
    }
    print::stdout(&print::table(&rows)).or_exit(Exit::Storage)?;
    Ok(Exit::Complete)
}

/// `6`, `3 to 5`, `7+`; a run of an older version has no price.
fn planned(planned: Option<Planned>) -> String {
    match planned.map(|it| (it.least, it.most)) {
        None => "-".to_owned(),
        Some((least, None)) => format!("{least}+"),
        Some((least, Some(most))) if least == most => least.to_string(),
        Some((least, Some(most))) => format!("{least} to {most}"),
    }
}
