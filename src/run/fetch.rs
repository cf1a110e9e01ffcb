//! One fetch of a job: what it has to ask for, cut into units; the units, side by side as far as
//! the app may; and the sum of what came of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chrono::TimeDelta;
use tokio::task::JoinSet;

use super::course::TakenUp;
use super::engine::{Engine, FetchFrame, Tally};
use super::halt::{Halt, Weight};
use super::list::{List, ListEnd, Opening};
use super::playlist::playlist_key;
use super::search::Meaningless;
use super::stalest::{Placed, in_places};
use super::things::Things;
use super::unit::UnitEnd;
use super::units::Unit;
use crate::job::Fetch;
use crate::store::{FetchEnd, FetchState, Requested, Skip};
use crate::stream::Classes;
use spotify_client::error::ApiError;
use spotify_client::family::Family;
use spotify_client::refusal::Refusal;
use spotify_client::state::AppClass;
use spotify_client::{Kind, Reference};

/// What a fetch came to.
#[derive(Debug)]
pub struct FetchResult {
    /// How it ended.
    pub state: FetchState,
    /// Its record.
    pub end: FetchEnd,
    /// Of what it asked for, what was read.
    pub read: i64,
    /// Something that it asked for could not be had, whether or not it came to its end.
    pub lacks: bool,
    /// The interrupted reads that it met.
    pub taken_up: Vec<TakenUp>,
    /// What stopped it, if something did.
    pub halt: Option<Halt>,
    /// What a person can do about what it lacks.
    pub hints: Vec<String>,
    /// What a person should know although it is whole.
    pub warnings: Vec<String>,
}

/// What a fetch asks for, resolved: ids, codes, searches, or nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Asks {
    pub references: Vec<Reference>,
    pub searches: Vec<String>,
}

impl Engine {
    /// Does one fetch and records how it ended.
    ///
    /// # Errors
    /// Only if the record itself cannot be written.
    pub(super) async fn fetch(
        &self,
        job: &str,
        fetch: &Fetch,
        frame: FetchFrame,
        asks: Result<Asks, Halt>,
        refresh_after: TimeDelta,
    ) -> Result<FetchResult, Halt> {
        let calls_before = self.api.calls();
        let (name, user_id) = (frame.fetch.clone(), frame.recorded_for.clone());
        let mut end = FetchEnd { fetch: name, user_id, stream: frame.stream.name, ..FetchEnd::default() };
        let frame = Arc::new(frame);
        let asks = match asks {
            Ok(asks) => self.may_begin(fetch, &frame, &asks).await.map(|()| asks),
            Err(halt) => Err(halt),
        };
        let (sum, halt) = match asks {
            Ok(asks) => {
                let units = self.units(fetch, &frame, asks, refresh_after).await?;
                end.asked = units.iter().map(Unit::asked).sum();
                self.progress.fetch_began(&frame.fetch, usize::try_from(end.asked).unwrap_or(0));
                self.each(&frame, units).await?
            }
            Err(halt) => (UnitEnd::default(), Some(halt)),
        };
        sum.tally.write_to(&mut end);
        end.served += frame.course.served();
        if fetch.stream.needs_user() {
            // How many lists a user has is known once they are met.
            let lacking = i64::try_from(sum.troubles).unwrap_or(i64::MAX);
            end.asked = end.asked.max(end.unchanged + sum.tally.read + lacking);
        }
        end.calls = i64::try_from(self.api.calls() - calls_before).unwrap_or(i64::MAX);
        let (read, mut hints, warnings) = (sum.tally.read, sum.hints.clone(), sum.warnings.clone());
        hints.extend(halt.as_ref().and_then(Halt::hint));
        let ran = halt.is_none();
        let trouble = sum.why();
        let lacks = trouble.is_some();
        let (state, reason, halt) = self.judge(&frame, trouble, halt).await?;
        end.reason = reason;
        let (run, name, job, record) = (self.run, frame.fetch.clone(), job.to_owned(), end.clone());
        let (user, place) = (frame.part.map(|_| frame.audience.clone()), frame.part.unwrap_or(0));
        // A fetch that has not come to its end keeps what it asked for before, and with it its last CSV:
        // also one that is partial because the app does not have the stream.
        let requested = ran.then(|| in_places(sum.requested, &frame.course.first_places(&sum.places)));
        let recorded = self
            .store
            .write(move |s| {
                if let Some(requested) = &requested {
                    s.set_requested(&job, &name, user.as_deref(), place, requested)?;
                }
                s.end_fetch(run, state, &record)
            })
            .await;
        if let Err(e) = recorded {
            // A store that fails twice is told of by what failed first.
            return Err(halt.unwrap_or(e.into()));
        }
        self.progress.fetch_ended(&frame.fetch, state.word());
        Ok(FetchResult {
            lacks: lacks || state == FetchState::Partial,
            taken_up: frame.course.taken_up(),
            state,
            end,
            read,
            halt,
            hints,
            warnings,
        })
    }

