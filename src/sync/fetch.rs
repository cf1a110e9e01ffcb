//! One fetch of a job: what it has to ask for, cut into units; the units, side by side as far as
//! the app may; and the sum of what came of them.

use crate::store::{requested, runs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chrono::TimeDelta;
use tokio::task::JoinSet;

use super::by_id::EntityReader;
use super::context::{FetchContext, RecordCounts, SyncContext};
use super::error::{SyncError, SyncErrorClass};
use super::fetch_progress::ResumedRead;
use super::list::{ListOutcome, ListRequest, Prefetch};
use super::ordering::{IndexedReference, in_job_order};
use super::playlist::playlist_key;
use super::search::UnresolvedCode;
use super::work_items::WorkItem;
use super::work_result::WorkResult;
use crate::job::Fetch;
use crate::store::{FetchRecord, FetchState, RequestedItem, SkippedItem};
use crate::stream::StreamAccess;
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::forbidden::ForbiddenReason;
use spotify_client::state::AppClass;
use spotify_client::{EntityKind, Reference};

/// What a fetch came to.
#[derive(Debug)]
pub struct FetchResult {
    /// How it ended.
    pub state: FetchState,
    /// Its record.
    pub record: FetchRecord,
    /// Of what it asked for, what was read.
    pub read: i64,
    /// Something that it asked for could not be had, whether or not it came to its end.
    pub is_incomplete: bool,
    /// The interrupted reads that it met.
    pub resumed_reads: Vec<ResumedRead>,
    /// What stopped it, if something did.
    pub error: Option<SyncError>,
    /// What a person can do about what it lacks.
    pub hints: Vec<String>,
    /// What a person should know although it is whole.
    pub warnings: Vec<String>,
}

/// What a fetch asks for, resolved: ids, codes, searches, or nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct FetchInputs {
    pub references: Vec<Reference>,
    pub searches: Vec<String>,
}

impl SyncContext {
    /// Does one fetch and records how it ended.
    ///
    /// # Errors
    /// Only if the record itself cannot be written.
    pub(super) async fn run_fetch(
        &self,
        job: &str,
        fetch: &Fetch,
        frame: FetchContext,
        asks: Result<FetchInputs, SyncError>,
        refresh_after: TimeDelta,
    ) -> Result<FetchResult, SyncError> {
        let calls_before = self.api.calls_sent();
        let (name, user_id) = (frame.fetch.clone(), frame.recorded_for.clone());
        let mut end = FetchRecord { fetch: name, user_id, stream: frame.stream.name, ..FetchRecord::default() };
        let frame = Arc::new(frame);
        let asks = match asks {
            Ok(asks) => self.check_startable(fetch, &frame, &asks).await.map(|()| asks),
            Err(halt) => Err(halt),
        };
        let (sum, halt) = match asks {
            Ok(asks) => {
                let units = self.work_items(fetch, &frame, asks, refresh_after).await?;
                end.asked = units.iter().map(WorkItem::requested_count).sum();
                self.observer.fetch_started(&frame.fetch, usize::try_from(end.asked).unwrap_or(0));
                self.run_items(&frame, units).await?
            }
            Err(halt) => (WorkResult::default(), Some(halt)),
        };
        sum.counts.write_to(&mut end);
        end.served += frame.progress.unplaced_items();
        if fetch.stream.needs_user() {
            // How many lists a user has is known once they are met.
            let lacking = i64::try_from(sum.problem_count).unwrap_or(i64::MAX);
            end.asked = end.asked.max(end.unchanged + sum.counts.read + lacking);
        }
        end.calls = i64::try_from(self.api.calls_sent() - calls_before).unwrap_or(i64::MAX);
        let (read, mut hints, warnings) = (sum.counts.read, sum.hints.clone(), sum.warnings.clone());
        hints.extend(halt.as_ref().and_then(SyncError::hint));
        let ran = halt.is_none();
        let trouble = sum.problem_summary();
        let lacks = trouble.is_some();
        let (state, reason, halt) = self.classify_end(&frame, trouble, halt).await?;
        end.reason = reason;
        let (run, name, job, record) = (self.run_id, frame.fetch.clone(), job.to_owned(), end.clone());
        let (user, place) = (frame.partition_index.map(|_| frame.audience.clone()), frame.partition_index.unwrap_or(0));
        // A fetch that has not come to its end keeps what it asked for before, and with it its last CSV:
        // also one that is partial because the app does not have the stream.
        let requested = ran.then(|| in_job_order(sum.requested, &frame.progress.first_places(&sum.places)));
        let recorded = self
            .store
            .write(move |s| {
                if let Some(requested) = &requested {
                    requested::replace(s, &job, &name, user.as_deref(), place, requested)?;
                }
                runs::finish_fetch(s, run, state, &record)
            })
            .await;
        if let Err(e) = recorded {
            // A store that fails twice is told of by what failed first.
            return Err(halt.unwrap_or(e.into()));
        }
        self.observer.fetch_finished(&frame.fetch, state.as_str());
        Ok(FetchResult {
            is_incomplete: lacks || state == FetchState::Partial,
            resumed_reads: frame.progress.resumed_reads(),
            state,
            record: end,
            read,
            error: halt,
            hints,
            warnings,
        })
    }

