//! The price of a job: of its fetches in order, each for each of its users.

use crate::store::planned_calls;
use std::collections::HashMap;

use super::{CallEstimate, CallRange, JobEstimator, NotBefore, ProbeBudget, RowChanges};
use crate::job::{Fetch, FetchSource, Job};
use crate::stream::{Paging, StreamAccess, StreamInput};
use crate::sync::accumulator::RunAccumulator;
use crate::sync::context::SyncContext;
use crate::sync::error::{SyncError, SyncErrorClass};
use crate::sync::fetch::FetchInputs;
use crate::sync::run_job::{RunParameters, query_bindings};
use crate::sync::users::{UNKNOWN_ACCOUNT, UserProblem};
use spotify_client::EntityKind;
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::state::AppClass;
use spotify_client::{Deferral, DeferralReason};

/// What a fetch of a job costs.
#[derive(Debug, Clone)]
pub struct FetchEstimate {
    /// Its name.
    pub fetch: String,
    /// The user it is for, by the local name.
    pub user: Option<String>,
    /// The id of that user's account, as the store has it; empty for none.
    pub user_id: String,
    /// Its stream.
    pub stream: &'static str,
    /// The price.
    pub estimate: CallEstimate,
    /// Why nothing, or nothing now, will be asked.
    pub note: Option<String>,
    /// A person has to act before anything is asked.
    pub needs_user_action: bool,
    /// Until when it is held back.
    pub not_before: NotBefore,
}

/// What a run of a job costs.
#[derive(Debug, Clone, Default)]
pub struct JobEstimate {
    /// The job.
    pub job: String,
    /// Finding out whose accounts the grants of its users are.
    pub account_lookups: CallRange,
    /// Its fetches, in order.
    pub fetches: Vec<FetchEstimate>,
}

impl JobEstimate {
    /// All of it.
    pub fn total(&self) -> CallEstimate {
        let mut whole = CallEstimate::default();
        whole.add_calls(EndpointFamily::ME, self.account_lookups);
        self.fetches.iter().for_each(|fetch| whole.add(fetch.estimate.clone()));
        whole
    }
}

/// Prices a job as it would be run now. With looks left, Spotify is asked where only it knows.
///
/// # Errors
/// If the store or the state folder cannot be read, or a `where` cannot be run.
pub async fn estimate_job(
    engine: &SyncContext,
    job: &Job,
    start: &RunParameters,
    looks: &ProbeBudget,
) -> Result<JobEstimate, SyncError> {
    let bound = query_bindings(job, start.fire_at.unwrap_or(engine.started_at), start.last_run_at);
    let names = start.user_names(job)?;
    let askers = engine.known_users(start.grants.as_ref(), &names)?;
    let unknown =
        askers.iter().filter(|it| it.account.as_ref().is_ok_and(|user| user.user_id == UNKNOWN_ACCOUNT)).count();
    let sum = RunAccumulator::for_users(askers);
    let mut priced =
        JobEstimate { job: job.name.clone(), account_lookups: CallRange::exactly(unknown as u64), fetches: Vec::new() };
    let mut pricing = JobEstimator::new(engine, looks);
    // What a fetch that goes by another will ask for is not known before that has been read.
    let mut unsettled: HashMap<&str, RowChanges> = HashMap::new();
    for fetch in &job.fetches {
        let goes_by = match &fetch.source {
            FetchSource::From { fetch: parent, .. } => {
                let parent = &job.fetches[*parent];
                unsettled.get(parent.name.as_str()).map(|news| ParentFetch { parent, changes: *news })
            }
            _ => None,
        };
        pricing.skip_probes.set(goes_by.is_some());
        let (mut news, mut asked) = (RowChanges::None, 0);
        for (place, part) in (0i64..).zip(&sum.partitions(start, fetch)) {
            let frame = part.fetch_context(start, fetch, place);
            let mut one = FetchEstimate {
                fetch: fetch.name.clone(),
                user: part.user.as_ref().map(|user| user.name.clone()),
                user_id: frame.recorded_for.clone(),
                stream: fetch.stream.name,
                estimate: CallEstimate::default(),
                note: part.problem.as_ref().map(|trouble| trouble.to_error().message()),
                needs_user_action: part.problem.as_ref().is_some_and(UserProblem::needs_user_action),
                not_before: None,
            };
            if one.note.is_none() {
                one.note = unavailable_to_app(engine, fetch)?;
            }
            if one.note.is_none() {
                let asks = sum.resolve_inputs(engine, job, fetch, &bound).await?;
                let families = families(fetch, &asks);
                for unit in engine.work_items(fetch, &frame, asks, start.refresh_age(fetch)).await? {
                    asked += unit.requested_count();
                    one.estimate.add(pricing.estimate_item(&frame, &unit).await?);
                }
                if let Some(goes_by) = &goes_by {
                    one.estimate = goes_by.adjust_estimate(one.estimate, fetch);
                }
                // That no more looks are left says nothing about a run.
                let of_a_run =
                    |e: &ApiError| !matches!(e, ApiError::Deferred(Deferral { reason: DeferralReason::MaxCalls, .. }));
                let held = families.iter().find_map(|family| engine.api.may_send(*family).err().filter(of_a_run));
                if let Some(e) = held.filter(|_| one.estimate.calls() != CallRange::NONE) {
                    let halt = SyncError::Api(e);
                    one.note = Some(halt.message());
                    one.not_before = match halt.class() {
                        SyncErrorClass::Deferred(at) => at,
                        _ => None,
                    };
                }
            }
            news = news.plus(one.estimate.changes);
            priced.fetches.push(one);
        }
        if goes_by.is_some() {
            news = RowChanges::AnyChange;
        }
        if !engine.has_same_inputs(job, fetch, asked).await? || news != RowChanges::None {
            unsettled.insert(&fetch.name, news);
            pricing.versions_may_be_known |= fetch.stream.yields_versions;
            pricing.included_kinds.extend(fetch.stream.full_entities);
        }
    }
    Ok(priced)
}

