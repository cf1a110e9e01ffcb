//! The hint for playlists whose items Spotify gives only to their owners, if these owners are signed in: the job has to
//! name them.

use super::app::App;
use super::sign_in_status::open_existing_grants;
use crate::document::printable;
use crate::job::{Job, JobUsers};
use crate::store::{open_current_schema, owners_of_refused_playlists};
use crate::sync::RunReport;
use spotify_client::error::SIGN_OWNER_IN;

/// Adds the hint to the report of a run. Where no other owner has to sign in, it takes the place of the general hint.
/// A hint is no reason for a run to fail: without a readable store or grants, the report stays as it is.
pub(super) fn name_signed_in_owners(app: &App<'_>, job: &Job, report: &mut RunReport) {
    if !report.hints.iter().any(|hint| hint == SIGN_OWNER_IN) || matches!(job.users, JobUsers::All(_)) {
        return;
    }
    let owners = open_current_schema(&app.database_path()).map_err(|_| ());
    let owners = owners.and_then(|store| owners_of_refused_playlists(&store, report.run).map_err(|_| ()));
    let (Ok(owners), Ok(Some(grants))) = (owners, open_existing_grants(app.context, app.settings)) else { return };
    let Ok(grants) = grants.list() else { return };
    let user_of = |owner: &String| {
        let owns = |id: &str| id.to_lowercase() == owner.to_lowercase();
        let grant = grants.iter().find(|it| it.account.as_ref().is_some_and(|account| owns(&account.user_id)))?;
        Some(grant.user.clone())
    };
    let mut users: Vec<String> = owners.iter().flatten().filter_map(user_of).collect();
    users.sort_unstable();
    users.dedup();
    let named = match &job.users {
        JobUsers::Named(names) => names.as_slice(),
        JobUsers::None | JobUsers::All(_) => &[],
    };
    users.retain(|user| !named.contains(user));
    if users.is_empty() {
        return;
    }
    if owners.iter().all(|owner| owner.as_ref().and_then(user_of).is_some()) {
        report.hints.retain(|hint| hint != SIGN_OWNER_IN);
    }
    report.hints.push(describe(&users, named));
}

fn describe(users: &[String], named: &[String]) -> String {
    let owner = if users.len() == 1 { "the owner of a refused playlist is" } else { "owners of refused playlists are" };
    let all: Vec<String> = named.iter().chain(users).map(|user| format!("\"{user}\"")).collect();
    let key = if all.len() == 1 { format!("user = {}", all[0]) } else { format!("users = [{}]", all.join(", ")) };
    printable(&format!("{owner} signed in as {}: the job needs {key}", users.join(", ")))
}
