//! The command line: one file per command, and the only place that prints.
//!
//! A command is `run(args, &Context) -> Result<Exit, Failure>`. To add one, add its arm to
//! [`args::Command`] and to the `match` below.

pub mod args;
pub mod auth;
mod backup;
mod budget;
mod check;
mod compact;
mod completions;
mod context;
mod demo;
mod diff;
mod doctor;
mod exit;
mod export;
mod failure;
mod figures;
mod help;
mod herald;
mod history;
mod init;
mod jobs;
mod logging;
mod man;
mod plan;
mod planner;
mod preflight;
mod pricing;
pub mod print;
mod progress;
mod quota;
mod reset;
mod run;
mod runner;
mod sandbox;
mod schedule;
mod schema;
mod show;
mod standing;
mod stopper;
mod streams;
mod summary;
mod verify;
mod when;
mod workshop;

use std::ffi::OsString;

use clap::Parser;

pub use context::Context;
pub use exit::Exit;
pub use failure::{Failure, OrExit};

use args::{Cli, Command};

/// A message that repeats the address of an answer, without what the answer says: it may end up in a log.
fn without_codes(message: &str) -> Option<String> {
    let mut parts = message.split('?');
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_whitespace() || c == '\'').unwrap_or(part.len());
        out.push_str(if end == 0 { "?" } else { "?…" });
        out.push_str(&part[end..]);
    }
    ["code=", "state="].iter().any(|key| message.contains(key)).then_some(out)
}

/// A usage error as any other failure: the first paragraph is what is wrong, the others what could be done.
fn misused(message: &str) -> Failure {
    let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut parts = message.trim().split("\n\n").map(line);
    let what = parts.next().unwrap_or_default();
    let error = anyhow::anyhow!("{}", what.strip_prefix("error: ").unwrap_or(&what).to_owned());
    Failure::new(Exit::Usage, error).with_hint(parts.collect::<Vec<_>>().join("; "))
}

/// Runs a command line and says how the process ends.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and versions are asked for, and go to stdout; the rest is a usage error.
            if !error.use_stderr() {
                drop(error.print());
                return Exit::Complete;
            }
            let told = without_codes(&error.to_string());
            match &told {
                None => drop(error.print()),
                Some(text) => print::stderr(text),
            }
            // What could not be understood may have asked for an answer in JSON all the same.
            if args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json") {
                print::failed(&misused(&told.unwrap_or_else(|| error.to_string())).json());
            }
            return Exit::Usage;
        }
    };
    logging::start(&cli.global);
    let context = Context::new(&cli.global);
    match dispatch(cli.command, &context) {
        Ok(exit) => exit,
        Err(failure) => {
            context.tell(&failure);
            if context.json {
                print::failed(&failure.json());
            }
            failure.exit()
        }
    }
}

fn dispatch(command: Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Init(args) => init::run(&args, context),
        Command::Check(args) => check::run(&args, context),
        Command::Streams(args) => streams::run(&args, context),
        Command::Schema(args) => schema::run(&args, context),
        Command::Run(args) => run::run(&args, context),
        Command::Schedule(args) => schedule::run(&args, context),
        Command::Export(args) => export::run(&args, context),
        Command::Jobs(args) => jobs::run(&args, context),
        Command::History(args) => history::run(&args, context),
        Command::Plan(args) => plan::run(&args, context),
        Command::Diff(args) => diff::run(&args, context),
        Command::Show(args) => show::run(&args, context),
        Command::Verify(args) => verify::run(&args, context),
        Command::Backup(args) => backup::run(&args, context),
        Command::Compact => compact::run(context),
        Command::Reset(args) => reset::run(&args, context),
        Command::Quota(args) => quota::run(&args, context),
        Command::Auth(args) => auth::run(&args, context),
        Command::Doctor(args) => doctor::run(&args, context),
        Command::Demo(args) => demo::run(&args, context),
        Command::Sandbox(args) => sandbox::run(&args, context),
        Command::Completions(args) => completions::run(&args, context),
        Command::Man => man::run(context),
    }
}
