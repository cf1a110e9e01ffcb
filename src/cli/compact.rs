//! `compact`: the store written anew, without the room that deleted rows left.
//!
//! It has the store to itself for that long: no run begins meanwhile, and it does not begin beside
//! one. Readers are not disturbed.

use std::path::Path;

use serde_json::json;

use super::workshop::{Workshop, must_exist, runtime, storage};
use super::{Context, Exit, Failure, OrExit, print};
use crate::run::{LockTrouble, StoreLock, tell_dead};
use crate::store::{Compacted, RawKeeper, RunRow, RunState, StoreError, free_bytes, newest_runs, room_to_compact};

/// Writes the store anew.
pub fn run(context: &Context) -> Result<Exit, Failure> {
    let workshop = Workshop::open(context)?;
    let database = workshop.database();
    must_exist(context, &workshop.settings)?;
    // Its identity says that the locks of this state folder are those of its runs.
    let store = workshop.store()?;
    let _lock = StoreLock::take(workshop.state.path(), &database).map_err(|e| match e {
        LockTrouble::InUse { .. } => Failure::new(Exit::Deferred, e)
            .with_hint(format!("{}; try again when it has ended", who_runs(workshop.state.path(), &database))),
        _ => Failure::new(Exit::Storage, e),
    })?;
    let needed = room_to_compact(&database).map_err(storage)?;
    if let Some(free) = free_bytes(&database).filter(|free| *free < needed) {
        let what = "the new one while both stand";
        return Err(storage(StoreError::NoRoom { path: database, what, free, needed }));
    }
    let compacted = runtime()?.block_on(store.compact()).map_err(storage)?;
    let raw = RawKeeper::compact(&database).map_err(storage)?;
    if context.json {
        print::json(&json!({ "database": database, "store": compacted, "raw": raw })).or_exit(Exit::Storage)?;
        return Ok(Exit::Complete);
    }
    let say = |what: &str, done: &Compacted| {
        context.say(&format!("{what}: {} bytes before, {} now", done.bytes_before, done.bytes_after));
        if done.wal_bytes > 0 {
            context.say(&format!(
                "warning: another program is reading: {} bytes stand in the -wal until the first run after that",
                done.wal_bytes
            ));
        }
    };
    if !context.quiet {
        say(&database.display().to_string(), &compacted);
        raw.iter().for_each(|raw| say(&database.with_extension("raw.db").display().to_string(), raw));
    }
    Ok(Exit::Complete)
}

/// Whose run has the store, as far as it says.
fn who_runs(state_folder: &Path, database: &Path) -> String {
    let mut newest: Vec<RunRow> =
        newest_runs(database, 1).unwrap_or_default().into_iter().flat_map(|(_, newest)| newest.runs).collect();
    tell_dead(state_folder, database, &mut newest);
    let running = newest.into_iter().filter(|run| run.state == RunState::Running.word());
    let running: Vec<String> = running.map(|run| run.job).collect();
    match running.as_slice() {
        [] => "a run has just begun, or another `compact`".to_owned(),
        jobs => format!("a run of {} is under way", jobs.join(", ")),
    }
}
