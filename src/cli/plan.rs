//! `plan [JOB…]`: shows what a run would cost now, fetch by fetch, whether today's budget allows it, and what
//! would be read today if not. It sends a few calls where only Spotify knows the price, and writes no rows.

mod text;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::app::App;
use super::args::PlanArgs;
use super::budget::RemainingBudget;
use super::divided::check_division;
use super::error_exits::ledger_error;
use super::planner::{QueueSlot, QueuedJob, order_jobs, queued_job};
use super::pricing::{lookups, price_job, read_history, remaining_budget};
use super::runtime::runtime;
use super::store_file::require_store_not_lost;
use super::{CommandContext, CommandError, ExitStatus, OrExit, check, print, push};
use crate::document::Diagnostic;
use crate::job::{Job, JobUsers};
use crate::store::timestamp;
use crate::store::{FileAccess, Store};
use crate::sync::{CallEstimate, CallRange, FetchEstimate, JobEstimate, ProbeBudget, seconds_for_calls};
use crate::target::{self, LoadedTargets};
use spotify_client::state::LearnedFacts;

/// `--probe` may use this part of today's remaining calls: as much as a run may use without a confirmation.
const PROBE_DIVISOR: u64 = 4;

/// A job with its price.
struct PricedJob<'a> {
    job: &'a Job,
    price: JobEstimate,
    /// What the jobs before it leave.
    left: RemainingBudget,
    fits: BudgetFit,
    /// The days that it takes if nothing else is sent, today included.
    days: u64,
    /// Notes on calls that Spotify has refused to the app.
    refused: Vec<String>,
}

/// Whether a run can finish today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BudgetFit {
    Yes,
    No,
    /// Possibly; the number of calls has no upper bound.
    Unknown,
    /// A cool-down holds back a part of it until then.
    HeldBack(DateTime<Utc>),
    /// A user has to act before all of it can be read.
    NeedsUserAction,
}

struct PlanReport<'a> {
    /// In the order in which `run` starts them.
    jobs: Vec<PricedJob<'a>>,
    left: RemainingBudget,
    requests_per_second: f64,
    /// Whether each job is shown with its fetches.
    with_details: bool,
    asked: u64,
    /// Why no more calls were sent.
    ended: Option<String>,
    targets: LoadedTargets,
}

/// Prices jobs.
///
/// # Errors
///
/// If settings or jobs are wrong, or the state folder or the store cannot be read.
pub fn run(args: &PlanArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    check_division(context, &settings)?;
    let loaded = context.jobs(&settings, &args.jobs);
    let mut exit = ExitStatus::Complete;
    if loaded.has_errors() {
        // Warnings are for `check`.
        let errors = loaded.problems.into_iter().filter(Diagnostic::is_error).collect();
        let broken = CommandError::Problems(errors);
        if !args.jobs.is_empty() {
            return Err(broken);
        }
        context.report(&broken);
        exit = ExitStatus::Usage;
    }
    let app = App::open(context, &settings)?;
    if !args.offline && loaded.jobs.iter().any(|job| job.users == JobUsers::None) {
        context.require_secret(app.credentials()?)?;
    }
    // `plan` creates no store. Without a store it uses an empty one in a temporary folder.
    let temporary = tempfile::tempdir().or_exit(ExitStatus::Storage)?;
    if !app.database_path().exists() {
        require_store_not_lost(&app.state, &app.database_path())?;
        let path = temporary.path().join("cratedigger.db");
        let store = Store::open(&path, FileAccess::from_mode(0o600), &app.store_identity());
        app.use_store(Arc::new(store.or_exit(ExitStatus::Storage)?));
    }
    let learned = LearnedFacts::new(&app.state, &app.ledger_identity()?);
    let endpoints = learned.endpoints(Utc::now()).map_err(ledger_error)?;
    let history = read_history(&app)?;
    let left = remaining_budget(&app, None)?.account;
    let lookups = lookups(left);
    let most = left.map_or(u64::from(u32::MAX) - 1, |left| (left / PROBE_DIVISOR).max(lookups));
    let probes = match (args.offline, args.probe) {
        (true, _) => ProbeBudget::at_most(0),
        (_, true) => ProbeBudget::for_exact_estimates(most),
        _ => ProbeBudget::at_most(lookups),
    };
    let prices = runtime()?.block_on(async {
        let mut prices = Vec::new();
        for job in &loaded.jobs {
            let past = history.job_or_default(&job.name);
            prices.push((job, price_job(&app, job, &past, false, &probes).await?));
        }
        Ok::<_, CommandError>(prices)
    })?;
    let left = remaining_budget(&app, None)?;
    let ceilings = app.call_ceilings()?;
    let day = RemainingBudget::whole_day(&app.usage(ceilings)?, ceilings);
    let queue: Vec<QueuedJob<'_>> = prices
        .iter()
        .map(|(job, price)| queued_job(&app, job, None, None, Some(price), &history))
        .collect::<Result<_, _>>()?;
    let slots = order_jobs(&queue, &left);
    let mut prices: Vec<_> = prices.into_iter().map(Some).collect();
    let priced = |slot: QueueSlot| {
        let (job, price) = prices[slot.index].take()?;
        let fits = BudgetFit::from_price(&price, slot.fits, slot.left.has_no_limit(&price.total()));
        let days = whole_days(day.for_job(job, None, 0).days(&price.total()));
        Some(PricedJob { job, price, left: slot.left, fits, days, refused: check::refused_notes(job, &endpoints) })
    };
    let is_used_up = args.probe && probes.remaining() == 0;
    let report = PlanReport {
        jobs: slots.into_iter().filter_map(priced).collect(),
        left,
        requests_per_second: app.requests_per_second()?,
        with_details: !args.jobs.is_empty() || loaded.jobs.len() == 1,
        asked: probes.sent(),
        ended: probes.stopped_by().or_else(|| {
            is_used_up.then(|| {
                format!("a probe uses at most a quarter of what is left today, {}", print::count(most, "call"))
            })
        }),
        targets: target::load(&context.project, context.flags.shard, &[]),
    };
    if context.json {
        print::json(&report.json()).or_exit(ExitStatus::Storage)?;
    } else {
        print::paragraphs(&text::plan_text(&report)).or_exit(ExitStatus::Storage)?;
    }
    drop(report);
    app.close();
    Ok(exit)
}

