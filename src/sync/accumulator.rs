//! Accumulates what the fetches of a run did, and turns it into the state, the exit code and the report.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::context::SyncContext;
use super::error::{SyncError, SyncErrorClass};
use super::exit_codes;
use super::partition::Partition;
use super::report::{ExpiringGrant, FetchReport, RunCause, RunReport};
use super::users::{JobUser, UserProblem};
use crate::export::JobExportReport;
use crate::job::{Fetch, Job};
use crate::store::timestamp;
use crate::store::{FetchState, RunRecord, RunState, StoreError, changes_of_run, runs};
use spotify_client::error::{ApiError, NEXT_RUN_HINT, PROXY_HINT};
use spotify_client::state::AppClass;

/// What the fetches of a run did so far.
#[derive(Default)]
pub(super) struct RunAccumulator {
    pub fetches: Vec<FetchReport>,
    pub reasons: Vec<String>,
    pub hints: Vec<String>,
    pub causes: Vec<RunCause>,
    pub exit_codes: Vec<u8>,
    /// Fetches that did not finish.
    pub unfinished: BTreeSet<String>,
    /// Of these, the ones that continue later.
    pub deferred: BTreeSet<String>,
    /// The users of the job.
    pub users: Vec<JobUser>,
    /// What people should do something about before long.
    pub warnings: Vec<String>,
    /// Sign-ins that expire.
    pub expiring_grants: Vec<ExpiringGrant>,
    not_before: Option<DateTime<Utc>>,
    /// Why nothing more is requested, once that is so.
    pub stop_reason: Option<String>,
}

impl RunAccumulator {
    /// Adds what one partition of a fetch did.
    pub(super) fn add_fetch(
        &mut self,
        fetch: &Fetch,
        part: &Partition,
        (mut report, error): (FetchReport, Option<SyncError>),
    ) {
        if report.is_incomplete {
            self.exit_codes.push(exit_codes::PARTIAL);
        }
        if matches!(report.outcome, FetchState::Deferred | FetchState::Failed) {
            self.unfinished.insert(fetch.name.clone());
        }
        let name = match &part.user {
            Some(user) if fetch.stream.needs_user() => format!("{} of {}", fetch.name, user.name),
            _ => fetch.name.clone(),
        };
        if let Some(reason) = &report.reason
            && self.stop_reason.as_ref() != Some(reason)
        {
            // A problem of a user concerns all fetches alike, and is reported once.
            let is_user_problem = part.problem.is_some() || error.as_ref().and_then(UserProblem::from_error).is_some();
            let line = if is_user_problem { reason.clone() } else { format!("{name}: {reason}") };
            if !self.reasons.contains(&line) {
                self.reasons.push(line);
            }
        }
        self.hints.append(&mut report.hints);
        self.warnings.extend(report.warnings.iter().map(|text| format!("{name}: {text}")));
        if let Some(error) = error {
            self.record_user_problem(part, UserProblem::from_error(&error));
            if matches!(error.class(), SyncErrorClass::Deferred(_)) {
                self.deferred.insert(fetch.name.clone());
            }
            self.record_error(&error);
        }
        report.user = part.user.as_ref().map(|user| user.name.clone());
        self.fetches.push(report);
    }

    /// Remembers what one fetch learned about a user's grant, so that the next fetch need not learn it.
    fn record_user_problem(&mut self, part: &Partition, problem: Option<UserProblem>) {
        let name = part.user.as_ref().map(|user| &user.name);
        if let (Some(problem), None) = (problem, &part.problem)
            && let Some(user) = self.users.iter_mut().find(|user| Some(&user.name) == name)
        {
            user.account = Err(problem);
        }
    }

    /// Records an error that stopped the run outside of any fetch. The fetches keep their results so far.
    pub(super) fn record_stop(&mut self, job: &Job, error: &SyncError) {
        self.unfinished.extend(job.fetches.iter().map(|fetch| fetch.name.clone()));
        self.reasons.push(error.message());
        self.hints.extend(error.hint());
        self.record_error(error);
    }

    fn record_error(&mut self, error: &SyncError) {
        let cause = error.cause();
        if !matches!(error, SyncError::Blocked(_)) && !self.causes.contains(&cause) {
            self.causes.push(cause);
        }
        self.exit_codes.push(error.exit_code());
        if let SyncErrorClass::Deferred(until) = error.class() {
            // The run continues when the last of its parts may: earlier it would stop again.
            self.not_before = self.not_before.max(until);
        }
        if error.ends_the_run() && self.stop_reason.is_none() {
            self.stop_reason = Some(error.message());
        }
    }

    /// The state of the run so far, and its exit code.
    pub(super) fn final_state(&self) -> (RunState, u8) {
        let code = exit_codes::most_severe(&self.exit_codes);
        let state = match code {
            exit_codes::COMPLETE => RunState::Complete,
            // A deferred run continues later, also where something else is missing: a partial run would
            // count as the run of its scheduled time.
            exit_codes::PARTIAL | exit_codes::DEFERRED if self.exit_codes.contains(&exit_codes::DEFERRED) => {
                RunState::Deferred
            }
            exit_codes::PARTIAL => RunState::Partial,
            _ => RunState::Failed,
        };
        (state, code)
    }

    /// Writes the record of the run, and returns its report.
    pub(super) async fn finish(
        self,
        sync: &SyncContext,
        job: &Job,
        fire_at: Option<DateTime<Utc>>,
        exported: JobExportReport,
    ) -> Result<RunReport, SyncError> {
        let (state, exit_code) = self.final_state();
        let finished = timestamp(sync.now());
        let rows = self.fetches.iter().map(|f| f.served).sum();
        let not_before = self.not_before.map(timestamp);
        let record = RunRecord {
            state,
            reason: self.reasons.first().cloned(),
            not_before: not_before.clone(),
            exit_code: i64::from(exit_code),
            calls: sync.calls(),
            rows,
            app_class: sync.app.class().map_err(ApiError::from)?.map(AppClass::as_str),
        };
        let (run, now) = (sync.run_id, finished.clone());
        // Before the run is recorded as finished, because an error here makes it a failed one.
        let (name, started) = (job.name.clone(), timestamp(sync.started_at));
        let changes = sync.store.with_connection(move |store| changes_of_run(store, &name, run, &started)).await?;
        let changes = changes.map_err(|source| StoreError::Sqlite {
            path: sync.store.path().to_path_buf(),
            what: "cannot be read",
            source,
        })?;
        sync.store.write(move |s| runs::finish(s, run, &record, &now)).await?;
        let mut hints: Vec<String> = Vec::new();
        let is_spotify_answering = sync.api.is_spotify_answering();
        for hint in self.hints {
            // While others are answered by Spotify, no proxy is between.
            let hint = if is_spotify_answering && hint == PROXY_HINT { NEXT_RUN_HINT.to_owned() } else { hint };
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        Ok(RunReport {
            changes,
            job: job.name.clone(),
            run: sync.run_id,
            state: state.as_str(),
            reasons: self.reasons,
            warnings: self.expiring_grants.iter().map(ExpiringGrant::to_string).chain(self.warnings).collect(),
            expiring_grants: self.expiring_grants,
            hints,
            causes: self.causes,
            not_before,
            exit_code,
            calls: sync.api.calls_sent(),
            rows,
            fire_at: fire_at.map(timestamp),
            started_at: timestamp(sync.started_at),
            finished_at: finished,
            fetches: self.fetches,
            file_warnings: exported.warnings,
            files: exported.files,
            files_deleted: exported.deleted,
        })
    }
}
