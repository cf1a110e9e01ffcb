//! One run of a job, from its start to its record.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};

use super::engine::{Engine, stamp};
use super::exit;
use super::fetch::{Asks, FetchResult};
use super::files::{Files, FilesError, Shown, Written};
use super::halt::{Halt, Weight};
use super::report::{FetchReport, FileReport, RunReport};
use super::retention::forget;
use super::users::{Asker, Part, Trouble};
use crate::job::{Fetch, Job, Since, Source, Users};
use crate::settings::{RefreshAfter, Retention};
use crate::spotify::error::ApiError;
use crate::spotify::{Id, Kind, Reference};
use crate::state::grants::Grants;
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
    /// How long things are kept.
    pub retention: Retention,
    /// The grants of the app's users, if a job needs any.
    pub grants: Option<Arc<Grants>>,
}

impl Start {
    /// How old what a fetch reads by id may be. Streams that no setting gives an age are read at every fire.
    pub(super) fn age(&self, fetch: &Fetch) -> TimeDelta {
        let age = fetch.refresh_after.or_else(|| self.refresh_after.of(fetch.stream.name)).unwrap_or_default();
        TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX)
    }

    /// The local names of the users of a job.
    pub(super) fn names(&self, job: &Job) -> Result<Vec<String>, Halt> {
        Ok(match (&job.users, self.grants.as_deref()) {
            (Users::None, _) => Vec::new(),
            (Users::Named(names), _) => names.clone(),
            (Users::All, Some(grants)) => {
                grants.list().map_err(ApiError::from)?.into_iter().map(|grant| grant.user).collect()
            }
            (Users::All, None) => Vec::new(),
        })
    }
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
    let names = start.names(job)?;
    let mut warnings = Vec::new();
    for name in &names {
        let due = start.grants.as_deref().map(|grants| grants.warn_once(name, engine.now())).transpose();
        if let Some(days) = due.map_err(ApiError::from)?.flatten() {
            let text = format!("{name} must sign in again within {days} days: cratedigger auth login {name}");
            engine.progress.note(&text);
            warnings.push(text);
        }
    }
    let mut sum = Sum { warnings, askers: engine.users(start.grants.as_ref(), &names).await?, ..Sum::default() };
    for fetch in &job.fetches {
        sum.fetch(engine, job, start, fetch, &bound).await?;
    }
    forget(engine, job, &start.retention).await?;
    let (state, _) = sum.verdict();
    let written = match write_files(engine, job, files, &sum, state, &bound, fire_at).await? {
        Ok(written) => written.files_and_failures(),
        Err(e) => (Vec::new(), vec![(e.is_storage(), chain(&e))]),
    };
    for (storage, message) in written.1 {
        sum.exits.push(if storage { exit::STORAGE } else { exit::USAGE });
        sum.reasons.push(message);
    }
    if let Some(bytes) = engine.store.empty_wal().await? {
        let text = format!(
            "another program is reading the store: its -wal holds {} MiB, and is emptied by the first run after that",
            bytes >> 20
        );
        engine.progress.note(&text);
        sum.warnings.push(text);
    }
    sum.close(engine, job, written.0).await
}

