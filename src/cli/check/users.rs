//! Checks the users of a job against the stored grants, offline.

use crate::cli::CommandError;
use crate::cli::sign_in_status::{self, SignInStatus};
use crate::job::{Job, JobUsers};
use spotify_client::state::grants::GrantStore;

/// The grants of the app, or the error that prevents reading them.
pub(super) type GrantsResult = Result<Option<GrantStore>, CommandError>;

/// Notes on missing grants and missing scopes of the users of a job.
pub(super) fn user_notes(job: &Job, grants: &GrantsResult) -> Vec<String> {
    if job.users == JobUsers::None {
        return Vec::new();
    }
    let users = match grants {
        Ok(grants) => sign_in_status::sign_in_statuses(job, grants.as_ref()),
        Err(e) => return vec![unknown(e)],
    };
    match users {
        Ok(users) if users.is_empty() => vec!["no user is signed in: cratedigger auth login USER".to_owned()],
        Ok(users) => users.iter().filter_map(user_note).chain(second_names(&users)).collect(),
        Err(e) => vec![unknown(&e)],
    }
}

/// The note that it cannot be told who is signed in.
fn unknown(error: &CommandError) -> String {
    let hint = error.hint().map_or_else(String::new, |hint| format!(" ({hint})"));
    format!("{error}{hint}")
}

/// Notes on users with the same account as a user before them.
fn second_names(users: &[SignInStatus]) -> Vec<String> {
    let repeats = |(n, user): (usize, &SignInStatus)| {
        let first = users[..n].iter().find(|earlier| user.has_account_of(earlier))?;
        Some(format!(
            "users `{}` and `{}` are the same Spotify account, so runs refuse the second one; sign it in with the other \
             account, or remove it",
            first.user, user.user
        ))
    };
    users.iter().enumerate().filter_map(repeats).collect()
}

fn user_note(standing: &SignInStatus) -> Option<String> {
    let user = &standing.user;
    if !standing.is_signed_in() {
        return Some(format!("user `{user}` is not signed in: cratedigger auth login {user}"));
    }
    if standing.must_sign_in() {
        return Some(format!("user `{user}` must sign in again: cratedigger auth login {user}"));
    }
    let lacking = standing.missing_scopes.join(" and ");
    (!lacking.is_empty())
        .then(|| format!("the grant of `{user}` lacks {lacking}: cratedigger auth login {user} requests it"))
}
