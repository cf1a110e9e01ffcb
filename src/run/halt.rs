//! Why work stops: what ends a fetch, and what ends the whole run.

use chrono::{DateTime, Utc};

use super::report::{Cause, Whose};
use crate::spotify::error::ApiError;
use crate::state::grants::GrantError;
use crate::store::StoreError;

/// A reason to stop that is not about one id or one list.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// The API: a deferral, a refusal of the app, or nobody there.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A reader holds the store: what is fetched has nowhere to go until it is gone.
    #[error("{source}")]
    Held {
        /// Which store, and by how much.
        source: StoreError,
        /// When it is looked at again.
        not_before: DateTime<Utc>,
    },
    /// A lock cannot be had.
    #[error(transparent)]
    Lock(#[from] super::lock::LockTrouble),
    /// A job asks for something that cannot be worked out, such as a `where` that SQLite refuses.
    #[error("{0}")]
    Job(String),
    /// Nothing was sent because what a fetch builds on did not finish.
    #[error("{0}")]
    Waits(String),
}

/// What a halt means for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Come back then.
    Deferred(Option<DateTime<Utc>>),
    /// Spotify is out of reach.
    Unreachable,
    /// A person must act.
    Person,
    /// The disk or the store.
    Storage,
    /// The job or a setting is wrong.
    Usage,
}

impl Halt {
    /// What it means for the run.
    pub fn weight(&self) -> Weight {
        match self {
            Halt::Api(ApiError::Deferred { not_before, .. }) => Weight::Deferred(Some(*not_before)),
            Halt::Held { not_before, .. } => Weight::Deferred(Some(*not_before)),
            Halt::Api(ApiError::Stopped) | Halt::Waits(_) => Weight::Deferred(None),
            Halt::Api(ApiError::Credentials { .. } | ApiError::Refused { .. } | ApiError::SignIn { .. }) => {
                Weight::Person
            }
            Halt::Api(ApiError::Grants(e)) if e.needs_a_person() => Weight::Person,
            Halt::Api(ApiError::Grants(_)) => Weight::Storage,
            Halt::Api(ApiError::Config { .. }) | Halt::Job(_) => Weight::Usage,
            Halt::Api(ApiError::State(_)) | Halt::Store(_) | Halt::Lock(_) => Weight::Storage,
            Halt::Api(_) => Weight::Unreachable,
        }
    }

    /// The same for whoever tells of it.
    pub fn cause(&self) -> Cause {
        let whose = match (self, self.weight()) {
            (Halt::Api(ApiError::SignIn { user, .. }), _) => Whose::User(user.clone()),
            (Halt::Api(ApiError::Deferred { .. }), _) => Whose::HeldBack,
            (_, Weight::Person) => Whose::App,
            (_, Weight::Storage) => Whose::Storage,
            _ => Whose::Run,
        };
        Cause { whose, words: self.words(), hint: self.hint() }
    }

    /// Whether nothing else of the run can go on either.
    pub fn ends_the_run(&self) -> bool {
        match self {
            Halt::Api(ApiError::Deferred { why, .. }) => why.family().is_none(),
            Halt::Waits(_) | Halt::Job(_) | Halt::Api(ApiError::SignIn { .. }) => false,
            // One row of the grants is not the others.
            Halt::Api(ApiError::Grants(e)) => !matches!(**e, GrantError::Unreadable { .. }),
            _ => true,
        }
    }

    /// What happened, with its causes, in a line.
    pub fn words(&self) -> String {
        super::job::chain(self)
    }

    /// What to type or do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Halt::Api(e) => e.hint(),
            Halt::Store(e) | Halt::Held { source: e, .. } => e.hint(),
            _ => None,
        }
    }
}
