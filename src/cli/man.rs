//! `man`: the manual page, from the same declarations as `--help`.

use clap::CommandFactory;

use super::args::Cli;
use super::{Context, Exit, Failure, OrExit, print};

/// Prints the page, in roff.
///
/// # Errors
///
/// If stdout cannot be written.
pub fn run(_: &Context) -> Result<Exit, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page).or_exit(Exit::Failed)?;
    for command in Cli::command().get_subcommands().filter(|c| !c.is_hide_set()) {
        let title = format!("cratedigger {}", command.get_name());
        page.extend(format!(".SH \"{}\"\n", title.to_uppercase()).into_bytes());
        let man = clap_mangen::Man::new(command.clone());
        man.render_description_section(&mut page).or_exit(Exit::Failed)?;
        man.render_options_section(&mut page).or_exit(Exit::Failed)?;
    }
    print::stdout(&String::from_utf8_lossy(&page)).or_exit(Exit::Storage)?;
    Ok(Exit::Complete)
}
