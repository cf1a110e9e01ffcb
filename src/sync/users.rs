//! Whose token a fetch asks with: the app's, or that of each user of the job in turn.

use crate::store::entity;
use std::sync::Arc;

use super::context::{FetchContext, SyncContext, timestamp};
use super::error::{SyncError, SyncErrorClass};
use crate::ingest::{IngestContext, ensure_row};
use crate::job::Fetch;
use crate::signin::identify;
use crate::store::{CellValue, EntityTable};
use crate::stream::Stream;
use spotify_client::EntityKind;
use spotify_client::client::ApiCaller;
use spotify_client::error::ApiError;
use spotify_client::state::grants::{GrantError, GrantStore};

/// A user of a job.
#[derive(Debug, Clone)]
pub(super) struct UserAccount {
    /// The local name.
    pub name: String,
    /// Spotify's id of the account.
    pub user_id: String,
}

impl UserAccount {
    /// What names the user in the record of a run.
    fn recorded_id(&self) -> String {
        if self.user_id.is_empty() { self.name.clone() } else { self.user_id.clone() }
    }
}

/// Stands for the id of an account that was not asked for yet; no id has a blank in it.
pub(super) const UNKNOWN_ACCOUNT: &str = "not known";

/// A user that a job names.
#[derive(Debug)]
pub(super) struct JobUser {
    /// The local name.
    pub name: String,
    /// The account, or why there is none.
    pub account: Result<UserAccount, UserProblem>,
}

impl SyncContext {
    /// The users of a job by their local names, each with its account, or why it has none.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub(super) async fn identify_users(
        &self,
        grants: Option<&Arc<GrantStore>>,
        names: &[String],
    ) -> Result<Vec<JobUser>, SyncError> {
        let mut askers = Vec::with_capacity(names.len());
        for name in names {
            let user = match grants {
                Some(_) => match self.identify_user(name).await {
                    Ok(user) => Ok(user),
                    Err(SyncError::Api(e)) => Err(UserProblem(e)),
                    Err(e) => return Err(e),
                },
                None => Err(UserProblem(not_signed_in(name))),
            };
            askers.push(JobUser { name: name.clone(), account: user });
        }
        Ok(askers)
    }

    /// The same as far as it is known without asking or writing anything. A user whose account is not
    /// known yet has nothing in the store, whatever stands for its id.
    pub(super) fn known_users(
        &self,
        grants: Option<&Arc<GrantStore>>,
        names: &[String],
    ) -> Result<Vec<JobUser>, SyncError> {
        let user = |name: &String| {
            let grant = grants.map(|grants| grants.get(name)).transpose().map_err(ApiError::from)?.flatten();
            let user = grant.map(|grant| {
                let user_id = grant.account.map_or_else(|| UNKNOWN_ACCOUNT.to_owned(), |account| account.user_id);
                UserAccount { name: name.clone(), user_id }
            });
            Ok(JobUser { name: name.clone(), account: user.ok_or_else(|| UserProblem(not_signed_in(name))) })
        };
        names.iter().map(user).collect()
    }

    async fn identify_user(&self, name: &str) -> Result<UserAccount, SyncError> {
        let account = identify(&self.api, name).await?;
        let user_id = account.user_id.clone();
        let asked = IngestContext { now: timestamp(self.now()), market: String::new(), user_id: Some(user_id.clone()) };
        let local = name.to_owned();
        self.store
            .write(move |s| {
                ensure_row(s, EntityKind::User, &user_id, &asked)?;
                let cells: Vec<CellValue<'_>> = EntityTable::users()
                    .columns
                    .iter()
                    .map(|column| if *column == "local_name" { CellValue::Text(&local) } else { CellValue::Absent })
                    .collect();
                entity::upsert(s, EntityTable::users(), &user_id, &cells, &asked.now, false).map(|_| ())
            })
            .await?;
        Ok(UserAccount { name: name.to_owned(), user_id: account.user_id })
    }
}

