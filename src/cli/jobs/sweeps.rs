//! For each stream of a job, how old its oldest row is, and how long it takes to read all of it anew with
//! what the job may spend in a day.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::cli::CommandContext;
use crate::cli::app::{App, runtime};
use crate::cli::budget::{describe_calls, format_duration};
use crate::cli::pricing::Desk;
use crate::job::Job;
use crate::settings::Settings;
use crate::store::{OldestRow, oldest_rows};
use crate::sync::{CallRange, JobEstimate, ProbeBudget, seconds_for_calls};

/// One fetch of a job.
pub(super) struct StreamSweep {
    pub job: String,
    pub fetch: String,
    pub stream: &'static str,
    /// When its oldest row was last read or found unchanged.
    pub oldest: Option<DateTime<Utc>>,
    /// Calls and seconds of reading all of it anew, where the books can be read.
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

/// The sweeps of jobs, as far as they can be told: without a store nothing was read, without the state
/// folder or credentials nobody knows what a day holds.
pub(super) fn list_sweeps(context: &CommandContext, settings: &Settings, jobs: &[Job]) -> Vec<StreamSweep> {
    let database = context.project.database(settings);
    let anew = prices(context, settings, jobs);
    let mut sweeps = Vec::new();
    for (place, job) in jobs.iter().enumerate() {
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
                cost: anew.as_ref().and_then(|anew| anew.get(place)?.as_ref()).and_then(|it| it.of(&fetch.name)),
            });
        }
    }
    sweeps
}

/// What reading all of a job anew costs, and what it may spend in a day.
struct SweepPrice {
    price: JobEstimate,
    days: crate::cli::budget::RemainingBudget,
    requests_per_second: f64,
}

impl SweepPrice {
    fn of(&self, fetch: &str) -> Option<(CallRange, f64)> {
        let mut parts = self.price.fetches.iter().filter(|it| it.fetch == fetch).peekable();
        parts.peek()?;
        let (mut calls, mut days) = (CallRange::NONE, 0.0_f64);
        for part in parts {
            calls = calls.plus(part.estimate.calls());
            days += self.days.days(&part.estimate);
        }
        let paced = seconds_for_calls(calls.expected_calls(), self.requests_per_second);
        // What a day holds may be spent at once; the rest waits for the days after.
        Some((calls, if days > 1.0 { (days - 1.0) * 86_400.0 + paced.min(86_400.0) } else { paced }))
    }
}

/// The prices of reading jobs anew, where there is anything to reckon with; nothing is made or asked.
fn prices(context: &CommandContext, settings: &Settings, jobs: &[Job]) -> Option<Vec<Option<SweepPrice>>> {
    let state = context.state_dir(settings).ok()?;
    if !state.path().join("state.db").exists() || !context.project.database(settings).exists() {
        return None;
    }
    let credentials = context.credentials().ok()?;
    let workshop = App::open(context).ok()?;
    let store = workshop.open_store().ok()?;
    let desk = Desk { context, workshop: &workshop, credentials: &credentials, store: &store };
    let whole_day = desk.whole_day().ok()?;
    let requests_per_second = settings.limits_for(workshop.app_class(&credentials).ok()?).requests_per_second;
    let price = async |job: &Job| {
        let price = desk.price(job, true, &ProbeBudget::at_most(0)).await.ok()?;
        Some(SweepPrice { price, days: whole_day.for_job(job, None, 0), requests_per_second })
    };
    runtime().ok()?.block_on(async {
        let mut prices = Vec::with_capacity(jobs.len());
        for job in jobs {
            prices.push(price(job).await);
        }
        Some(prices)
    })
}
