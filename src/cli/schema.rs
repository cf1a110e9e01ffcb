//! `schema job|config|target`: prints the JSON Schema that editors use to complete and check files.

use super::args::{SchemaArgs, SchemaKind};
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::{job, settings, target};

///
/// # Errors
///
/// If stdout cannot be written.
pub fn run(args: &SchemaArgs, _: &CommandContext) -> Result<ExitStatus, CommandError> {
    print::stdout(&schema_text(args.of)).or_exit(ExitStatus::Storage)?;
    Ok(ExitStatus::Complete)
}

/// The text of a schema.
pub(super) fn schema_text(of: SchemaKind) -> String {
    let schema = match of {
        SchemaKind::Job => job::json_schema(),
        SchemaKind::Config => settings::json_schema(),
        SchemaKind::Target => target::json_schema(),
    };
    format!("{schema:#}\n")
}
