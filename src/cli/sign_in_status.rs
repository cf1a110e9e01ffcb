//! The sign-in status of the users of jobs, for `check`, `jobs`, `run --json` and the scheduler.
//!
//! Reading it works offline and creates no folder or file.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::app::open_grants_in;
use super::error_exits::grant_error;
use super::other_user::OtherUser;
use super::{CommandContext, CommandError, ExitStatus};
use crate::job::{Job, JobUsers};
use crate::scheduler::SignInSummary;
use crate::settings::Settings;
use spotify_client::state::grants::{Grant, GrantEnd, GrantState, GrantStore, grant_end};

/// The grants of the app. `None` if the state folder has no grants or no client id is configured.
///
/// # Errors
///
/// If grants exist but cannot be read.
pub(super) fn open_existing_grants(
    context: &CommandContext,
    settings: &Settings,
) -> Result<Option<GrantStore>, CommandError> {
    let Ok(dir) = context.state_dir(settings) else { return Ok(None) };
    if !dir.path().join("grants.db").exists() {
        return Ok(None);
    }
    let Ok(credentials) = context.credentials() else { return Ok(None) };
    open_grants_in(dir, &credentials.client_id, settings).map(Some)
}

/// As [`open_existing_grants`], for commands that tell people who is signed in.
///
/// # Errors
///
/// If that cannot be told: another user runs the jobs, the state folder is closed to this user, or the client id is missing.
pub(super) fn readable_grants(
    context: &CommandContext,
    settings: &Settings,
) -> Result<Option<GrantStore>, CommandError> {
    let unknown = |exit: ExitStatus, why: String, hint: Option<String>| {
        CommandError::new(exit, anyhow::anyhow!("cannot tell who is signed in: {why}")).with_optional_hint(hint)
    };
    let dir = context.state_dir(settings).map_err(|e| unknown(ExitStatus::Usage, e.to_string(), None))?;
    let other = || OtherUser::find(context, settings);
    let hint = |other: &OtherUser| Some(other.command("cratedigger", ""));
    match dir.path().join("grants.db").try_exists() {
        Err(e) => {
            let why = format!("failed to read {}: {e}", dir.path().display());
            let hint = other().as_ref().and_then(hint);
            Err(unknown(ExitStatus::Storage, why, hint.or(Some("run it as the user who runs the jobs".to_owned()))))
        }
        Ok(false) => match other() {
            Some(other) => Err(unknown(ExitStatus::Usage, other.describe(), hint(&other))),
            None => Ok(None),
        },
        Ok(true) => {
            let found = context.credentials();
            let credentials = found.map_err(|e| unknown(e.exit(), e.to_string(), e.hint().map(str::to_owned)))?;
            open_grants_in(dir, &credentials.client_id, settings).map(Some)
        }
    }
}

/// The users that a job names, as JSON, where it cannot be told who is signed in.
pub(super) fn unknown_users(job: &Job) -> Vec<Value> {
    let JobUsers::Named(names) = &job.users else { return Vec::new() };
    let unknown = |user: &String| {
        json!({
            "user": user, "state": "unknown", "ends_at": null, "ends_at_is_at_most": false, "days_left": null,
            "lacks_scopes": [],
        })
    };
    names.iter().map(unknown).collect()
}

/// The sign-in status of one user of a job.
#[derive(Debug, Clone)]
pub(super) struct SignInStatus {
    /// The user's name in job files.
    pub user: String,
    grant: Option<Grant>,
    /// The scopes that a fetch needs and the grant does not have.
    pub missing_scopes: Vec<String>,
}

/// The users of a job in the order of the job file; for `"*"`, all users who are signed in.
pub(super) fn sign_in_statuses(job: &Job, grants: Option<&GrantStore>) -> Result<Vec<SignInStatus>, CommandError> {
    let all = grants.map(GrantStore::list).transpose().map_err(grant_error)?.unwrap_or_default();
    let names: Vec<String> = match &job.users {
        JobUsers::None => Vec::new(),
        JobUsers::Named(names) => names.clone(),
        JobUsers::All(_) => {
            all.iter().map(|grant| grant.user.clone()).filter(|user| job.users.may_include(user)).collect()
        }
    };
    let needed: Vec<&str> = job.fetches.iter().flat_map(|fetch| fetch.stream.scopes).copied().collect();
    let standing = |user: String| {
        let grant = all.iter().find(|grant| grant.user == user).cloned();
        let granted = grant.as_ref().and_then(|grant| grant.scopes.as_ref());
        let lacks = |scope: &&&str| granted.is_some_and(|granted| !granted.iter().any(|it| it == **scope));
        let mut lacking: Vec<String> = needed.iter().filter(lacks).map(|&scope| scope.to_owned()).collect();
        lacking.sort_unstable();
        lacking.dedup();
        SignInStatus { user, grant, missing_scopes: lacking }
    };
    Ok(names.into_iter().map(standing).collect())
}

