//! One run of a job, from its start to its record.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::Connection;

use super::accumulator::RunAccumulator;
use super::context::SyncContext;
use super::error::{SyncError, error_chain};
use super::exit_codes;
use super::fetch::FetchRun;
use super::fetch_inputs::InputResolver;
use super::partition::partitions;
use super::report::{CauseScope, ExpiringGrant, RunCause, RunReport};
use super::retention::delete_expired;
use super::run_parameters::{RunParameters, query_bindings};
use super::users::{JobUser, identify_users};
use crate::export::{ExportedParts, ExportedRun, JobExportReport, JobFiles, JobFilesError};
use crate::job::{Fetch, Job, JobUsers};
use crate::store::query::QueryParameters;
use crate::store::{FetchState, RequestedUser, requested};
use spotify_client::error::ApiError;
use spotify_client::state::grants::GrantError;

/// Runs a job: its fetches in order, then its files. The run with the number `sync.run_id` was started already;
/// whatever stops it is recorded as its end.
///
/// # Errors
/// Only if that record cannot be written.
pub async fn run_job(
    sync: &SyncContext,
    job: &Job,
    parameters: &RunParameters,
    files: &JobFiles,
) -> Result<RunReport, SyncError> {
    let fire_at = parameters.fire_at.unwrap_or(sync.started_at);
    let bound = query_bindings(job, fire_at, parameters.last_run_at);
    let run = JobRun { sync, job, parameters, fire_at, bound };
    let mut accumulator = RunAccumulator::default();
    let error = match run.fetch_and_export(files, &mut accumulator).await {
        Ok(exported) => return accumulator.finish(sync, job, parameters.fire_at, exported).await,
        Err(error) => error,
    };
    accumulator.record_stop(job, &error);
    // Of two failures of the store, the first one is reported.
    accumulator.finish(sync, job, parameters.fire_at, JobExportReport::default()).await.map_err(|_| error)
}

/// One run of a job.
struct JobRun<'a> {
    sync: &'a SyncContext,
    job: &'a Job,
    parameters: &'a RunParameters,
    /// The scheduled time that the run is for, or its start.
    fire_at: DateTime<Utc>,
    /// The values that queries may name.
    bound: QueryParameters,
}

