//! What every part of a run works with.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::app_facts::AppFacts;
use super::error::SyncError;
use super::fetch_progress::FetchProgress;
use super::observer::RunObserver;
use crate::ingest::IngestContext;
use crate::store::{MissingIdKey, SkippedItem, Store, TimeSpan, skipped_items, timestamp};
use crate::stream::Stream;
use spotify_client::client::{ApiCaller, SpotifyClient};

/// What a run works with. Clones share everything.
#[derive(Clone)]
pub struct SyncContext {
    pub api: SpotifyClient,
    /// The store and its writing thread.
    pub store: Arc<Store>,
    /// The known facts about the app.
    pub app: AppFacts,
    /// The folder of the lock files.
    pub state_folder: std::path::PathBuf,
    pub observer: Arc<dyn RunObserver>,
    /// Number of the run.
    pub run_id: i64,
    pub started_at: DateTime<Utc>,
    /// The start of the unfinished run that this one resumes, or of this run. Items that were read since then
    /// are not read again.
    pub resumes_from: DateTime<Utc>,
    /// Rows that were read before this time are deleted when the run ends, so they count as fresh for
    /// nothing. `None`: no rows are deleted.
    pub retained_since: Option<DateTime<Utc>>,
    /// Ignore checkpoints and change detection.
    pub full: bool,
}

impl std::fmt::Debug for SyncContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SyncContext").field("run_id", &self.run_id).finish_non_exhaustive()
    }
}

impl SyncContext {
    /// The current time.
    pub fn now(&self) -> DateTime<Utc> {
        self.api.now().wall
    }

    /// Calls that the run has sent.
    pub fn calls(&self) -> i64 {
        i64::try_from(self.api.calls_sent()).unwrap_or(i64::MAX)
    }

    /// The time in which a row must have been read to be fresh, if it may be `age` old.
    pub fn fresh_span(&self, age: TimeDelta) -> TimeSpan {
        self.span_since(self.cutoff(age).max(self.retained_since.unwrap_or(DateTime::<Utc>::MIN_UTC)))
    }

    /// The time in which a fact that is not a row of the catalog must have been learned, if it may be `age`
    /// old.
    pub fn known_span(&self, age: TimeDelta) -> TimeSpan {
        self.span_since(self.cutoff(age))
    }

    /// The time in which a list must have been read whole not to be read whole again.
    pub fn full_read_span(&self, full_every: TimeDelta) -> TimeSpan {
        self.span_since(self.started_at.checked_sub_signed(full_every).unwrap_or(DateTime::<Utc>::MIN_UTC))
    }

    /// Whether something that was read or found unchanged at that time need not be requested by this run.
    pub fn is_from_this_run(&self, at: Option<&String>) -> bool {
        self.fresh_span(TimeDelta::zero()).contains(at.map(String::as_str))
    }

    fn cutoff(&self, age: TimeDelta) -> DateTime<Utc> {
        if self.full { self.started_at } else { self.resumes_from - age }
    }

    fn span_since(&self, since: DateTime<Utc>) -> TimeSpan {
        TimeSpan { since: timestamp(since), until: timestamp(self.now()) }
    }

    /// Whether the store accepts more data. Called before each request with an answer for the store.
    ///
    /// # Errors
    /// [`SyncError::StoreBlocked`] if a reader has blocked the store for too long.
    pub fn check_store_room(&self) -> Result<(), SyncError> {
        let wait = TimeDelta::from_std(crate::store::WAL_BLOCKED_WAIT).unwrap_or(TimeDelta::MAX);
        self.store.check_wal_limit().map_err(|source| SyncError::StoreBlocked { source, not_before: self.now() + wait })
    }

    /// Records an item that was skipped.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn record_skip(&self, skip: SkippedItem) -> Result<(), SyncError> {
        let (run, now) = (self.run_id, timestamp(self.now()));
        Ok(self.store.write(move |s| skipped_items::record(s, run, &skip, &now)).await?)
    }
}

/// What all requests of a fetch have in common.
#[derive(Debug, Clone)]
pub struct FetchContext {
    /// Name of the fetch.
    pub fetch: String,
    pub stream: &'static Stream,
    /// The market of the requests; empty for none.
    pub market: String,
    /// The app or the user with the token of the requests.
    pub bearer: ApiCaller,
    /// `app`, or the id of the user.
    pub audience: String,
    /// The user that the fetch is recorded for: the id, or the local name while no id is known; empty for
    /// none.
    pub recorded_for: String,
    /// Name of the job, for commands that a message names.
    pub job: String,
    /// A person has looked at a suspicious batch of the fetch and accepts it.
    pub accepts_batch: bool,
    /// The ids are named by a list that this run has read, so one refusal does not show that they are gone.
    pub is_listed: bool,
    /// Refused items are requested once more.
    pub is_second_look: bool,
    /// The ids come from the user's own library, where an id that is missing is no gap.
    pub from_own_library: bool,
    /// The names of parents are requested where neither the store nor their lists have them.
    pub wants_parent_names: bool,
    /// The position of the user in the job, where the stream is read once for each user.
    pub partition_index: Option<i64>,
    /// A list is read whole at least this often, whatever its version says.
    pub full_every: TimeDelta,
    pub progress: Arc<FetchProgress>,
}

impl FetchContext {
    /// The key under which a refusal of an id is remembered.
    pub fn missing_key(&self, id: &str) -> MissingIdKey {
        MissingIdKey {
            stream: self.stream.name,
            id: id.to_owned(),
            audience: self.audience.clone(),
            market: self.market.clone(),
        }
    }

    /// The query that every request of the fetch carries.
    pub fn query(&self) -> Vec<(&'static str, String)> {
        if self.market.is_empty() { Vec::new() } else { vec![("market", self.market.clone())] }
    }

    /// The market in the key of a stream's list: none where the list is the same in all of them.
    pub fn market_for(&self, stream: &Stream) -> String {
        if stream.takes_market { self.market.clone() } else { String::new() }
    }

    /// The circumstances of an answer.
    pub fn asked(&self, now: DateTime<Utc>) -> IngestContext {
        let user_id = (self.audience != "app").then(|| self.audience.clone());
        IngestContext::new(timestamp(now), self.market.clone(), user_id)
    }
}

/// The start of the unfinished run that a run resumes, as the store has it. A run that started under a clock
/// that was ahead is not resumed.
pub fn resume_start(stored: Option<&str>, started_at: DateTime<Utc>) -> DateTime<Utc> {
    let stored = stored.and_then(|at| at.parse().ok());
    stored.filter(|at| *at <= started_at).unwrap_or(started_at)
}
