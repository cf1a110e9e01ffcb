//! `schema job|config`: what editors complete and check files by.

use super::args::{Schema, SchemaOf};
use super::{Context, Exit, Failure, OrExit, print};
use crate::{job, settings};

/// Prints the schema.
///
/// # Errors
///
/// If stdout cannot be written.
pub fn run(args: &Schema, _: &Context) -> Result<Exit, Failure> {
    print::stdout(&text(args.of)).or_exit(Exit::Storage)?;
    Ok(Exit::Complete)
}

/// A schema as it is written to files.
pub(super) fn text(of: SchemaOf) -> String {
    let schema = match of {
        SchemaOf::Job => job::json_schema(),
        SchemaOf::Config => settings::json_schema(),
    };
    format!("{schema:#}\n")
}
