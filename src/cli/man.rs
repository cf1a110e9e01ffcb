//! `man`: prints the manual page, from the same declarations as `--help`. One page describes all commands,
//! since separate pages would have to be installed separately.

use std::io;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::args::Cli;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};

/// The files that are read and written, relative to the project folder.
const FILES: &[(&str, &str)] = &[
    ("config/cratedigger.toml", "settings, all optional"),
    ("jobs/*.toml", "jobs, one per file"),
    (".env", "SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET, unless they are set elsewhere"),
    ("output/cratedigger.db", "the store"),
    ("output/csv/JOB/", "the CSV files of a job and their datapackage.json"),
    ("~/.local/state/cratedigger/", "the state folder, unless --state-dir, state.dir or $STATE_DIRECTORY name another"),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("SPOTIFY_CLIENT_ID, SPOTIFY_CLIENT_SECRET", "the app; with the suffix _FILE, the file that contains the value"),
    (
        "CREDENTIALS_DIRECTORY",
        "a folder with spotify_client_id, spotify_client_secret and cratedigger_key, as systemd provides it",
    ),
    ("CRATEDIGGER_KEY_FILE", "the file of the key that encrypts grants, if it is not in the state folder"),
    ("CRATEDIGGER__SECTION__KEY", "overrides a setting: CRATEDIGGER__LIMITS__MAX_WAIT=5m"),
    ("HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE", "how to connect to Spotify"),
    ("NO_COLOR", "no colours"),
];

/// Prints the page in roff.
///
/// # Errors
///
/// If stdout cannot be written.
pub fn run(_: &CommandContext) -> Result<ExitStatus, CommandError> {
    let mut page = Vec::new();
    write_page(&mut page).or_exit(ExitStatus::Failed)?;
    print::stdout(&String::from_utf8_lossy(&page)).or_exit(ExitStatus::Storage)?;
    Ok(ExitStatus::Complete)
}

fn write_page(page: &mut Vec<u8>) -> io::Result<()> {
    let mut cli = Cli::command();
    cli.build();
    let man = Man::new(cli.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    page.extend(b".SH COMMANDS\n");
    for command in cli.get_subcommands() {
        write_command(page, command, "cratedigger")?;
    }
    let mut exits = ExitStatus::BY_PRECEDENCE;
    exits.sort_by_key(|exit| exit.code());
    let exits = exits.map(|exit| (exit.code().to_string(), exit.meaning()));
    write_list(page, "EXIT STATUS", exits.iter().map(|(code, meaning)| (code.as_str(), *meaning)));
    write_list(page, "FILES", FILES.iter().copied());
    write_list(page, "ENVIRONMENT", ENVIRONMENT.iter().copied());
    Ok(())
}

/// Writes a command with its arguments and options, or its subcommands.
fn write_command(page: &mut Vec<u8>, command: &Command, path: &str) -> io::Result<()> {
    if command.is_hide_set() || command.get_name() == "help" {
        return Ok(());
    }
    let path = format!("{path} {}", command.get_name());
    if command.has_subcommands() {
        return command.get_subcommands().try_for_each(|inner| write_command(page, inner, &path));
    }
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    page.extend(format!(".SS \"{path}\"\n{}\n", escaped(&about)).into_bytes());
    // Global options and --help are described once.
    let own = command.get_arguments().filter(|arg| !arg.is_global_set() && arg.get_id() != "help");
    for arg in own {
        let mut name = match (arg.get_short(), arg.get_long()) {
            (Some(short), Some(long)) => format!("-{short}, --{long}"),
            (None, Some(long)) => format!("--{long}"),
            (Some(short), None) => format!("-{short}"),
            (None, None) => String::new(),
        };
        if arg.get_action().takes_values() {
            let values = arg.get_value_names().unwrap_or_default().iter().map(ToString::to_string);
            let values = values.collect::<Vec<_>>().join(" ");
            name = if name.is_empty() { values } else { format!("{name} {values}") };
        }
        let choices: Vec<String> = arg.get_possible_values().iter().map(|v| v.get_name().to_owned()).collect();
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let said = arg.get_action().takes_values() && !choices.is_empty();
        let choices = if said { format!(" ({})", choices.join(", ")) } else { String::new() };
        write_item(page, &name, &format!("{help}{choices}"));
    }
    Ok(())
}

fn write_list<'a>(page: &mut Vec<u8>, title: &str, items: impl Iterator<Item = (&'a str, &'a str)>) {
    page.extend(format!(".SH \"{title}\"\n").into_bytes());
    items.for_each(|(name, about)| write_item(page, name, about));
}

fn write_item(page: &mut Vec<u8>, name: &str, about: &str) {
    page.extend(format!(".TP\n\\fB{}\\fR\n{}\n", escaped(name), escaped(about)).into_bytes());
}

/// Escapes a text for roff: no line is a request, and a minus stays a minus.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let line = |line: &str| if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_lists_every_command_and_option() {
        let mut page = Vec::new();
        write_page(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(!page.contains("(1)"), "a page of its own for a command");
        let mut cli = Cli::command();
        cli.build();
        let mut commands: Vec<&Command> = cli.get_subcommands().collect();
        let mut options = 0;
        while let Some(command) = commands.pop() {
            if command.get_name() == "help" || command.is_hide_set() {
                continue;
            }
            commands.extend(command.get_subcommands());
            for long in command.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(page.contains(&escaped(&format!("--{long}"))), "{} --{long}", command.get_name());
                options += 1;
            }
        }
        assert!(options > 50, "{options}");
        assert!(page.contains(".SS \"cratedigger auth login\"\n"));
        assert!(page.contains("\n.TP\n\\fB75\\fR\n"));
    }
}