impl JobRun<'_> {
    /// Runs the fetches, and writes the files.
    async fn fetch_and_export(
        &self,
        files: &JobFiles,
        accumulator: &mut RunAccumulator,
    ) -> Result<JobExportReport, SyncError> {
        let (sync, job) = (self.sync, self.job);
        let names = self.parameters.user_names(job)?;
        self.warn_about_expiring_grants(&names, accumulator)?;
        accumulator.users = identify_users(sync, self.parameters.grants.as_ref(), &names).await?;
        // A shard without users has nothing to read, and its run is complete.
        let is_empty_shard = names.is_empty() && matches!(job.users, JobUsers::All(Some(_)));
        for fetch in job.fetches.iter().filter(|_| !is_empty_shard) {
            self.run_fetch(fetch, accumulator).await?;
        }
        if accumulator.stop_reason.is_none()
            && let Some(error) = sync.api.missing_answer()
        {
            accumulator.record_stop(job, &error.into());
        }
        delete_expired(sync, job, &self.parameters.retention).await?;
        let (failures, exported) = match self.write_files(files, accumulator).await? {
            Ok(exported) => {
                let failures = exported.failed.iter().map(|e| (e.is_storage(), error_chain(e))).collect();
                (failures, exported)
            }
            Err(e) => (vec![(e.is_storage(), error_chain(&e))], JobExportReport::default()),
        };
        for (is_storage, message) in failures {
            accumulator.exit_codes.push(if is_storage { exit_codes::STORAGE } else { exit_codes::USAGE });
            let scope = if is_storage { CauseScope::Storage } else { CauseScope::Run };
            accumulator.causes.push(RunCause { scope, message: message.clone(), hint: None });
            accumulator.reasons.push(message);
        }
        for fetch in &exported.so_far {
            accumulator.hints.push(format!(
                "the files of {fetch} have what is whole so far; they are complete when a run has finished it"
            ));
        }
        for text in &exported.warnings {
            sync.observer.note(text);
            accumulator.warnings.push(text.clone());
        }
        if let Some(bytes) = sync.store.empty_wal().await? {
            let text = format!(
                "another program is reading the store: its -wal holds {} MiB, and is emptied by the first run after \
                 that",
                bytes >> 20
            );
            sync.observer.note(&text);
            accumulator.warnings.push(text);
        }
        Ok(exported)
    }

    fn warn_about_expiring_grants(&self, names: &[String], accumulator: &mut RunAccumulator) -> Result<(), SyncError> {
        let Some(grants) = self.parameters.grants.as_deref() else { return Ok(()) };
        for name in names {
            let days = match grants.take_due_warning(name, self.sync.now()) {
                // It is reported for this user alone, where the account is identified.
                Err(GrantError::Unreadable { .. }) => None,
                days => days.map_err(ApiError::from)?,
            };
            if let Some(days) = days {
                let expiring = ExpiringGrant { user: name.clone(), days };
                self.sync.observer.note(&expiring.to_string());
                accumulator.expiring_grants.push(expiring);
            }
        }
        Ok(())
    }

    /// Runs one fetch, for each of its partitions.
    async fn run_fetch(&self, fetch: &Fetch, accumulator: &mut RunAccumulator) -> Result<(), SyncError> {
        let (sync, job) = (self.sync, self.job);
        let parts = partitions(&accumulator.users, self.parameters, fetch);
        self.reassign_requested(fetch, &accumulator.users).await?;
        let resolver = InputResolver { sync, job, bound: &self.bound };
        let mut has_served_some = false;
        for (index, part) in (0i64..).zip(&parts) {
            let inputs = match (&accumulator.stop_reason, &part.problem) {
                (Some(reason), _) => Err(SyncError::Blocked(reason.clone())),
                (None, Some(problem)) => Err(problem.to_error()),
                (None, None) => resolver.resolve(fetch, &accumulator.unfinished).await,
            };
            let context = Arc::new(part.fetch_context(self.parameters, (job, fetch), index));
            let refresh_after = self.parameters.refresh_age(fetch);
            let result = FetchRun { sync, job, fetch, context, refresh_after }.run(inputs).await?;
            has_served_some |= matches!(result.0.outcome, FetchState::Complete | FetchState::Partial);
            accumulator.add_fetch(fetch, part, result);
        }
        // A lost grant costs the part of that user. What the others brought is exported with what that user
        // had before.
        if has_served_some && !accumulator.deferred.contains(&fetch.name) {
            accumulator.unfinished.remove(&fetch.name);
        }
        Ok(())
    }

    /// Assigns what each user requested in earlier runs to the users of this run. This comes before the first
    /// request: the rows of one user must not be where those of another one go.
    async fn reassign_requested(&self, fetch: &Fetch, users: &[JobUser]) -> Result<(), SyncError> {
        let named = |user: &JobUser| RequestedUser {
            name: user.name.clone(),
            user_id: user.account.as_ref().ok().map(|account| account.user_id.clone()),
        };
        let users: Option<Vec<RequestedUser>> = fetch.stream.needs_user().then(|| users.iter().map(named).collect());
        let (job, name) = (self.job.name.clone(), fetch.name.clone());
        Ok(self.sync.store.write(move |s| requested::reassign_users(s, &job, &name, users.as_deref())).await?)
    }

    /// Writes the files. Without queries, this happens on the store's own connection: its cache has the rows that
    /// were just written. A query may take minutes, during which other jobs want to commit, so a job with queries gets
    /// a connection and a thread of its own.
    async fn write_files(
        &self,
        files: &JobFiles,
        accumulator: &RunAccumulator,
    ) -> Result<Result<JobExportReport, JobFilesError>, SyncError> {
        let (state, _) = accumulator.final_state();
        let (job, files, bound, run) = (self.job.clone(), files.clone(), self.bound.clone(), self.sync.run_id);
        let (reasons, unfinished) = (accumulator.reasons.clone(), accumulator.unfinished.clone());
        let (is_incomplete, fire_at) = (accumulator.exit_codes.contains(&exit_codes::PARTIAL), self.fire_at);
        let has_queries = job.sql().next().is_some();
        let write = move |store: Option<&Connection>| {
            let (reasons, unfinished) = (&reasons, &unfinished);
            let (force_render, parts) = (&BTreeSet::new(), ExportedParts::All);
            let (job, bound) = (&job, &bound);
            let exported = ExportedRun {
                job,
                run,
                state,
                is_incomplete,
                reasons,
                unfinished,
                bound,
                fire_at,
                force_render,
                parts,
            };
            match store {
                Some(store) => files.write_with(store, &exported),
                None => files.write(&exported),
            }
        };
        if !has_queries {
            return Ok(self.sync.store.with_connection(move |store| write(Some(store))).await?);
        }
        let written = tokio::task::spawn_blocking(move || write(None)).await;
        written.map_err(SyncError::defect)
    }
}
