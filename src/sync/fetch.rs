//! One fetch of a job: its work items, as many side by side as the app may, and the sum of their results.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chrono::TimeDelta;
use tokio::task::JoinSet;

use super::context::{FetchContext, SyncContext};
use super::error::{SyncError, SyncErrorClass};
use super::fetch_inputs::FetchInputs;
use super::missing;
use super::ordering::in_job_order;
use super::report::FetchReport;
use super::work_items::{WorkItem, item_order, work_items};
use super::work_result::WorkResult;
use crate::job::{Fetch, Job};
use crate::store::{
    FetchRecord, FetchState, FieldReport, SkippedItem, field_notes, requested, runs, skipped_items, timestamp,
};
use crate::stream::StreamAccess;
use spotify_client::Reference;
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::forbidden::ForbiddenReason;
use spotify_client::state::AppClass;

/// One fetch of a run, for one user or for the app.
pub(super) struct FetchRun<'a> {
    pub sync: &'a SyncContext,
    pub job: &'a Job,
    pub fetch: &'a Fetch,
    pub context: Arc<FetchContext>,
    /// The maximum age of entities that it reads by id.
    pub refresh_after: TimeDelta,
}

/// How a fetch ended: its state, why it is not complete, and the error that stopped the run, if one did.
struct FetchEnding {
    state: FetchState,
    reason: Option<String>,
    error: Option<SyncError>,
}

