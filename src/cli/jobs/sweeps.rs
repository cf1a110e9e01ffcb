//! For each stream of a job, how old its oldest row is, and how long it takes to read all of it anew with
//! what the job may spend in a day.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::cli::Context;
use crate::cli::budget::{time, words};
use crate::cli::pricing::Desk;
use crate::cli::workshop::{Workshop, runtime};
use crate::job::Job;
use crate::run::{Calls, JobPrice, Looks, seconds};
use crate::settings::Settings;
use crate::store::{Oldest, oldest_rows};

/// One fetch of a job.
pub(super) struct Sweep {
    pub job: String,
    pub fetch: String,
    pub stream: &'static str,
    /// When its oldest row was last read or found unchanged.
    pub oldest: Option<DateTime<Utc>>,
    /// Calls and seconds of reading all of it anew, where the books can be read.
    anew: Option<(Calls, f64)>,
}

impl Sweep {
    /// `102 calls, 51 s`.
    pub(super) fn words(&self) -> String {
        match self.anew {
            Some((calls, _)) if calls == Calls::NONE => "nothing".to_owned(),
            Some((calls, secs)) => format!("{}, {}", words(calls), time(secs)),
            None => "-".to_owned(),
        }
    }

    pub(super) fn as_json(&self, now: DateTime<Utc>) -> Value {
        let calls = self.anew.map(|(calls, _)| calls);
        json!({
            "fetch": self.fetch, "stream": self.stream,
            "oldest_row_at": self.oldest.map(crate::run::stamp),
            "oldest_row_seconds": self.oldest.map(|at| (now - at).num_seconds().max(0)),
            "sweep_calls": calls.map(|it| json!({ "least": it.least, "most": it.most })),
            "sweep_seconds": self.anew.map(|(_, seconds)| seconds.ceil()),
        })
    }
}

/// The sweeps of jobs, as far as they can be told: without a store nothing was read, without the state
/// folder or credentials nobody knows what a day holds.
pub(super) fn of(context: &Context, settings: &Settings, jobs: &[Job]) -> Vec<Sweep> {
    let database = context.project.database(settings);
    let anew = prices(context, settings, jobs);
    let mut sweeps = Vec::new();
    for (place, job) in jobs.iter().enumerate() {
        let names: Vec<(&str, &'static crate::stream::Stream)> =
            job.fetches.iter().map(|fetch| (fetch.name.as_str(), fetch.stream)).collect();
        let oldest = oldest_rows(&database, &job.name, &names).unwrap_or_default();
        for fetch in &job.fetches {
            let found = oldest.iter().find(|Oldest { fetch: name, .. }| *name == fetch.name);
            sweeps.push(Sweep {
                job: job.name.clone(),
                fetch: fetch.name.clone(),
                stream: fetch.stream.name,
                oldest: found.and_then(|it| it.at.as_deref()).and_then(|at| at.parse().ok()),
                anew: anew.as_ref().and_then(|anew| anew.get(place)?.as_ref()).and_then(|it| it.of(&fetch.name)),
            });
        }
    }
    sweeps
}

/// What reading all of a job anew costs, and what it may spend in a day.
struct Anew {
    price: JobPrice,
    days: crate::cli::budget::Left,
    requests_per_second: f64,
}

impl Anew {
    fn of(&self, fetch: &str) -> Option<(Calls, f64)> {
        let mut parts = self.price.fetches.iter().filter(|it| it.fetch == fetch).peekable();
        parts.peek()?;
        let (mut calls, mut days) = (Calls::NONE, 0.0_f64);
        for part in parts {
            calls = calls.and(part.price.calls());
            days += self.days.days(&part.price);
        }
        let paced = seconds(calls.likely(), self.requests_per_second);
        // What a day holds may be spent at once; the rest waits for the days after.
        Some((calls, if days > 1.0 { (days - 1.0) * 86_400.0 + paced.min(86_400.0) } else { paced }))
    }
}

/// The prices of reading jobs anew, where there is anything to reckon with; nothing is made or asked.
fn prices(context: &Context, settings: &Settings, jobs: &[Job]) -> Option<Vec<Option<Anew>>> {
    let state = context.state_dir(settings).ok()?;
    if !state.path().join("state.db").exists() || !context.project.database(settings).exists() {
        return None;
    }
    let credentials = context.credentials().ok()?;
    let workshop = Workshop::open(context).ok()?;
    let store = workshop.store().ok()?;
    let desk = Desk { context, workshop: &workshop, credentials: &credentials, store: &store };
    let whole_day = desk.whole_day().ok()?;
    let requests_per_second = settings.limits_for(workshop.class(&credentials).ok()?).requests_per_second;
    let price = async |job: &Job| {
        let price = desk.price(job, true, &Looks::at_most(0)).await.ok()?;
        Some(Anew { price, days: whole_day.for_job(job, None, 0), requests_per_second })
    };
    runtime().ok()?.block_on(async {
        let mut prices = Vec::with_capacity(jobs.len());
        for job in jobs {
            prices.push(price(job).await);
        }
        Some(prices)
    })
}
