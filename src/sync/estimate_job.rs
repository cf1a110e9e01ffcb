//! What a run of a job would cost now: its fetches in order, each for each of its partitions.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::context::SyncContext;
use super::error::{SyncError, SyncErrorClass};
use super::estimate::{CallEstimate, CallRange, JobEstimator, ProbeBudget, RowChanges, call_count};
use super::fetch::fetch_families;
use super::fetch_inputs::InputResolver;
use super::partition::partitions;
use super::run_parameters::{RunParameters, query_bindings};
use super::users::{UNKNOWN_ACCOUNT, UserProblem, known_users};
use super::work_items::{WorkItem, work_items};
use crate::job::{Fetch, FetchSource, Job, JobUsers};
use crate::store::planned_calls;
use crate::stream::{Paging, StreamAccess, StreamInput};
use spotify_client::EntityKind;
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::state::AppClass;
use spotify_client::{Deferral, DeferralReason};

/// What a fetch of a job costs.
#[derive(Debug, Clone)]
pub struct FetchEstimate {
    pub fetch: String,
    /// The user it is for, by the local name.
    pub user: Option<String>,
    /// The id of that user's account, as the store has it; empty for none.
    pub user_id: String,
    pub stream: &'static str,
    pub estimate: CallEstimate,
    /// Why nothing, or nothing now, will be requested.
    pub note: Option<String>,
    /// A user has to act before anything is requested.
    pub needs_user_action: bool,
    /// When the fetch may start, if it is deferred.
    pub not_before: Option<DateTime<Utc>>,
}

/// What a run of a job costs.
#[derive(Debug, Clone, Default)]
pub struct JobEstimate {
    pub job: String,
    /// Calls that identify the accounts of its users.
    pub account_lookups: CallRange,
    /// Its fetches, in order.
    pub fetches: Vec<FetchEstimate>,
}

impl JobEstimate {
    /// The cost of the whole job.
    pub fn total(&self) -> CallEstimate {
        let mut total = CallEstimate::default();
        total.add_calls(EndpointFamily::ME, self.account_lookups);
        self.fetches.iter().for_each(|fetch| total.add(fetch.estimate.clone()));
        total
    }
}

/// Estimates a job as it would be run now. With probes left, Spotify is asked where only it knows.
///
/// # Errors
/// If the store or the state folder cannot be read, or a `where` cannot be run.
pub async fn estimate_job(
    sync: &SyncContext,
    job: &Job,
    parameters: &RunParameters,
    probes: &ProbeBudget,
) -> Result<JobEstimate, SyncError> {
    let bound = query_bindings(job, parameters.fire_at.unwrap_or(sync.started_at), parameters.last_run_at);
    let resolver = InputResolver { sync, job, bound: &bound };
    let users = known_users(sync, parameters.grants.as_ref(), &parameters.user_names(job)?).await?;
    let is_unknown = |account: &super::users::UserAccount| account.user_id.starts_with(UNKNOWN_ACCOUNT);
    let unknown = users.iter().filter(|user| user.account.as_ref().is_ok_and(is_unknown)).count();
    let mut result =
        JobEstimate { job: job.name.clone(), account_lookups: CallRange::exactly(unknown as u64), fetches: Vec::new() };
    let mut estimator = JobEstimator::new(sync, probes);
    // The ids that a fetch takes from another fetch are not known before that one is read.
    let mut unsettled: HashMap<&str, (RowChanges, i64)> = HashMap::new();
    // A shard without users has nothing to read.
    let is_empty_shard = users.is_empty() && matches!(job.users, JobUsers::All(Some(_)));
    for fetch in job.fetches.iter().filter(|_| !is_empty_shard) {
        let parent = match &fetch.source {
            FetchSource::From { fetch: parent, .. } => {
                let fetch = &job.fetches[*parent];
                match unsettled.get(fetch.name.as_str()) {
                    None => None,
                    Some((changes, all)) => {
                        let read = read_so_far(sync, job, fetch, *all).await?;
                        Some(ParentFetch { fetch, changes: *changes, read: (read, *all) })
                    }
                }
            }
            _ => None,
        };
        estimator.skip_probes = parent.is_some();
        let (mut changes, mut requested) = (RowChanges::None, 0);
        for (index, part) in (0i64..).zip(&partitions(&users, parameters, fetch)) {
            let context = part.fetch_context(parameters, (job, fetch), index);
            let mut one = FetchEstimate {
                fetch: fetch.name.clone(),
                user: part.user.as_ref().map(|user| user.name.clone()),
                user_id: context.recorded_for.clone(),
                stream: fetch.stream.name,
                estimate: CallEstimate::default(),
                note: part.problem.as_ref().map(|problem| problem.to_error().message()),
                needs_user_action: part.problem.as_ref().is_some_and(UserProblem::needs_user_action),
                not_before: None,
            };
            if one.note.is_none() {
                one.note = unavailable_to_app(sync, fetch)?;
            }
            if one.note.is_none() {
                let inputs = resolver.resolve(fetch, &BTreeSet::new()).await?;
                let families = fetch_families(fetch, &inputs);
                let refresh_after = parameters.refresh_age(fetch);
                for item in work_items(sync, &context, (fetch, inputs), refresh_after).await? {
                    requested += WorkItem::requested_count(&item);
                    one.estimate.add(item.estimate(&mut estimator, &context).await?);
                }
                if let Some(parent) = &parent {
                    one.estimate = parent.adjust(one.estimate, fetch);
                }
                note_deferral(sync, &families, &mut one);
            }
            changes = changes.plus(one.estimate.changes);
            result.fetches.push(one);
        }
        estimator.streams_before.push(fetch.stream);
        if parent.is_some() {
            changes = RowChanges::AnyChange;
        }
        if !has_same_inputs(sync, job, fetch, requested).await? || changes != RowChanges::None {
            unsettled.insert(&fetch.name, (changes, requested));
            estimator.versions_may_be_known |= fetch.stream.yields_versions;
            estimator.included_kinds.extend(fetch.stream.full_entities);
        }
    }
    Ok(result)
}

