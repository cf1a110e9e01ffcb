//! Notices that `--shard` was forgotten, or names another number of shards: everything would be read again into another store.

use std::collections::BTreeSet;

use super::{CommandContext, CommandError, ExitStatus};
use crate::settings::{Settings, Shard};

/// Refuses to begin a store next to the stores of shards. A store that is there already only gets a warning.
///
/// # Errors
///
/// If the project has stores of shards, and this is none of the same division (exit 2).
pub(super) fn check_division(context: &CommandContext, settings: &Settings) -> Result<(), CommandError> {
    let database = context.project.database(settings);
    let (Some(name), Some(folder)) = (database.file_name(), database.parent()) else { return Ok(()) };
    let undivided = match (settings.shard, folder.parent()) {
        (Some(_), Some(around)) => around.join(name),
        _ => database.clone(),
    };
    // A folder that cannot be read is an error of the store.
    let counts: BTreeSet<u64> =
        Shard::all_beside(&undivided).unwrap_or_default().into_iter().map(Shard::count).collect();
    if counts.is_empty() || settings.shard.is_some_and(|shard| counts.contains(&shard.count())) {
        return Ok(());
    }
    let known = counts.iter().map(u64::to_string).collect::<Vec<_>>().join(" and ");
    let this = settings.shard.map_or_else(|| "`--shard` is missing".to_owned(), |of| format!("this is shard {of}"));
    let problem = format!("the project is divided into {known} shards, and {this}");
    if database.exists() {
        context.warn(None, &problem);
        return Ok(());
    }
    let last = counts.last().copied().unwrap_or(1);
    let error = anyhow::anyhow!("{problem}, so everything would be read again into another store");
    Err(CommandError::new(ExitStatus::Usage, error).with_hint(format!(
        "add `--shard 1/{last}` or another of them; to divide the users anew, move the folders shard-*-of-{last} away first"
    )))
}
