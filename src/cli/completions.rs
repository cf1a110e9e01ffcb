//! `completions SHELL`: a script that completes this command line.

use clap::CommandFactory;

use super::args::{Cli, Completions};
use super::{Context, Exit, Failure, OrExit, print};

/// Prints the script.
///
/// # Errors
///
/// If stdout cannot be written.
pub fn run(args: &Completions, _: &Context) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cratedigger", &mut script);
    print::stdout(&String::from_utf8_lossy(&script)).or_exit(Exit::Storage)?;
    Ok(Exit::Complete)
}
