//! What a run did, for its summary, `--json` and the exit code.

use serde::Serialize;

use super::fetch_progress::ResumedRead;
use super::work_result::LibraryCounts;
use crate::export::FileReport;
use crate::store::{FetchState, FieldReport, RunChanges};

/// A user who has to sign in again before long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiringGrant {
    /// The local name of the user.
    pub user: String,
    /// In how many days the grant ends.
    pub days: u32,
}

impl std::fmt::Display for ExpiringGrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ExpiringGrant { user, days } = self;
        write!(f, "{user} must sign in again within {days} days: cratedigger auth login {user}")
    }
}

/// What a run did.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    pub job: String,
    /// Number of the run in the store.
    pub run: i64,
    /// complete, partial, deferred or failed.
    pub state: &'static str,
    /// Why it is not complete; one line each.
    pub reasons: Vec<String>,
    /// What people should do something about before long, such as a sign-in that expires.
    pub warnings: Vec<String>,
    /// The sign-ins that expire, which the warnings begin with.
    #[serde(skip)]
    pub expiring_grants: Vec<ExpiringGrant>,
    /// Those of the warnings that are about files which were rendered again.
    #[serde(skip)]
    pub file_warnings: Vec<String>,
    /// What to do about it.
    pub hints: Vec<String>,
    /// What kept it from being complete, for alerts.
    #[serde(skip)]
    pub causes: Vec<RunCause>,
    /// When the run continues, if it is deferred.
    pub not_before: Option<String>,
    pub exit_code: u8,
    /// Calls sent to Spotify.
    pub calls: u64,
    /// Items that Spotify served.
    pub rows: i64,
    /// The scheduled time that the run is for, if it is for one.
    pub fire_at: Option<String>,
    pub started_at: String,
    pub finished_at: String,
    /// Its fetches, in order.
    pub fetches: Vec<FetchReport>,
    pub files: Vec<FileReport>,
    /// What changed in the job's lists.
    pub changes: RunChanges,
    /// Dated files of earlier fires that were deleted.
    pub files_deleted: u64,
}

/// Something that kept a run from being complete. Other jobs may have the same cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunCause {
    pub scope: CauseScope,
    /// What happened, in one line.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What a cause concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CauseScope {
    /// The run alone.
    Run,
    /// The user with this local name, who has to sign in.
    User(String),
    /// The app: its credentials, its owner's Premium, its list of users, the key of its grants.
    App,
    /// The disk or the store.
    Storage,
    /// Spotify's limits or our own: calls are deferred until a time that is known.
    Deferred,
}

/// What a fetch did.
#[derive(Debug, Clone, Serialize)]
pub struct FetchReport {
    pub fetch: String,
    /// The user that it was for, by the local name.
    pub user: Option<String>,
    pub stream: &'static str,
    /// complete, partial, deferred or failed.
    pub state: &'static str,
    /// Why it is not complete.
    pub reason: Option<String>,
    /// Ids, lists or searches that it requested.
    pub asked: i64,
    /// Of these, unchanged or fresh.
    pub unchanged: i64,
    /// Of these, read.
    pub read: i64,
    /// Lists that were read from the newest item to the first known one. The rest is presumed to be unchanged.
    pub presumed: i64,
    /// Calls sent.
    pub calls: i64,
    /// Items served.
    pub served: i64,
    /// Rows that are published.
    pub stored: i64,
    /// Items with a row in `skipped_items`.
    pub skipped: i64,
    /// What came of the playlists in the user's library, where they were read.
    pub playlists: Option<LibraryCounts>,
    /// Fields that could not be read as documented, over all items.
    pub fields: Vec<FieldReport>,
    /// The interrupted reads that it found.
    pub taken_up: Vec<ResumedRead>,
    /// How it ended.
    #[serde(skip)]
    pub outcome: FetchState,
    /// Something that it requested was not read, whether or not it came to its end.
    #[serde(skip)]
    pub is_incomplete: bool,
    /// What people can do about that.
    #[serde(skip)]
    pub hints: Vec<String>,
    /// What people should know although it is complete.
    #[serde(skip)]
    pub warnings: Vec<String>,
}
