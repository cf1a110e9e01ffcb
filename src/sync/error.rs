//! Errors that stop a fetch or the whole run, and what they mean for the exit code.

use chrono::{DateTime, Utc};

use super::exit_codes;
use super::job_lock::LockError;
use super::report::{CauseScope, RunCause};
use crate::store::StoreError;
use spotify_client::error::ApiError;
use spotify_client::forbidden::ForbiddenReason;

/// An error that is not about one id or one list.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The API: a deferral, a refusal of the app, or no answer.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A reader blocks the store: nothing more can be written until it is done.
    #[error("{source}")]
    StoreBlocked {
        source: StoreError,
        /// When the store is tried again.
        not_before: DateTime<Utc>,
    },
    /// A lock was not acquired.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The job cannot be worked out, such as a `where` that SQLite refuses.
    #[error("{0}")]
    InvalidJob(String),
    /// The program does not do what it should.
    #[error("a defect of cratedigger: {0}")]
    Defect(String),
    /// Nothing was sent because a fetch that this one depends on did not finish.
    #[error("{0}")]
    Blocked(String),
}

/// What an error means for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncErrorClass {
    /// The run continues later, at this time if one is known.
    Deferred(Option<DateTime<Utc>>),
    /// Spotify cannot be reached.
    Unreachable,
    /// A user has to act.
    UserAction,
    /// The disk or the store.
    Storage,
    /// The job or a setting is wrong.
    Usage,
    /// The program does not do what it should.
    Defect,
}

impl SyncError {
    /// A defect of the program, such as a panic.
    pub(super) fn defect(what: impl std::fmt::Display) -> SyncError {
        SyncError::Defect(what.to_string())
    }

    /// What the error means for the run.
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
            SyncError::Defect(_) => SyncErrorClass::Defect,
            SyncError::Api(_) => SyncErrorClass::Unreachable,
        }
    }

    /// The exit code of a run that ends with the error.
    pub fn exit_code(&self) -> u8 {
        match self.class() {
            SyncErrorClass::Deferred(_) => exit_codes::DEFERRED,
            SyncErrorClass::Unreachable | SyncErrorClass::Defect => exit_codes::FAILED,
            SyncErrorClass::UserAction => exit_codes::USER_ACTION,
            SyncErrorClass::Storage => exit_codes::STORAGE,
            SyncErrorClass::Usage => exit_codes::USAGE,
        }
    }

    /// The more severe of two errors; of two deferrals the longer one.
    #[must_use]
    pub fn most_severe(self, other: SyncError) -> SyncError {
        let (one, two) = (self.exit_code(), other.exit_code());
        let is_other = match (self.class(), other.class()) {
            (SyncErrorClass::Deferred(one), SyncErrorClass::Deferred(two)) => two > one,
            _ => one != two && exit_codes::most_severe(&[one, two]) == two,
        };
        if is_other { other } else { self }
    }

    /// The error as a cause of an incomplete run.
    pub fn cause(&self) -> RunCause {
        let scope = match (self, self.class()) {
            (SyncError::Api(ApiError::SignIn { user, .. }), _) => CauseScope::User(user.clone()),
            (SyncError::Api(ApiError::Deferred(_)), _) => CauseScope::Deferred,
            (_, SyncErrorClass::UserAction) => CauseScope::App,
            (_, SyncErrorClass::Storage) => CauseScope::Storage,
            _ => CauseScope::Run,
        };
        RunCause { scope, message: self.message(), hint: self.hint() }
    }

    /// Whether no other fetch of the run can continue either.
    pub fn ends_the_run(&self) -> bool {
        match self {
            SyncError::Api(ApiError::Deferred(deferral)) => deferral.family().is_none(),
            SyncError::Blocked(_)
            | SyncError::InvalidJob(_)
            | SyncError::Defect(_)
            | SyncError::Api(ApiError::SignIn { .. } | ApiError::EndpointFails { .. }) => false,
            // One unreadable grant says nothing about the others.
            SyncError::Api(ApiError::Grants(e)) => !e.concerns_one_user(),
            // An answer about one list says nothing about the others.
            SyncError::Api(e) => !is_about_one_list(e),
            _ => true,
        }
    }

    /// The error with its causes, in one line.
    pub fn message(&self) -> String {
        error_chain(self)
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

/// Whether an error concerns one list or one id, and not the run.
pub(super) fn is_about_one_list(e: &ApiError) -> bool {
    match e {
        ApiError::Refused { kind, .. } => matches!(kind, ForbiddenReason::NotYourPlaylist | ForbiddenReason::Unknown),
        ApiError::BadRequest { .. }
        | ApiError::NotFound { .. }
        | ApiError::Gone { .. }
        | ApiError::Unexpected { .. } => true,
        e => e.is_failure(),
    }
}

/// An error with its causes, in one line.
pub(super) fn error_chain(e: &dyn std::error::Error) -> String {
    let mut out = e.to_string();
    let mut cause = e.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        cause = inner.source();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn most_severe_reason_to_stop_is_reported() {
        let at = |hours| SyncError::StoreBlocked {
            source: StoreError::Sqlite { path: "x".into(), what: "is locked", source: rusqlite::Error::InvalidQuery },
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
        for error in
            [at(1).most_severe(disk()), disk().most_severe(at(1)), disk().most_severe(job()), job().most_severe(disk())]
        {
            assert_eq!(error.exit_code(), exit_codes::STORAGE);
        }
        // The documented code of a defect.
        assert_eq!(SyncError::defect("a panic").exit_code(), exit_codes::FAILED);
        for error in [at(1).most_severe(at(2)), at(2).most_severe(at(1))] {
            assert_eq!(error.class(), SyncErrorClass::Deferred(Some(DateTime::UNIX_EPOCH + TimeDelta::hours(2))));
        }
    }
}
