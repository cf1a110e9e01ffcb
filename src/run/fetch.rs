//! One fetch of a job: what it has to ask for, cut into units; the units, side by side as far as
//! the app may; and the sum of what came of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chrono::TimeDelta;
use tokio::task::JoinSet;

use super::engine::{Engine, FetchFrame, Tally};
use super::halt::{Halt, Weight};
use super::list::{List, ListEnd, Opening};
use super::search::Search;
use super::things::{Things, album_tracks_key};
use super::unit::UnitEnd;
use crate::ingest::Shape;
use crate::job::{Fetch, Group};
use crate::spotify::error::ApiError;
use crate::spotify::family::Family;
use crate::spotify::page::Wrapping;
use crate::spotify::refusal::Refusal;
use crate::spotify::{Kind, Reference, path_segment};
use crate::state::AppClass;
use crate::store::{FetchEnd, FetchState, ListKey, Requested, Skip};
use crate::stream::{Classes, Order, Paging, Takes};

/// What a fetch came to.
#[derive(Debug)]
pub struct FetchResult {
    /// How it ended.
    pub state: FetchState,
    /// Its record.
    pub end: FetchEnd,
    /// What stopped it, if something did.
    pub halt: Option<Halt>,
    /// What a person can do about what it lacks.
    pub hints: Vec<String>,
}

/// What a fetch asks for, resolved: ids, codes, searches, or nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Asks {
    pub references: Vec<Reference>,
    pub searches: Vec<String>,
}

