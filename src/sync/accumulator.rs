//! What the fetches of a run come to: who asks in each, what it asks for, how it ended, and what that
//! makes of the run.

use crate::store::{requested, runs};
use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::context::{SyncContext, timestamp};
use super::error::{SyncError, SyncErrorClass};
use super::exit_codes;
use super::fetch::{FetchInputs, FetchResult};
use super::job_files::JobExportReport;
use super::report::{FetchReport, RunCause, RunReport};
use super::run_job::RunParameters;
use super::users::{JobUser, Partition, UserProblem};
use crate::job::{Fetch, FetchSource, Job};
use crate::store::query::{QueryError, QueryFetch, QueryParameters, QueryReader};
use crate::store::{FetchState, RequestedUser, RunRecord, RunState, StoreError};
use crate::stream::StreamInput;
use spotify_client::error::ApiError;
use spotify_client::{EntityKind, Reference, SpotifyId};

/// What the fetches of a run came to so far.
#[derive(Default)]
pub(super) struct RunAccumulator {
    pub(super) fetches: Vec<FetchReport>,
    pub(super) reasons: Vec<String>,
    hints: Vec<String>,
    pub(super) causes: Vec<RunCause>,
    pub(super) exits: Vec<u8>,
    pub(super) unfinished: BTreeSet<String>,
    /// Of these, the ones that go on later.
    deferred: BTreeSet<String>,
    /// The users of the job.
    users: Vec<JobUser>,
    /// What a person should see to before long.
    pub(super) warnings: Vec<String>,
    not_before: Option<DateTime<Utc>>,
    /// Why nothing more is asked, once that is so.
    stop_reason: Option<String>,
}

impl RunAccumulator {
    /// A run of these users that has done nothing yet.
    pub(super) fn for_users(users: Vec<JobUser>) -> RunAccumulator {
        RunAccumulator { users, ..RunAccumulator::default() }
    }

    /// The users of the job, once they are known.
    pub(super) fn set_users(&mut self, askers: Vec<JobUser>) {
        self.users = askers;
    }

    pub(super) async fn fetch(
        &mut self,
        engine: &SyncContext,
        job: &Job,
        start: &RunParameters,
        fetch: &Fetch,
        bound: &QueryParameters,
    ) -> Result<(), SyncError> {
        let age = start.refresh_age(fetch);
        let parts = self.partitions(start, fetch);
        self.arrange_requested(engine, job, fetch).await?;
        let mut served_some = false;
        for (place, part) in (0i64..).zip(&parts) {
            let frame = part.fetch_context(start, fetch, place);
            let asks = match (&self.stop_reason, &part.problem) {
                (Some(why), _) => Err(SyncError::Blocked(why.clone())),
                (None, Some(trouble)) => Err(trouble.to_error()),
                (None, None) => self.resolve_inputs(engine, job, fetch, bound).await,
            };
            let result = engine.run_fetch(&job.name, fetch, frame, asks, age).await?;
            served_some |= matches!(result.state, FetchState::Complete | FetchState::Partial);
            self.add_fetch_result(fetch, part, result);
        }
        // One lost grant costs that user's part; what the others brought is shown with what the
        // lost one had before.
        if served_some && !self.deferred.contains(&fetch.name) {
            self.unfinished.remove(&fetch.name);
        }
        Ok(())
    }

    /// Before anybody asks: what stands of one user must not stand where another's comes.
    async fn arrange_requested(&self, engine: &SyncContext, job: &Job, fetch: &Fetch) -> Result<(), SyncError> {
        let named = |asker: &JobUser| RequestedUser {
            name: asker.name.clone(),
            user_id: asker.account.as_ref().ok().map(|user| user.user_id.clone()),
        };
        let users: Option<Vec<RequestedUser>> =
            fetch.stream.needs_user().then(|| self.users.iter().map(named).collect());
        let (job, name) = (job.name.clone(), fetch.name.clone());
        Ok(engine.store.write(move |s| requested::reassign_users(s, &job, &name, users.as_deref())).await?)
    }

