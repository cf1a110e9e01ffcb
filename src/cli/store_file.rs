//! Whether the store exists, has been lost, or is not created yet.

use std::path::Path;

use super::app::App;
use super::error_exits::{ledger_error, store_error};
use super::local_time::format_local;
use super::{CommandContext, CommandError, ExitStatus};
use crate::settings::Settings;
use crate::store::{StoreError, canonical_path};
use spotify_client::state::StateDb;

/// Whether no file exists at the path. If that cannot be found out, opening the file gives the error.
pub(super) fn is_absent(path: &Path) -> bool {
    path.try_exists().is_ok_and(|exists| !exists)
}

/// The error that a store which existed before is missing. Its disk may not be mounted, so a new store must
/// not take its place.
pub(super) fn lost_store(state: &StateDb, database: &Path) -> Result<Option<StoreError>, CommandError> {
    if !is_absent(database) {
        return Ok(None);
    }
    let since = state.known_stores().known_since(&canonical_path(database)).map_err(ledger_error)?;
    Ok(since.map(|since| StoreError::Missing { path: database.to_path_buf(), since: format_local(since) }))
}

/// Refuses to go on if a store that existed before is missing (exit 74).
pub(super) fn require_store_not_lost(state: &StateDb, database: &Path) -> Result<(), CommandError> {
    lost_store(state, database)?.map_or(Ok(()), |lost| Err(store_error(lost)))
}

/// Refuses to go on without a store (exit 74).
pub(super) fn require_store(context: &CommandContext, settings: &Settings) -> Result<(), CommandError> {
    let database = context.project.database(settings);
    if database.exists() {
        return Ok(());
    }
    let what = format!("there is no store at {}", database.display());
    Err(match find_lost_store(context, settings) {
        Some(lost) => CommandError::new(ExitStatus::Storage, anyhow::Error::from(lost).context(what)),
        None => {
            CommandError::new(ExitStatus::Storage, anyhow::anyhow!(what)).with_hint("`cratedigger run` creates one")
        }
    })
}

/// As [`lost_store`], for commands that have not opened the state folder. Without a state folder there has
/// never been a store.
pub(super) fn find_lost_store(context: &CommandContext, settings: &Settings) -> Option<StoreError> {
    context.state_dir(settings).ok().filter(|dir| dir.path().exists())?;
    let app = App::open(context, settings).ok()?;
    lost_store(&app.state, &app.database_path()).ok()?
}

/// Reports a store that existed before and is missing, and returns the exit status for it.
pub(super) fn report_lost_store(context: &CommandContext, settings: &Settings) -> Option<ExitStatus> {
    let lost = store_error(find_lost_store(context, settings)?);
    context.report(&lost);
    Some(ExitStatus::Storage)
}
