//! What a run did, for its summary, `--json` and the exit code.

use serde::Serialize;

use super::course::TakenUp;

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
    /// When to come back, if deferred.
    pub not_before: Option<String>,
    /// The exit code that it asks for.
    pub exit_code: u8,
    /// Calls sent to Spotify.
    pub calls: u64,
    /// Items that Spotify served.
    pub rows: i64,
    /// When it began and ended.
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
    pub taken_up: Vec<TakenUp>,
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
