//! The partitions of a fetch: one for the app, or one for each user of the job.

use std::sync::Arc;

use chrono::TimeDelta;

use super::context::FetchContext;
use super::parent_name::wants_parent_names;
use super::run_parameters::RunParameters;
use super::users::{JobUser, UserAccount, UserProblem};
use crate::job::{Fetch, FetchSource, Job};
use crate::stream::Stream;
use spotify_client::client::ApiCaller;
use spotify_client::error::ApiError;
use spotify_client::state::grants::GrantStore;

/// One partition of a fetch: the owner of its token, or why it has none.
#[derive(Debug)]
pub(super) struct Partition {
    /// The user, unless the app's own token is used.
    pub user: Option<UserAccount>,
    /// Why nothing can be requested.
    pub problem: Option<UserProblem>,
}

/// The partitions of a fetch: each user of the job for the streams of a user, and otherwise the first user
/// that has no problem, or the app.
pub(super) fn partitions(users: &[JobUser], parameters: &RunParameters, fetch: &Fetch) -> Vec<Partition> {
    let each: Vec<Partition> =
        users.iter().map(|user| Partition::for_user(user, fetch.stream, parameters.grants.as_deref())).collect();
    if fetch.stream.needs_user() {
        return if each.is_empty() { vec![Partition::without_user()] } else { each };
    }
    // The app's token replaces only that of users who have to sign in. Where the disk or the network is the
    // problem, the same lists would be read as those of another audience.
    let is_usable = |part: &Partition| part.problem.as_ref().is_none_or(|problem| !problem.needs_user_action());
    let mut usable: Vec<Partition> = each.into_iter().filter(is_usable).collect();
    let first = usable.iter().position(|part| part.problem.is_none()).unwrap_or(0);
    vec![if usable.is_empty() { Partition::for_app() } else { usable.swap_remove(first) }]
}

impl Partition {
    fn for_app() -> Partition {
        Partition { user: None, problem: None }
    }

    /// A stream of a user in a job that names no user.
    fn without_user() -> Partition {
        let why = "no user has signed in, or the job names no user".to_owned();
        Partition { user: None, problem: Some(UserProblem::new(ApiError::SignIn { user: "USER".into(), why })) }
    }

    fn for_user(user: &JobUser, stream: &Stream, grants: Option<&GrantStore>) -> Partition {
        match &user.account {
            Err(problem) => {
                let account = UserAccount { name: user.name.clone(), user_id: String::new() };
                Partition { user: Some(account), problem: Some(problem.clone()) }
            }
            Ok(account) => {
                let missing = grants.and_then(|grants| check_scopes(grants, account, stream).err());
                Partition { user: Some(account.clone()), problem: missing.map(UserProblem::new) }
            }
        }
    }

    /// What all requests of the partition have in common.
    pub(super) fn fetch_context(
        &self,
        parameters: &RunParameters,
        (job, fetch): (&Job, &Fetch),
        index: i64,
    ) -> FetchContext {
        let user = self.user.as_ref().filter(|user| !user.user_id.is_empty());
        FetchContext {
            fetch: fetch.name.clone(),
            stream: fetch.stream,
            market: fetch.market.clone().or_else(|| parameters.default_market.clone()).unwrap_or_default(),
            bearer: user.map_or(ApiCaller::App, |user| ApiCaller::User(user.name.clone())),
            audience: user.map_or_else(|| "app".to_owned(), |user| user.user_id.clone()),
            recorded_for: self.user.as_ref().map(UserAccount::recorded_id).unwrap_or_default(),
            job: job.name.clone(),
            accepts_batch: parameters.accept.as_ref() == Some(&fetch.name),
            is_listed: matches!(fetch.source, FetchSource::From { .. }),
            is_second_look: false,
            from_own_library: false,
            wants_parent_names: wants_parent_names(fetch),
            partition_index: fetch.stream.needs_user().then_some(index),
            full_every: TimeDelta::from_std(fetch.full_every).unwrap_or(TimeDelta::MAX),
            progress: Arc::default(),
        }
    }
}

/// Whether a grant has the scopes of a stream.
fn check_scopes(grants: &GrantStore, user: &UserAccount, stream: &Stream) -> Result<(), ApiError> {
    let missing = grants.missing_scopes(&user.name, stream.scopes)?;
    if missing.is_empty() {
        return Ok(());
    }
    let (name, all) = (stream.name, missing.join(" and "));
    let why = match missing.len() {
        1 => format!("{name} needs the scope {all}, which was not granted"),
        _ => format!("{name} needs the scopes {all}, which were not granted"),
    };
    Err(ApiError::SignIn { user: user.name.clone(), why })
}
