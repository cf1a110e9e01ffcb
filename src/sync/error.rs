//! Why work stops: what ends a fetch, and what ends the whole run.

use chrono::{DateTime, Utc};

use super::exit_codes;
use super::page_request::is_about_the_list;
use super::report::{CauseScope, RunCause};
use crate::store::StoreError;
use spotify_client::error::ApiError;
use spotify_client::state::grants::GrantError;

/// A reason to stop that is not about one id or one list.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The API: a deferral, a refusal of the app, or nobody there.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A reader holds the store: what is fetched has nowhere to go until it is gone.
    #[error("{source}")]
    StoreBlocked {
        /// Which store, and by how much.
        source: StoreError,
        /// When it is looked at again.
        not_before: DateTime<Utc>,
    },
    /// A lock cannot be had.
    #[error(transparent)]
    Lock(#[from] super::job_lock::LockError),
    /// A job asks for something that cannot be worked out, such as a `where` that SQLite refuses.
    #[error("{0}")]
    InvalidJob(String),
    /// Nothing was sent because what a fetch builds on did not finish.
    #[error("{0}")]
    Blocked(String),
}

/// What a halt means for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncErrorClass {
    /// Come back then.
    Deferred(Option<DateTime<Utc>>),
    /// Spotify is out of reach.
    Unreachable,
    /// A person must act.
    UserAction,
    /// The disk or the store.
    Storage,
    /// The job or a setting is wrong.
    Usage,
}

impl SyncError {
    /// What it means for the run.
    pub fn class(&self) -> SyncErrorClass {
        match self {
            SyncError::Api(ApiError::Deferred(deferral)) => SyncErrorClass::Deferred(Some(deferral.until)),
            SyncError::StoreBlocked { not_before, .. } => SyncErrorClass::Deferred(Some(*not_before)),
            SyncError::Api(ApiError::Stopped) | SyncError::Blocked(_) => SyncErrorClass::Deferred(None),
            SyncError::Api(ApiError::Credentials { .. } | ApiError::Refused { .. } | ApiError::SignIn { .. }) => {
                SyncErrorClass::UserAction
            }
            SyncError::Api(ApiError::Grants(e)) if e.requires_user_action() => SyncErrorClass::UserAction,
            SyncError::Api(ApiError::Grants(_)) => SyncErrorClass::Storage,
            SyncError::Api(ApiError::Config { .. }) | SyncError::InvalidJob(_) => SyncErrorClass::Usage,
            SyncError::Api(ApiError::State(_)) | SyncError::Store(_) | SyncError::Lock(_) => SyncErrorClass::Storage,
            SyncError::Api(_) => SyncErrorClass::Unreachable,
        }
    }

    /// The exit code that it asks for.
    pub fn exit_code(&self) -> u8 {
        match self.class() {
            SyncErrorClass::Deferred(_) => exit_codes::DEFERRED,
            SyncErrorClass::Unreachable => exit_codes::FAILED,
            SyncErrorClass::UserAction => exit_codes::USER_ACTION,
            SyncErrorClass::Storage => exit_codes::STORAGE,
            SyncErrorClass::Usage => exit_codes::USAGE,
        }
    }

    /// Of two reasons to stop, the one to be told of: the graver one; of two deferrals the longer.
    #[must_use]
    pub fn most_severe(self, other: SyncError) -> SyncError {
        let (one, two) = (self.exit_code(), other.exit_code());
        let graver = match (self.class(), other.class()) {
            (SyncErrorClass::Deferred(one), SyncErrorClass::Deferred(two)) => two > one,
            _ => one != two && exit_codes::most_severe(&[one, two]) == two,
        };
        if graver { other } else { self }
    }

    /// The same for whoever tells of it.
    pub fn cause(&self) -> RunCause {
        let whose = match (self, self.class()) {
            (SyncError::Api(ApiError::SignIn { user, .. }), _) => CauseScope::User(user.clone()),
            (SyncError::Api(ApiError::Deferred { .. }), _) => CauseScope::Deferred,
            (_, SyncErrorClass::UserAction) => CauseScope::App,
            (_, SyncErrorClass::Storage) => CauseScope::Storage,
            _ => CauseScope::Run,
        };
        RunCause { scope: whose, message: self.message(), hint: self.hint() }
    }

    /// Whether nothing else of the run can go on either.
    pub fn ends_the_run(&self) -> bool {
        match self {
            SyncError::Api(ApiError::Deferred(deferral)) => deferral.family().is_none(),
            SyncError::Blocked(_) | SyncError::InvalidJob(_) | SyncError::Api(ApiError::SignIn { .. }) => false,
            // One row of the grants is not the others.
            SyncError::Api(ApiError::Grants(e)) => !matches!(**e, GrantError::Unreadable { .. }),
            // One answer about one thing says nothing about the others.
            SyncError::Api(e) => !is_about_the_list(e),
            _ => true,
        }
    }

    /// What happened, with its causes, in a line.
    pub fn message(&self) -> String {
        super::run_job::error_chain(self)
    }

    /// What to type or do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            SyncError::Api(e) => e.hint(),
            SyncError::Store(e) | SyncError::StoreBlocked { source: e, .. } => e.hint(),
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
        let at = |hours| SyncError::StoreBlocked {
            source: StoreError::Sqlite { path: "x".into(), what: "is held", source: rusqlite::Error::InvalidQuery },
            not_before: DateTime::UNIX_EPOCH + TimeDelta::hours(hours),
        };
        let disk = || {
            SyncError::Store(StoreError::Sqlite {
                path: "x".into(),
                what: "cannot be written",
                source: rusqlite::Error::InvalidQuery,
            })
        };
        let job = || SyncError::InvalidJob("a where".to_owned());
        for halt in
            [at(1).most_severe(disk()), disk().most_severe(at(1)), disk().most_severe(job()), job().most_severe(disk())]
        {
            assert_eq!(halt.exit_code(), exit_codes::STORAGE);
        }
        for halt in [at(1).most_severe(at(2)), at(2).most_severe(at(1))] {
            assert_eq!(halt.class(), SyncErrorClass::Deferred(Some(DateTime::UNIX_EPOCH + TimeDelta::hours(2))));
        }
    }
}