    /// Whether the app has the stream and none of its families is parked.
    async fn check_startable(&self, fetch: &Fetch, frame: &FetchContext, asks: &FetchInputs) -> Result<(), SyncError> {
        let stream = fetch.stream;
        let family = stream.family;
        if stream.access == StreamAccess::ExtendedOnly
            && self.app.class().map_err(ApiError::from)? == Some(AppClass::Development)
        {
            return Err(ApiError::lost_in_development(family).into());
        }
        let mut families = stream.families();
        if asks.references.iter().any(|r| !matches!(r, Reference::Id(_))) {
            families.push(EndpointFamily::SEARCH);
        }
        let may = || families.iter().try_for_each(|family| self.api.may_send(*family));
        match may() {
            Err(e) if self.app.may_continue(&frame.bearer, &e).await? => Ok(may()?),
            other => Ok(other?),
        }
    }

    /// Turns a halt that only concerns this fetch into its reason.
    async fn classify_end(
        &self,
        frame: &FetchContext,
        trouble: Option<String>,
        halt: Option<SyncError>,
    ) -> Result<(FetchState, Option<String>, Option<SyncError>), SyncError> {
        let Some(halt) = halt else {
            let state = if trouble.is_some() { FetchState::Partial } else { FetchState::Complete };
            return Ok((state, trouble, None));
        };
        let words = halt.message();
        if let SyncError::Api(ApiError::Refused { kind: ForbiddenReason::EndpointRemoved, message, .. }) = &halt {
            if frame.stream.access == StreamAccess::ExtendedOnly {
                let evidence = format!("{} was refused: {message}", frame.stream.endpoint);
                self.app.learn_development(&frame.bearer, &evidence).await?;
            }
            let (fetch, stream, detail) = (frame.fetch.clone(), frame.stream.name, Some(words.clone()));
            self.record_skip(SkippedItem {
                fetch,
                stream,
                reason: "not_for_this_app",
                detail,
                ..SkippedItem::default()
            })
            .await?;
            return Ok((FetchState::Partial, Some(words), None));
        }
        let state = match halt.class() {
            SyncErrorClass::Deferred(_) => FetchState::Deferred,
            _ => FetchState::Failed,
        };
        // What it could not have so far is not forgotten over what stopped it.
        let reason = trouble.map_or_else(|| words.clone(), |trouble| format!("{words}; {trouble}"));
        Ok((state, Some(reason), Some(halt)))
    }

