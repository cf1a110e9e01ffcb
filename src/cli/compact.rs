//! `compact`: the store written anew, without the room that deleted rows left.
//!
//! It has the store to itself for that long: no run begins meanwhile, and it does not begin beside
//! one. Readers are not disturbed.

use std::path::Path;

use serde_json::json;

use super::app::{App, require_store, runtime, storage_error};
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::store::{
    CompactReport, RawAnswers, RunRow, RunState, StoreError, bytes_needed_to_compact, free_bytes, newest_runs_by_job,
};
use crate::sync::{LockError, StoreLock, mark_crashed_runs};

/// Writes the store anew.
pub fn run(context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let workshop = App::open(context)?;
    let database = workshop.database_path();
    require_store(context, &workshop.settings)?;
    // Its identity says that the locks of this state folder are those of its runs.
    let store = workshop.open_store()?;
    let _lock = StoreLock::take(workshop.state.path(), &database).map_err(|e| match e {
        LockError::InUse { .. } => CommandError::new(ExitStatus::Deferred, e).with_hint(format!(
            "{}; try again when it has ended",
            describe_lock_holder(workshop.state.path(), &database)
        )),
        _ => CommandError::new(ExitStatus::Storage, e),
    })?;
    let needed = bytes_needed_to_compact(&database).map_err(storage_error)?;
    if let Some(free) = free_bytes(&database).filter(|free| *free < needed) {
        let what = "the new one while both stand";
        return Err(storage_error(StoreError::NoSpace { path: database, what, free, needed }));
    }
    let compacted = runtime()?.block_on(store.compact()).map_err(storage_error)?;
    let raw = RawAnswers::compact(&database).map_err(storage_error)?;
    if context.json {
        print::json(&json!({ "database": database, "store": compacted, "raw": raw })).or_exit(ExitStatus::Storage)?;
        return Ok(ExitStatus::Complete);
    }
    let say = |what: &str, done: &CompactReport| {
        context.notice(&format!("{what}: {} bytes before, {} now", done.bytes_before, done.bytes_after));
        if done.wal_bytes > 0 {
            context.notice(&format!(
                "warning: another program is reading: {} bytes stand in the -wal until the first run after that",
                done.wal_bytes
            ));
        }
    };
    if !context.quiet {
        say(&database.display().to_string(), &compacted);
        raw.iter().for_each(|raw| say(&database.with_extension("raw.db").display().to_string(), raw));
    }
    Ok(ExitStatus::Complete)
}

/// Whose run has the store, as far as it says.
fn describe_lock_holder(state_folder: &Path, database: &Path) -> String {
    let mut newest: Vec<RunRow> =
        newest_runs_by_job(database, 1).unwrap_or_default().into_iter().flat_map(|(_, newest)| newest.runs).collect();
    mark_crashed_runs(state_folder, database, &mut newest);
    let running = newest.into_iter().filter(|run| run.state == RunState::Running.as_str());
    let running: Vec<String> = running.map(|run| run.job).collect();
    match running.as_slice() {
        [] => "a run has just begun, or another `compact`".to_owned(),
        jobs => format!("a run of {} is under way", jobs.join(", ")),
    }
}
