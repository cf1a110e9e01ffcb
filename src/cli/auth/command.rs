//! Opens what the commands of `auth` need.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::purge::{OtherStore, other_stores, report_leftovers, run_in_all};
use super::{AuthArgs, AuthCommand, AuthError, LoginArgs, LoginFlow, LogoutArgs, TerminalPrompt};
use crate::cli::app::{App, RunCallLimits};
use crate::cli::metrics::write_metrics;
use crate::cli::overview::write_overview_of_project;
use crate::cli::reporter::{Reporter, StartedBy};
use crate::cli::runtime::runtime;
use crate::cli::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::job::{Job, JobUsers};
use crate::settings::SettingOrigin;
use crate::signin::listener::LISTEN_TIMEOUT;
use spotify_client::http::observer::CallObserver;
use spotify_client::state::grants::{GrantStore, SignInFlow, check_user_name};

/// Prints warnings, such as that the clock is wrong.
struct AuthLogObserver;

impl CallObserver for AuthLogObserver {
    fn warned(&self, what: &str) {
        print::stderr(&format!("warning: {what}\n"));
    }
}

pub(in crate::cli) fn run(args: &AuthArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    let app = App::open(context, &settings)?;
    let credentials = app.credentials()?;
    let grants = app.grants()?;
    let loaded = context.jobs(app.settings, &[]);
    let is_whole = !loaded.has_errors();
    let jobs = loaded.jobs;
    if matches!(args.command, AuthCommand::Login(_)) && !is_whole {
        // A typo in a job file should not make users sign in twice.
        context.report(&CommandError::Problems(loaded.problems));
        AuthLogObserver
            .warned("the scopes of broken jobs are not requested; fix the jobs first, or sign in again later");
    }
    match &args.command {
        AuthCommand::Login(login) => sign_in(login, &app, &jobs),
        AuthCommand::List => {
            let dependent = dependent_jobs(&jobs, grants)?;
            let text = super::list(grants, &dependent, context.json, chrono::Utc::now()).map_err(auth_failure)?;
            print::paragraphs(&text).or_exit(ExitStatus::Storage)?;
            Ok(ExitStatus::Complete)
        }
        AuthCommand::Logout(logout) => sign_out(logout, &app, &jobs),
        AuthCommand::Import(import) => {
            let flow = if credentials.client_secret.is_some() { SignInFlow::Code } else { SignInFlow::Pkce };
            let (mut person, now) = (TerminalPrompt, chrono::Utc::now());
            let import = super::import(import, grants, flow, &mut person, now);
            let imported = runtime()?.block_on(import).map_err(auth_failure)?;
            for user in &imported.stored {
                print::stderr(&format!("{user}: imported\n"));
            }
            for user in &imported.known {
                print::stderr(&format!("{user}: already present\n"));
            }
            Ok(ExitStatus::Complete)
        }
    }
}

fn sign_out(args: &LogoutArgs, app: &App<'_>, jobs: &[Job]) -> Result<ExitStatus, CommandError> {
    let grants = app.grants()?;
    // Rows go first: without the grant it is not known which rows belong to the user.
    let known = grants.get(&args.user).map_err(|e| auth_failure(AuthError::Grants(e)))?;
    let others: Vec<OtherStore> = if args.purge { other_stores(app.context)? } else { Vec::new() };
    let others = others.iter().map(|it| App::open(&it.context, &it.settings)).collect::<Result<Vec<_>, _>>()?;
    let stores: Vec<&App<'_>> = std::iter::once(app).chain(&others).collect();
    let purged = if args.purge { run_in_all(&args.user, known.as_ref(), &stores)? } else { Vec::new() };
    if known.is_some() || purged.is_empty() {
        let forgotten = super::logout(args, grants).map_err(auth_failure)?;
        print::stderr(&format!(
            "{}: the grant is deleted here; Spotify keeps the consent until you revoke it at https://www.spotify.com/account/apps\n",
            forgotten.user
        ));
    } else {
        grants.forget_all_pending(&args.user).map_err(|e| auth_failure(AuthError::Grants(e)))?;
        print::stderr(&format!("{}: there was no grant left to delete\n", args.user));
    }
    if args.purge {
        let others = purged.iter().map(|(of, _)| *of).filter(|of| !std::ptr::eq(*of, app));
        for app in std::iter::once(app).chain(others) {
            // The Prometheus file names the users who are signed in.
            let reporter = Reporter::new(app.context, app.settings, StartedBy::User);
            write_metrics(app.context, app.settings, &reporter, jobs);
            // So may the overview.
            write_overview_of_project(app.context, app.settings)?;
        }
    }
    if !purged.is_empty() {
        report_leftovers(&args.user, &purged, &stores);
    }
    Ok(ExitStatus::most_severe(purged.iter().map(|(_, outcome)| outcome.exit)))
}

