//! For each stream of a job: the age of its oldest row, and how long a full read takes within the daily
//! budget of the job.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::cli::CommandContext;
use crate::cli::app::App;
use crate::cli::budget::{describe_calls, format_duration};
use crate::cli::pricing::{price_job, whole_day_budget};
use crate::cli::runtime::runtime;
use crate::job::Job;
use crate::scheduler::RunHistory;
use crate::settings::Settings;
use crate::store::{OldestRow, oldest_rows};
use crate::sync::{CallRange, JobEstimate, ProbeBudget, seconds_for_calls};
use spotify_client::state::CallsByJob;

pub(super) struct StreamSweep {
    pub job: String,
    pub fetch: String,
    pub stream: &'static str,
    /// When the oldest row was last read or found unchanged.
    pub oldest: Option<DateTime<Utc>>,
    /// The calls and seconds of a full read, if the ledger can be read.
    cost: Option<(CallRange, f64)>,
}

impl StreamSweep {
    /// `102 calls, 51 s`.
    pub(super) fn describe(&self) -> String {
        match self.cost {
            Some((calls, _)) if calls == CallRange::NONE => "nothing".to_owned(),
            Some((calls, secs)) => format!("{}, {}", describe_calls(calls), format_duration(secs)),
            None => "-".to_owned(),
        }
    }

    pub(super) fn as_json(&self, now: DateTime<Utc>) -> Value {
        let calls = self.cost.map(|(calls, _)| calls);
        json!({
            "fetch": self.fetch, "stream": self.stream,
            "oldest_row_at": self.oldest.map(crate::store::timestamp),
            "oldest_row_seconds": self.oldest.map(|at| (now - at).num_seconds().max(0)),
            "sweep_calls": calls.map(|it| json!({ "least": it.at_least, "most": it.at_most })),
            "sweep_seconds": self.cost.map(|(_, seconds)| seconds.ceil()),
        })
    }
}

/// Lists the streams of jobs. Without a store no age is known; without a state folder or credentials no
/// price is known.
pub(super) fn list_sweeps(
    context: &CommandContext,
    settings: &Settings,
    jobs: &[Job],
    history: &RunHistory,
) -> Vec<StreamSweep> {
    let database = context.project.database(settings);
    let prices = sweep_prices(context, settings, jobs, history);
    let mut sweeps = Vec::new();
    for (index, job) in jobs.iter().enumerate() {
        let price = prices.as_ref().and_then(|prices| prices.get(index)?.as_ref());
        let names: Vec<(&str, &'static crate::stream::Stream)> =
            job.fetches.iter().map(|fetch| (fetch.name.as_str(), fetch.stream)).collect();
        let oldest = oldest_rows(&database, &job.name, &names).unwrap_or_default();
        for fetch in &job.fetches {
            let found = oldest.iter().find(|OldestRow { fetch: name, .. }| *name == fetch.name);
            sweeps.push(StreamSweep {
                job: job.name.clone(),
                fetch: fetch.name.clone(),
                stream: fetch.stream.name,
                oldest: found.and_then(|it| it.at.as_deref()).and_then(|at| at.parse().ok()),
                cost: price.and_then(|price| price.of_fetch(&fetch.name)),
            });
        }
    }
    sweeps
}

/// The price of a full read of a job, and the daily budget of the job.
struct SweepPrice {
    price: JobEstimate,
    days: crate::cli::budget::RemainingBudget,
    requests_per_second: f64,
}

impl SweepPrice {
    fn of_fetch(&self, fetch: &str) -> Option<(CallRange, f64)> {
        let mut parts = self.price.fetches.iter().filter(|it| it.fetch == fetch).peekable();
        parts.peek()?;
        let (mut calls, mut days) = (CallRange::NONE, 0.0_f64);
        for part in parts {
            calls = calls.plus(part.estimate.calls());
            days += self.days.days(&part.estimate);
        }
        let paced = seconds_for_calls(calls.expected_calls(), self.requests_per_second);
        // The budget of the first day can be spent at once; the rest waits for the following days.
        Some((calls, if days > 1.0 { (days - 1.0) * 86_400.0 + paced.min(86_400.0) } else { paced }))
    }
}

/// The prices of full reads, if the ledger and the store exist. Nothing is created and no call is sent.
fn sweep_prices(
    context: &CommandContext,
    settings: &Settings,
    jobs: &[Job],
    history: &RunHistory,
) -> Option<Vec<Option<SweepPrice>>> {
    let state = context.state_dir(settings).ok()?;
    if !state.path().join("state.db").exists() || !context.project.database(settings).exists() {
        return None;
    }
    let app = App::open(context, settings).ok()?;
    app.store().ok()?;
    let whole_day = whole_day_budget(&app).ok()?;
    let requests_per_second = app.requests_per_second().ok()?;
    let price = async |job: &Job| {
        let past = history.job_or_default(&job.name);
        let price = price_job(&app, job, &past, true, &ProbeBudget::at_most(0)).await.ok()?;
        Some(SweepPrice { price, days: whole_day.for_job(job, None, &CallsByJob::default()), requests_per_second })
    };
    runtime().ok()?.block_on(async {
        let mut prices = Vec::with_capacity(jobs.len());
        for job in jobs {
            prices.push(price(job).await);
        }
        Some(prices)
    })
}
