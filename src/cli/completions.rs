//! `completions SHELL`: prints a completion script, which asks this program for the words that fit.

use std::ffi::OsString;

use clap::CommandFactory;
use clap_complete::CompleteEnv;
use clap_complete::env::Shells;

use super::args::{Cli, CompletionsArgs};
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};

/// The variable with the name of the shell, in a call by a completion script.
const SHELL_VARIABLE: &str = "COMPLETE";
const PROGRAM: &str = "cratedigger";

///
/// # Errors
///
/// If stdout cannot be written.
pub fn run(args: &CompletionsArgs, _: &CommandContext) -> Result<ExitStatus, CommandError> {
    let mut script = Vec::new();
    let name = args.shell.to_string();
    let shells = Shells::builtins();
    let shell = shells.completer(&name).ok_or_else(|| {
        CommandError::new(ExitStatus::Usage, anyhow::anyhow!("there is no completion script for {name}"))
    })?;
    shell.write_registration(SHELL_VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script).or_exit(ExitStatus::Failed)?;
    print::stdout(&String::from_utf8_lossy(&script)).or_exit(ExitStatus::Storage)?;
    Ok(ExitStatus::Complete)
}

/// Prints the words that fit, if a completion script asks for them. Returns whether one did.
pub(super) fn answer_shell(args: &[OsString]) -> bool {
    // A command line without `--` is not that of a completion script.
    if std::env::var_os(SHELL_VARIABLE).is_none() || args.get(1).is_none_or(|arg| arg != "--") {
        return false;
    }
    let here = std::env::current_dir().ok();
    // A shell has no use for an error message.
    CompleteEnv::with_factory(Cli::command).try_complete(args.iter().cloned(), here.as_deref()).unwrap_or(true)
}