/// Writes the files by the store's own connection, whose cache has what was just written.
async fn write_files(
    engine: &Engine,
    job: &Job,
    files: &Files,
    sum: &Sum,
    state: RunState,
    bound: &Bound,
    fire_at: DateTime<Utc>,
) -> Result<Result<Written, FilesError>, Halt> {
    let (job, files, bound, run) = (job.clone(), files.clone(), bound.clone(), engine.run);
    let (reasons, unfinished, lacks) =
        (sum.reasons.clone(), sum.unfinished.clone(), sum.exits.contains(&exit::PARTIAL));
    let written = engine.store.lend(move |store| {
        let (reasons, unfinished) = (&reasons, &unfinished);
        files.write_by(store, &Shown { job: &job, run, state, lacks, reasons, unfinished, bound: &bound, fire_at })
    });
    Ok(written.await?)
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

/// What the fetches of a run came to so far.
#[derive(Default)]
pub(super) struct Sum {
    fetches: Vec<FetchReport>,
    reasons: Vec<String>,
    hints: Vec<String>,
    exits: Vec<u8>,
    unfinished: BTreeSet<String>,
    /// Of these, the ones that go on later.
    deferred: BTreeSet<String>,
    /// The users of the job.
    askers: Vec<Asker>,
    /// What a person should see to before long.
    warnings: Vec<String>,
    not_before: Option<DateTime<Utc>>,
    /// Why nothing more is asked, once that is so.
    over: Option<String>,
}

impl Sum {
    /// A run of these users that has done nothing yet.
    pub(super) fn of(askers: Vec<Asker>) -> Sum {
        Sum { askers, ..Sum::default() }
    }

    async fn fetch(
        &mut self,
        engine: &Engine,
        job: &Job,
        start: &Start,
        fetch: &Fetch,
        bound: &Bound,
    ) -> Result<(), Halt> {
        let age = start.age(fetch);
        let parts = self.parts(start, fetch);
        let mut served_some = false;
        for (place, part) in (0i64..).zip(&parts) {
            let frame = part.frame(start, fetch, place);
            let asks = match (&self.over, &part.trouble) {
                (Some(why), _) => Err(Halt::Waits(why.clone())),
                (None, Some(trouble)) => Err(trouble.again()),
                (None, None) => self.asks(engine, job, fetch, bound).await,
            };
            let result = engine.fetch(&job.name, fetch, frame, asks, age).await?;
            served_some |= matches!(result.state, FetchState::Complete | FetchState::Partial);
            self.ended(fetch, part, result);
        }
        // One lost grant costs that user's part; what the others brought is shown with what the
        // lost one had before.
        if served_some && !self.deferred.contains(&fetch.name) {
            self.unfinished.remove(&fetch.name);
        }
        if fetch.stream.needs_user() {
            let (job, name) = (job.name.clone(), fetch.name.clone());
            let users: Vec<String> = self.askers.iter().map(|asker| asker.name.clone()).collect();
            engine.store.write(move |s| s.keep_requested_of(&job, &name, &users)).await?;
        }
        Ok(())
    }

    /// Who asks in a fetch: each user of the job for streams of a user, else the first that can be
    /// asked for, else the app.
    pub(super) fn parts(&self, start: &Start, fetch: &Fetch) -> Vec<Part> {
        let each: Vec<Part> =
            self.askers.iter().map(|asker| Part::of(asker, fetch.stream, start.grants.as_deref())).collect();
        if fetch.stream.needs_user() {
            if each.is_empty() { vec![Part::nobody()] } else { each }
        } else {
            // Only for people who have to sign in does the app ask in their place: where it is the disk or
            // the network, the same lists would be read as another reader's.
            let asks = |part: &Part| part.trouble.as_ref().is_none_or(|trouble| !trouble.needs_a_person());
            let mut able: Vec<Part> = each.into_iter().filter(asks).collect();
            let first = able.iter().position(|part| part.trouble.is_none()).unwrap_or(0);
            vec![if able.is_empty() { Part::app() } else { able.swap_remove(first) }]
        }
    }

    fn ended(&mut self, fetch: &Fetch, part: &Part, result: FetchResult) {
        match result.state {
            FetchState::Partial => self.exits.push(exit::PARTIAL),
            FetchState::Deferred | FetchState::Failed => {
                self.unfinished.insert(fetch.name.clone());
            }
            _ => {}
        }
        let name = match &part.user {
            Some(user) if fetch.stream.needs_user() => format!("{} of {}", fetch.name, user.name),
            _ => fetch.name.clone(),
        };
        if let Some(reason) = &result.end.reason
            && self.over.as_ref() != Some(reason)
        {
            // What is wrong with a user concerns all fetches alike, and is said once.
            let of_the_user = part.trouble.is_some() || result.halt.as_ref().and_then(Trouble::of).is_some();
            let line = if of_the_user { reason.clone() } else { format!("{name}: {reason}") };
            if !self.reasons.contains(&line) {
                self.reasons.push(line);
            }
        }
        self.hints.extend(result.hints);
        self.warnings.extend(result.warnings.iter().map(|text| format!("{name}: {text}")));
        if let Some(halt) = result.halt {
            self.cannot_ask(part, Trouble::of(&halt));
            if matches!(halt.weight(), Weight::Deferred(_)) {
                self.deferred.insert(fetch.name.clone());
            }
            self.halted(&halt);
        }
        let end = result.end;
        self.fetches.push(FetchReport {
            fetch: end.fetch,
            user: part.user.as_ref().map(|user| user.name.clone()),
            stream: end.stream,
            state: result.state.word(),
            reason: end.reason,
            asked: end.asked,
            unchanged: end.unchanged,
            presumed: end.presumed,
            calls: end.calls,
            served: end.served,
            stored: end.stored,
            skipped: end.skipped,
        });
    }

    /// What one fetch learned of a user's grant need not be learned by the next.
    fn cannot_ask(&mut self, part: &Part, trouble: Option<Trouble>) {
        let name = part.user.as_ref().map(|user| &user.name);
        if let (Some(trouble), None) = (trouble, &part.trouble)
            && let Some(asker) = self.askers.iter_mut().find(|asker| Some(&asker.name) == name)
        {
            asker.user = Err(trouble);
        }
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
        if halt.ends_the_run() && self.over.is_none() {
            self.over = Some(halt.words());
        }
    }

    /// What a fetch asks for.
    pub(super) async fn asks(&self, engine: &Engine, job: &Job, fetch: &Fetch, bound: &Bound) -> Result<Asks, Halt> {
        match &fetch.source {
            Source::Ids(references) => Ok(Asks { references: references.clone(), ..Asks::default() }),
            Source::Searches(searches) => Ok(Asks { searches: searches.clone(), ..Asks::default() }),
            Source::Nothing | Source::User => Ok(Asks::default()),
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
            // What is deferred goes on later, also where something else can't be had: a partial run
            // would have served its fire.
            exit::PARTIAL | exit::DEFERRED if self.exits.contains(&exit::DEFERRED) => RunState::Deferred,
            exit::PARTIAL => RunState::Partial,
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
        let mut hints: Vec<String> = Vec::new();
        for hint in self.hints {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        Ok(RunReport {
            job: job.name.clone(),
            run: engine.run,
            state: state.word(),
            reasons: self.reasons,
            warnings: self.warnings,
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
    let fetched = Fetched { name: parent.name.clone(), stream: parent.stream, market, user_id: None, since: None };
    let reader = Reader::open(engine.store.path(), &job.name, vec![fetched], QUERY_TIME).map_err(wrong)?;
    reader.ids(&parent.name, column, filter, bound).map_err(wrong)
}