/// A number of days, rounded up. Nothing takes less than a day of runs.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "days are positive and few")]
fn whole_days(days: f64) -> u64 {
    (days.ceil() as u64).max(1)
}

impl BudgetFit {
    /// Of a run of this price, for which enough is left or not. Without a limit, any number of calls fits.
    fn from_price(price: &JobEstimate, enough: bool, no_limit: bool) -> BudgetFit {
        let held = price.fetches.iter().filter_map(|fetch| fetch.not_before).max();
        match held {
            Some(until) => BudgetFit::HeldBack(until),
            None if price.fetches.iter().any(|fetch| fetch.needs_user_action) => BudgetFit::NeedsUserAction,
            None if !enough => BudgetFit::No,
            None if !no_limit && price.total().calls().at_most.is_none() => BudgetFit::Unknown,
            None => BudgetFit::Yes,
        }
    }

    fn json(self) -> Value {
        match self {
            BudgetFit::Yes => true.into(),
            BudgetFit::Unknown => Value::Null,
            BudgetFit::No | BudgetFit::HeldBack(_) | BudgetFit::NeedsUserAction => false.into(),
        }
    }
}

impl PricedJob<'_> {
    fn held_until(&self) -> Option<DateTime<Utc>> {
        match self.fits {
            BudgetFit::HeldBack(until) => Some(until),
            _ => None,
        }
    }

    /// How far each fetch gets today, in order: the calls sent and the calls needed.
    fn done_today(&self) -> Vec<(&FetchEstimate, u64, CallRange)> {
        let mut left = self.left.clone();
        self.price.fetches.iter().map(|fetch| (fetch, left.spend(&fetch.estimate), fetch.estimate.calls())).collect()
    }

    fn json(&self, shown: &PlanReport<'_>) -> Value {
        let whole = self.price.total();
        let calls = whole.calls();
        let time = |calls: u64| seconds_for_calls(calls, shown.requests_per_second);
        let first: Vec<Value> = self
            .done_today()
            .into_iter()
            .map(|(fetch, calls, of)| json!({ "fetch": fetch.fetch, "user": fetch.user, "calls": calls, "of": calls_json(of) }))
            .collect();
        json!({
            "job": self.job.name,
            "priority": self.job.priority,
            "calls": calls_json(calls),
            "exact": whole.is_exact(),
            "seconds": { "least": time(calls.at_least), "most": calls.at_most.map(time) },
            "share_of_left": shown.left.share(calls.expected_calls()).filter(|share| share.is_finite()),
            "left": self.left.account,
            "fits": self.fits.json(),
            "not_before": self.held_until().map(timestamp),
            "waits_for_a_person": self.fits == BudgetFit::NeedsUserAction,
            "days": if self.fits == BudgetFit::No { Value::from(self.days) } else { Value::Null },
            "first": if self.fits == BudgetFit::No { Value::from(first) } else { Value::Null },
            "families": families_json(&whole),
            "fetches": self.price.fetches.iter().map(fetch_json).collect::<Vec<_>>(),
            "notes": self.refused,
        })
    }
}

impl PlanReport<'_> {
    fn json(&self) -> Value {
        json!({
            "asked": self.asked,
            "asked_no_more_because": self.ended,
            "left_today": self.left.account,
            "requests_per_second": self.requests_per_second,
            "jobs": self.jobs.iter().map(|job| job.json(self)).collect::<Vec<_>>(),
            "targets": self.targets.targets.iter().map(push::place_json).collect::<Vec<_>>(),
            "broken_targets": self.targets.broken,
            "order": self.jobs.iter().map(|job| &job.job.name).collect::<Vec<_>>(),
        })
    }
}

fn fetch_json(fetch: &FetchEstimate) -> Value {
    let price = &fetch.estimate;
    json!({
        "fetch": fetch.fetch, "user": fetch.user, "stream": fetch.stream, "calls": calls_json(price.calls()),
        "exact": price.is_exact(), "asked": price.asked, "free": price.unchanged, "families": families_json(price),
        "reasons": price.reasons, "note": fetch.note, "not_before": fetch.not_before.map(timestamp),
    })
}

fn calls_json(calls: CallRange) -> Value {
    json!({ "least": calls.at_least, "most": calls.at_most, "likely": calls.expected_calls() })
}

fn families_json(price: &CallEstimate) -> Value {
    price.by_family.iter().map(|(family, calls)| (family.as_str().to_owned(), calls_json(*calls))).collect()
}
