//! `backup FILE`: a consistent copy of the store, while runs go on.

use serde_json::json;

use super::args::Backup;
use super::workshop::{must_exist, storage, store_access};
use super::{Context, Exit, Failure, OrExit, print};
use crate::store::backup;

/// Copies the store.
pub fn run(args: &Backup, context: &Context) -> Result<Exit, Failure> {
    let settings = context.settings()?;
    let database = context.project.database(&settings);
    must_exist(context, &settings)?;
    let bytes = backup(&database, &args.file, store_access(&settings)?).map_err(storage)?;
    if context.json {
        print::json(&json!({ "store": database, "copy": args.file, "bytes": bytes })).or_exit(Exit::Storage)?;
    } else if !context.quiet {
        print::stderr(&format!("copied {} to {} ({bytes} bytes)\n", database.display(), args.file.display()));
    }
    Ok(Exit::Complete)
}
