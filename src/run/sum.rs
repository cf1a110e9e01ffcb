//! What the fetches of a run come to: who asks in each, what it asks for, how it ended, and what that
//! makes of the run.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::engine::{Engine, stamp};
use super::exit;
use super::fetch::{Asks, FetchResult};
use super::files::Written;
use super::halt::{Halt, Weight};
use super::job::Start;
use super::report::{Cause, FetchReport, RunReport};
use super::users::{Asker, Part, Trouble};
use crate::job::{Fetch, Job, Source};
use crate::store::query::{Bound, Fetched, QueryError, Reader};
use crate::store::{FetchState, Named, RunEnd, RunState, StoreError};
use crate::stream::Takes;
use spotify_client::error::ApiError;
use spotify_client::{Id, Kind, Reference};

/// What the fetches of a run came to so far.
#[derive(Default)]
pub(super) struct Sum {
    pub(super) fetches: Vec<FetchReport>,
    pub(super) reasons: Vec<String>,
    hints: Vec<String>,
    pub(super) causes: Vec<Cause>,
    pub(super) exits: Vec<u8>,
    pub(super) unfinished: BTreeSet<String>,
    /// Of these, the ones that go on later.
    deferred: BTreeSet<String>,
    /// The users of the job.
    askers: Vec<Asker>,
    /// What a person should see to before long.
    pub(super) warnings: Vec<String>,
    not_before: Option<DateTime<Utc>>,
    /// Why nothing more is asked, once that is so.
    over: Option<String>,
}

impl Sum {
    /// A run of these users that has done nothing yet.
    pub(super) fn of(askers: Vec<Asker>) -> Sum {
        Sum { askers, ..Sum::default() }
    }

    /// The users of the job, once they are known.
    pub(super) fn begin(&mut self, askers: Vec<Asker>) {
        self.askers = askers;
    }

    pub(super) async fn fetch(
        &mut self,
        engine: &Engine,
        job: &Job,
        start: &Start,
        fetch: &Fetch,
        bound: &Bound,
    ) -> Result<(), Halt> {
        let age = start.age(fetch);
        let parts = self.parts(start, fetch);
        self.arrange(engine, job, fetch).await?;
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
        Ok(())
    }

    /// Before anybody asks: what stands of one user must not stand where another's comes.
    async fn arrange(&self, engine: &Engine, job: &Job, fetch: &Fetch) -> Result<(), Halt> {
        let named = |asker: &Asker| Named {
            name: asker.name.clone(),
            user_id: asker.user.as_ref().ok().map(|user| user.user_id.clone()),
        };
        let users: Option<Vec<Named>> = fetch.stream.needs_user().then(|| self.askers.iter().map(named).collect());
        let (job, name) = (job.name.clone(), fetch.name.clone());
        Ok(engine.store.write(move |s| s.arrange_requested(&job, &name, users.as_deref())).await?)
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
        if result.lacks {
            self.exits.push(exit::PARTIAL);
        }
        if matches!(result.state, FetchState::Deferred | FetchState::Failed) {
            self.unfinished.insert(fetch.name.clone());
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
            read: result.read,
            presumed: end.presumed,
            calls: end.calls,
            served: end.served,
            stored: end.stored,
            skipped: end.skipped,
            taken_up: result.taken_up,
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

    /// What stopped the run outside of any fetch; its fetches keep what they have.
    pub(super) fn stopped(&mut self, job: &Job, halt: &Halt) {
        self.unfinished.extend(job.fetches.iter().map(|fetch| fetch.name.clone()));
        self.reasons.push(halt.words());
        self.hints.extend(halt.hint());
        self.halted(halt);
    }

    fn halted(&mut self, halt: &Halt) {
        let cause = halt.cause();
        if !matches!(halt, Halt::Waits(_)) && !self.causes.contains(&cause) {
            self.causes.push(cause);
        }
        self.exits.push(halt.exit_code());
        if let Weight::Deferred(until) = halt.weight() {
            // The run goes on when the last of its parts may: earlier it would stop again.
            self.not_before = self.not_before.max(until);
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
                let ids = ids_from(engine, job, parent, kind, filter.as_deref(), bound).await?;
                // What is in the store came from Spotify, but it goes into a path again.
                let references = ids.iter().filter_map(|id| Id::parse(id, kind).ok().map(Reference::Id)).collect();
                Ok(Asks { references, ..Asks::default() })
            }
        }
    }

    pub(super) fn verdict(&self) -> (RunState, u8) {
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

    pub(super) async fn close(
        self,
        engine: &Engine,
        job: &Job,
        fire_at: Option<DateTime<Utc>>,
        written: Written,
    ) -> Result<RunReport, Halt> {
        let (state, exit_code) = self.verdict();
        let finished = stamp(engine.now());
        let rows = self.fetches.iter().map(|f| f.served).sum();
        let not_before = self.not_before.map(stamp);
        let end = RunEnd {
            state,
            reason: self.reasons.first().cloned(),
            not_before: not_before.clone(),
            exit_code: i64::from(exit_code),
            calls: engine.calls(),
            rows,
            app_class: engine.app.class().map_err(ApiError::from)?.map(spotify_client::state::AppClass::as_str),
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
            causes: self.causes,
            not_before,
            exit_code,
            calls: engine.api.calls(),
            rows,
            fire_at: fire_at.map(stamp),
            started_at: stamp(engine.started_at),
            finished_at: finished,
            fetches: self.fetches,
            files: written.files,
            files_deleted: written.deleted,
        })
    }
}

/// How long a `where` may take.
const QUERY_TIME: Duration = Duration::from_secs(60);

/// The ids of a kind that stand in the rows of an earlier fetch. A `where` may take its time, and other
/// jobs of the process go on meanwhile.
async fn ids_from(
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
    let market = parent.market.clone().unwrap_or_default();
    let fetched = Fetched { name: parent.name.clone(), stream: parent.stream, market, user_id: None, since: None };
    let (path, job, name) = (engine.store.path().to_path_buf(), job.name.clone(), parent.name.clone());
    let (filter, bound) = (filter.map(str::to_owned), bound.clone());
    let read = move || {
        let wrong = |e| match e {
            QueryError::Store(source) => {
                StoreError::Sqlite { path: path.clone(), what: "cannot be read", source }.into()
            }
            e => Halt::Job(format!("{kind} from {name}: {e}")),
        };
        let reader = Reader::open(&path, &job, vec![fetched], QUERY_TIME).map_err(wrong)?;
        reader.ids(&name, column, filter.as_deref(), &bound).map_err(wrong)
    };
    let ids = tokio::task::spawn_blocking(read).await;
    ids.unwrap_or_else(|panic| Err(Halt::Job(format!("a defect of cratedigger: {panic}"))))
}
