//! Whether the store exists, has been lost, or is not created yet.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User};
use rustix::fs::Access;
use rustix::io::Errno;

use super::app::App;
use super::error_exits::{ledger_error, store_error};
use super::local_time::format_local;
use super::{CommandContext, CommandError, ExitStatus};
use crate::document::shell_word;
use crate::settings::Settings;
use crate::store::{StoreError, canonical_path};
use spotify_client::state::StateDb;

/// Whether no file exists at the path. If that cannot be found out, opening the file gives the error.
pub(super) fn is_absent(path: &Path) -> bool {
    path.try_exists().is_ok_and(|exists| !exists)
}

/// Whether there is a store. It is an error (exit 74) if this user may not read it.
pub(super) fn has_readable_store(database: &Path) -> Result<bool, CommandError> {
    match rustix::fs::access(database, Access::READ_OK) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(Errno::ACCESS | Errno::PERM) => Err(unreadable_store(database)),
        // Opening it gives the error.
        Err(_) => Ok(true),
    }
}

/// The error that a store or a folder above it is closed to this user, with who may read it.
fn unreadable_store(database: &Path) -> CommandError {
    let above: Vec<&Path> = database.ancestors().filter(|path| !path.as_os_str().is_empty()).collect();
    let needed = |path: &Path| if path == database { Access::READ_OK } else { Access::EXEC_OK };
    let closed = above.into_iter().rev().find(|path| rustix::fs::access(*path, needed(path)).is_err());
    let closed = closed.unwrap_or(database);
    let what = format!("permission denied: this user may not read {}", canonical_path(database).display());
    let error = CommandError::new(ExitStatus::Storage, anyhow::anyhow!(what));
    let Ok(found) = std::fs::metadata(closed) else { return error };
    let owner = user_name(Uid::from_raw(found.uid()));
    let group = Group::from_gid(Gid::from_raw(found.gid())).ok().flatten();
    let group = group.map_or_else(|| format!("#{}", found.gid()), |group| group.name);
    let as_owner = format!("run the command as {owner}: sudo -u {} …", shell_word(&owner));
    let for_group = if found.is_dir() { 0o010 } else { 0o040 };
    error.with_hint(if found.mode() & for_group != 0 {
        let me = user_name(Uid::effective());
        format!(
            "its group may read it: `sudo usermod -a -G {} {}`, then log in again; or {as_owner}",
            shell_word(&group),
            shell_word(&me)
        )
    } else {
        format!("{as_owner}; or open the files to a group with output.mode and output.group")
    })
}

/// The name of a user, or the number if there is none.
pub(super) fn user_name(id: Uid) -> String {
    User::from_uid(id).ok().flatten().map_or_else(|| format!("#{id}"), |user| user.name)
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
    if has_readable_store(&database)? {
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
