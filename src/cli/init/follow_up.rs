//! What follows the questions: signing in and the first run, each only if the user wants it now.

use std::io;

use dialoguer::Confirm;

use super::question_terminal::QuestionTerminal;
use super::questions::{Answers, FirstExport};
use crate::cli::args::RunArgs;
use crate::cli::auth::{self, AuthArgs, AuthCommand, LoginArgs};
use crate::cli::{CommandContext, CommandError, ExitStatus, OrExit, print, run};
use spotify_client::state::grants::GrantState;

/// The name of the user in the example `my-playlists`.
const USER: &str = "home";

/// Offers to sign in and to run the first job, and prints the remaining steps.
pub(super) fn offer(
    terminal: &QuestionTerminal,
    answers: &Answers,
    context: &CommandContext,
) -> Result<ExitStatus, CommandError> {
    let job = answers.first.job();
    let needs_user = answers.first == FirstExport::MyPlaylists;
    let is_signed_in = |context: &CommandContext| -> Result<bool, CommandError> {
        let settings = context.settings()?;
        let grants = crate::cli::sign_in_status::open_existing_grants(context, &settings)?;
        let known = grants.and_then(|grants| grants.get(USER).ok().flatten());
        Ok(known.is_some_and(|grant| grant.state != GrantState::NeedsSignIn))
    };
    let mut may_run = answers.has_credentials;
    if may_run && needs_user && !is_signed_in(context)? {
        let question = format!("Sign in to Spotify now, as the user `{USER}` of the job?");
        may_run = confirm(terminal, &question).or_exit(ExitStatus::Storage)?;
        if may_run {
            let login = LoginArgs { user: USER.to_owned(), no_browser: false, paste: None, replace: false };
            auth::run(&AuthArgs { command: AuthCommand::Login(login) }, context)?;
            // Without an answer from the browser, the sign-in can be finished later.
            may_run = is_signed_in(context)?;
        }
    }
    let mut exit = ExitStatus::Complete;
    let mut has_run = false;
    if may_run && confirm(terminal, &format!("Run {job} now?")).or_exit(ExitStatus::Storage)? {
        // The run handles Ctrl-C itself: it finishes the current page.
        terminal.ignore_interrupts();
        let args = RunArgs { jobs: vec![job.to_owned()], yes: false, ..RunArgs::all() };
        exit = run::run(&args, context)?;
        has_run = true;
    }
    let steps = next_steps(answers, context, has_run, needs_user && !is_signed_in(context)?);
    print::paragraphs(&steps).or_exit(ExitStatus::Storage)?;
    Ok(exit)
}

fn confirm(terminal: &QuestionTerminal, question: &str) -> io::Result<bool> {
    terminal.answer(Confirm::new().with_prompt(question).default(true).interact())
}

/// The remaining steps, one a line.
fn next_steps(answers: &Answers, context: &CommandContext, has_run: bool, must_sign_in: bool) -> String {
    let job = answers.first.job();
    let mut steps = Vec::new();
    if !answers.has_credentials {
        steps.push("copy .env.example to .env, fill it in, and run `chmod 600 .env`".to_owned());
    }
    if must_sign_in {
        steps.push(format!("cratedigger auth login {USER}"));
    }
    if let Some(list) = answers.first.list() {
        steps.push(format!("jobs/{} lists what is read; edit it at any time", list.file));
    }
    if !has_run {
        steps.push(format!("cratedigger plan {job}, then cratedigger run {job}"));
    }
    if answers.first == FirstExport::MyPlaylists {
        steps.push(format!("to run it every day, remove the # in front of `schedule` in jobs/{job}.toml"));
    }
    steps.push(
        "cratedigger jobs shows when each job runs; `cratedigger init --yes` in a new folder writes all examples"
            .to_owned(),
    );
    let lines: String = steps.iter().map(|step| format!("  {step}\n")).collect();
    let start = super::start_of_next_steps(&context.project);
    format!("{}\n{lines}", start.trim_end())
}
