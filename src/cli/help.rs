//! The help of the program: commands in groups, examples, and exit codes.

use clap::Subcommand as _;

use super::args::Command;
use super::exit::ExitStatus;
use super::paragraph::{width_of, wrap_indented};

/// The commands by what a person wants to do. Clap has no groups of commands.
const GROUPS: [(&str, &[&str]); 6] = [
    ("Start", &["init", "demo", "check", "streams", "doctor"]),
    ("Run", &["plan", "run", "schedule", "export", "push", "singer", "jobs", "history"]),
    ("Read the data", &["report", "diff", "show", "find", "sql", "skipped"]),
    ("People and budget", &["auth", "import", "quota"]),
    ("Maintain", &["verify", "backup", "restore", "compact", "reset"]),
    ("For editors, shells and tests", &["schema", "completions", "man", "sandbox"]),
];

const EXAMPLES: &str = "\
Examples:
  cratedigger init ~/spotify           create a project, then follow what it prints
  cratedigger plan                     what all jobs would cost now
  cratedigger run roster-report        run one job
  cratedigger find strange overtones   in which of my lists is this song?
  cratedigger COMMAND --help           options and examples of a command
";

/// The template of the help, with the commands in groups.
pub(super) fn template() -> String {
    let commands = Command::augment_subcommands(clap::Command::new("cratedigger"));
    let about = |name: &str| commands.find_subcommand(name).and_then(clap::Command::get_about).map(ToString::to_string);
    let mut out = String::from("{about-with-newline}\n{usage-heading} {usage}\n");
    for (title, names) in GROUPS {
        out.push_str(&format!("\n{title}:\n"));
        for name in names {
            out.push_str(&fit(&format!("  {name:<11}  {}", about(name).unwrap_or_default()), 15));
        }
    }
    out.push_str("\nOptions:\n{options}{after-help}");
    out
}

/// The line, broken where the terminal ends. Clap does this with its own lists, up to the same width.
fn fit(line: &str, indent: usize) -> String {
    const WIDEST: usize = 100;
    let width = width_of(&std::io::stdout()).unwrap_or(WIDEST).min(WIDEST);
    wrap_indented(line, width, indent) + "\n"
}

/// The examples and the exit codes.
pub(super) fn after_help() -> String {
    format!("{EXAMPLES}\n{}", exit_codes())
}

/// The table of exit codes.
fn exit_codes() -> String {
    let mut out = String::from("Exit codes:\n");
    let mut exits = ExitStatus::BY_PRECEDENCE;
    exits.sort_by_key(|e| e.code());
    for exit in exits {
        out.push_str(&fit(&format!("  {:>2}  {}", exit.code(), exit.meaning()), 6));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let commands = Command::augment_subcommands(clap::Command::new("cratedigger"));
        let mut all: Vec<&str> = commands.get_subcommands().map(clap::Command::get_name).collect();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        all.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(grouped, all);
    }
}
