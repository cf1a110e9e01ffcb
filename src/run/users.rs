//! Whose token a fetch asks with: the app's, or that of each user of the job in turn.

use std::sync::Arc;

use super::engine::{Engine, FetchFrame, stamp};
use super::halt::{Halt, Weight};
use crate::ingest::{Asked, ensure_row};
use crate::job::Fetch;
use crate::signin::identify;
use crate::store::{Cell, Table};
use crate::stream::Stream;
use spotify_client::Kind;
use spotify_client::client::Bearer;
use spotify_client::error::ApiError;
use spotify_client::state::grants::{GrantError, Grants};

/// A user of a job.
#[derive(Debug, Clone)]
pub(super) struct User {
    /// The local name.
    pub name: String,
    /// Spotify's id of the account.
    pub user_id: String,
}

impl User {
    /// What names the user in the record of a run.
    fn recorded_as(&self) -> String {
        if self.user_id.is_empty() { self.name.clone() } else { self.user_id.clone() }
    }
}

/// Stands for the id of an account that was not asked for yet; no id has a blank in it.
pub(super) const NOT_KNOWN: &str = "not known";

/// A user that a job names.
#[derive(Debug)]
pub(super) struct Asker {
    /// The local name.
    pub name: String,
    /// The account, or why there is none.
    pub user: Result<User, Trouble>,
}

impl Engine {
    /// The users of a job by their local names, each with its account, or why it has none.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub(super) async fn users(&self, grants: Option<&Arc<Grants>>, names: &[String]) -> Result<Vec<Asker>, Halt> {
        let mut askers = Vec::with_capacity(names.len());
        for name in names {
            let user = match grants {
                Some(_) => match self.user(name).await {
                    Ok(user) => Ok(user),
                    Err(Halt::Api(e)) => Err(Trouble(e)),
                    Err(e) => return Err(e),
                },
                None => Err(Trouble(not_signed_in(name))),
            };
            askers.push(Asker { name: name.clone(), user });
        }
        Ok(askers)
    }

    /// The same as far as it is known without asking or writing anything. A user whose account is not
    /// known yet has nothing in the store, whatever stands for its id.
    pub(super) fn known_users(&self, grants: Option<&Arc<Grants>>, names: &[String]) -> Result<Vec<Asker>, Halt> {
        let user = |name: &String| {
            let grant = grants.map(|grants| grants.get(name)).transpose().map_err(ApiError::from)?.flatten();
            let user = grant.map(|grant| {
                let user_id = grant.account.map_or_else(|| NOT_KNOWN.to_owned(), |account| account.user_id);
                User { name: name.clone(), user_id }
            });
            Ok(Asker { name: name.clone(), user: user.ok_or_else(|| Trouble(not_signed_in(name))) })
        };
        names.iter().map(user).collect()
    }

    async fn user(&self, name: &str) -> Result<User, Halt> {
        let account = identify(&self.api, name).await?;
        let user_id = account.user_id.clone();
        let asked = Asked { now: stamp(self.now()), market: String::new(), user_id: Some(user_id.clone()) };
        let local = name.to_owned();
        self.store
            .write(move |s| {
                ensure_row(s, Kind::User, &user_id, &asked)?;
                let cells: Vec<Cell<'_>> = Table::users()
                    .columns
                    .iter()
                    .map(|column| if *column == "local_name" { Cell::Text(&local) } else { Cell::Absent })
                    .collect();
                s.upsert(Table::users(), &user_id, &cells, &asked.now, false).map(|_| ())
            })
            .await?;
        Ok(User { name: name.to_owned(), user_id: account.user_id })
    }
}

/// One part of a fetch: who asks, or why that cannot be.
#[derive(Debug)]
pub(super) struct Part {
    /// The user, where one asks.
    pub user: Option<User>,
    /// Why nothing can be asked.
    pub trouble: Option<Trouble>,
}

/// Why a user cannot be asked for; said once for each fetch that is concerned.
#[derive(Debug, Clone)]
pub(super) struct Trouble(ApiError);

impl Trouble {
    /// What a halt says about the user who was asked for, rather than about what was asked.
    pub(super) fn of(halt: &Halt) -> Option<Trouble> {
        match halt {
            Halt::Api(e @ ApiError::SignIn { .. }) => Some(Trouble(e.clone())),
            Halt::Api(e @ ApiError::Grants(inner)) if matches!(**inner, GrantError::Unreadable { .. }) => {
                Some(Trouble(e.clone()))
            }
            _ => None,
        }
    }

    /// Whether somebody has to do something about it, such as sign in.
    pub(super) fn needs_a_person(&self) -> bool {
        self.again().weight() == Weight::Person
    }

    /// The reason as one that stops a fetch.
    pub(super) fn again(&self) -> Halt {
        self.0.clone().into()
    }
}

impl Part {
    /// The app itself asks.
    pub(super) fn app() -> Part {
        Part { user: None, trouble: None }
    }

    /// A stream of a user's in a job that names nobody.
    pub(super) fn nobody() -> Part {
        let why = "nobody has signed in, or the job names no user".to_owned();
        Part { user: None, trouble: Some(Trouble(ApiError::SignIn { user: "USER".into(), why })) }
    }

    /// One of the users of the job.
    pub(super) fn of(asker: &Asker, stream: &Stream, grants: Option<&Grants>) -> Part {
        let nobody = |name: &str| User { name: name.to_owned(), user_id: String::new() };
        match &asker.user {
            Err(trouble) => Part { user: Some(nobody(&asker.name)), trouble: Some(trouble.clone()) },
            Ok(user) => {
                let lacking = grants.and_then(|grants| check_scopes(grants, user, stream).err());
                Part { user: Some(user.clone()), trouble: lacking.map(Trouble) }
            }
        }
    }

    /// What all calls of the part have in common.
    pub(super) fn frame(&self, start: &super::Start, fetch: &Fetch, place: i64) -> FetchFrame {
        let user = self.user.as_ref().filter(|user| !user.user_id.is_empty());
        FetchFrame {
            fetch: fetch.name.clone(),
            stream: fetch.stream,
            market: fetch.market.clone().or_else(|| start.default_market.clone()).unwrap_or_default(),
            bearer: user.map_or(Bearer::App, |user| Bearer::User(user.name.clone())),
            audience: user.map_or_else(|| "app".to_owned(), |user| user.user_id.clone()),
            recorded_for: self.user.as_ref().map(User::recorded_as).unwrap_or_default(),
            own: false,
            part: fetch.stream.needs_user().then_some(place),
            full_every: chrono::TimeDelta::from_std(fetch.full_every).unwrap_or(chrono::TimeDelta::MAX),
            course: Arc::default(),
        }
    }
}

/// Whether a grant has the scopes of a stream.
fn check_scopes(grants: &Grants, user: &User, stream: &Stream) -> Result<(), ApiError> {
    let lacking = grants.lacking(&user.name, stream.scopes)?;
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
