//! `auth`: what each command needs is opened here and handed to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{AuthArgs, AuthCommand, AuthError, Login, LoginArgs, Terminal};
use crate::cli::workshop::{Most, Workshop, runtime};
use crate::cli::{Context, Exit, Failure, OrExit, print};
use crate::job::{Job, Users};
use crate::settings::Origin;
use crate::settings::credentials::Credentials;
use crate::signin::listener::LISTENS;
use spotify_client::http::observer::Observer;
use spotify_client::state::grants::{Flow, Grants, check_name};

/// Says what a person should know, such as that the clock is wrong.
struct Spoken;

impl Observer for Spoken {
    fn warned(&self, what: &str) {
        print::stderr(&format!("warning: {what}\n"));
    }
}

/// Runs a command of `auth`.
pub(in crate::cli) fn run(args: &AuthArgs, context: &Context) -> Result<Exit, Failure> {
    let workshop = Workshop::open(context)?;
    let credentials = context.credentials()?;
    let grants = workshop.grants(&credentials)?;
    let loaded = context.jobs(&workshop.settings, &[]);
    let is_whole = !loaded.has_errors();
    let jobs = loaded.jobs;
    if matches!(args.command, AuthCommand::Login(_)) && !is_whole {
        // Nobody should have to sign in twice for a typo that could have been mended first.
        context.tell(&Failure::Problems(loaded.problems));
        Spoken.warned("what a job that cannot be read needs is not asked for: mend it first, or sign in again later");
    }
    match &args.command {
        AuthCommand::Login(login) => sign_in(login, context, &workshop, &credentials, &grants, &jobs),
        AuthCommand::List => {
            let dependent = dependent_jobs(&jobs, &grants)?;
            let text = super::list(&grants, &dependent, context.json, chrono::Utc::now()).map_err(failed)?;
            print::stdout(&text).or_exit(Exit::Storage)?;
            Ok(Exit::Complete)
        }
        AuthCommand::Logout(logout) => {
            // The rows first: without the grant nobody knows any more whose they are.
            let known = grants.get(&logout.user).map_err(|e| failed(AuthError::Grants(e)))?;
            let signed_in = known.is_some();
            let exit = match logout.purge {
                true => super::purge::run(&logout.user, known.and_then(|grant| grant.account), context, &workshop)?,
                false => None,
            };
            if let (false, Some(exit)) = (signed_in, exit) {
                print::stderr(&format!("{}: there was no grant any more to forget\n", logout.user));
                return Ok(exit);
            }
            let exit = exit.unwrap_or(Exit::Complete);
            let forgotten = super::logout(logout, &grants).map_err(failed)?;
            print::stderr(&format!(
                "{}: the grant is forgotten here; Spotify keeps the consent until it is taken back at https://www.spotify.com/account/apps\n",
                forgotten.user
            ));
            Ok(exit)
        }
        AuthCommand::Import(import) => {
            let flow = if credentials.client_secret.is_some() { Flow::Code } else { Flow::Pkce };
            let (mut person, now) = (Terminal, chrono::Utc::now());
            let import = super::import(import, &grants, flow, &mut person, now);
            let imported = runtime()?.block_on(import).map_err(failed)?;
            for user in &imported.stored {
                print::stderr(&format!("{user}: taken over\n"));
            }
            for user in &imported.known {
                print::stderr(&format!("{user}: was there already\n"));
            }
            Ok(Exit::Complete)
        }
    }
}

fn sign_in(
    args: &LoginArgs,
    context: &Context,
    workshop: &Workshop<'_>,
    credentials: &Credentials,
    grants: &Arc<Grants>,
    jobs: &[Job],
) -> Result<Exit, Failure> {
    check_name(&args.user).map_err(|e| failed(AuthError::Grants(e)))?;
    let (api, _) = workshop.api(credentials, Most::default(), Arc::new(Spoken))?;
    let api = api.with_grants(Arc::clone(grants), context.refresh_token());
    let scopes = scopes_of(&args.user, jobs);
    if scopes.is_empty() {
        print::stderr(&format!(
            "no job names {} yet, so no scope is asked for; sign in again once one does\n",
            args.user
        ));
    }
    let configured = workshop.settings.spotify.redirect_uri.to_string();
    let is_default = workshop.settings.origin("spotify.redirect_uri") == Origin::Default;
    let redirect_uri = match &credentials.redirect_uri {
        Some(uri) if is_default => uri.clone(),
        _ => configured,
    };
    let login = Login { api: &api, grants, scopes: &scopes, redirect_uri: &redirect_uri, patience: LISTENS };
    runtime()?.block_on(super::login(args, &login, &mut Terminal)).map_err(failed)?;
    Ok(Exit::Complete)
}

/// The scopes that the jobs of a user need, and no more.
fn scopes_of(user: &str, jobs: &[Job]) -> Vec<String> {
    let scopes: BTreeSet<&str> = jobs
        .iter()
        .filter(|job| names(job, user))
        .flat_map(|job| &job.fetches)
        .flat_map(|fetch| match fetch.stream.name {
            // With ids, too, a private list needs what a list of the user's own needs.
            "playlist_items" | "playlists" => &["playlist-read-private", "playlist-read-collaborative"][..],
            _ => fetch.stream.scopes,
        })
        .copied()
        .collect();
    scopes.into_iter().map(str::to_owned).collect()
}

fn names(job: &Job, user: &str) -> bool {
    match &job.users {
        Users::None => false,
        Users::Named(names) => names.iter().any(|name| name == user),
        Users::All => true,
    }
}

/// The jobs of each user who is signed in or named by a job.
fn dependent_jobs(jobs: &[Job], grants: &Grants) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let known = grants.list().map_err(|e| failed(AuthError::Grants(e)))?;
    let of = |user: &str| jobs.iter().filter(|job| names(job, user)).map(|job| job.name.clone()).collect();
    let named = jobs.iter().flat_map(|job| match &job.users {
        Users::Named(names) => names.clone(),
        Users::None | Users::All => Vec::new(),
    });
    let users: BTreeSet<String> = known.into_iter().map(|grant| grant.user).chain(named).collect();
    Ok(users.into_iter().map(|user| (user.clone(), of(&user))).collect())
}

fn failed(e: AuthError) -> Failure {
    let exit = Exit::BY_PRECEDENCE.into_iter().find(|exit| exit.code() == e.exit()).unwrap_or(Exit::Failed);
    let hint = e.hint();
    let failure = Failure::new(exit, e);
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}
