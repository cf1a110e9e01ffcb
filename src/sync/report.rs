//! What a run did, for its summary, `--json` and the exit code.

use serde::Serialize;

use super::fetch_progress::ResumedRead;

/// What a run did.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// The job.
    pub job: String,
    /// Number of the run in the store.
    pub run: i64,
    /// complete, partial, deferred or failed.
    pub state: &'static str,
    /// Why it is not complete; one line each.
    pub reasons: Vec<String>,
    /// What a person should see to before long, such as a sign-in that runs out.
    pub warnings: Vec<String>,
    /// What to do about it.
    pub hints: Vec<String>,
    /// What it met, for whoever tells of it.
    #[serde(skip)]
    pub causes: Vec<RunCause>,
    /// When to come back, if deferred.
    pub not_before: Option<String>,
    /// The exit code that it asks for.
    pub exit_code: u8,
    /// Calls sent to Spotify.
    pub calls: u64,
    /// Items that Spotify served.
    pub rows: i64,
    /// The nominal time of the fire that it serves, if it serves one.
    pub fire_at: Option<String>,
    /// When it began.
    pub started_at: String,
    /// When it ended.
    pub finished_at: String,
    /// Its fetches, in order.
    pub fetches: Vec<FetchReport>,
    /// Its files.
    pub files: Vec<FileReport>,
    /// Dated files of earlier fires that were deleted.
    pub files_deleted: u64,
}

/// Something that kept a run from being whole, and whose it is: other jobs may meet the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunCause {
    /// Whose it is.
    pub scope: CauseScope,
    /// What happened, in a line.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Whose a cause is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CauseScope {
    /// The run's own.
    Run,
    /// Of the user of this local name, who has to sign in.
    User(String),
    /// The app's: its credentials, its owner's Premium, its list of users, the key of its grants.
    App,
    /// The disk's or the store's.
    Storage,
    /// Spotify's, or that of our own ceilings: calls are held back until a time that is known.
    Deferred,
}

/// What a fetch did.
#[derive(Debug, Clone, Serialize)]
pub struct FetchReport {
    /// Its name.
    pub fetch: String,
    /// The user it was for, by the local name.
    pub user: Option<String>,
    /// Its stream.
    pub stream: &'static str,
    /// complete, partial, deferred or failed.
    pub state: &'static str,
    /// Why it is not complete.
    pub reason: Option<String>,
    /// Ids, lists or searches asked for.
    pub asked: i64,
    /// Of these, unchanged or fresh.
    pub unchanged: i64,
    /// Of these, read.
    pub read: i64,
    /// Lists that were read from the newest to what was known; the rest is presumed to stand.
    pub presumed: i64,
    /// Calls sent.
    pub calls: i64,
    /// Items served.
    pub served: i64,
    /// Rows that stand.
    pub stored: i64,
    /// Items with a row in `skipped_items`.
    pub skipped: i64,
    /// The interrupted reads that it met.
    pub taken_up: Vec<ResumedRead>,
}

/// A file of a run.
#[derive(Debug, Clone, Serialize)]
pub struct FileReport {
    /// Where it is.
    pub path: String,
    /// Data rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// Cells that the formula guard changed.
    pub guarded: u64,
    /// written, unchanged, kept or missing.
    pub outcome: &'static str,
}