    /// Whether the app has the stream and none of its families is parked.
    async fn may_begin(&self, fetch: &Fetch, frame: &FetchFrame, asks: &Asks) -> Result<(), Halt> {
        let stream = fetch.stream;
        let family = Family::named(stream.family).unwrap_or(Family::SEARCH);
        if stream.classes == Classes::ExtendedOnly
            && self.app.class().map_err(ApiError::from)? == Some(AppClass::Development)
        {
            return Err(ApiError::lost_in_development(family).into());
        }
        let mut families = stream.families();
        if asks.references.iter().any(|r| !matches!(r, Reference::Id(_))) {
            families.push(Family::SEARCH);
        }
        let may = || families.iter().try_for_each(|family| self.api.may_send(*family));
        match may() {
            Err(e) if self.app.may_go_on(&frame.bearer, &e).await? => Ok(may()?),
            other => Ok(other?),
        }
    }

    /// Turns a halt that only concerns this fetch into its reason.
    async fn judge(
        &self,
        frame: &FetchFrame,
        trouble: Option<String>,
        halt: Option<Halt>,
    ) -> Result<(FetchState, Option<String>, Option<Halt>), Halt> {
        let Some(halt) = halt else {
            let state = if trouble.is_some() { FetchState::Partial } else { FetchState::Complete };
            return Ok((state, trouble, None));
        };
        let words = halt.words();
        if let Halt::Api(ApiError::Refused { kind: Refusal::EndpointRemoved, message, .. }) = &halt {
            if frame.stream.classes == Classes::ExtendedOnly {
                let evidence = format!("{} was refused: {message}", frame.stream.endpoint);
                self.app.learn_development(&frame.bearer, &evidence).await?;
            }
            let (fetch, stream, detail) = (frame.fetch.clone(), frame.stream.name, Some(words.clone()));
            self.skip(Skip { fetch, stream, reason: "not_for_this_app", detail, ..Skip::default() }).await?;
            return Ok((FetchState::Partial, Some(words), None));
        }
        let state = match halt.weight() {
            Weight::Deferred(_) => FetchState::Deferred,
            _ => FetchState::Failed,
        };
        // What it could not have so far is not forgotten over what stopped it.
        let reason = trouble.map_or_else(|| words.clone(), |trouble| format!("{words}; {trouble}"));
        Ok((state, Some(reason), Some(halt)))
    }

    /// Does the units, as many side by side as the app may; stops taking new ones at a halt.
    async fn each(&self, frame: &Arc<FetchFrame>, units: Vec<Unit>) -> Result<(UnitEnd, Option<Halt>), Halt> {
        let total = units.len();
        let order = Arc::new(self.order(frame, &units).await?);
        let (units, next, stop) = (Arc::new(units), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let mut workers = JoinSet::new();
        let side_by_side = self.app.concurrency().unwrap_or(1);
        for _ in 0..side_by_side.clamp(1, total.max(1)) {
            let (engine, frame, units) = (self.clone(), Arc::clone(frame), Arc::clone(&units));
            let (order, next, stop) = (Arc::clone(&order), Arc::clone(&next), Arc::clone(&stop));
            workers.spawn(async move {
                let mut ends = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                    let Some(unit) = units.get(index) else { break };
                    match engine.unit_if_it_may(&frame, unit).await {
                        Ok(end) => ends.push((index, end)),
                        Err(halt) => {
                            stop.store(true, Ordering::Relaxed);
                            return (ends, Some(halt));
                        }
                    }
                }
                (ends, None)
            });
        }
        let (mut ends, mut halt) = (Vec::new(), None::<Halt>);
        while let Some(joined) = workers.join_next().await {
            let stopped = match joined {
                Ok((done, stopped)) => {
                    ends.extend(done);
                    stopped
                }
                // A panic in a unit is a defect of ours; the run must not claim to be whole.
                Err(panic) => Some(Halt::Job(format!("a defect of cratedigger: {panic}"))),
            };
            halt = match (halt, stopped) {
                (Some(one), Some(two)) => Some(one.or_graver(two)),
                (one, two) => one.or(two),
            };
        }
        ends.sort_by_key(|(index, _)| *index);
        let mut sum = UnitEnd::default();
        for (_, end) in ends {
            sum.add(end);
        }
        Ok((sum, halt))
    }

