//! What every part of a run works with, and the record of what it meets.

use crate::store::skipped_items;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::app_facts::AppFacts;
use super::error::SyncError;
use super::fetch_progress::FetchProgress;
use super::observer::RunObserver;
use crate::ingest::IngestContext;
use crate::store::{FetchRecord, MissingIdKey, SkippedItem, Store, TimeSpan};
use spotify_client::client::{ApiCaller, SpotifyClient};

/// What a run works with; clones share everything.
#[derive(Clone)]
pub struct SyncContext {
    /// The API.
    pub api: SpotifyClient,
    /// The store's writing thread.
    pub store: Arc<Store>,
    /// What is known about the app.
    pub app: AppFacts,
    /// Where locks lie: the state folder.
    pub state_folder: std::path::PathBuf,
    /// Whoever watches.
    pub observer: Arc<dyn RunObserver>,
    /// Number of the run.
    pub run_id: i64,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When the unfinished run began that this one goes on from; else when this one began. What was
    /// read since then is not read again.
    pub resumes_from: DateTime<Utc>,
    /// What was read before this is deleted when the run ends, so it is fresh for nobody. None: nothing is.
    pub retained_since: Option<DateTime<Utc>>,
    /// Ignore checkpoints and change detection.
    pub full: bool,
}

/// What all calls of a fetch have in common.
#[derive(Debug, Clone)]
pub struct FetchContext {
    /// Name of the fetch.
    pub fetch: String,
    /// The stream.
    pub stream: &'static crate::stream::Stream,
    /// Market asked for; empty if none.
    pub market: String,
    /// Whose token asks.
    pub bearer: ApiCaller,
    /// `app`, or the id of the user.
    pub audience: String,
    /// The user it is recorded for: the id, or the local name while no id is known; empty if none.
    pub recorded_for: String,
    /// The ids come from the user's own library: what is gone there is noted, and no gap.
    pub from_own_library: bool,
    /// The user's place among those of the job, where the stream is read once for each.
    pub partition_index: Option<i64>,
    /// A list is read whole at least this often, whatever its version says.
    pub full_every: TimeDelta,
    /// What happens on the way.
    pub progress: Arc<FetchProgress>,
}

impl FetchContext {
    /// What names an id of this fetch, should Spotify refuse it.
    pub fn missing_key(&self, id: &str) -> MissingIdKey {
        MissingIdKey {
            stream: self.stream.name,
            id: id.to_owned(),
            audience: self.audience.clone(),
            market: self.market.clone(),
        }
    }

    /// The query that every call of the fetch carries.
    pub fn query(&self) -> Vec<(&'static str, String)> {
        if self.market.is_empty() { Vec::new() } else { vec![("market", self.market.clone())] }
    }

    /// The market that names a list of a stream: none where it is the same in all of them.
    pub fn market_for(&self, stream: &crate::stream::Stream) -> String {
        if stream.takes_market { self.market.clone() } else { String::new() }
    }

    /// What an answer was asked with.
    pub fn asked(&self, now: DateTime<Utc>) -> IngestContext {
        let user_id = (self.audience != "app").then(|| self.audience.clone());
        IngestContext { now: timestamp(now), market: self.market.clone(), user_id }
    }
}

/// When the unfinished run began that a run goes on from, by the store's word; what began under a clock that
/// was ahead is not gone on from.
pub fn resume_start(said: Option<&str>, started_at: DateTime<Utc>) -> DateTime<Utc> {
    let said = said.and_then(|at| at.parse().ok());
    said.filter(|at| *at <= started_at).unwrap_or(started_at)
}

/// A time as the store writes it: ISO 8601 in UTC, always with milliseconds, so that text order is
/// time order.
pub fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// What a piece of a fetch came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct RecordCounts {
    /// Found unchanged or fresh without reading.
    pub unchanged: i64,
    /// Things and lists that were read.
    pub read: i64,
    /// Lists that were read from the newest to what was known, and no further.
    pub presumed: i64,
    /// Items that Spotify announced, if it said.
    pub announced: Option<i64>,
    /// Items that it served, nulls counted.
    pub served: i64,
    /// Rows that stand.
    pub stored: i64,
    /// Items with a row in `skipped_items`.
    pub skipped: i64,
}

impl RecordCounts {
    /// Adds another piece.
    pub fn add(&mut self, other: RecordCounts) {
        self.unchanged += other.unchanged;
        self.read += other.read;
        self.presumed += other.presumed;
        self.served += other.served;
        self.stored += other.stored;
        self.skipped += other.skipped;
        if let Some(announced) = other.announced {
            *self.announced.get_or_insert(0) += announced;
        }
    }

    /// Writes it into the record of a fetch.
    pub fn write_to(self, end: &mut FetchRecord) {
        end.unchanged = self.unchanged;
        end.presumed = self.presumed;
        end.announced = self.announced;
        end.served = self.served;
        end.stored = self.stored;
        end.skipped = self.skipped;
    }
}

impl SyncContext {
    /// The time.
    pub fn now(&self) -> DateTime<Utc> {
        self.api.now().wall
    }

    /// Calls that the run has sent.
    pub fn calls(&self) -> i64 {
        i64::try_from(self.api.calls_sent()).unwrap_or(i64::MAX)
    }

    /// Rows read in this time are fresh for something that may be `age` old.
    pub fn fresh_span(&self, age: TimeDelta) -> TimeSpan {
        self.span_since(self.cutoff(age).max(self.retained_since.unwrap_or(DateTime::<Utc>::MIN_UTC)))
    }

    /// What was learned in this time, and is no row of the catalog, holds for something that may be `age`
    /// old.
    pub fn known_span(&self, age: TimeDelta) -> TimeSpan {
        self.span_since(self.cutoff(age))
    }

    /// A list that was read whole in this time is not yet due to be read whole again.
    pub fn full_read_span(&self, full_every: TimeDelta) -> TimeSpan {
        self.span_since(self.started_at.checked_sub_signed(full_every).unwrap_or(DateTime::<Utc>::MIN_UTC))
    }

    /// Whether something that was read or found unchanged then need not be asked for again by this run.
    pub fn is_from_this_run(&self, at: Option<&String>) -> bool {
        self.fresh_span(TimeDelta::zero()).contains(at.map(String::as_str))
    }

    fn cutoff(&self, age: TimeDelta) -> DateTime<Utc> {
        if self.full { self.started_at } else { self.resumes_from - age }
    }

    fn span_since(&self, since: DateTime<Utc>) -> TimeSpan {
        TimeSpan { since: timestamp(since), until: timestamp(self.now()) }
    }

    /// Whether the store takes more; to be asked before each call that fills it.
    ///
    /// # Errors
    /// [`Halt::Held`] if a reader has kept it too long.
    pub fn check_store_room(&self) -> Result<(), SyncError> {
        let wait = TimeDelta::from_std(crate::store::WAL_BLOCKED_WAIT).unwrap_or(TimeDelta::MAX);
        self.store.check_wal_limit().map_err(|source| SyncError::StoreBlocked { source, not_before: self.now() + wait })
    }

    /// Records something that could not be had.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn record_skip(&self, skip: SkippedItem) -> Result<(), SyncError> {
        let (run, now) = (self.run_id, timestamp(self.now()));
        Ok(self.store.write(move |s| skipped_items::record(s, run, &skip, &now)).await?)
    }
}