impl FetchRun<'_> {
    /// Runs the fetch and records how it ended. Returns its result, and the error that stopped it.
    ///
    /// # Errors
    /// Only if the record itself cannot be written.
    pub(super) async fn run(
        &self,
        inputs: Result<FetchInputs, SyncError>,
    ) -> Result<(FetchReport, Option<SyncError>), SyncError> {
        let (sync, context) = (self.sync, &self.context);
        let calls_before = sync.api.calls_sent();
        let mut record = FetchRecord {
            fetch: context.fetch.clone(),
            user_id: context.recorded_for.clone(),
            stream: context.stream.name,
            ..FetchRecord::default()
        };
        let inputs = match inputs {
            Ok(inputs) => self.check_startable(&inputs).await.map(|()| inputs),
            Err(e) => Err(e),
        };
        let (result, error) = match inputs {
            Ok(inputs) => {
                let items = work_items(sync, context, (self.fetch, inputs), self.refresh_after).await?;
                record.asked = items.iter().map(WorkItem::requested_count).sum();
                sync.observer.fetch_started(&context.fetch, usize::try_from(record.asked).unwrap_or(0));
                self.run_items(items).await?
            }
            Err(e) => (WorkResult::default(), Some(e)),
        };
        result.counts.write_to(&mut record);
        record.served += context.progress.unplaced_items();
        if self.fetch.stream.needs_user() {
            // How many lists a user has is known only after they were read.
            let incomplete = i64::try_from(result.problem_count).unwrap_or(i64::MAX);
            record.asked = record.asked.max(record.unchanged + result.counts.read + incomplete);
            if error.is_some() {
                // The list of playlists, and the playlists that it names.
                record.asked = record.asked.max(result.playlists.map_or(0, |playlists| playlists.listed + 1));
            }
        }
        record.calls = i64::try_from(sync.api.calls_sent() - calls_before).unwrap_or(i64::MAX);
        let mut hints = result.hints.clone();
        hints.extend(error.as_ref().and_then(SyncError::hint));
        let came_to_its_end = error.is_none();
        let problem = result.problem_summary();
        let has_problem = problem.is_some();
        let FetchEnding { state, reason, error } = self.classify_end(problem, error).await?;
        record.reason = reason;
        let read = result.counts.read;
        let (mut warnings, mut playlists) = (result.warnings.clone(), result.playlists);
        if let Some(playlists) = playlists.as_mut().filter(|_| !came_to_its_end) {
            // One of those that were done is the list of playlists. The others wait for the next run.
            playlists.read = playlists.read.min((record.unchanged + read - 1).max(0));
        }
        warnings.extend(self.note_skipped_rows().await?);
        let fields = match (self.read_field_notes().await, &error) {
            (Ok(fields), _) => fields,
            // Of two failures of the store, the first one is reported.
            (Err(_), Some(_)) => Vec::new(),
            (Err(e), None) => return Err(e),
        };
        let unreadable = fields.iter().filter(|field| field.is_unreadable());
        warnings.extend(unreadable.map(|field| field.describe(record.served)));
        if let Err(e) = self.write_record(state, &record, result, came_to_its_end).await {
            // Of two failures of the store, the first one is reported.
            return Err(error.unwrap_or(e));
        }
        sync.observer.fetch_finished(&context.fetch, state.as_str());
        let report = FetchReport {
            fetch: record.fetch,
            user: None,
            stream: record.stream,
            state: state.as_str(),
            reason: record.reason,
            asked: record.asked,
            unchanged: record.unchanged,
            read,
            presumed: record.presumed,
            calls: record.calls,
            served: record.served,
            stored: record.stored,
            skipped: record.skipped,
            playlists,
            fields,
            taken_up: context.progress.resumed_reads(),
            outcome: state,
            is_incomplete: has_problem || state == FetchState::Partial,
            hints,
            warnings,
        };
        Ok((report, error))
    }

    /// Records the rows of its file of ids that have no usable id. Returns what people should know about them.
    async fn note_skipped_rows(&self) -> Result<Option<String>, SyncError> {
        let Some(file) = self.fetch.ids_file.as_ref().filter(|file| file.skipped > 0) else { return Ok(None) };
        let (run, now, stream) = (self.sync.run_id, timestamp(self.sync.now()), self.context.stream.name);
        let (fetch, name, skipped) = (self.context.fetch.clone(), file.name.clone(), file.first_skipped.clone());
        let noted = self.sync.store.write(move |s| {
            for row in skipped {
                let skip = SkippedItem {
                    fetch: fetch.clone(),
                    stream,
                    item_id: Some(row.text),
                    reason: "unusable_row",
                    detail: Some(format!("line {} of {name}: {}", row.line, row.why)),
                    already_known: true,
                    ..SkippedItem::default()
                };
                skipped_items::record(s, run, &skip, &now)?;
            }
            Ok(())
        });
        noted.await?;
        Ok(Some(format!("fetch `{}` reads {}", self.fetch.name, file.summary())))
    }

    /// Writes the record of the fetch, with its requested ids. A fetch that did not end normally keeps the ids of its
    /// last run, and with them its last CSV; if there was none, it records those that it came to. So does a fetch that is partial because the app does not have the stream.
    async fn write_record(
        &self,
        state: FetchState,
        record: &FetchRecord,
        result: WorkResult,
        came_to_its_end: bool,
    ) -> Result<(), SyncError> {
        let context = &self.context;
        let requested = in_job_order(result.requested, &context.progress.first_places(&result.places));
        let (run, name, job, record) = (self.sync.run_id, context.fetch.clone(), self.job.name.clone(), record.clone());
        let (user, place) =
            (context.partition_index.map(|_| context.audience.clone()), context.partition_index.unwrap_or(0));
        let written = self.sync.store.write(move |s| {
            if came_to_its_end {
                requested::replace(s, &job, &name, user.as_deref(), place, &requested)?;
            } else {
                let of = (job.as_str(), name.as_str(), record.user_id.as_str());
                requested::replace_unfinished(s, of, user.as_deref(), place, &requested)?;
            }
            runs::finish_fetch(s, run, state, &record)
        });
        Ok(written.await?)
    }

    /// The notes of the run about fields that it read.
    async fn read_field_notes(&self) -> Result<Vec<FieldReport>, SyncError> {
        let (run, fetch, audience) = (self.sync.run_id, self.context.fetch.clone(), self.context.audience.clone());
        Ok(self.sync.store.write(move |s| field_notes::of_fetch(s, run, &fetch, &audience)).await?)
    }

    /// Whether the app has the stream, and none of its families is deferred.
    async fn check_startable(&self, inputs: &FetchInputs) -> Result<(), SyncError> {
        let (sync, stream) = (self.sync, self.fetch.stream);
        if stream.access == StreamAccess::ExtendedOnly
            && sync.app.class().map_err(ApiError::from)? == Some(AppClass::Development)
        {
            return Err(ApiError::lost_in_development(stream.family).into());
        }
        let families = fetch_families(self.fetch, inputs);
        let may_send = || families.iter().try_for_each(|family| sync.api.may_send(*family));
        match may_send() {
            Err(e) if sync.app.may_continue(&self.context.bearer, &e).await? => Ok(may_send()?),
            other => Ok(other?),
        }
    }

    /// How the fetch ended. An error that only says that the app does not have the stream makes it partial.
    async fn classify_end(&self, problem: Option<String>, error: Option<SyncError>) -> Result<FetchEnding, SyncError> {
        let (sync, context) = (self.sync, &self.context);
        let Some(error) = error else {
            let state = if problem.is_some() { FetchState::Partial } else { FetchState::Complete };
            return Ok(FetchEnding { state, reason: problem, error: None });
        };
        let message = error.message();
        if let SyncError::Api(ApiError::Refused { kind: ForbiddenReason::EndpointRemoved, message: refusal, .. }) =
            &error
        {
            if context.stream.access == StreamAccess::ExtendedOnly {
                let evidence = format!("{} was refused: {refusal}", context.stream.endpoint);
                sync.app.learn_development(&context.bearer, &evidence).await?;
            }
            let (fetch, stream, detail) = (context.fetch.clone(), context.stream.name, Some(message.clone()));
            let (reason, user_id) = ("not_for_this_app", Some(context.recorded_for.clone()));
            let skip = SkippedItem { fetch, stream, reason, detail, user_id, ..SkippedItem::default() };
            sync.record_skip(skip).await?;
            return Ok(FetchEnding { state: FetchState::Partial, reason: Some(message), error: None });
        }
        // The endpoint, the account of a user, or another resource that the fetch begins with fails while Spotify answers
        // others.
        if let SyncError::Api(e) = &error
            && (e.is_failure() || matches!(e, ApiError::EndpointFails { .. }))
        {
            let (fetch, stream, detail) = (context.fetch.clone(), context.stream.name, Some(message.clone()));
            let (reason, user_id) = (missing::skip_reason(e), Some(context.recorded_for.clone()));
            let skip = SkippedItem { fetch, stream, reason, detail, user_id, ..SkippedItem::default() };
            sync.record_skip(skip).await?;
            let reason = problem.map_or_else(|| message.clone(), |problem| format!("{message}; {problem}"));
            return Ok(FetchEnding { state: FetchState::Partial, reason: Some(reason), error: None });
        }
        let state = match error.class() {
            SyncErrorClass::Deferred(_) => FetchState::Deferred,
            _ => FetchState::Failed,
        };
        // Items missing so far are reported, and so is the error that stopped the fetch.
        let reason = problem.map_or_else(|| message.clone(), |problem| format!("{message}; {problem}"));
        Ok(FetchEnding { state, reason: Some(reason), error: Some(error) })
    }

    /// Reads the work items, as many side by side as the app may. No new one is started after an error.
    async fn run_items(&self, items: Vec<WorkItem>) -> Result<(WorkResult, Option<SyncError>), SyncError> {
        let total = items.len();
        let order = Arc::new(item_order(self.sync, &self.context, &items).await?);
        let (items, next, stop) = (Arc::new(items), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let mut workers = JoinSet::new();
        let side_by_side = self.sync.app.concurrency().unwrap_or(1);
        for _ in 0..side_by_side.clamp(1, total.max(1)) {
            let (sync, context, items) = (self.sync.clone(), Arc::clone(&self.context), Arc::clone(&items));
            let (order, next, stop) = (Arc::clone(&order), Arc::clone(&next), Arc::clone(&stop));
            workers.spawn(async move {
                let mut results = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                    let Some(item) = items.get(index) else { break };
                    let (result, error) = run_item(&sync, &context, item).await;
                    results.push((index, result));
                    if error.is_some() {
                        stop.store(true, Ordering::Relaxed);
                        return (results, error);
                    }
                }
                (results, None)
            });
        }
        let (mut results, mut error) = (Vec::new(), None::<SyncError>);
        while let Some(joined) = workers.join_next().await {
            let stopped = match joined {
                Ok((done, stopped)) => {
                    results.extend(done);
                    stopped
                }
                // A panic is a defect of ours: the run must not claim to be complete.
                Err(panic) => Some(SyncError::defect(panic)),
            };
            error = match (error, stopped) {
                (Some(one), Some(two)) => Some(one.most_severe(two)),
                (one, two) => one.or(two),
            };
        }
        if error.is_none() {
            error = self.look_again(&items, &mut results).await;
        }
        results.sort_by_key(|(index, _)| *index);
        let mut sum = WorkResult::default();
        for (_, result) in results {
            sum.add(result);
        }
        Ok((sum, error))
    }

    /// Requests refused items once more, which Spotify may have refused by mistake. Returns the error that stopped it.
    async fn look_again(&self, items: &[WorkItem], results: &mut Vec<(usize, WorkResult)>) -> Option<SyncError> {
        let context = FetchContext { is_second_look: true, ..(*self.context).clone() };
        let unanswered: Vec<(usize, Vec<String>)> =
            results.iter_mut().map(|(index, result)| (*index, std::mem::take(&mut result.unanswered))).collect();
        for (index, ids) in unanswered.into_iter().filter(|(_, ids)| !ids.is_empty()) {
            let Some(item) = items.get(index) else { continue };
            let (result, error) = run_item(self.sync, &context, &item.for_second_look(&ids)).await;
            results.push((index, result));
            if error.is_some() {
                return error;
            }
        }
        None
    }
}

/// Reads a work item. Where a limit stops it that may not be the app's, the class of the app is found out
/// first, and the item is read again. Returns the result, and the error that stopped the read.
async fn run_item(sync: &SyncContext, context: &FetchContext, item: &WorkItem) -> (WorkResult, Option<SyncError>) {
    let mut result = WorkResult::default();
    let ended = try_item(sync, context, item, &mut result).await;
    (result, ended.err())
}

async fn try_item(
    sync: &SyncContext,
    context: &FetchContext,
    item: &WorkItem,
    result: &mut WorkResult,
) -> Result<(), SyncError> {
    sync.check_store_room()?;
    match item.read(sync, context, result).await {
        Err(SyncError::Api(e)) if sync.app.may_continue(&context.bearer, &e).await? => {
            *result = WorkResult::default();
            item.read(sync, context, result).await
        }
        other => other,
    }
}

/// The endpoint families that a fetch always calls.
pub(super) fn fetch_families(fetch: &Fetch, inputs: &FetchInputs) -> Vec<EndpointFamily> {
    let mut families = fetch.stream.families();
    if inputs.references.iter().any(|reference| !matches!(reference, Reference::Id(_))) {
        families.push(EndpointFamily::SEARCH);
    }
    families
}
