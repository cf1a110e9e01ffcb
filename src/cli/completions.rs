//! `completions SHELL`: prints a completion script.

use clap::CommandFactory;

use super::args::{Cli, CompletionsArgs};
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};

///
/// # Errors
///
/// If stdout cannot be written.
pub fn run(args: &CompletionsArgs, _: &CommandContext) -> Result<ExitStatus, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cratedigger", &mut script);
    print::stdout(&String::from_utf8_lossy(&script)).or_exit(ExitStatus::Storage)?;
    Ok(ExitStatus::Complete)
}
