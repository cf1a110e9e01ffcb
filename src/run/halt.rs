//! Why work stops: what ends a fetch, and what ends the whole run.

use chrono::{DateTime, Utc};

use super::exit;
use super::look::is_about_the_list;
use super::report::{Cause, Whose};
use crate::store::StoreError;
use spotify_client::error::ApiError;
use spotify_client::state::grants::GrantError;

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

    /// The exit code that it asks for.
    pub fn exit_code(&self) -> u8 {
        match self.weight() {
            Weight::Deferred(_) => exit::DEFERRED,
            Weight::Unreachable => exit::FAILED,
            Weight::Person => exit::PERSON,
            Weight::Storage => exit::STORAGE,
            Weight::Usage => exit::USAGE,
        }
    }

    /// Of two reasons to stop, the one to be told of: the graver one; of two deferrals the longer.
    #[must_use]
    pub fn or_graver(self, other: Halt) -> Halt {
        let (one, two) = (self.exit_code(), other.exit_code());
        let graver = match (self.weight(), other.weight()) {
            (Weight::Deferred(one), Weight::Deferred(two)) => two > one,
            _ => one != two && exit::winner(&[one, two]) == two,
        };
        if graver { other } else { self }
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
            // One answer about one thing says nothing about the others.
            Halt::Api(e) => !is_about_the_list(e),
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

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn of_two_reasons_to_stop_the_graver_one_is_told_whichever_came_first() {
        let at = |hours| Halt::Held {
            source: StoreError::Sqlite { path: "x".into(), what: "is held", source: rusqlite::Error::InvalidQuery },
            not_before: DateTime::UNIX_EPOCH + TimeDelta::hours(hours),
        };
        let disk = || {
            Halt::Store(StoreError::Sqlite {
                path: "x".into(),
                what: "cannot be written",
                source: rusqlite::Error::InvalidQuery,
            })
        };
        let job = || Halt::Job("a where".to_owned());
        for halt in [at(1).or_graver(disk()), disk().or_graver(at(1)), disk().or_graver(job()), job().or_graver(disk())]
        {
            assert_eq!(halt.exit_code(), exit::STORAGE);
        }
        for halt in [at(1).or_graver(at(2)), at(2).or_graver(at(1))] {
            assert_eq!(halt.weight(), Weight::Deferred(Some(DateTime::UNIX_EPOCH + TimeDelta::hours(2))));
        }
    }
}