    /// Who asks in a fetch: each user of the job for streams of a user, else the first that can be
    /// asked for, else the app.
    pub(super) fn partitions(&self, start: &RunParameters, fetch: &Fetch) -> Vec<Partition> {
        let each: Vec<Partition> =
            self.users.iter().map(|asker| Partition::for_user(asker, fetch.stream, start.grants.as_deref())).collect();
        if fetch.stream.needs_user() {
            if each.is_empty() { vec![Partition::without_user()] } else { each }
        } else {
            // Only for people who have to sign in does the app ask in their place: where it is the disk or
            // the network, the same lists would be read as another reader's.
            let asks = |part: &Partition| part.problem.as_ref().is_none_or(|trouble| !trouble.needs_user_action());
            let mut able: Vec<Partition> = each.into_iter().filter(asks).collect();
            let first = able.iter().position(|part| part.problem.is_none()).unwrap_or(0);
            vec![if able.is_empty() { Partition::for_app() } else { able.swap_remove(first) }]
        }
    }

    fn add_fetch_result(&mut self, fetch: &Fetch, part: &Partition, result: FetchResult) {
        if result.is_incomplete {
            self.exits.push(exit_codes::PARTIAL);
        }
        if matches!(result.state, FetchState::Deferred | FetchState::Failed) {
            self.unfinished.insert(fetch.name.clone());
        }
        let name = match &part.user {
            Some(user) if fetch.stream.needs_user() => format!("{} of {}", fetch.name, user.name),
            _ => fetch.name.clone(),
        };
        if let Some(reason) = &result.record.reason
            && self.stop_reason.as_ref() != Some(reason)
        {
            // What is wrong with a user concerns all fetches alike, and is said once.
            let of_the_user =
                part.problem.is_some() || result.error.as_ref().and_then(UserProblem::from_error).is_some();
            let line = if of_the_user { reason.clone() } else { format!("{name}: {reason}") };
            if !self.reasons.contains(&line) {
                self.reasons.push(line);
            }
        }
        self.hints.extend(result.hints);
        self.warnings.extend(result.warnings.iter().map(|text| format!("{name}: {text}")));
        if let Some(halt) = result.error {
            self.record_user_problem(part, UserProblem::from_error(&halt));
            if matches!(halt.class(), SyncErrorClass::Deferred(_)) {
                self.deferred.insert(fetch.name.clone());
            }
            self.record_error(&halt);
        }
        let end = result.record;
        self.fetches.push(FetchReport {
            fetch: end.fetch,
            user: part.user.as_ref().map(|user| user.name.clone()),
            stream: end.stream,
            state: result.state.as_str(),
            reason: end.reason,
            asked: end.asked,
            unchanged: end.unchanged,
            read: result.read,
            presumed: end.presumed,
            calls: end.calls,
            served: end.served,
            stored: end.stored,
            skipped: end.skipped,
            taken_up: result.resumed_reads,
        });
    }

    /// What one fetch learned of a user's grant need not be learned by the next.
    fn record_user_problem(&mut self, part: &Partition, trouble: Option<UserProblem>) {
        let name = part.user.as_ref().map(|user| &user.name);
        if let (Some(trouble), None) = (trouble, &part.problem)
            && let Some(asker) = self.users.iter_mut().find(|asker| Some(&asker.name) == name)
        {
            asker.account = Err(trouble);
        }
    }

    /// What stopped the run outside of any fetch; its fetches keep what they have.
    pub(super) fn record_stop(&mut self, job: &Job, halt: &SyncError) {
        self.unfinished.extend(job.fetches.iter().map(|fetch| fetch.name.clone()));
        self.reasons.push(halt.message());
        self.hints.extend(halt.hint());
        self.record_error(halt);
    }

    fn record_error(&mut self, halt: &SyncError) {
        let cause = halt.cause();
        if !matches!(halt, SyncError::Blocked(_)) && !self.causes.contains(&cause) {
            self.causes.push(cause);
        }
        self.exits.push(halt.exit_code());
        if let SyncErrorClass::Deferred(until) = halt.class() {
            // The run goes on when the last of its parts may: earlier it would stop again.
            self.not_before = self.not_before.max(until);
        }
        if halt.ends_the_run() && self.stop_reason.is_none() {
            self.stop_reason = Some(halt.message());
        }
    }