/// Why nothing is asked of an app that is known not to have the stream.
fn unavailable_to_app(engine: &SyncContext, fetch: &Fetch) -> Result<Option<String>, SyncError> {
    let lost = fetch.stream.access == StreamAccess::ExtendedOnly
        && engine.app.class().map_err(ApiError::from)? == Some(AppClass::Development);
    Ok(lost
        .then(|| "Spotify removed it for apps in Development Mode in February 2026; nothing will be sent".to_owned()))
}

fn families(fetch: &Fetch, asks: &FetchInputs) -> Vec<EndpointFamily> {
    let mut families = fetch.stream.families();
    if asks.references.iter().any(|it| !matches!(it, spotify_client::Reference::Id(_))) {
        families.push(EndpointFamily::SEARCH);
    }
    families
}

/// Another fetch of the run that may change what a fetch asks for.
struct ParentFetch<'j> {
    parent: &'j Fetch,
    changes: RowChanges,
}

impl ParentFetch<'_> {
    /// The price of the fetch that goes by it: what is known now is a guess, bounded where each new row
    /// costs a call at most.
    fn adjust_estimate(&self, mut price: CallEstimate, fetch: &Fetch) -> CallEstimate {
        let known = price.calls().expected_calls();
        let name = &self.parent.name;
        price.by_family.values_mut().for_each(|calls| calls.at_least = 0);
        match (self.changes, family_with_one_call_per_row(self.parent, fetch)) {
            (RowChanges::UpTo(rows), Some(family)) => {
                price.add_calls(family, CallRange::between(0, rows));
                let more = if rows == 0 { "fewer rows".to_owned() } else { format!("up to {rows} new rows") };
                price.add_reason(&format!("it goes by {name}, which is read first and may bring {more}"));
            }
            _ => {
                fetch.stream.families().into_iter().for_each(|family| price.add_calls(family, CallRange::at_least(0)));
                price.add_reason(&format!(
                    "it goes by {name}, which is read first; with what is known now it takes {known} or more"
                ));
            }
        }
        price
    }
}

/// The family of a stream of which each row of its parent names one thing, read by one call at most.
fn family_with_one_call_per_row(parent: &Fetch, fetch: &Fetch) -> Option<EndpointFamily> {
    let (StreamInput::Ids(kind), Paging::ById { .. }) = (fetch.stream.input, fetch.stream.paging) else { return None };
    // A row may name several artists; its other columns hold one id each.
    let one_each = kind != EntityKind::Artist || parent.stream.input == StreamInput::Ids(EntityKind::Artist);
    one_each.then_some(fetch.stream.family)
}

impl SyncContext {
    /// Whether what stands in the store as asked for by a fetch is what a run would ask for now.
    async fn has_same_inputs(&self, job: &Job, fetch: &Fetch, asked: i64) -> Result<bool, SyncError> {
        let (name, hash, part) = (job.name.clone(), job.hash.clone(), fetch.name.clone());
        let known = self.store.write(move |s| planned_calls::last_request_count(s, &name, &part)).await?;
        // A file of ids may change while the job file does not.
        let counted = matches!(fetch.source, FetchSource::Ids(_));
        Ok(known.is_some_and(|(known, before)| known == hash && (!counted || before == asked)))
    }
}
