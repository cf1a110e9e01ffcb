//! The users of a job against the grants that are there, offline.

use crate::cli::Context;
use crate::job::{Job, Users};
use crate::settings::Settings;
use crate::state::grants::Grants;

/// The grants of the app, where the state folder has any; `check` makes no folder and no file.
pub(super) fn grants(context: &Context, settings: &Settings) -> Option<Grants> {
    let dir = context.state_dir(settings).ok()?;
    if !dir.path().join("grants.db").exists() {
        return None;
    }
    let credentials = context.credentials().ok()?;
    Grants::open(dir, &credentials.client_id, |name| std::env::var_os(name)).ok()
}

/// What the users of a job lack: a grant, or a scope of one.
pub(super) fn notes(job: &Job, grants: Option<&Grants>) -> Vec<String> {
    let Users::Named(names) = &job.users else { return Vec::new() };
    let mut notes = Vec::new();
    for name in names {
        let Some(grants) = grants.filter(|g| g.get(name).is_ok_and(|grant| grant.is_some())) else {
            notes.push(format!("user `{name}` has not signed in: cratedigger auth login {name}"));
            continue;
        };
        let scopes: Vec<&str> = job.fetches.iter().flat_map(|f| f.stream.scopes).copied().collect();
        let mut lacking = grants.lacking(name, &scopes).unwrap_or_default();
        lacking.sort_unstable();
        lacking.dedup();
        if !lacking.is_empty() {
            notes.push(format!(
                "the grant of `{name}` lacks {}: cratedigger auth login {name} asks for it",
                lacking.join(" and ")
            ));
        }
    }
    notes
}
