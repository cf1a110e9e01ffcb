//! `auth list`: shows who is signed in, with which account, and for how long.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::AuthError;
use crate::cli::print;
use crate::cli::table::format_table;
use crate::document::printable;
use spotify_client::state::grants::{Grant, GrantState, GrantStore, grant_end};

/// The list as a table, or with `as_json` as a JSON array. `jobs` maps each user to the names of its jobs;
/// users without a grant are listed too.
pub fn run(
    grants: &GrantStore,
    jobs: &BTreeMap<String, Vec<String>>,
    as_json: bool,
    now: DateTime<Utc>,
) -> Result<String, AuthError> {
    let all = grants.list()?;
    let missing: Vec<&String> = jobs.keys().filter(|user| !all.iter().any(|grant| grant.user == **user)).collect();
    let jobs_of = |user: &str| jobs.get(user).cloned().unwrap_or_default();
    if as_json {
        let mut list: Vec<Value> = all.iter().map(|grant| grant_as_json(grant, &jobs_of(&grant.user), now)).collect();
        list.extend(missing.iter().map(|user| json!({"user": user, "state": "not_signed_in", "jobs": jobs_of(user)})));
        return Ok(format!("{}\n", print::json_text(&Value::Array(list))));
    }
    let mut rows = vec![["USER", "ACCOUNT", "STATE", "DAYS LEFT", "JOBS", "SCOPES"].map(str::to_owned).to_vec()];
    rows.extend(all.iter().map(|grant| row(grant, &jobs_of(&grant.user), now)));
    rows.extend(missing.iter().map(|user| {
        [user.as_str(), "-", "not signed in", "-", &jobs_of(user).join(", "), ""].map(str::to_owned).to_vec()
    }));
    let mut out = if rows.len() > 1 {
        format_table(&rows)
    } else {
        format!("no user is signed in (state folder: {})\n", grants.dir())
    };
    let others = grants.count_of_other_apps()?;
    if others > 0 {
        out.push_str(&format!("and {others} with other client ids\n"));
    }
    Ok(out)
}

fn grant_as_json(grant: &Grant, jobs: &[String], now: DateTime<Utc>) -> Value {
    let time = |at: Option<DateTime<Utc>>| at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
    let end = grant_end(grant);
    let account = grant.account.as_ref();
    json!({
        "user": grant.user,
        "client_id": grant.client_id,
        "account_id": account.and_then(|it| it.account_id.clone()),
        "user_id": account.map(|it| &it.user_id),
        "display_name": account.and_then(|it| it.display_name.clone()),
        "state": grant.state.as_str(),
        "state_since": time(Some(grant.state_at)),
        "reason": (grant.state == GrantState::NeedsSignIn).then_some(&grant.state_reason),
        "scopes": grant.scopes,
        "flow": grant.flow.as_str(),
        "authorized_at": time(grant.authorized_at),
        "imported_at": time(grant.imported_at),
        "ends_at": time(end.map(|end| end.at)),
        "ends_at_is_at_most": end.is_some_and(|end| end.at_most),
        "days_left": end.map(|end| end.days_left(now)),
        "jobs": jobs,
    })
}

fn row(grant: &Grant, jobs: &[String], now: DateTime<Utc>) -> Vec<String> {
    let end = grant_end(grant);
    let state = match grant.state {
        GrantState::NeedsSignIn => "must sign in",
        _ if end.is_some_and(|end| end.is_over(now) && !end.at_most) => "ended",
        GrantState::Ok => "ok",
        GrantState::Refreshing => "ok, being refreshed",
    };
    let days = match end {
        _ if grant.state == GrantState::NeedsSignIn => "-".to_owned(),
        Some(end) if end.at_most => format!("at most {} (six months from import)", end.days_left(now)),
        Some(end) => format!("{} (until {})", end.days_left(now), end.at.format("%Y-%m-%d")),
        None => "-".to_owned(),
    };
    vec![
        grant.user.clone(),
        grant.account.as_ref().map_or_else(|| "not known yet".to_owned(), |it| printable(&it.to_string())),
        state.to_owned(),
        days,
        if jobs.is_empty() { "-".to_owned() } else { jobs.join(", ") },
        grant.scopes.as_ref().map_or_else(|| "not known yet".to_owned(), |scopes| scopes.join(" ")),
    ]
}