/// One part of a fetch: who asks, or why that cannot be.
#[derive(Debug)]
pub(super) struct Partition {
    /// The user, where one asks.
    pub user: Option<UserAccount>,
    /// Why nothing can be asked.
    pub problem: Option<UserProblem>,
}

/// Why a user cannot be asked for; said once for each fetch that is concerned.
#[derive(Debug, Clone)]
pub(super) struct UserProblem(ApiError);

impl UserProblem {
    /// What a halt says about the user who was asked for, rather than about what was asked.
    pub(super) fn from_error(halt: &SyncError) -> Option<UserProblem> {
        match halt {
            SyncError::Api(e @ ApiError::SignIn { .. }) => Some(UserProblem(e.clone())),
            SyncError::Api(e @ ApiError::Grants(inner)) if matches!(**inner, GrantError::Unreadable { .. }) => {
                Some(UserProblem(e.clone()))
            }
            _ => None,
        }
    }

    /// Whether somebody has to do something about it, such as sign in.
    pub(super) fn needs_user_action(&self) -> bool {
        self.to_error().class() == SyncErrorClass::UserAction
    }

    /// The reason as one that stops a fetch.
    pub(super) fn to_error(&self) -> SyncError {
        self.0.clone().into()
    }
}

impl Partition {
    /// The app itself asks.
    pub(super) fn for_app() -> Partition {
        Partition { user: None, problem: None }
    }

    /// A stream of a user's in a job that names nobody.
    pub(super) fn without_user() -> Partition {
        let why = "nobody has signed in, or the job names no user".to_owned();
        Partition { user: None, problem: Some(UserProblem(ApiError::SignIn { user: "USER".into(), why })) }
    }

    /// One of the users of the job.
    pub(super) fn for_user(asker: &JobUser, stream: &Stream, grants: Option<&GrantStore>) -> Partition {
        let nobody = |name: &str| UserAccount { name: name.to_owned(), user_id: String::new() };
        match &asker.account {
            Err(trouble) => Partition { user: Some(nobody(&asker.name)), problem: Some(trouble.clone()) },
            Ok(user) => {
                let lacking = grants.and_then(|grants| check_scopes(grants, user, stream).err());
                Partition { user: Some(user.clone()), problem: lacking.map(UserProblem) }
            }
        }
    }

    /// What all calls of the part have in common.
    pub(super) fn fetch_context(&self, start: &super::RunParameters, fetch: &Fetch, place: i64) -> FetchContext {
        let user = self.user.as_ref().filter(|user| !user.user_id.is_empty());
        FetchContext {
            fetch: fetch.name.clone(),
            stream: fetch.stream,
            market: fetch.market.clone().or_else(|| start.default_market.clone()).unwrap_or_default(),
            bearer: user.map_or(ApiCaller::App, |user| ApiCaller::User(user.name.clone())),
            audience: user.map_or_else(|| "app".to_owned(), |user| user.user_id.clone()),
            recorded_for: self.user.as_ref().map(UserAccount::recorded_id).unwrap_or_default(),
            from_own_library: false,
            partition_index: fetch.stream.needs_user().then_some(place),
            full_every: chrono::TimeDelta::from_std(fetch.full_every).unwrap_or(chrono::TimeDelta::MAX),
            progress: Arc::default(),
        }
    }
}

/// Whether a grant has the scopes of a stream.
fn check_scopes(grants: &GrantStore, user: &UserAccount, stream: &Stream) -> Result<(), ApiError> {
    let lacking = grants.missing_scopes(&user.name, stream.scopes)?;
    if lacking.is_empty() {
        return Ok(());
    }
    let (name, all) = (stream.name, lacking.join(" and "));
    let why = match lacking.len() {
        1 => format!("{name} needs the scope {all}, which was not granted"),
        _ => format!("{name} needs the scopes {all}, which were not granted"),
    };
    Err(ApiError::SignIn { user: user.name.clone(), why })
}

fn not_signed_in(name: &str) -> ApiError {
    ApiError::SignIn { user: name.to_owned(), why: "there is no grant of this name".into() }
}