    /// Does the units, as many side by side as the app may; stops taking new ones at a halt.
    async fn run_items(
        &self,
        frame: &Arc<FetchContext>,
        units: Vec<WorkItem>,
    ) -> Result<(WorkResult, Option<SyncError>), SyncError> {
        let total = units.len();
        let order = Arc::new(self.item_order(frame, &units).await?);
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
                    match engine.run_item_after_class_check(&frame, unit).await {
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
        let (mut ends, mut halt) = (Vec::new(), None::<SyncError>);
        while let Some(joined) = workers.join_next().await {
            let stopped = match joined {
                Ok((done, stopped)) => {
                    ends.extend(done);
                    stopped
                }
                // A panic in a unit is a defect of ours; the run must not claim to be whole.
                Err(panic) => Some(SyncError::InvalidJob(format!("a defect of cratedigger: {panic}"))),
            };
            halt = match (halt, stopped) {
                (Some(one), Some(two)) => Some(one.most_severe(two)),
                (one, two) => one.or(two),
            };
        }
        ends.sort_by_key(|(index, _)| *index);
        let mut sum = WorkResult::default();
        for (_, end) in ends {
            sum.add(end);
        }
        Ok((sum, halt))
    }

    /// Does a unit; where a limit stops it that may not be the app's, that is found out first.
    async fn run_item_after_class_check(&self, frame: &FetchContext, unit: &WorkItem) -> Result<WorkResult, SyncError> {
        self.check_store_room()?;
        match self.run_item(frame, unit).await {
            Err(SyncError::Api(e)) if self.app.may_continue(&frame.bearer, &e).await? => {
                self.run_item(frame, unit).await
            }
            other => other,
        }
    }

    async fn run_item(&self, frame: &FetchContext, unit: &WorkItem) -> Result<WorkResult, SyncError> {
        let end = match unit {
            // Its parts are counted as they come.
            WorkItem::Entities(things, references) => return self.read_references(frame, *things, references).await,
            WorkItem::AlbumTracks(albums) => return self.album_tracks(frame, albums).await,
            WorkItem::Playlist(id) => match self.find_missing(frame, id, &playlist_key(frame, id), Some(id)).await? {
                Some(end) => Ok(end),
                None => self.read_playlist(frame, id).await,
            },
            WorkItem::List(list) => self.read_single_list(frame, list).await,
            WorkItem::Search(search) => self.read_search(frame, search).await,
            WorkItem::UserStream(fetch) => self.read_user_stream(fetch, frame).await,
        };
        self.observer.item_done(&frame.fetch);
        end
    }

    /// Things by id or code.
    async fn read_references(
        &self,
        frame: &FetchContext,
        things: EntityReader,
        references: &[IndexedReference],
    ) -> Result<WorkResult, SyncError> {
        let (ids, places, mut end) = self.resolve_ids(frame, references).await?;
        end.add(self.read_entities(frame, things, &ids).await?);
        end.places = places;
        Ok(end)
    }

    /// The ids that references mean with their places, each id once in the whole fetch, and what came of
    /// the codes that mean none.
    pub(super) async fn resolve_ids(
        &self,
        frame: &FetchContext,
        references: &[IndexedReference],
    ) -> Result<(Vec<String>, Vec<usize>, WorkResult), SyncError> {
        let (mut ids, mut places) = (Vec::with_capacity(references.len()), Vec::with_capacity(references.len()));
        let mut end = WorkResult::default();
        for IndexedReference { place, reference } in references {
            let meaning = match reference {
                Reference::Id(id) => Ok(id.as_str().to_owned()),
                Reference::Isrc(code) => self.resolve_code(frame, EntityKind::Track, code).await?,
                Reference::Upc(code) => self.resolve_code(frame, EntityKind::Album, code).await?,
            };
            let id = match meaning {
                Ok(id) => Some(id),
                Err(UnresolvedCode { result: nothing, previous_id: before }) => {
                    end.add(nothing);
                    // What was had by it stays asked for, by its id.
                    before
                }
            };
            let Some(id) = id else { continue };
            if frame.progress.claim_id(&id, *place) {
                ids.push(id);
                places.push(*place);
            } else {
                end.counts.unchanged += 1;
                self.observer.item_done(&frame.fetch);
            }
        }
        Ok((ids, places, end))
    }

    /// A list that is read at every fire.
    async fn read_single_list(&self, frame: &FetchContext, list: &ListRequest) -> Result<WorkResult, SyncError> {
        let parent = &list.key.parent_id;
        if !parent.is_empty()
            && let Some(end) = self.find_missing(frame, parent, &list.key, None).await?
        {
            return Ok(end);
        }
        let _reading = self.lock_list(&list.key).await?;
        let known = self.open_list(&list.key).await?;
        let requested = vec![RequestedItem { user_id: None, list_id: Some(known.id), item_id: None }];
        if self.is_from_this_run(known.checked_at.as_ref()) {
            let tally = RecordCounts { unchanged: 1, stored: known.stored.unwrap_or(0), ..RecordCounts::default() };
            return Ok(WorkResult::whole(requested, tally));
        }
        match self.read_list(frame, list, &known, Prefetch::default()).await? {
            ListOutcome::Whole(tally) => {
                if !parent.is_empty() {
                    self.clear_missing(frame, parent).await?;
                }
                Ok(WorkResult::whole(requested, tally))
            }
            ListOutcome::AwaitsVerification(_) => Ok(WorkResult { requested, ..WorkResult::default() }),
            ListOutcome::Refused(e) => {
                let name = if parent.is_empty() { frame.stream.name } else { parent };
                self.record_missing(frame, name, requested, &e).await
            }
            ListOutcome::Unproved { reason, detail } => {
                self.record_unproved(frame, parent, &known, requested, (reason, detail)).await
            }
        }
    }
}
