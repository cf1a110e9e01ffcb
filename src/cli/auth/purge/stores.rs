//! All stores of a project: that of the command, and those of shards. A user moves to another shard when their number changes,
//! and the user who purges need not know in which of them the rows are.

use super::{PurgeOutcome, run};
use crate::cli::app::App;
use crate::cli::compact::lock_store;
use crate::cli::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::settings::{SettingFlags, Settings, Shard};
use spotify_client::state::grants::Grant;

/// A store other than that of the command, with the settings for it.
pub(in crate::cli::auth) struct OtherStore {
    pub(in crate::cli::auth) context: CommandContext,
    pub(in crate::cli::auth) settings: Settings,
}

/// The other stores of the project that exist.
pub(in crate::cli::auth) fn other_stores(context: &CommandContext) -> Result<Vec<OtherStore>, CommandError> {
    let of_shard = |shard: Option<Shard>| {
        let flags = SettingFlags { shard, ..context.flags.clone() };
        let context = CommandContext { flags, ..context.clone() };
        context.settings().map(|settings| OtherStore { context, settings })
    };
    let whole = of_shard(None)?;
    let database = whole.context.project.database(&whole.settings);
    let shards = Shard::all_beside(&database).or_exit(ExitStatus::Storage)?;
    let shards = shards.into_iter().filter(|shard| context.flags.shard != Some(*shard));
    let mut others: Vec<OtherStore> = shards.map(|shard| of_shard(Some(shard))).collect::<Result<_, _>>()?;
    if context.flags.shard.is_some() && database.exists() {
        others.insert(0, whole);
    }
    Ok(others)
}

/// Deletes a user's rows and files from all stores of the project. Returns those that had some.
pub(in crate::cli::auth) fn run_in_all<'a>(
    name: &str,
    grant: Option<&Grant>,
    stores: &[&'a App<'a>],
) -> Result<Vec<(&'a App<'a>, PurgeOutcome)>, CommandError> {
    // A run or an export in progress would write the deleted rows again.
    let existing = stores.iter().filter(|app| app.database_path().exists());
    let locks = existing.map(|app| lock_store(app, "nothing was deleted")).collect::<Result<Vec<_>, _>>()?;
    let mut purged = Vec::new();
    for app in stores {
        if let Some(outcome) = run(name, grant, app)? {
            purged.push((*app, outcome));
        }
    }
    match (purged.is_empty(), locks.len()) {
        (false, _) => {}
        (true, 0) => print::stderr("there is no store, so there is nothing to delete\n"),
        (true, 1) => print::stderr(&format!("the store has no data of {name}: no run has read the account\n")),
        (true, count) => {
            print::stderr(&format!("none of the {count} stores has data of {name}: no run has read the account\n"));
        }
    }
    Ok(purged)
}
