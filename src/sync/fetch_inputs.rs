//! What a fetch requests: ids, codes, searches, or nothing.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use super::context::SyncContext;
use super::error::SyncError;
use crate::export::last_file_of_job;
use crate::job::{Fetch, FetchSource, Job};
use crate::store::query::{QueryBudget, QueryError, QueryFetch, QueryParameters, QueryReader};
use crate::store::{EntityTable, StoreError, WriteTx, skipped_items};
use crate::stream::{StreamInput, StreamTable};
use spotify_client::{EntityKind, Reference, SpotifyId};

/// How long a `where` may take.
const QUERY_TIME: Duration = Duration::from_secs(60);

/// What a fetch requests.
#[derive(Debug, Clone, Default)]
pub(super) struct FetchInputs {
    pub references: Vec<Reference>,
    pub searches: Vec<String>,
}

/// Resolves the sources of a job's fetches.
pub(super) struct InputResolver<'a> {
    pub sync: &'a SyncContext,
    pub job: &'a Job,
    pub bound: &'a QueryParameters,
}

impl InputResolver<'_> {
    /// What a fetch requests, given the fetches of the run that did not finish.
    pub(super) async fn resolve(&self, fetch: &Fetch, unfinished: &BTreeSet<String>) -> Result<FetchInputs, SyncError> {
        match &fetch.source {
            FetchSource::Ids(references) => {
                Ok(FetchInputs { references: references.clone(), ..FetchInputs::default() })
            }
            FetchSource::Searches(searches) => Ok(FetchInputs { searches: searches.clone(), ..FetchInputs::default() }),
            FetchSource::Nothing | FetchSource::User => Ok(FetchInputs::default()),
            FetchSource::From { fetch: parent, filter, .. } => {
                let parent = &self.job.fetches[*parent];
                if unfinished.contains(&parent.name) {
                    let message = format!("it goes by {}, which has not finished", parent.name);
                    return Err(SyncError::Blocked(message));
                }
                let StreamInput::Ids(kind) = fetch.stream.input else { return Ok(FetchInputs::default()) };
                let mut ids = self.select_ids(parent, kind, filter.as_deref()).await?;
                if filter.is_some() {
                    self.add_failed_ids(fetch, (parent, kind), &mut ids).await?;
                }
                // The ids came from Spotify, but they go into a path again, so they are checked again.
                let references =
                    ids.iter().filter_map(|id| SpotifyId::parse(id, kind).ok().map(Reference::Id)).collect();
                Ok(FetchInputs { references, ..FetchInputs::default() })
            }
        }
    }

    /// Adds the ids that failed when they were last requested: a `where` that names a time does not select them again.
    async fn add_failed_ids(
        &self,
        fetch: &Fetch,
        (parent, kind): (&Fetch, EntityKind),
        ids: &mut Vec<String>,
    ) -> Result<(), SyncError> {
        let StreamTable::Entities(_) = fetch.stream.table else { return Ok(()) };
        let (job, name) = (self.job.name.clone(), fetch.name.clone());
        let find = move |s: &mut WriteTx| skipped_items::failed_of_fetch(s, (&job, &name), EntityTable::for_kind(kind));
        let mut failed: Vec<String> = self.sync.store.write(find).await?;
        let here: HashSet<&String> = ids.iter().collect();
        failed.retain(|id| !here.contains(id));
        if failed.is_empty() {
            return Ok(());
        }
        let listed: HashSet<String> = self.select_ids(parent, kind, None).await?.into_iter().collect();
        ids.extend(failed.into_iter().filter(|id| listed.contains(id)));
        Ok(())
    }

    /// The ids of a kind in the rows of an earlier fetch. A `where` may take its time, so it runs on a thread
    /// of its own.
    async fn select_ids(
        &self,
        parent: &Fetch,
        kind: EntityKind,
        filter: Option<&str>,
    ) -> Result<Vec<String>, SyncError> {
        let Some(column) = parent.stream.reference_column(kind) else {
            return Err(SyncError::InvalidJob(format!("{} has no {kind} ids", parent.name)));
        };
        let market = parent.market.clone().unwrap_or_default();
        let fetched = QueryFetch {
            name: parent.name.clone(),
            stream: parent.stream,
            market,
            user_id: None,
            since: None,
            inputs: None,
        };
        let path = self.sync.store.path().to_path_buf();
        let (job, name) = (self.job.name.clone(), parent.name.clone());
        let (filter, mut bound) = (filter.map(str::to_owned), self.bound.clone());
        // A plan has no run.
        let run = if self.sync.run_id > 0 { self.sync.run_id } else { i64::MAX };
        let fire_at = bound.fire_at.as_ref().and_then(|at| at.parse().ok()).unwrap_or(self.sync.started_at);
        let of = self.job.clone();
        if filter.as_ref().is_some_and(|filter| filter.contains(":last_file_at")) {
            let last_file = move |s: &mut WriteTx| {
                last_file_of_job(s.conn(), &of, fire_at, run).map_err(|e| s.error("cannot be read", e))
            };
            bound.last_file_at = self.sync.store.write(last_file).await?;
        }
        let read = move || {
            let failure = |e| match e {
                QueryError::Store(source) => {
                    StoreError::Sqlite { path: path.clone(), what: "cannot be read", source }.into()
                }
                e => SyncError::InvalidJob(format!("{kind} from {name}: {e}")),
            };
            let reader =
                QueryReader::open(&path, &job, vec![fetched], QueryBudget::with_time(QUERY_TIME)).map_err(failure)?;
            reader.ids(&name, column, filter.as_deref(), &bound).map_err(failure)
        };
        let ids = tokio::task::spawn_blocking(read).await;
        ids.unwrap_or_else(|panic| Err(SyncError::defect(panic)))
    }
}
