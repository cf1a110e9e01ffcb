//! The users of a job, each with its account or the reason why it has none.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::context::{FetchContext, SyncContext};
use super::error::{SyncError, SyncErrorClass};
use crate::ingest::{IngestContext, ensure_row};
use crate::signin::{identify, identify_again};
use crate::store::timestamp;
use crate::store::{StoreError, WriteTx, accounts};
use spotify_client::EntityKind;
use spotify_client::client::ApiCaller;
use spotify_client::error::ApiError;
use spotify_client::state::grants::{GrantStore, SpotifyAccount};

/// The Spotify account of a user of a job.
#[derive(Debug, Clone)]
pub(super) struct UserAccount {
    /// The local name.
    pub name: String,
    /// The id under which the account's rows are stored: the first one that Spotify gave it. Empty where it is not
    /// known.
    pub user_id: String,
}

impl UserAccount {
    /// The id of the user in the record of a run.
    pub(super) fn recorded_id(&self) -> String {
        if self.user_id.is_empty() { self.name.clone() } else { self.user_id.clone() }
    }
}

/// The start of a made-up id for an account that was not identified yet; the local name of the user follows. No id of
/// Spotify has a blank in it.
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
            SyncError::Api(e @ ApiError::Grants(inner)) if inner.concerns_one_user() => Some(UserProblem(e.clone())),
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
            Some(_) => match identify_user(sync, name, &users).await {
                Ok(account) => Ok(account),
                Err(SyncError::Api(e)) => Err(UserProblem(e)),
                Err(e) => return Err(e),
            },
            None => Err(UserProblem(not_signed_in(name))),
        };
        users.push(JobUser { name: name.clone(), account });
    }
    refuse_second_names(&mut users);
    Ok(users)
}

/// Refuses every name of an account after its first one: rows and files are stored by account, so they can bear only
/// one name.
fn refuse_second_names(users: &mut [JobUser]) {
    let mut first_names: FxHashMap<String, String> = FxHashMap::default();
    for user in users {
        let Ok(account) = &user.account else { continue };
        match first_names.get(&account.user_id) {
            None => {
                first_names.insert(account.user_id.clone(), user.name.clone());
            }
            Some(first) => user.account = Err(UserProblem(second_name(&user.name, first))),
        }
    }
}

fn second_name(name: &str, first: &str) -> ApiError {
    let why = format!(
        "its grant is for the same Spotify account as `{first}`; sign in with the other account, or remove `{name}` from \
         the job"
    );
    ApiError::SignIn { user: name.to_owned(), why }
}

/// The users of a job as far as they are known without a request or a write. A user with an account that is not
/// known yet has nothing in the store.
pub(super) async fn known_users(
    sync: &SyncContext,
    grants: Option<&Arc<GrantStore>>,
    names: &[String],
) -> Result<Vec<JobUser>, SyncError> {
    let mut users = Vec::with_capacity(names.len());
    for name in names {
        let grant = grants.map(|grants| grants.get(name)).transpose().map_err(ApiError::from)?.flatten();
        let account = match grant.map(|grant| grant.account) {
            None => Err(UserProblem(not_signed_in(name))),
            Some(None) => Ok(UserAccount { name: name.clone(), user_id: format!("{UNKNOWN_ACCOUNT} {name}") }),
            Some(Some(SpotifyAccount { account_id, user_id, .. })) => {
                let stored = sync.store.write(move |s| accounts::stored_id(s, account_id.as_deref(), &user_id));
                Ok(UserAccount { name: name.clone(), user_id: stored.await? })
            }
        };
        users.push(JobUser { name: name.clone(), account });
    }
    refuse_second_names(&mut users);
    Ok(users)
}

/// The account of a user. The local name is recorded unless the account is that of a user before this one.
async fn identify_user(sync: &SyncContext, name: &str, earlier: &[JobUser]) -> Result<UserAccount, SyncError> {
    let account = identify(&sync.api, name).await?;
    let named: Vec<String> =
        earlier.iter().filter_map(|user| user.account.as_ref().ok()).map(|it| it.user_id.clone()).collect();
    let (local, now) = (name.to_owned(), timestamp(sync.now()));
    let written = sync.store.write(move |s| {
        let stored_as = accounts::stored_id(s, account.account_id.as_deref(), &account.user_id)?;
        record_account(s, &account, &stored_as, now.clone())?;
        if named.contains(&stored_as) {
            return Ok(stored_as);
        }
        accounts::name_user(s, &stored_as, &local, &now)?;
        Ok(stored_as)
    });
    Ok(UserAccount { name: name.to_owned(), user_id: written.await? })
}

/// Records which ids an account has, and under which of them its rows are stored.
fn record_account(s: &mut WriteTx, account: &SpotifyAccount, stored_as: &str, now: String) -> Result<(), StoreError> {
    let asked = IngestContext::new(now, String::new(), Some(stored_as.to_owned()));
    ensure_row(s, EntityKind::User, stored_as, &asked)?;
    if account.user_id != stored_as {
        ensure_row(s, EntityKind::User, &account.user_id, &asked)?;
    }
    accounts::record(s, account.account_id.as_deref(), &account.user_id, stored_as)
}

/// Asks Spotify for the account of a fetch's user once more, and records a changed id. The token is the same, so
/// the account is too, unless its stable id says otherwise.
pub(super) async fn confirm_account(sync: &SyncContext, context: &FetchContext) -> Result<(), SyncError> {
    let ApiCaller::User(name) = &context.bearer else { return Ok(()) };
    let account = identify_again(&sync.api, name).await?;
    let (stored_as, now) = (context.audience.clone(), timestamp(sync.now()));
    let recorded = sync.store.write(move |s| {
        let known = accounts::ids_of(s, &stored_as)?.account_id;
        if known.is_some() && account.account_id.is_some() && known != account.account_id {
            return Ok(());
        }
        record_account(s, &account, &stored_as, now)
    });
    Ok(recorded.await?)
}

fn not_signed_in(name: &str) -> ApiError {
    ApiError::SignIn { user: name.to_owned(), why: "there is no grant of this name".into() }
}