fn sign_in(args: &LoginArgs, app: &App<'_>, jobs: &[Job]) -> Result<ExitStatus, CommandError> {
    check_user_name(&args.user).map_err(|e| auth_failure(AuthError::Grants(e)))?;
    // A user who sits at the browser does not come back when the day is over.
    let limits = RunCallLimits { uses_reserve: true, ..RunCallLimits::default() };
    let (api, _) = app.open_client(limits, Arc::new(AuthLogObserver))?;
    let (credentials, grants) = (app.credentials()?, app.grants()?);
    let api = api.with_grants(Arc::clone(grants), app.context.refresh_token());
    let mut scopes = scopes_for_user(&args.user, jobs);
    let kept = granted_scopes(&args.user, grants, &scopes)?;
    if !kept.is_empty() {
        // The grants belong to the state folder, which other projects may share.
        print::stderr(&format!(
            "also requested, because the present sign-in has them and another project may need them: {}; to drop them, run \
             `cratedigger auth logout {}` first\n",
            kept.join(" "),
            args.user
        ));
    }
    let has_none = scopes.is_empty();
    scopes.extend(kept);
    scopes.sort();
    if has_none {
        print::stderr(&format!(
            "no job names {} yet, so no scope is requested; sign in again when one does\n",
            args.user
        ));
    }
    let configured = app.settings.spotify.redirect_uri.to_string();
    let is_default = app.settings.origin("spotify.redirect_uri") == SettingOrigin::Default;
    let redirect_uri = match &credentials.redirect_uri {
        Some(uri) if is_default => uri.clone(),
        _ => configured,
    };
    let login = LoginFlow { api: &api, grants, scopes: &scopes, redirect_uri: &redirect_uri, patience: LISTEN_TIMEOUT };
    runtime()?.block_on(super::login(args, &login, &mut TerminalPrompt)).map_err(auth_failure)?;
    Ok(ExitStatus::Complete)
}

/// The scopes that the jobs of a user need.
fn scopes_for_user(user: &str, jobs: &[Job]) -> Vec<String> {
    let scopes: BTreeSet<&str> = jobs
        .iter()
        .filter(|job| job_names_user(job, user))
        .flat_map(|job| &job.fetches)
        .flat_map(|fetch| fetch.stream.sign_in_scopes())
        .copied()
        .collect();
    scopes.into_iter().map(str::to_owned).collect()
}

/// The scopes that the present grant of a user has in addition.
fn granted_scopes(user: &str, grants: &GrantStore, wanted: &[String]) -> Result<Vec<String>, CommandError> {
    let present = grants.get(user).map_err(|e| auth_failure(AuthError::Grants(e)))?;
    let scopes = present.and_then(|grant| grant.scopes).unwrap_or_default();
    Ok(scopes.into_iter().filter(|scope| !wanted.contains(scope)).collect())
}

fn job_names_user(job: &Job, user: &str) -> bool {
    job.users.may_include(user)
}

/// The jobs of each user who is signed in or named in a job.
fn dependent_jobs(jobs: &[Job], grants: &GrantStore) -> Result<BTreeMap<String, Vec<String>>, CommandError> {
    let known = grants.list().map_err(|e| auth_failure(AuthError::Grants(e)))?;
    let of = |user: &str| jobs.iter().filter(|job| job_names_user(job, user)).map(|job| job.name.clone()).collect();
    let named = jobs.iter().flat_map(|job| match &job.users {
        JobUsers::Named(names) => names.clone(),
        JobUsers::None | JobUsers::All(_) => Vec::new(),
    });
    let users: BTreeSet<String> = known.into_iter().map(|grant| grant.user).chain(named).collect();
    Ok(users.into_iter().map(|user| (user.clone(), of(&user))).collect())
}

fn auth_failure(e: AuthError) -> CommandError {
    let (exit, hint) = (e.exit(), e.hint());
    CommandError::new(exit, e).with_optional_hint(hint)
}