    /// What a fetch asks for.
    pub(super) async fn resolve_inputs(
        &self,
        engine: &SyncContext,
        job: &Job,
        fetch: &Fetch,
        bound: &QueryParameters,
    ) -> Result<FetchInputs, SyncError> {
        match &fetch.source {
            FetchSource::Ids(references) => {
                Ok(FetchInputs { references: references.clone(), ..FetchInputs::default() })
            }
            FetchSource::Searches(searches) => Ok(FetchInputs { searches: searches.clone(), ..FetchInputs::default() }),
            FetchSource::Nothing | FetchSource::User => Ok(FetchInputs::default()),
            FetchSource::From { fetch: parent, filter, .. } => {
                let parent = &job.fetches[*parent];
                if self.unfinished.contains(&parent.name) {
                    return Err(SyncError::Blocked(format!("it goes by {}, which has not finished", parent.name)));
                }
                let StreamInput::Ids(kind) = fetch.stream.input else { return Ok(FetchInputs::default()) };
                let ids = select_ids(engine, job, parent, kind, filter.as_deref(), bound).await?;
                // What is in the store came from Spotify, but it goes into a path again.
                let references =
                    ids.iter().filter_map(|id| SpotifyId::parse(id, kind).ok().map(Reference::Id)).collect();
                Ok(FetchInputs { references, ..FetchInputs::default() })
            }
        }
    }

    pub(super) fn final_state(&self) -> (RunState, u8) {
        let code = exit_codes::most_severe(&self.exits);
        let state = match code {
            exit_codes::COMPLETE => RunState::Complete,
            // What is deferred goes on later, also where something else can't be had: a partial run
            // would have served its fire.
            exit_codes::PARTIAL | exit_codes::DEFERRED if self.exits.contains(&exit_codes::DEFERRED) => {
                RunState::Deferred
            }
            exit_codes::PARTIAL => RunState::Partial,
            _ => RunState::Failed,
        };
        (state, code)
    }

    pub(super) async fn finish(
        self,
        engine: &SyncContext,
        job: &Job,
        fire_at: Option<DateTime<Utc>>,
        written: JobExportReport,
    ) -> Result<RunReport, SyncError> {
        let (state, exit_code) = self.final_state();
        let finished = timestamp(engine.now());
        let rows = self.fetches.iter().map(|f| f.served).sum();
        let not_before = self.not_before.map(timestamp);
        let end = RunRecord {
            state,
            reason: self.reasons.first().cloned(),
            not_before: not_before.clone(),
            exit_code: i64::from(exit_code),
            calls: engine.calls(),
            rows,
            app_class: engine.app.class().map_err(ApiError::from)?.map(spotify_client::state::AppClass::as_str),
        };
        let (run, now) = (engine.run_id, finished.clone());
        engine.store.write(move |s| runs::finish(s, run, &end, &now)).await?;
        let mut hints: Vec<String> = Vec::new();
        for hint in self.hints {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        Ok(RunReport {
            job: job.name.clone(),
            run: engine.run_id,
            state: state.as_str(),
            reasons: self.reasons,
            warnings: self.warnings,
            hints,
            causes: self.causes,
            not_before,
            exit_code,
            calls: engine.api.calls_sent(),
            rows,
            fire_at: fire_at.map(timestamp),
            started_at: timestamp(engine.started_at),
            finished_at: finished,
            fetches: self.fetches,
            files: written.files,
            files_deleted: written.deleted,
        })
    }
}

/// How long a `where` may take.
const QUERY_TIME: Duration = Duration::from_secs(60);

/// The ids of a kind that stand in the rows of an earlier fetch. A `where` may take its time, and other
/// jobs of the process go on meanwhile.
async fn select_ids(
    engine: &SyncContext,
    job: &Job,
    parent: &Fetch,
    kind: EntityKind,
    filter: Option<&str>,
    bound: &QueryParameters,
) -> Result<Vec<String>, SyncError> {
    let Some(column) = parent.stream.reference_column(kind) else {
        return Err(SyncError::InvalidJob(format!("{} has no {kind} ids", parent.name)));
    };
    let market = parent.market.clone().unwrap_or_default();
    let fetched = QueryFetch { name: parent.name.clone(), stream: parent.stream, market, user_id: None, since: None };
    let (path, job, name) = (engine.store.path().to_path_buf(), job.name.clone(), parent.name.clone());
    let (filter, bound) = (filter.map(str::to_owned), bound.clone());
    let read = move || {
        let wrong = |e| match e {
            QueryError::Store(source) => {
                StoreError::Sqlite { path: path.clone(), what: "cannot be read", source }.into()
            }
            e => SyncError::InvalidJob(format!("{kind} from {name}: {e}")),
        };
        let reader = QueryReader::open(&path, &job, vec![fetched], QUERY_TIME).map_err(wrong)?;
        reader.ids(&name, column, filter.as_deref(), &bound).map_err(wrong)
    };
    let ids = tokio::task::spawn_blocking(read).await;
    ids.unwrap_or_else(|panic| Err(SyncError::InvalidJob(format!("a defect of cratedigger: {panic}"))))
}
