//! `schema job|config`: what editors complete and check files by.

use super::args::{SchemaArgs, SchemaKind};
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::{job, settings};

/// Prints the schema.
///
/// # Errors
///
/// If stdout cannot be written.
pub fn run(args: &SchemaArgs, _: &CommandContext) -> Result<ExitStatus, CommandError> {
    print::stdout(&schema_text(args.of)).or_exit(ExitStatus::Storage)?;
    Ok(ExitStatus::Complete)
}

/// A schema as it is written to files.
pub(super) fn schema_text(of: SchemaKind) -> String {
    let schema = match of {
        SchemaKind::Job => job::json_schema(),
        SchemaKind::Config => settings::json_schema(),
    };
    format!("{schema:#}\n")
}
