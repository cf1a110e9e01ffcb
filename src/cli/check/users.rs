//! The users of a job against the grants that are there, offline.

use crate::cli::standing::{self, Standing};
use crate::cli::{Context, Failure};
use crate::job::{Job, Users};
use crate::settings::Settings;
use spotify_client::state::grants::Grants;

/// The grants of the app, or why they cannot be read.
pub(super) type Known = Result<Option<Grants>, Failure>;

/// The grants of the app, where the state folder has any; `check` makes no folder and no file.
pub(super) fn grants(context: &Context, settings: &Settings) -> Known {
    standing::open(context, settings)
}

/// What the users of a job lack: a grant, or a scope of one.
pub(super) fn notes(job: &Job, grants: &Known) -> Vec<String> {
    if job.users == Users::None {
        return Vec::new();
    }
    let users = match grants {
        Ok(grants) => standing::of(job, grants.as_ref()),
        Err(e) => return vec![format!("whether its users are signed in is not known: {e}")],
    };
    match users {
        Ok(users) if users.is_empty() => vec!["nobody is signed in: cratedigger auth login USER".to_owned()],
        Ok(users) => users.iter().filter_map(note).collect(),
        Err(e) => vec![format!("whether its users are signed in is not known: {e}")],
    }
}

fn note(standing: &Standing) -> Option<String> {
    let user = &standing.user;
    if !standing.is_signed_in() {
        return Some(format!("user `{user}` has not signed in: cratedigger auth login {user}"));
    }
    if standing.waits() {
        return Some(format!("user `{user}` has to sign in again: cratedigger auth login {user}"));
    }
    let lacking = standing.lacking.join(" and ");
    (!lacking.is_empty())
        .then(|| format!("the grant of `{user}` lacks {lacking}: cratedigger auth login {user} asks for it"))
}
