//! `backup FILE`: writes a consistent copy of the store, even while jobs are running. With `--all`, an archive of the
//! whole project.

use serde_json::json;

use super::args::BackupArgs;
use super::error_exits::store_error;
use super::store_file::require_store;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::store::{FileAccess, backup};

pub(super) mod archive;
mod secret_files;
mod secret_origins;

pub fn run(args: &BackupArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    if args.all {
        return archive::write(args, context);
    }
    let settings = context.settings()?;
    let database = context.project.database(&settings);
    require_store(context, &settings)?;
    // Permission to read the store does not include its copies, and a copy outlives the settings.
    let bytes = backup(&database, &args.file, FileAccess::from_mode(0o600)).map_err(store_error)?;
    if context.json {
        print::json(&json!({ "store": database, "copy": args.file, "bytes": bytes })).or_exit(ExitStatus::Storage)?;
    } else if !context.quiet {
        print::stderr(&format!("copied {} to {} ({bytes} bytes)\n", database.display(), args.file.display()));
    }
    Ok(ExitStatus::Complete)
}
