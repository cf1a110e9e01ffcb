//! One run of a job, from its start to its record.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};

use super::engine::{Engine, FetchFrame, stamp};
use super::fetch::Asks;
use super::files::{Files, Shown};
use super::halt::{Halt, Weight};
use super::report::{FetchReport, FileReport, RunReport};
use crate::job::{Fetch, Job, Since, Source};
use crate::settings::RefreshAfter;
use crate::spotify::client::Bearer;
use crate::spotify::error::ApiError;
use crate::spotify::{Id, Kind, Reference};
use crate::store::query::{Bound, Fetched, Reader};
use crate::store::{FetchState, RunEnd, RunState};
use crate::stream::Takes;

/// How a run begins.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// The fire that it serves; none if started by hand.
    pub fire_at: Option<DateTime<Utc>>,
    /// Start of the newest complete or partial run of the job.
    pub last_run_at: Option<DateTime<Utc>>,
    /// Market of jobs and fetches that name none.
    pub default_market: Option<String>,
    /// Age at which things are read again, by stream, as the settings have it.
    pub refresh_after: RefreshAfter,
}

/// What the queries and `where` conditions of a run may name.
pub fn bound(job: &Job, fire_at: DateTime<Utc>, last_run_at: Option<DateTime<Utc>>) -> Bound {
    let last = last_run_at.unwrap_or(DateTime::UNIX_EPOCH);
    let since = match job.since {
        Since::LastRun => last,
        Since::Ago(span) => fire_at - TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX),
        Since::Date(day) => {
            let midnight = day.and_time(chrono::NaiveTime::MIN);
            job.timezone.from_local_datetime(&midnight).earliest().map_or_else(|| midnight.and_utc(), |at| at.to_utc())
        }
    };
    Bound {
        since: Some(stamp(since)),
        last_run_at: Some(stamp(last)),
        fire_at: Some(stamp(fire_at)),
        job: Some(job.name.clone()),
        user_id: None,
    }
}

/// Runs a job: its fetches in order, then its files. `engine.run` is the number of the run, which
/// was begun already.
///
/// # Errors
/// Only if the record of the run itself cannot be written.
pub async fn run_job(engine: &Engine, job: &Job, start: &Start, files: &Files) -> Result<RunReport, Halt> {
    let fire_at = start.fire_at.unwrap_or(engine.started_at);
    let bound = bound(job, fire_at, start.last_run_at);
    let mut sum = Sum::default();
    for fetch in &job.fetches {
        sum.fetch(engine, job, start, fetch, &bound).await?;
    }
    let (state, _) = sum.verdict();
    let shown = Shown {
        job,
        run: engine.run,
        state,
        reasons: &sum.reasons,
        unfinished: &sum.unfinished,
        bound: &bound,
        fire_at,
    };
    engine
        .store
        .write(|s| {
            s.rest();
            Ok(())
        })
        .await?;
    let written = match files.write(&shown) {
        Ok(written) => written.files_and_failures(),
        Err(e) => (Vec::new(), vec![(e.is_storage(), chain(&e))]),
    };
    for (storage, message) in written.1 {
        sum.exits.push(if storage { exit::STORAGE } else { exit::USAGE });
        sum.reasons.push(message);
    }
    sum.close(engine, job, written.0).await
}

/// An error with its causes, in one line.
pub(super) fn chain(e: &dyn std::error::Error) -> String {
    let mut out = e.to_string();
    let mut cause = e.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        cause = inner.source();
    }
    out
}

/// Exit codes by what a run met; `cli::exit` documents the same numbers for all commands.
pub mod exit {
    /// All complete.
    pub const COMPLETE: u8 = 0;
    /// Spotify out of reach, or a defect.
    pub const FAILED: u8 = 1;
    /// The job or a setting is wrong.
    pub const USAGE: u8 = 2;
    /// Something asked for could not be had.
    pub const PARTIAL: u8 = 3;
    /// The store or a file.
    pub const STORAGE: u8 = 74;
    /// Come back later.
    pub const DEFERRED: u8 = 75;
    /// A person must act.
    pub const PERSON: u8 = 77;

    /// If several hold, the first of these wins.
    pub const PRECEDENCE: [u8; 7] = [STORAGE, PERSON, FAILED, USAGE, PARTIAL, DEFERRED, COMPLETE];

    /// The one that wins.
    pub fn winner(codes: &[u8]) -> u8 {
        PRECEDENCE.into_iter().find(|code| codes.contains(code)).unwrap_or(COMPLETE)
    }
}

/// What the fetches of a run came to so far.
#[derive(Default)]
struct Sum {
    fetches: Vec<FetchReport>,
    reasons: Vec<String>,
    hints: Vec<String>,
    exits: Vec<u8>,
    unfinished: BTreeSet<String>,
    not_before: Option<DateTime<Utc>>,
    /// Why nothing more is asked, once that is so.
    over: Option<String>,
}

