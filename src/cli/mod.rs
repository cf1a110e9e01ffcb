//! The command line: one file per command. Only this module prints.
//!
//! A command is `run(args, &CommandContext) -> Result<ExitStatus, CommandError>`. To add one, add its arm to
//! [`args::Command`] and to the `match` below.

mod app;
pub mod args;
pub mod auth;
mod backup;
mod budget;
mod candidates;
mod check;
mod command_error;
mod compact;
mod completions;
mod context;
mod core_files;
mod demo;
mod diff;
mod divided;
mod doctor;
mod error_exits;
mod exit;
mod export;
mod file_access;
mod find;
mod help;
mod history;
mod import;
mod init;
mod job_runner;
mod jobs;
mod local_time;
mod logging;
mod man;
mod metrics;
mod overview;
mod owner_hints;
mod paragraph;
mod plan;
mod planner;
mod preflight;
mod pricing;
pub mod print;
mod progress;
mod push;
mod quota;
mod report;
mod reporter;
mod reset;
mod restore;
mod run;
mod runtime;
mod sandbox;
mod schedule;
mod schema;
mod show;
mod shutdown;
mod sign_in_status;
mod singer;
mod skipped;
mod sql;
mod state_color;
mod store_file;
mod streams;
mod summary;
mod table;
mod time_argument;
mod verify;

use std::ffi::OsString;

use clap::Parser;

pub use command_error::{CommandError, OrExit};
pub use context::CommandContext;
pub use exit::ExitStatus;

use args::{Cli, Command};

/// Returns the message without the query of any redirect address in it, since that holds a sign-in code.
fn redact_codes(message: &str) -> Option<String> {
    let mut parts = message.split('?');
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_whitespace() || c == '\'').unwrap_or(part.len());
        out.push_str(if end == 0 { "?" } else { "?…" });
        out.push_str(&part[end..]);
    }
    ["code=", "state="].iter().any(|key| message.contains(key)).then_some(out)
}

/// Turns clap's message into an error: its first paragraph is the problem, the others are the hint.
fn usage_error(message: &str) -> CommandError {
    let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut parts = message.trim().split("\n\n").map(line);
    let what = parts.next().unwrap_or_default();
    let error = anyhow::anyhow!("{}", what.strip_prefix("error: ").unwrap_or(&what).to_owned());
    CommandError::new(ExitStatus::Usage, error).with_hint(parts.collect::<Vec<_>>().join("; "))
}

/// Runs a command line and returns how the process exits.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitStatus {
    core_files::forbid_core_files();
    core_files::forbid_open_files();
    let args = singer::named_by_program(args.into_iter().collect());
    if completions::answer_shell(&args) {
        return ExitStatus::Complete;
    }
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version were requested and go to stdout; everything else is a usage error.
            if !error.use_stderr() {
                drop(error.print());
                return ExitStatus::Complete;
            }
            let redacted = redact_codes(&error.to_string());
            match &redacted {
                None => drop(error.print()),
                Some(text) => print::stderr(text),
            }
            // A command line that cannot be parsed may still ask for JSON.
            if args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json") {
                print::write_error_object(&usage_error(&redacted.unwrap_or_else(|| error.to_string())).json());
            }
            return ExitStatus::Usage;
        }
    };
    logging::start(&cli.global);
    let context = CommandContext::new(&cli.global);
    let ready = if opens_project(&cli.command) { restore::finish_interrupted(&context) } else { Ok(()) };
    match ready.and_then(|()| dispatch(cli.command, &context)) {
        Ok(exit) => exit,
        Err(failure) => {
            context.report(&failure);
            if context.json {
                print::write_error_object(&failure.json());
            }
            failure.exit()
        }
    }
}

/// Whether a command works with the store or the state of the project, so that a restore must be finished first.
fn opens_project(command: &Command) -> bool {
    match command {
        Command::Init(_)
        | Command::Check(_)
        | Command::Streams(_)
        | Command::Schema(_)
        | Command::Doctor(_)
        | Command::Demo(_)
        | Command::Sandbox(_)
        | Command::Completions(_)
        | Command::Man => false,
        Command::Import(_)
        | Command::Run(_)
        | Command::Schedule(_)
        | Command::Export(_)
        | Command::Jobs(_)
        | Command::History(_)
        | Command::Plan(_)
        | Command::Report(_)
        | Command::Diff(_)
        | Command::Show(_)
        | Command::Find(_)
        | Command::Skipped(_)
        | Command::Sql(_)
        | Command::Verify(_)
        | Command::Push(_)
        | Command::Singer(_)
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Compact
        | Command::Reset(_)
        | Command::Quota(_)
        | Command::Auth(_) => true,
    }
}

fn dispatch(command: Command, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    match command {
        Command::Import(args) => import::run(&args, context),
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
        Command::Report(args) => report::run(&args, context),
        Command::Diff(args) => diff::run(&args, context),
        Command::Show(args) => show::run(&args, context),
        Command::Find(args) => find::run(&args, context),
        Command::Skipped(args) => skipped::run(&args, context),
        Command::Sql(args) => sql::run(&args, context),
        Command::Verify(args) => verify::run(&args, context),
        Command::Push(args) => push::run(&args, context),
        Command::Singer(args) => singer::run(&args, context),
        Command::Backup(args) => backup::run(&args, context),
        Command::Restore(args) => restore::run(&args, context),
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