impl SignInStatus {
    /// Whether there is a grant.
    pub(super) fn is_signed_in(&self) -> bool {
        self.grant.is_some()
    }

    /// The status as programs see it: the state of the grant, `ended` after six months, or `not_signed_in`.
    fn as_str(&self, now: DateTime<Utc>) -> &'static str {
        match (&self.grant, self.end()) {
            (None, _) => "not_signed_in",
            (Some(grant), _) if grant.state == GrantState::NeedsSignIn => grant.state.as_str(),
            (Some(_), Some(end)) if end.is_over(now) && !end.at_most => "ended",
            (Some(grant), _) => grant.state.as_str(),
        }
    }

    /// The status for a table: `home 180 days`, `studio must sign in`.
    pub(super) fn describe(&self, now: DateTime<Utc>) -> String {
        let user = &self.user;
        let how = match (self.as_str(now), self.end()) {
            ("not_signed_in", _) => "is not signed in".to_owned(),
            ("needs_sign_in" | "ended", _) => "must sign in".to_owned(),
            _ if !self.missing_scopes.is_empty() => "lacks a scope".to_owned(),
            (_, Some(end)) => {
                let days = end.days_left(now);
                let most = if end.at_most { "at most " } else { "" };
                format!("{most}{days} day{}", if days == 1 { "" } else { "s" })
            }
            (_, None) => "signed in".to_owned(),
        };
        format!("{user} {how}")
    }

    pub(super) fn as_json(&self, now: DateTime<Utc>) -> Value {
        // A grant that Spotify does not accept any more has no days left, whenever it would have ended.
        let is_lost = self.grant.as_ref().is_some_and(|grant| grant.state == GrantState::NeedsSignIn);
        let end = self.end().filter(|_| !is_lost);
        json!({
            "user": self.user,
            "state": self.as_str(now),
            "ends_at": end.map(|end| end.at.to_rfc3339_opts(SecondsFormat::Secs, true)),
            "ends_at_is_at_most": end.is_some_and(|end| end.at_most),
            "days_left": if is_lost { Some(0) } else { end.map(|end| end.days_left(now)) },
            "lacks_scopes": self.missing_scopes,
        })
    }

    /// Whether the grants of both are for one account, as far as the accounts are known.
    pub(super) fn has_account_of(&self, other: &SignInStatus) -> bool {
        let account = |it: &SignInStatus| it.grant.as_ref().and_then(|grant| grant.account.clone());
        account(self).zip(account(other)).is_some_and(|(one, another)| one.is_same(&another))
    }

    fn end(&self) -> Option<GrantEnd> {
        self.grant.as_ref().and_then(grant_end)
    }

    /// Whether the user has to sign in before anything can be read.
    pub(super) fn must_sign_in(&self) -> bool {
        self.grant.as_ref().is_none_or(|grant| grant.state == GrantState::NeedsSignIn)
    }
}

/// The sign-in status that decides when a job is due.
pub(super) fn sign_ins(job: &Job, grants: Option<&GrantStore>) -> Result<SignInSummary, CommandError> {
    let users = sign_in_statuses(job, grants)?;
    let only_users = job.fetches.iter().all(|fetch| fetch.stream.needs_user());
    Ok(SignInSummary {
        missing: users.iter().any(|user| user.must_sign_in() || !user.missing_scopes.is_empty()),
        all_missing: !users.is_empty() && only_users && users.iter().all(SignInStatus::must_sign_in),
        newest: users.iter().filter_map(|user| user.grant.as_ref().map(|grant| grant.given_at)).max(),
    })
}

/// The users of several jobs as JSON, each with the jobs that need it.
///
/// # Errors
///
/// If the grants cannot be read.
pub(super) fn users_as_json(
    jobs: &[Job],
    grants: Option<&GrantStore>,
    now: DateTime<Utc>,
) -> Result<Vec<Value>, CommandError> {
    let mut users: BTreeMap<String, (Value, Vec<&str>)> = BTreeMap::new();
    for job in jobs {
        for standing in sign_in_statuses(job, grants)? {
            let fresh = || (standing.as_json(now), Vec::new());
            let (value, names) = users.entry(standing.user.clone()).or_insert_with(fresh);
            names.push(&job.name);
            // Jobs of one user may need different scopes.
            let lacks = value["lacks_scopes"].as_array_mut();
            if let Some(lacks) = lacks {
                lacks.extend(standing.missing_scopes.iter().map(|scope| json!(scope)));
                lacks.sort_by_key(Value::to_string);
                lacks.dedup();
            }
        }
    }
    let with_jobs = |(mut value, names): (Value, Vec<&str>)| {
        value["jobs"] = json!(names);
        value
    };
    Ok(users.into_values().map(with_jobs).collect())
}