/// Notes that a fetch is deferred, if a run could not send its calls now.
fn note_deferral(sync: &SyncContext, families: &[EndpointFamily], estimate: &mut FetchEstimate) {
    // That no more probes are left says nothing about a run.
    let concerns_runs =
        |e: &ApiError| !matches!(e, ApiError::Deferred(Deferral { reason: DeferralReason::MaxCalls, .. }));
    let deferral = families.iter().find_map(|family| sync.api.may_send(*family).err().filter(concerns_runs));
    if let Some(e) = deferral.filter(|_| estimate.estimate.calls() != CallRange::NONE) {
        let error = SyncError::Api(e);
        estimate.note = Some(error.message());
        estimate.not_before = match error.class() {
            SyncErrorClass::Deferred(at) => at,
            _ => None,
        };
    }
}

/// Why nothing is requested from an app that is known not to have the stream.
fn unavailable_to_app(sync: &SyncContext, fetch: &Fetch) -> Result<Option<String>, SyncError> {
    let is_lost = fetch.stream.access == StreamAccess::ExtendedOnly
        && sync.app.class().map_err(ApiError::from)? == Some(AppClass::Development);
    let text = "Spotify removed it for apps in Development Mode in February 2026; nothing will be sent";
    Ok(is_lost.then(|| text.to_owned()))
}

/// Another fetch of the run that may change what a fetch requests.
struct ParentFetch<'j> {
    fetch: &'j Fetch,
    changes: RowChanges,
    /// How many of its ids, lists and searches have been read, and how many there are.
    read: (i64, i64),
}

impl ParentFetch<'_> {
    /// Whether it was interrupted before it had read everything for the first time.
    fn is_half_read(&self) -> bool {
        0 < self.read.0 && self.read.0 < self.read.1
    }

    /// Adjusts the estimate of a fetch that takes its ids from this one. The rows known now are a guess. It is bounded
    /// if each new row costs one call at most.
    fn adjust(&self, mut estimate: CallEstimate, fetch: &Fetch) -> CallEstimate {
        let known = estimate.calls().expected_calls();
        let name = &self.fetch.name;
        estimate.make_optional();
        match (self.changes, family_with_one_call_per_row(self.fetch, fetch)) {
            (RowChanges::UpTo(rows), Some(family)) => {
                estimate.add_calls(family, CallRange::between(0, rows));
                let more = if rows == 0 { "fewer rows".to_owned() } else { format!("up to {rows} new rows") };
                estimate.add_reason(&format!("it takes its ids from {name}, which is read first and may bring {more}"));
            }
            _ if self.is_half_read() && known > 0 => {
                let (read, all) = self.read;
                let rest = |calls: u64| calls * call_count(all - read) / call_count(read).max(1);
                let more: Vec<_> =
                    estimate.by_family.iter().map(|(family, calls)| (*family, rest(calls.expected_calls()))).collect();
                for (family, calls) in more {
                    estimate.add_calls(family, CallRange::roughly(calls, 0));
                }
                let likely = known + rest(known);
                estimate.add_reason(&format!(
                    "it takes its ids from {name}, of which {read} of {all} are read so far; if the others are alike, it \
                     takes about {likely} calls"
                ));
            }
            _ => {
                for family in fetch.stream.families() {
                    estimate.add_calls(family, CallRange::at_least(0));
                }
                estimate.add_reason(&format!(
                    "it takes its ids from {name}, which is read first; with the rows known now it takes {known} or more"
                ));
            }
        }
        estimate
    }
}

/// How many of the ids, lists and searches of a fetch are read, if it was interrupted before it had read all of them.
async fn read_so_far(sync: &SyncContext, job: &Job, fetch: &Fetch, all: i64) -> Result<i64, SyncError> {
    let (name, part) = (job.name.clone(), fetch.name.clone());
    let read = sync.store.write(move |s| planned_calls::read_so_far(s, &name, &part)).await?;
    Ok(read.unwrap_or(all))
}

/// The endpoint family of a fetch if each row of its parent names one entity, which takes one call at most.
fn family_with_one_call_per_row(parent: &Fetch, fetch: &Fetch) -> Option<EndpointFamily> {
    let (StreamInput::Ids(kind), Paging::ById { .. }) = (fetch.stream.input, fetch.stream.paging) else { return None };
    // A row may name several artists. Its other columns hold one id each.
    let one_each = kind != EntityKind::Artist || parent.stream.input == StreamInput::Ids(EntityKind::Artist);
    one_each.then_some(fetch.stream.family)
}

/// Whether a run would request what the store says that the fetch requested last.
async fn has_same_inputs(sync: &SyncContext, job: &Job, fetch: &Fetch, requested: i64) -> Result<bool, SyncError> {
    let (name, hash, part) = (job.name.clone(), job.hash.clone(), fetch.name.clone());
    let known = sync.store.write(move |s| planned_calls::last_request_count(s, &name, &part)).await?;
    // A file of ids may change while the job file does not.
    let is_counted = matches!(fetch.source, FetchSource::Ids(_));
    Ok(known.is_some_and(|(known, before)| known == hash && (!is_counted || before == requested)))
}
