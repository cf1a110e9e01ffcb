//! `plan [JOB…]`: what a run would cost now, fetch by fetch, whether that is left today, and what would
//! be done first if not. Asks Spotify a few times where only it knows a price, and writes no row.

mod text;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::args::Plan;
use super::budget::Left;
use super::planner::{Turn, Waiting, order};
use super::pricing::Desk;
use super::workshop::{Workshop, booked, runtime};
use super::{Context, Exit, Failure, OrExit, check, print};
use crate::job::{Job, Users};
use crate::run::{Calls, FetchPrice, JobPrice, Looks, Price, seconds, stamp};
use crate::store::{Access, Store};
use spotify_client::state::Learned;

/// Looks at Spotify unless more, or none, are asked for.
const LOOKS: u64 = 10;
/// The part of what is left today that a probe may take: as much as a run takes without being asked about.
const PROBE: u64 = 4;

/// A job with its price.
struct Priced<'a> {
    job: &'a Job,
    price: JobPrice,
    /// What is left to it, after the jobs before it.
    left: Left,
    fits: Fits,
    /// What the app is known not to have.
    refused: Vec<String>,
}

/// Whether a run can end today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fits {
    Yes,
    No,
    /// As far as is known it may, but nobody knows how much it takes.
    Unknown,
    /// Something of it is held back until then.
    Held(DateTime<Utc>),
    /// A person has to act before all of it can be read.
    Waits,
}

/// All that is shown.
struct Shown<'a> {
    /// In the order in which `run` goes by them.
    jobs: Vec<Priced<'a>>,
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
    if !args.offline && loaded.jobs.iter().any(|job| job.users == Users::None) {
        context.secret(&credentials)?;
    }
    // Without a store everything is still to be read; `plan` makes none.
    let nowhere = tempfile::tempdir().or_exit(Exit::Storage)?;
    let store = if workshop.database().exists() {
        workshop.store()?
    } else {
        // Nor does a run go on from nothing, if there was something.
        workshop.not_gone()?;
        let path = nowhere.path().join("cratedigger.db");
        Arc::new(Store::open(&path, Access::of(0o600), &workshop.identity()).or_exit(Exit::Storage)?)
    };
    let desk = Desk { context, workshop: &workshop, credentials: &credentials, store: &store };
    let learned = Learned::of(&workshop.state, &workshop.books_of(&credentials));
    let endpoints = learned.endpoints(Utc::now()).map_err(booked)?;
    let most = desk.left(None)?.account.map_or(u64::from(u32::MAX) - 1, |left| (left / PROBE).max(LOOKS));
    let looks = match (args.offline, args.probe) {
        (true, _) => Looks::at_most(0),
        (_, true) => Looks::probing(most),
        _ => Looks::at_most(LOOKS),
    };
    let prices = runtime()?.block_on(async {
        let mut prices = Vec::new();
        for job in &loaded.jobs {
            prices.push((job, desk.price(job, false, &looks).await?));
        }
        Ok::<_, Failure>(prices)
    })?;
    let (left, past) = (desk.left(None)?, desk.past()?);
    let waiting: Vec<Waiting<'_>> = prices
        .iter()
        .map(|(job, price)| desk.waiting(job, None, None, Some(price), &past))
        .collect::<Result<_, _>>()?;
    let turns = order(&waiting, &left);
    let mut prices: Vec<_> = prices.into_iter().map(Some).collect();
    let priced = |turn: Turn| {
        let (job, price) = prices[turn.place].take()?;
        let fits = Fits::of(&price, turn.fits);
        Some(Priced { job, price, left: turn.left, fits, refused: check::refused(job, &endpoints) })
    };
    let all_taken = args.probe && looks.left() == 0;
    let shown = Shown {
        jobs: turns.into_iter().filter_map(priced).collect(),
        left,
        requests_per_second: settings.limits_for(workshop.class(&credentials)?).requests_per_second,
        asked: looks.sent(),
        ended: looks.ended().or_else(|| {
            all_taken.then(|| format!("a probe takes a quarter of what is left today, {most} calls, and no more"))
        }),
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

impl Fits {
    /// Of a run of this price, for which enough is left or not.
    fn of(price: &JobPrice, enough: bool) -> Fits {
        let held = price.fetches.iter().filter_map(|fetch| fetch.not_before).max();
        match held {
            Some(until) => Fits::Held(until),
            None if price.fetches.iter().any(|fetch| fetch.waits_for_a_person) => Fits::Waits,
            None if !enough => Fits::No,
            None if price.whole().calls().most.is_none() => Fits::Unknown,
            None => Fits::Yes,
        }
    }

    fn json(self) -> Value {
        match self {
            Fits::Yes => true.into(),
            Fits::Unknown => Value::Null,
            Fits::No | Fits::Held(_) | Fits::Waits => false.into(),
        }
    }
}

impl Priced<'_> {
    fn held_until(&self) -> Option<DateTime<Utc>> {
        match self.fits {
            Fits::Held(until) => Some(until),
            _ => None,
        }
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
            "fits": self.fits.json(),
            "not_before": self.held_until().map(stamp),
            "waits_for_a_person": self.fits == Fits::Waits,
            "first": if self.fits == Fits::No { Value::from(first) } else { Value::Null },
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
            "order": self.jobs.iter().map(|job| &job.job.name).collect::<Vec<_>>(),
        })
    }
}

fn fetch_json(fetch: &FetchPrice) -> Value {
    let price = &fetch.price;
    json!({
        "fetch": fetch.fetch, "user": fetch.user, "stream": fetch.stream, "calls": calls_json(price.calls()),
        "exact": price.is_exact(), "asked": price.asked, "free": price.free, "families": families_json(price),
        "reasons": price.reasons, "note": fetch.note, "not_before": fetch.not_before.map(stamp),
    })
}

fn calls_json(calls: Calls) -> Value {
    json!({ "least": calls.least, "most": calls.most, "likely": calls.likely() })
}

fn families_json(price: &Price) -> Value {
    price.by_family.iter().map(|(family, calls)| (family.as_str().to_owned(), calls_json(*calls))).collect()
}
