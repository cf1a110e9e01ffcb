//! `compact`: rewrites the database to reclaim the space of deleted rows.
//!
//! It needs the store for itself: no run can start meanwhile, and it does not start during a run. Readers
//! are not affected.

use std::path::Path;

use serde_json::json;

use super::app::App;
use super::error_exits::store_error;
use super::runtime::runtime;
use super::store_file::require_store;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::store::{
    CompactReport, RawAnswers, RunRow, RunState, StoreError, bytes_needed_to_compact, free_bytes, newest_runs_by_job,
};
use crate::sync::{LockError, StoreLock, mark_crashed_runs};

pub fn run(context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    let app = App::open(context, &settings)?;
    let database = app.database_path();
    require_store(context, app.settings)?;
    // Opening checks that the store belongs to this state folder, where the locks used below are.
    let store = app.store()?;
    let _lock = lock_store(&app, "")?;
    let needed = bytes_needed_to_compact(&database).map_err(store_error)?;
    if let Some(free) = free_bytes(&database).filter(|free| *free < needed) {
        let what = "the new file next to the old one";
        return Err(store_error(StoreError::NoSpace { path: database, what, free, needed }));
    }
    let compacted = runtime()?.block_on(store.compact()).map_err(store_error)?;
    let raw = RawAnswers::compact(&database).map_err(store_error)?;
    if context.json {
        print::json(&json!({ "database": database, "store": compacted, "raw": raw })).or_exit(ExitStatus::Storage)?;
        return Ok(ExitStatus::Complete);
    }
    let say = |what: &str, done: &CompactReport| {
        context.notice(&format!("{what}: {} bytes before, {} now", done.bytes_before, done.bytes_after));
        if done.wal_bytes > 0 {
            context.notice(&format!(
                "warning: another program is reading; {} bytes stay in the -wal file until the next run after that",
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

/// Locks the store against runs and exports. `so_far` says what the command has done, if that is not plain.
pub(super) fn lock_store(app: &App<'_>, so_far: &str) -> Result<StoreLock, CommandError> {
    let database = app.database_path();
    StoreLock::take(app.state.path(), &database).map_err(|e| match e {
        LockError::InUse { .. } => {
            let holder = describe_lock_holder(app.state.path(), &database);
            let separator = if so_far.is_empty() { "" } else { "; " };
            CommandError::new(ExitStatus::Deferred, e)
                .with_hint(format!("{so_far}{separator}{holder}; try again when it has finished"))
        }
        _ => CommandError::new(ExitStatus::Storage, e),
    })
}

/// Shares the store with runs, so that no purge is in progress. `so_far` says what the command has done.
pub(super) fn share_store(app: &App<'_>, so_far: &str) -> Result<StoreLock, CommandError> {
    StoreLock::share(app.state.path(), &app.database_path()).map_err(|e| match e {
        LockError::Io { .. } => CommandError::new(ExitStatus::Storage, e),
        _ => CommandError::new(ExitStatus::Deferred, e).with_hint(format!("{so_far}; try again later")),
    })
}

/// Describes the run that uses the store.
fn describe_lock_holder(state_folder: &Path, database: &Path) -> String {
    let mut newest: Vec<RunRow> =
        newest_runs_by_job(database, 1).unwrap_or_default().into_iter().flat_map(|(_, newest)| newest.runs).collect();
    mark_crashed_runs(state_folder, database, &mut newest);
    let running = newest.into_iter().filter(|run| run.state == RunState::Running.as_str());
    let running: Vec<String> = running.map(|run| run.job).collect();
    match running.as_slice() {
        [] => "an `export` or another `compact` is in progress, or a run has just started".to_owned(),
        jobs => format!("a run of {} is in progress", jobs.join(", ")),
    }
}
