//! The help of every command.

use std::collections::BTreeSet;
use std::path::Path;

use clap::CommandFactory as _;
use cratedigger::cli::args::Cli;

use crate::support::project::{Project, stdout};
use crate::support::snapshot::assert_text;

/// Command lines of all subcommands, in the order of the help.
fn command_lines(command: &clap::Command, before: &[String], found: &mut Vec<Vec<String>>) {
    found.push(before.to_vec());
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        command_lines(inner, &[before, &[inner.get_name().to_owned()]].concat(), found);
    }
}

#[test]
fn every_command_has_its_help() {
    let mut lines = Vec::new();
    command_lines(&Cli::command(), &[], &mut lines);
    assert!(lines.len() > 20, "{lines:?}");
    let project = Project::new();
    let mut names = BTreeSet::new();
    for line in lines {
        let args: Vec<&str> = line.iter().map(String::as_str).chain(["--help"]).collect();
        let name = if line.is_empty() { "cratedigger".to_owned() } else { line.join("-") };
        assert_text(&name, &stdout(&project.run(&args)));
        names.insert(format!("help__{name}.snap"));
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cli/snapshots");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let held: BTreeSet<String> = files.filter(|name| name.starts_with("help__")).collect();
    assert_eq!(held, names, "left: snapshots of commands, right: commands");
}
