//! One run of a job, from its start to its record.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};

use super::engine::{Engine, FetchFrame, stamp};
use super::fetch::{Asks, FetchResult};
use super::halt::{Halt, Weight};
use super::report::{FetchReport, FileReport, RunReport};
use crate::job::{Fetch, Job, Since, Source, Users};
use crate::spotify::Reference;
use crate::spotify::client::Bearer;
use crate::spotify::error::ApiError;
use crate::store::{FetchState, RunEnd, RunState};

/// Exit codes of a run by what it met; the command line has the same numbers in one table.
mod exit {
    pub const COMPLETE: u8 = 0;
    pub const FAILED: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const PARTIAL: u8 = 3;
    pub const STORAGE: u8 = 74;
    pub const DEFERRED: u8 = 75;
    pub const PERSON: u8 = 77;
    /// If several hold, the first of these wins.
    pub const PRECEDENCE: [u8; 7] = [STORAGE, PERSON, FAILED, USAGE, PARTIAL, DEFERRED, COMPLETE];
}

/// How a run begins.
#[derive(Debug, Clone)]
pub struct Start {
    /// The fire that it serves; none if started by hand.
    pub fire_at: Option<DateTime<Utc>>,
    /// Market of fetches that name none.
    pub default_market: Option<String>,
    /// Age at which things are read again, by stream.
    pub refresh_after: fn(&str) -> Option<Duration>,
    /// Write the CSVs of a partial run too.
    pub publish_partial: bool,
}

/// What writes the files of a run, given it and the names of the fetches that have finished.
pub type Publisher = Arc<dyn Fn(&Published<'_>) -> Result<Vec<FileReport>, crate::export::ExportError> + Send + Sync>;

/// What a publisher needs to know of the run.
#[derive(Debug)]
pub struct Published<'a> {
    /// The job.
    pub job: &'a Job,
    /// Number of the run.
    pub run: i64,
    /// Its state so far.
    pub state: RunState,
    /// Why it is not complete.
    pub reasons: &'a [String],
    /// Fetches that did not finish: their files stay as they are.
    pub unfinished: &'a [String],
}