/// A piece of a fetch that is done or not done as a whole.
#[derive(Debug, Clone)]
pub(super) enum Unit {
    Things(Things, Vec<Reference>),
    Playlist(String),
    AlbumTracks(Vec<Reference>),
    List(Box<List>),
    Search(Search),
    /// Everything that the stream has of one user.
    Own(Box<Fetch>),
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
        let mut end = FetchEnd { fetch: frame.fetch.clone(), stream: frame.stream.name, ..FetchEnd::default() };
        if frame.audience != "app" {
            end.user_id.clone_from(&frame.audience);
        }
        let frame = Arc::new(frame);
        let asks = match asks {
            Ok(asks) => self.may_begin(fetch, &frame, &asks).await.map(|()| asks),
            Err(halt) => Err(halt),
        };
        let (sum, halt) = match asks {
            Ok(asks) => {
                let units = self.units(fetch, &frame, asks, refresh_after)?;
                end.asked = units.iter().map(Unit::asked).sum();
                self.progress.fetch_began(&frame.fetch, usize::try_from(end.asked).unwrap_or(0));
                self.each(&frame, units).await
            }
            Err(halt) => (UnitEnd::default(), Some(halt)),
        };
        sum.tally.write_to(&mut end);
        end.asked = end.asked.max(end.unchanged);
        end.calls = i64::try_from(self.api.calls() - calls_before).unwrap_or(i64::MAX);
        let mut hints = sum.hints.clone();
        hints.extend(halt.as_ref().and_then(Halt::hint));
        let (state, reason, halt) = self.judge(&frame, sum.why(), halt).await?;
        end.reason = reason;
        let (run, name, job, record) = (self.run, frame.fetch.clone(), job.to_owned(), end.clone());
        let (user, place) = (frame.part.map(|_| frame.audience.clone()), frame.part.unwrap_or(0));
        // A fetch that has not finished keeps what it asked for before, and with it its last CSV.
        let requested = matches!(state, FetchState::Complete | FetchState::Partial).then_some(sum.requested);
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
        Ok(FetchResult { state, end, halt, hints })
    }

    /// Whether the app has the stream and none of its families is parked.
    async fn may_begin(&self, fetch: &Fetch, frame: &FetchFrame, asks: &Asks) -> Result<(), Halt> {
        let stream = fetch.stream;
        let family = Family::named(stream.family).unwrap_or(Family::SEARCH);
        if stream.classes == Classes::ExtendedOnly
            && self.app.class().map_err(ApiError::from)? == Some(AppClass::Development)
        {
            let message =
                "Spotify removed it for apps in Development Mode in February 2026; nothing was sent".to_owned();
            return Err(ApiError::Refused { family, kind: Refusal::EndpointRemoved, message }.into());
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
                self.app.learn(AppClass::Development, &evidence).map_err(ApiError::from)?;
            }
            let (fetch, stream, detail) = (frame.fetch.clone(), frame.stream.name, Some(words.clone()));
            self.skip(Skip { fetch, stream, reason: "not_for_this_app", detail, ..Skip::default() }).await?;
            return Ok((FetchState::Partial, Some(words), None));
        }
        let state = match halt.weight() {
            Weight::Deferred(_) => FetchState::Deferred,
            _ => FetchState::Failed,
        };
        Ok((state, Some(words), Some(halt)))
    }

    /// Cuts a fetch into units, in the job's order.
    pub(super) fn units(
        &self,
        fetch: &Fetch,
        frame: &FetchFrame,
        asks: Asks,
        refresh_after: TimeDelta,
    ) -> Result<Vec<Unit>, Halt> {
        let stream = fetch.stream;
        let family =
            Family::named(stream.family).ok_or_else(|| Halt::Job(format!("{} has no endpoint family", stream.name)))?;
        let ids = |references: Vec<Reference>| references.into_iter().filter_map(id_of);
        Ok(match (stream.name, stream.takes, stream.paging) {
            (_, Takes::User, _) => vec![Unit::Own(Box::new(fetch.clone()))],
            ("playlist_items", ..) => ids(asks.references).map(Unit::Playlist).collect(),
            ("album_tracks", ..) => asks.references.chunks(20).map(|chunk| Unit::AlbumTracks(chunk.to_vec())).collect(),
            ("search", ..) => {
                let kinds = if fetch.types.is_empty() { vec![Kind::Track] } else { fetch.types.clone() };
                let most = fetch.max_results.map_or(10, |n| i64::try_from(n).unwrap_or(i64::MAX));
                asks.searches
                    .into_iter()
                    .map(|query| Unit::Search(Search { query, kinds: kinds.clone(), most }))
                    .collect()
            }
            (_, Takes::Ids(kind), Paging::ById { batch }) => {
                let things = Things { kind, family, batch, refresh_after, anew: false, begin_tracks: false };
                asks.references
                    .chunks(usize::from(batch.max(20)))
                    .map(|chunk| Unit::Things(things, chunk.to_vec()))
                    .collect()
            }
            ("artist_albums", ..) => ids(asks.references)
                .flat_map(|artist| fetch.include_groups.iter().map(move |group| (artist.clone(), *group)))
                .map(|(artist, group)| Unit::List(Box::new(discography(fetch, frame, family, &artist, group))))
                .collect(),
            (_, Takes::Ids(kind), _) => ids(asks.references)
                .map(|id| Unit::List(Box::new(list_of(fetch, frame, family, Some((kind, id))))))
                .collect(),
            _ => vec![Unit::List(Box::new(list_of(fetch, frame, family, None)))],
        })
    }

    /// Does the units, as many side by side as the app may; stops taking new ones at a halt.
    async fn each(&self, frame: &Arc<FetchFrame>, units: Vec<Unit>) -> (UnitEnd, Option<Halt>) {
        let total = units.len();
        let (units, next, stop) = (Arc::new(units), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let mut workers = JoinSet::new();
        let side_by_side = self.app.concurrency().unwrap_or(1);
        for _ in 0..side_by_side.clamp(1, total.max(1)) {
            let (engine, frame, units) = (self.clone(), Arc::clone(frame), Arc::clone(&units));
            let (next, stop) = (Arc::clone(&next), Arc::clone(&stop));
            workers.spawn(async move {
                let mut ends = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
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
        let (mut ends, mut halt) = (Vec::new(), None);
        while let Some(joined) = workers.join_next().await {
            match joined {
                Ok((done, stopped)) => {
                    ends.extend(done);
                    halt = halt.or(stopped);
                }
                // A panic in a unit is a defect of ours; the run must not claim to be whole.
                Err(panic) => halt = halt.or(Some(Halt::Job(format!("a defect of cratedigger: {panic}")))),
            }
        }
        ends.sort_by_key(|(index, _)| *index);
        let mut sum = UnitEnd::default();
        for (_, end) in ends {
            sum.add(end);
        }
        (sum, halt)
    }

    /// Does a unit; where a limit stops it that may not be the app's, that is found out first.
    async fn unit_if_it_may(&self, frame: &FetchFrame, unit: &Unit) -> Result<UnitEnd, Halt> {
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
            Unit::Playlist(id) => match self.known_gaps(frame, std::slice::from_ref(id)).await?.first() {
                Some(true) => Ok(UnitEnd::known_gap(Vec::new())),
                _ => self.playlist_items(frame, id).await,
            },
            Unit::List(list) => self.list_unit(frame, list).await,
            Unit::Search(search) => self.search(frame, search).await,
            Unit::Own(fetch) => self.of_a_user(fetch, frame).await,
        };
        self.progress.unit_done(&frame.fetch);
        end
    }

    /// Things by id or code.
    async fn referenced(&self, frame: &FetchFrame, things: Things, references: &[Reference]) -> Result<UnitEnd, Halt> {
        let (ids, mut end) = self.ids_of(frame, references).await?;
        end.add(self.things(frame, things, &ids).await?);
        Ok(end)
    }

    /// The ids that references mean, and what came of the codes that mean none.
    async fn ids_of(&self, frame: &FetchFrame, references: &[Reference]) -> Result<(Vec<String>, UnitEnd), Halt> {
        let (mut ids, mut end) = (Vec::with_capacity(references.len()), UnitEnd::default());
        for reference in references {
            let meaning = match reference {
                Reference::Id(id) => Ok(id.as_str().to_owned()),
                Reference::Isrc(code) => self.meaning(frame, Kind::Track, code).await?,
                Reference::Upc(code) => self.meaning(frame, Kind::Album, code).await?,
            };
            match meaning {
                Ok(id) => ids.push(id),
                Err(nothing) => end.add(nothing),
            }
        }
        Ok((ids, end))
    }

    /// The tracks of albums: an album's own answer holds the first of them, or all.
    async fn album_tracks(&self, frame: &FetchFrame, references: &[Reference]) -> Result<UnitEnd, Halt> {
        let (albums, without) = self.ids_of(frame, references).await?;
        let albums = &albums;
        let asked = frame.asked(self.now());
        // One lock for all albums: a batch begins twenty lists, and locks taken one by one could
        // wait for each other.
        let _reading = self.lock_list(&album_tracks_key("", &asked)).await?;
        let mut wanted = Vec::new();
        for album in albums {
            let list = self.open_list(&album_tracks_key(album, &asked)).await?;
            if !self.is_of_this_run(list.checked_at.as_ref()) && list.checkpoint.is_none() {
                wanted.push(album.clone());
            }
        }
        let heads = self.things(frame, Things::album_heads(), &wanted).await?;
        let mut end =
            UnitEnd { trouble: heads.trouble, troubles: heads.troubles, hints: heads.hints, ..UnitEnd::default() };
        end.tally.skipped = heads.tally.skipped;
        end.add(without);
        for album in albums {
            let key = album_tracks_key(album, &asked);
            let known = self.open_list(&key).await?;
            let requested = vec![Requested { user_id: None, list_id: Some(known.id), item_id: None }];
            let done = match (&known.checkpoint, self.is_of_this_run(known.checked_at.as_ref())) {
                (Some(_), _) => {
                    let list = List {
                        key,
                        family: Family::ALBUM_TRACKS,
                        path: format!("/albums/{}/tracks", path_segment(album)),
                        query: frame.query(),
                        shape: Shape::AlbumTracks,
                        wrapping: Wrapping::Bare,
                        paging: Paging::Offset { development: 50, extended: 50 },
                        order: Order::Other,
                        most: None,
                        version: None,
                        proved_later: false,
                        parent: Some(Kind::Album),
                    };
                    let opening = Opening { just_begun: wanted.contains(album), ..Opening::default() };
                    match self.read_list(frame, &list, &known, opening).await? {
                        ListEnd::Whole(tally) => UnitEnd::whole(requested, tally),
                        ListEnd::Awaits(_) => UnitEnd { requested, ..UnitEnd::default() },
                        ListEnd::Refused(e) => self.gap(frame, album, requested, &e).await?,
                        ListEnd::Unproved { reason, detail } => {
                            self.unproved(frame, album, requested, reason, detail).await?
                        }
                    }
                }
                (None, true) => {
                    let stored = known.stored.unwrap_or(0);
                    let unchanged = i64::from(!wanted.contains(album));
                    UnitEnd::whole(requested, Tally { unchanged, served: stored, stored, ..Tally::default() })
                }
                (None, false) => UnitEnd { requested, ..UnitEnd::default() },
            };
            end.add(done);
        }
        Ok(end)
    }

    /// A list that is read at every fire.
    async fn list_unit(&self, frame: &FetchFrame, list: &List) -> Result<UnitEnd, Halt> {
        let parent = &list.key.parent_id;
        if !parent.is_empty() && self.known_gaps(frame, std::slice::from_ref(parent)).await? == [true] {
            return Ok(UnitEnd::known_gap(Vec::new()));
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
            ListEnd::Unproved { reason, detail } => self.unproved(frame, parent, requested, reason, detail).await,
        }
    }
}

impl Unit {
    /// How many ids, lists or searches it stands for.
    fn asked(&self) -> i64 {
        let n = match self {
            Unit::Things(_, references) => references.len(),
            Unit::AlbumTracks(albums) => albums.len(),
            Unit::Playlist(_) | Unit::List(_) | Unit::Search(_) | Unit::Own(_) => 1,
        };
        i64::try_from(n).unwrap_or(i64::MAX)
    }
}

fn id_of(reference: Reference) -> Option<String> {
    match reference {
        Reference::Id(id) => Some(id.as_str().to_owned()),
        // `check` lets codes stand only where a search can turn them into ids.
        Reference::Isrc(_) | Reference::Upc(_) => None,
    }
}

/// One group of an artist's discography: asked for alone, each release's group is known also where
/// the answer no longer says it.
fn discography(fetch: &Fetch, frame: &FetchFrame, family: Family, artist: &str, group: Group) -> List {
    let mut list = list_of(fetch, frame, family, Some((Kind::Artist, artist.to_owned())));
    // The beginning of a group is another list than the whole of it.
    list.key.variant = match list.key.variant.as_str() {
        "" => group.word().to_owned(),
        first => format!("{}, {first}", group.word()),
    };
    list.query.push(("include_groups", group.word().to_owned()));
    list
}

fn list_of(fetch: &Fetch, frame: &FetchFrame, family: Family, parent: Option<(Kind, String)>) -> List {
    let stream = fetch.stream;
    let (kind, parent_id) = parent.map_or((None, String::new()), |(kind, id)| (Some(kind), id));
    let mut query = frame.query();
    let mut variant = String::new();
    if let Some(most) = fetch.limit_per_parent {
        // The beginning of a list is another list than the whole of it.
        variant = format!("first {most}");
    }
    if let Some(locale) = &fetch.locale {
        query.push(("locale", locale.clone()));
        variant.clone_from(locale);
    }
    let (shape, wrapping) = match stream.name {
        "artist_top_tracks" => (Shape::Tracks, Wrapping::Array("tracks")),
        "show_episodes" => (Shape::Episodes, Wrapping::Bare),
        "audiobook_chapters" => (Shape::Chapters, Wrapping::Bare),
        "user_playlists" => (Shape::Playlists, Wrapping::Bare),
        "new_releases" => (Shape::Albums, Wrapping::Key("albums")),
        "categories" => (Shape::Categories, Wrapping::Key("categories")),
        "markets" => (Shape::Markets, Wrapping::Array("markets")),
        _ => (Shape::Albums, Wrapping::Bare),
    };
    List {
        key: ListKey {
            kind: stream.name,
            parent_id: parent_id.clone(),
            audience: frame.audience.clone(),
            market: frame.market.clone(),
            variant,
        },
        family,
        path: stream.endpoint.replace("{id}", &path_segment(&parent_id)),
        query,
        shape,
        wrapping,
        paging: stream.paging,
        most: fetch.limit_per_parent.and_then(|n| i64::try_from(n).ok()),
        order: stream.order,
        version: None,
        proved_later: false,
        parent: kind,
    }
}