    /// Does a unit; where a limit stops it that may not be the app's, that is found out first.
    async fn unit_if_it_may(&self, frame: &FetchFrame, unit: &Unit) -> Result<UnitEnd, Halt> {
        self.room()?;
        match self.unit(frame, unit).await {
            Err(Halt::Api(e)) if self.app.may_go_on(&frame.bearer, &e).await? => self.unit(frame, unit).await,
            other => other,
        }
    }

    async fn unit(&self, frame: &FetchFrame, unit: &Unit) -> Result<UnitEnd, Halt> {
        let end = match unit {
            // Its parts are counted as they come.
            Unit::Things(things, references) => return self.referenced(frame, *things, references).await,
            Unit::AlbumTracks(albums) => return self.album_tracks(frame, albums).await,
            Unit::Playlist(id) => match self.known_gap(frame, id, &playlist_key(frame, id), Some(id)).await? {
                Some(end) => Ok(end),
                None => self.playlist_items(frame, id).await,
            },
            Unit::List(list) => self.list_unit(frame, list).await,
            Unit::Search(search) => self.search(frame, search).await,
            Unit::Own(fetch) => self.of_a_user(fetch, frame).await,
        };
        self.progress.unit_done(&frame.fetch);
        end
    }

    /// Things by id or code.
    async fn referenced(&self, frame: &FetchFrame, things: Things, references: &[Placed]) -> Result<UnitEnd, Halt> {
        let (ids, places, mut end) = self.ids_of(frame, references).await?;
        end.add(self.things(frame, things, &ids).await?);
        end.places = places;
        Ok(end)
    }

    /// The ids that references mean with their places, each id once in the whole fetch, and what came of
    /// the codes that mean none.
    pub(super) async fn ids_of(
        &self,
        frame: &FetchFrame,
        references: &[Placed],
    ) -> Result<(Vec<String>, Vec<usize>, UnitEnd), Halt> {
        let (mut ids, mut places) = (Vec::with_capacity(references.len()), Vec::with_capacity(references.len()));
        let mut end = UnitEnd::default();
        for Placed { place, reference } in references {
            let meaning = match reference {
                Reference::Id(id) => Ok(id.as_str().to_owned()),
                Reference::Isrc(code) => self.meaning(frame, Kind::Track, code).await?,
                Reference::Upc(code) => self.meaning(frame, Kind::Album, code).await?,
            };
            let id = match meaning {
                Ok(id) => Some(id),
                Err(Meaningless { end: nothing, before }) => {
                    end.add(nothing);
                    // What was had by it stays asked for, by its id.
                    before
                }
            };
            let Some(id) = id else { continue };
            if frame.course.claim(&id, *place) {
                ids.push(id);
                places.push(*place);
            } else {
                end.tally.unchanged += 1;
                self.progress.unit_done(&frame.fetch);
            }
        }
        Ok((ids, places, end))
    }

    /// A list that is read at every fire.
    async fn list_unit(&self, frame: &FetchFrame, list: &List) -> Result<UnitEnd, Halt> {
        let parent = &list.key.parent_id;
        if !parent.is_empty()
            && let Some(end) = self.known_gap(frame, parent, &list.key, None).await?
        {
            return Ok(end);
        }
        let _reading = self.lock_list(&list.key).await?;
        let known = self.open_list(&list.key).await?;
        let requested = vec![Requested { user_id: None, list_id: Some(known.id), item_id: None }];
        if self.is_of_this_run(known.checked_at.as_ref()) {
            let tally = Tally { unchanged: 1, stored: known.stored.unwrap_or(0), ..Tally::default() };
            return Ok(UnitEnd::whole(requested, tally));
        }
        match self.read_list(frame, list, &known, Opening::default()).await? {
            ListEnd::Whole(tally) => {
                if !parent.is_empty() {
                    self.answers_again(frame, parent).await?;
                }
                Ok(UnitEnd::whole(requested, tally))
            }
            ListEnd::Awaits(_) => Ok(UnitEnd { requested, ..UnitEnd::default() }),
            ListEnd::Refused(e) => {
                let name = if parent.is_empty() { frame.stream.name } else { parent };
                self.gap(frame, name, requested, &e).await
            }
            ListEnd::Unproved { reason, detail } => {
                self.unproved(frame, parent, &known, requested, (reason, detail)).await
            }
        }
    }
}
