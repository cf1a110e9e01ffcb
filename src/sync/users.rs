//! The users of a job, each with its account or the reason why it has none.

use std::sync::Arc;

use super::context::SyncContext;
use super::error::{SyncError, SyncErrorClass};
use crate::ingest::{IngestContext, ensure_row};
use crate::signin::identify;
use crate::store::timestamp;
use crate::store::{CellValue, EntityTable, entity};
use spotify_client::EntityKind;
use spotify_client::error::ApiError;
use spotify_client::state::grants::{GrantError, GrantStore};

/// The Spotify account of a user of a job.
#[derive(Debug, Clone)]
pub(super) struct UserAccount {
    /// The local name.
    pub name: String,
    /// Spotify's id of the account; empty where it is not known.
    pub user_id: String,
}

impl UserAccount {
    /// The id of the user in the record of a run.
    pub(super) fn recorded_id(&self) -> String {
        if self.user_id.is_empty() { self.name.clone() } else { self.user_id.clone() }
    }
}

/// Replaces the id of an account that was not identified yet. No id contains a blank.
pub(super) const UNKNOWN_ACCOUNT: &str = "not known";

/// A user that a job names.
#[derive(Debug)]
pub(super) struct JobUser {
    /// The local name.
    pub name: String,
    /// The account, or why there is none.
    pub account: Result<UserAccount, UserProblem>,
}

/// Why no request can be sent for a user. It is reported for each fetch that it concerns.
#[derive(Debug, Clone)]
pub(super) struct UserProblem(ApiError);

impl UserProblem {
    pub(super) fn new(error: ApiError) -> UserProblem {
        UserProblem(error)
    }

    /// The problem of the user that an error shows, unless the error is about something else.
    pub(super) fn from_error(error: &SyncError) -> Option<UserProblem> {
        match error {
            SyncError::Api(e @ ApiError::SignIn { .. }) => Some(UserProblem(e.clone())),
            SyncError::Api(e @ ApiError::Grants(inner)) if matches!(**inner, GrantError::Unreadable { .. }) => {
                Some(UserProblem(e.clone()))
            }
            _ => None,
        }
    }

    /// Whether the user has to act, for example to sign in.
    pub(super) fn needs_user_action(&self) -> bool {
        self.to_error().class() == SyncErrorClass::UserAction
    }

    /// The problem as an error that stops a fetch.
    pub(super) fn to_error(&self) -> SyncError {
        self.0.clone().into()
    }
}

/// The users of a job by their local names, each with its account, or why it has none.
///
/// # Errors
/// If the store cannot be written.
pub(super) async fn identify_users(
    sync: &SyncContext,
    grants: Option<&Arc<GrantStore>>,
    names: &[String],
) -> Result<Vec<JobUser>, SyncError> {
    let mut users = Vec::with_capacity(names.len());
    for name in names {
        let account = match grants {
            Some(_) => match identify_user(sync, name).await {
                Ok(account) => Ok(account),
                Err(SyncError::Api(e)) => Err(UserProblem(e)),
                Err(e) => return Err(e),
            },
            None => Err(UserProblem(not_signed_in(name))),
        };
        users.push(JobUser { name: name.clone(), account });
    }
    Ok(users)
}

/// The users of a job as far as they are known without a request or a write. A user whose account is not
/// known yet has nothing in the store.
pub(super) fn known_users(grants: Option<&Arc<GrantStore>>, names: &[String]) -> Result<Vec<JobUser>, SyncError> {
    let user = |name: &String| {
        let grant = grants.map(|grants| grants.get(name)).transpose().map_err(ApiError::from)?.flatten();
        let account = grant.map(|grant| {
            let user_id = grant.account.map_or_else(|| UNKNOWN_ACCOUNT.to_owned(), |account| account.user_id);
            UserAccount { name: name.clone(), user_id }
        });
        Ok(JobUser { name: name.clone(), account: account.ok_or_else(|| UserProblem(not_signed_in(name))) })
    };
    names.iter().map(user).collect()
}

async fn identify_user(sync: &SyncContext, name: &str) -> Result<UserAccount, SyncError> {
    let account = identify(&sync.api, name).await?;
    let user_id = account.user_id.clone();
    let asked = IngestContext::new(timestamp(sync.now()), String::new(), Some(user_id.clone()));
    let local = name.to_owned();
    let written = sync.store.write(move |s| {
        ensure_row(s, EntityKind::User, &user_id, &asked)?;
        let cells: Vec<CellValue<'_>> = EntityTable::users()
            .columns
            .iter()
            .map(|column| if *column == "local_name" { CellValue::Text(&local) } else { CellValue::Absent })
            .collect();
        entity::upsert(s, EntityTable::users(), &user_id, &cells, &asked.now, false).map(|_| ())
    });
    written.await?;
    Ok(UserAccount { name: name.to_owned(), user_id: account.user_id })
}

fn not_signed_in(name: &str) -> ApiError {
    ApiError::SignIn { user: name.to_owned(), why: "there is no grant of this name".into() }
}
