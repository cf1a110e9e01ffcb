//! `backup FILE`: a consistent copy of the store, while runs go on.

use serde_json::json;

use super::app::{require_store, storage_error, store_access};
use super::args::BackupArgs;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::store::backup;

/// Copies the store.
pub fn run(args: &BackupArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    let database = context.project.database(&settings);
    require_store(context, &settings)?;
    let bytes = backup(&database, &args.file, store_access(&settings)?).map_err(storage_error)?;
    if context.json {
        print::json(&json!({ "store": database, "copy": args.file, "bytes": bytes })).or_exit(ExitStatus::Storage)?;
    } else if !context.quiet {
        print::stderr(&format!("copied {} to {} ({bytes} bytes)\n", database.display(), args.file.display()));
    }
    Ok(ExitStatus::Complete)
}
