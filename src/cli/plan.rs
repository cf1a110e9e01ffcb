//! `plan [JOB…]`: what a run would cost now, fetch by fetch, whether that is left today, and what would
//! be done first if not. Asks Spotify a few times where only it knows a price, and writes no row.

mod text;

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::args::Plan;
use super::budget::{Left, order};
use super::pricing::Desk;
use super::workshop::{Workshop, booked, runtime};
use super::{Context, Exit, Failure, OrExit, check, print};
use crate::job::{Job, Users};
use crate::run::{Calls, FetchPrice, JobPrice, Looks, Price, seconds};
use crate::state::Learned;
use crate::store::{Access, Store};

/// Looks at Spotify unless more, or none, are asked for.
const LOOKS: u64 = 10;
/// As often as it takes.
const UNBOUNDED: u64 = u64::MAX;

/// A job with its price.
struct Priced<'a> {
    job: &'a Job,
    price: JobPrice,
    /// What is left to it alone.
    left: Left,
    /// What the app is known not to have.
    refused: Vec<String>,
}

/// All that is shown.
struct Shown<'a> {
    jobs: Vec<Priced<'a>>,
    /// Their order, as `run` goes by it.
    order: Vec<usize>,
    left: Left,
    requests_per_second: f64,
    asked: u64,
    /// Why no more was asked.
    ended: Option<String>,
}

/// Prices jobs.
///
/// # Errors
///
/// If settings or jobs are wrong, or the state folder or the store cannot be read.
pub fn run(args: &Plan, context: &Context) -> Result<Exit, Failure> {
    let settings = context.settings()?;
    let loaded = context.jobs(&settings, &args.jobs);
    let mut exit = Exit::Complete;
    if loaded.has_errors() {
        let broken = Failure::Problems(loaded.problems);
        if !args.jobs.is_empty() {
            return Err(broken);
        }
        context.tell(&broken);
        exit = Exit::Usage;
    }
    let workshop = Workshop::open(context)?;
    let credentials = context.credentials()?;
    let looks = Looks::at_most(match (args.offline, args.probe) {
        (true, _) => 0,
        (_, true) => UNBOUNDED,
        _ => LOOKS,
    });
    if looks.left() > 0 && loaded.jobs.iter().any(|job| job.users == Users::None) {
        context.secret(&credentials)?;
    }
    // Without a store everything is still to be read; `plan` makes none.
    let nowhere = tempfile::tempdir().or_exit(Exit::Storage)?;
    let store = if workshop.database().exists() {
        workshop.store()?
    } else {
        let path = nowhere.path().join("cratedigger.db");
        Arc::new(Store::open(&path, Access::of(0o600), &workshop.identity()).or_exit(Exit::Storage)?)
    };
    let desk = Desk { context, workshop: &workshop, credentials: &credentials, store: &store };
    let learned = Learned::of(&workshop.state, &workshop.books_of(&credentials));
    let endpoints = learned.endpoints(Utc::now()).map_err(booked)?;
    let before = looks.left();
    let prices = runtime()?.block_on(async {
        let mut prices = Vec::new();
        for job in &loaded.jobs {
            prices.push((job, desk.price(job, false, &looks).await?));
        }
        Ok::<_, Failure>(prices)
    })?;
    let left = desk.left()?;
    let mut jobs = Vec::new();
    for (job, price) in prices {
        let own = left.for_job(job, None, desk.spent(job)?);
        jobs.push(Priced { job, price, left: own, refused: check::refused(job, &endpoints) });
    }
    let each: Vec<_> = jobs.iter().map(|it| (it.job, Some(&it.price), it.left.clone())).collect();
    let shown = Shown {
        order: order(&each, &left),
        jobs,
        left,
        requests_per_second: settings.limits_for(workshop.class(&credentials)?).requests_per_second,
        asked: before - looks.left(),
        ended: looks.ended(),
    };
    if context.json {
        print::json(&shown.json()).or_exit(Exit::Storage)?;
    } else {
        print::stdout(&text::of(&shown)).or_exit(Exit::Storage)?;
    }
    drop(shown);
    if let Ok(store) = Arc::try_unwrap(store) {
        store.close();
    }
    Ok(exit)
}

impl Priced<'_> {
    fn fits(&self) -> bool {
        self.left.fits(&self.price.whole())
    }

    /// How far each fetch comes with what is left, in order: calls sent and calls needed.
    fn first(&self) -> Vec<(&FetchPrice, u64, Calls)> {
        let mut left = self.left.clone();
        self.price.fetches.iter().map(|fetch| (fetch, left.spend(&fetch.price), fetch.price.calls())).collect()
    }

    fn json(&self, shown: &Shown<'_>) -> Value {
        let whole = self.price.whole();
        let calls = whole.calls();
        let time = |calls: u64| seconds(calls, shown.requests_per_second);
        let first: Vec<Value> = self
            .first()
            .into_iter()
            .map(|(fetch, calls, of)| json!({ "fetch": fetch.fetch, "user": fetch.user, "calls": calls, "of": calls_json(of) }))
            .collect();
        json!({
            "job": self.job.name,
            "priority": self.job.priority,
            "calls": calls_json(calls),
            "exact": whole.is_exact(),
            "seconds": { "least": time(calls.least), "most": calls.most.map(time) },
            "share_of_left": shown.left.share(calls.likely()).filter(|share| share.is_finite()),
            "left": self.left.account,
            "fits": self.fits(),
            "first": if self.fits() { Value::Null } else { Value::from(first) },
            "families": families_json(&whole),
            "fetches": self.price.fetches.iter().map(fetch_json).collect::<Vec<_>>(),
            "notes": self.refused,
        })
    }
}

impl Shown<'_> {
    fn json(&self) -> Value {
        json!({
            "asked": self.asked,
            "asked_no_more_because": self.ended,
            "left_today": self.left.account,
            "requests_per_second": self.requests_per_second,
            "jobs": self.jobs.iter().map(|job| job.json(self)).collect::<Vec<_>>(),
            "order": self.order.iter().map(|place| &self.jobs[*place].job.name).collect::<Vec<_>>(),
        })
    }
}

fn fetch_json(fetch: &FetchPrice) -> Value {
    let price = &fetch.price;
    let stamp = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    json!({
        "fetch": fetch.fetch, "user": fetch.user, "stream": fetch.stream, "calls": calls_json(price.calls()),
        "exact": price.is_exact(), "asked": price.asked, "free": price.free, "families": families_json(price),
        "reasons": price.reasons, "note": fetch.note, "not_before": fetch.not_before.map(stamp),
    })
}

fn calls_json(calls: Calls) -> Value {
    json!({ "least": calls.least, "most": calls.most })
}

fn families_json(price: &Price) -> Value {
    price.by_family.iter().map(|(family, calls)| (family.as_str().to_owned(), calls_json(*calls))).collect()
}