impl Sum {
    async fn fetch(
        &mut self,
        engine: &Engine,
        job: &Job,
        start: &Start,
        fetch: &Fetch,
        bound: &Bound,
    ) -> Result<(), Halt> {
        let frame = FetchFrame {
            fetch: fetch.name.clone(),
            stream: fetch.stream,
            market: fetch.market.clone().or_else(|| start.default_market.clone()).unwrap_or_default(),
            bearer: Bearer::App,
            audience: "app".into(),
        };
        let asks = match &self.over {
            Some(why) => Err(Halt::Waits(why.clone())),
            None => self.asks(engine, job, fetch, bound).await,
        };
        // Streams that no setting gives an age are read at every fire.
        let age = fetch.refresh_after.or_else(|| start.refresh_after.of(fetch.stream.name)).unwrap_or_default();
        let age = TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX);
        let result = engine.fetch(&job.name, fetch, frame, asks, age).await?;
        match result.state {
            FetchState::Partial => self.exits.push(exit::PARTIAL),
            FetchState::Deferred | FetchState::Failed => {
                self.unfinished.insert(fetch.name.clone());
            }
            _ => {}
        }
        if let Some(reason) = &result.end.reason
            && self.over.as_ref() != Some(reason)
        {
            self.reasons.push(format!("{}: {reason}", fetch.name));
        }
        if let Some(halt) = result.halt {
            self.halted(&halt);
        }
        let end = result.end;
        self.fetches.push(FetchReport {
            fetch: end.fetch,
            stream: end.stream,
            state: result.state.word(),
            reason: end.reason,
            asked: end.asked,
            unchanged: end.unchanged,
            calls: end.calls,
            served: end.served,
            stored: end.stored,
            skipped: end.skipped,
        });
        Ok(())
    }

    fn halted(&mut self, halt: &Halt) {
        match halt.weight() {
            Weight::Deferred(until) => {
                self.exits.push(exit::DEFERRED);
                // The run goes on when the last of its parts may: earlier it would stop again.
                self.not_before = self.not_before.max(until);
            }
            Weight::Unreachable => self.exits.push(exit::FAILED),
            Weight::Person => self.exits.push(exit::PERSON),
            Weight::Storage => self.exits.push(exit::STORAGE),
            Weight::Usage => self.exits.push(exit::USAGE),
        }
        self.hints.extend(halt.hint());
        if halt.ends_the_run() && self.over.is_none() {
            self.over = Some(halt.to_string());
        }
    }

    /// What a fetch asks for.
    async fn asks(&self, engine: &Engine, job: &Job, fetch: &Fetch, bound: &Bound) -> Result<Asks, Halt> {
        match &fetch.source {
            Source::Ids(references) => Ok(Asks { references: references.clone(), ..Asks::default() }),
            Source::Searches(searches) => Ok(Asks { searches: searches.clone(), ..Asks::default() }),
            Source::Nothing => Ok(Asks::default()),
            Source::User => Err(ApiError::Credentials {
                variable: "the job's user",
                message: format!("{} reads a signed-in user's own data, and nobody is signed in", fetch.stream.name),
            }
            .into()),
            Source::From { fetch: parent, filter } => {
                let parent = &job.fetches[*parent];
                if self.unfinished.contains(&parent.name) {
                    return Err(Halt::Waits(format!("it goes by {}, which has not finished", parent.name)));
                }
                let Takes::Ids(kind) = fetch.stream.takes else { return Ok(Asks::default()) };
                let ids = ids_from(engine, job, parent, kind, filter.as_deref(), bound)?;
                // What is in the store came from Spotify, but it goes into a path again.
                let references = ids.iter().filter_map(|id| Id::parse(id, kind).ok().map(Reference::Id)).collect();
                Ok(Asks { references, ..Asks::default() })
            }
        }
    }

    fn verdict(&self) -> (RunState, u8) {
        let code = exit::winner(&self.exits);
        let state = match code {
            exit::COMPLETE => RunState::Complete,
            exit::PARTIAL => RunState::Partial,
            exit::DEFERRED => RunState::Deferred,
            _ => RunState::Failed,
        };
        (state, code)
    }

    async fn close(self, engine: &Engine, job: &Job, files: Vec<FileReport>) -> Result<RunReport, Halt> {
        let (state, exit_code) = self.verdict();
        let finished = stamp(engine.now());
        let rows = self.fetches.iter().map(|f| f.served).sum();
        let not_before = self.not_before.map(stamp);
        let end = RunEnd {
            state,
            reason: self.reasons.first().cloned(),
            not_before: not_before.clone(),
            exit_code: i64::from(exit_code),
            calls: i64::try_from(engine.api.calls()).unwrap_or(i64::MAX),
            rows,
            app_class: engine.app.class().map_err(ApiError::from)?.map(crate::state::AppClass::as_str),
        };
        let (run, now) = (engine.run, finished.clone());
        engine.store.write(move |s| s.end_run(run, &end, &now)).await?;
        let mut hints = self.hints;
        hints.dedup();
        Ok(RunReport {
            job: job.name.clone(),
            run: engine.run,
            state: state.word(),
            reasons: self.reasons,
            hints,
            not_before,
            exit_code,
            calls: engine.api.calls(),
            rows,
            started_at: stamp(engine.started_at),
            finished_at: finished,
            fetches: self.fetches,
            files,
        })
    }
}

/// How long a `where` may take.
const QUERY_TIME: Duration = Duration::from_secs(60);

/// The ids of a kind that stand in the rows of an earlier fetch.
fn ids_from(
    engine: &Engine,
    job: &Job,
    parent: &Fetch,
    kind: Kind,
    filter: Option<&str>,
    bound: &Bound,
) -> Result<Vec<String>, Halt> {
    let Some(column) = parent.stream.reference(kind) else {
        return Err(Halt::Job(format!("{} has no {kind} ids", parent.name)));
    };
    let wrong = |e: crate::store::query::QueryError| Halt::Job(format!("{} from {}: {e}", kind, parent.name));
    let market = parent.market.clone().unwrap_or_default();
    let fetched = Fetched { name: parent.name.clone(), stream: parent.stream, market, since: None };
    let reader = Reader::open(engine.store.path(), &job.name, vec![fetched], QUERY_TIME).map_err(wrong)?;
    reader.ids(&parent.name, column, filter, bound).map_err(wrong)
}
