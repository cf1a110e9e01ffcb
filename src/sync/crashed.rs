//! Runs that were killed and are still recorded as running.

use std::collections::BTreeSet;
use std::path::Path;

use super::job_lock::JobLock;
use crate::store::{CRASHED_REASON, RunRow, RunState, running_run_ids};
use spotify_client::state::read_state_id;

/// Marks runs as failed if they are recorded as running but their lock is free, in the state folder of the store.
/// A run counts as running if its lock cannot be checked. Returns the number of crashed runs.
pub fn mark_crashed_runs<'r>(
    state_folder: &Path,
    database: &Path,
    runs: impl IntoIterator<Item = &'r mut RunRow>,
) -> usize {
    let is_silent =
        |run: &RunRow| run.state == RunState::Running.as_str() && !JobLock::is_held(state_folder, database, &run.job);
    let mut silent: Vec<&mut RunRow> = runs.into_iter().filter(|run| is_silent(run)).collect();
    if silent.is_empty() {
        return 0;
    }
    let Some(id) = read_state_id(state_folder) else { return 0 };
    // A run that has finished since then has written its record before it released its lock.
    let Ok(running) = running_run_ids(database, &id) else { return 0 };
    let running: BTreeSet<i64> = running.into_iter().collect();
    silent.retain(|run| running.contains(&run.id));
    for run in &mut silent {
        run.state = RunState::Failed.as_str().to_owned();
        run.reason = Some(CRASHED_REASON.to_owned());
    }
    silent.len()
}
