//! Things by id: only those that are not fresh, many in one call where the app has batch reads.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use chrono::TimeDelta;
use serde_json::value::RawValue;

use super::engine::{Engine, FetchFrame, Tally, stamp};
use super::halt::Halt;
use super::look::is_about_the_list;
use super::unit::{KnownGap, UnitEnd};
use crate::ingest::{self, Asked, Shape, Trouble};
use crate::store::{Checkpoint, ListKey, MarketFact, MarketTable, Proof, Requested, Session, Table};
use spotify_client::Kind;
use spotify_client::client::{Answer, Request, Unusable};
use spotify_client::error::ApiError;
use spotify_client::family::Family;
use spotify_client::page::{RawPage, Wrapping, utf8};
use spotify_client::refusal::Refusal;
use spotify_client::state::AppClass;

/// A kind of thing that is read by id, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Things {
    pub kind: Kind,
    pub family: Family,
    /// Ids per batch call with Extended Quota.
    pub batch: u16,
    /// How old a row may be.
    pub refresh_after: TimeDelta,
    /// Read them whatever their age.
    pub anew: bool,
    /// Of albums with more tracks than the answer holds, begin to read the list of them.
    pub begin_tracks: bool,
}

impl Things {
    /// Albums read for their tracks: at every fire, whatever age the albums themselves may have.
    pub(super) fn album_heads() -> Things {
        Things {
            kind: Kind::Album,
            family: Family::ALBUMS,
            batch: 20,
            refresh_after: TimeDelta::zero(),
            anew: true,
            begin_tracks: true,
        }
    }

    /// `/albums`, which is also the key of a batch answer.
    fn plural(self) -> &'static str {
        self.kind.plural()
    }
}

impl Engine {
    /// Reads the things of these ids that are not fresh.
    pub(super) async fn things(&self, frame: &FetchFrame, things: Things, ids: &[String]) -> Result<UnitEnd, Halt> {
        let mut end = UnitEnd::default();
        let (fresh, mut answered) = self.fresh(frame, things, ids).await?;
        let stale: Vec<String> =
            ids.iter().zip(&fresh).filter(|(_, fresh)| !**fresh).map(|(id, _)| id.clone()).collect();
        let known_gaps = self.known_gaps(frame, &stale).await?;
        let mut gaps: HashMap<&String, KnownGap> =
            stale.iter().zip(known_gaps).filter_map(|(id, gap)| Some((id, gap?))).collect();
        let mut wanted: Vec<String> = Vec::new();
        let mut seen = HashSet::new();
        for (id, fresh) in ids.iter().zip(fresh) {
            let again = !seen.insert(id);
            if let Some(gap) = gaps.remove(id) {
                end.add(UnitEnd::known_gap(Vec::new(), gap));
            } else if fresh || again {
                end.tally.add(Tally { unchanged: 1, stored: i64::from(fresh), ..Tally::default() });
            } else {
                wanted.push(id.clone());
                continue;
            }
            self.progress.unit_done(&frame.fetch);
        }
        let mut rest = wanted.as_slice();
        while !rest.is_empty() {
            let many = self.batch_size(things, rest.len())?;
            let (now, later) = rest.split_at(many.min(rest.len()));
            if many > 1 {
                match self.batch(frame, things, now, &mut answered).await {
                    Ok(batch) => end.add(batch),
                    Err(Halt::Api(ApiError::Refused { kind: Refusal::EndpointRemoved, message, .. })) => {
                        let evidence = format!("a batch read of {} was refused: {message}", things.plural());
                        self.app.learn_development(&frame.bearer, &evidence).await?;
                        self.app.no_batch(things.family, &evidence).map_err(ApiError::from)?;
                        continue;
                    }
                    Err(Halt::Api(e)) if is_about_the_list(&e) => {
                        // One id can spoil a batch for all; alone, each is judged by itself.
                        tracing::debug!(error = %e, ids = now.len(), "a batch read failed; one by one now");
                        let mut alone = UnitEnd::default();
                        for id in now {
                            alone.add(self.thing(frame, things, id, &mut answered).await?);
                        }
                        // A route that is not there, while each of its ids is, is gone for all batches.
                        let no_route = matches!(e, ApiError::NotFound { .. } | ApiError::Gone { .. });
                        if no_route && alone.tally.skipped == 0 {
                            let evidence = format!("a batch read of {} was refused: {e}", things.plural());
                            self.app.no_batch(things.family, &evidence).map_err(ApiError::from)?;
                        }
                        end.add(alone);
                    }
                    Err(e) => return Err(e),
                }
            } else {
                for id in now {
                    end.add(self.thing(frame, things, id, &mut answered).await?);
                }
            }
            rest = later;
        }
        // What stands in the store is what Spotify answered with, which may bear another id.
        let asked_for = |id: &String| Requested {
            user_id: None,
            list_id: None,
            item_id: Some(answered.get(id).unwrap_or(id).clone()),
        };
        end.requested = ids.iter().map(asked_for).collect();
        Ok(end)
    }

    /// Which of these ids need not be asked for, and, where Spotify answered with another id, which.
    pub(super) async fn fresh(
        &self,
        frame: &FetchFrame,
        things: Things,
        ids: &[String],
    ) -> Result<(Vec<bool>, HashMap<String, String>), Halt> {
        if things.anew {
            return Ok((vec![false; ids.len()], HashMap::new()));
        }
        let when = self.fresh_in(things.refresh_after);
        let (all, table, market) = (ids.to_vec(), ingest::table_of(things.kind), frame.market.clone());
        let found = self.store.write(move |s| {
            let mut fresh = s.fresh(table, &all, &when)?;
            let mut answered = HashMap::new();
            if things.kind == Kind::Track {
                for (id, fresh) in all.iter().zip(&mut fresh).filter(|(_, fresh)| !**fresh) {
                    if let Some(other) = s.relinked(id, &market, &when)? {
                        *fresh = true;
                        answered.insert(id.clone(), other);
                    }
                }
            }
            Ok((fresh, answered))
        });
        Ok(found.await?)
    }

    /// How many ids the next call may carry. A first batch in an app of unknown class finds out.
    pub(super) fn batch_size(&self, things: Things, left: usize) -> Result<usize, Halt> {
        let class = self.app.class().map_err(ApiError::from)?;
        if left < 2
            || class == Some(AppClass::Development)
            || !self.app.may_batch(things.family).map_err(ApiError::from)?
        {
            return Ok(1);
        }
        Ok(usize::from(things.batch))
    }

    async fn batch(
        &self,
        frame: &FetchFrame,
        things: Things,
        ids: &[String],
        answered: &mut HashMap<String, String>,
    ) -> Result<UnitEnd, Halt> {
        let plural = things.plural();
        let mut request = Request::new(things.family, format!("/{plural}"));
        request.query = frame.query();
        request = request.with("ids", ids.join(","));
        let wanted = ids.len();
        let check = |answer: &Answer| {
            let text = utf8(&answer.body)?;
            let entries = batch_entries(text, plural)?;
            if entries.len() == wanted {
                Ok(answer.body.clone())
            } else {
                Err(Unusable::new(format!("{} things came for {wanted} ids", entries.len())))
            }
        };
        let body = self.api.get_checked(&frame.bearer, &request, check).await?;
        self.app
            .learn(AppClass::Extended, &format!("a batch read of {plural} was answered"))
            .map_err(ApiError::from)?;
        let (asked, run) = (frame.asked(self.now()), self.run);
        let wanted = ids.to_vec();
        let calls = self.calls();
        let came: Vec<Result<String, String>> = self
            .store
            .write(move |s| {
                // Both were checked when the answer came.
                let Ok(text) = std::str::from_utf8(&body) else { return Ok(Vec::new()) };
                let Ok(entries) = batch_entries(text, plural) else { return Ok(Vec::new()) };
                let mut came = Vec::with_capacity(entries.len());
                for (id, entry) in wanted.iter().zip(entries) {
                    came.push(match entry.map(|raw| write_thing(s, things, id, raw.get(), &asked, run)) {
                        None => Err("Spotify answers null for it".to_owned()),
                        Some(Ok(id)) => Ok(id),
                        Some(Err(Trouble::Malformed(detail))) => Err(detail),
                        Some(Err(Trouble::Store(e))) => return Err(e),
                    });
                }
                let items = came.iter().filter(|came| came.is_ok()).count();
                s.count_in_run(run, calls, i64::try_from(items).unwrap_or(i64::MAX))?;
                Ok(came)
            })
            .await?;
        let mut end = UnitEnd::default();
        for (id, came) in ids.iter().zip(came) {
            end.add(match came {
                Ok(other) => {
                    self.answers_again(frame, id).await?;
                    answered.insert(id.clone(), other);
                    UnitEnd::whole(Vec::new(), one())
                }
                Err(message) => {
                    let e = ApiError::NotFound { family: things.family, message };
                    self.gap(frame, id, Vec::new(), &e).await?
                }
            });
            self.progress.unit_done(&frame.fetch);
        }
        Ok(end)
    }

    async fn thing(
        &self,
        frame: &FetchFrame,
        things: Things,
        id: &str,
        answered: &mut HashMap<String, String>,
    ) -> Result<UnitEnd, Halt> {
        let mut request =
            Request::new(things.family, format!("/{}/{}", things.plural(), spotify_client::path_segment(id)));
        request.query = frame.query();
        // A list that comes inside is needed whatever it is.
        let tag =
            TagOf { table: ingest::table_of(things.kind), audience: frame.audience.clone(), request: named(&request) };
        if !self.full && !things.anew {
            let (tag, id) = (tag.clone(), id.to_owned());
            request.etag = self.store.write(move |s| s.etag(tag.table, &id, &tag.audience, &tag.request)).await?;
        }
        let check = |answer: &Answer| {
            if answer.status == 304 {
                return Ok(None);
            }
            let text = utf8(&answer.body)?;
            let raw: &RawValue =
                serde_json::from_str(text).map_err(|e| Unusable::new(format!("the answer is not JSON: {e}")))?;
            if raw.get().starts_with('{') {
                Ok(Some((answer.body.clone(), answer.etag.clone())))
            } else {
                Err(Unusable::new("the answer is not an object"))
            }
        };
        let answer = self.api.get_checked(&frame.bearer, &request, check).await;
        self.progress.unit_done(&frame.fetch);
        let (body, etag) = match answer {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                let (id, kind, now) = (id.to_owned(), things.kind, stamp(self.now()));
                self.store.write(move |s| s.is_what_it_was(tag.table, kind.word(), &id, &now)).await?;
                return Ok(UnitEnd::whole(Vec::new(), Tally { stored: 1, ..Tally::default() }));
            }
            Err(e) if is_about_the_list(&e) => return self.gap(frame, id, Vec::new(), &e).await,
            Err(e) => return Err(e.into()),
        };
        let (asked, run, calls) = (frame.asked(self.now()), self.run, self.calls());
        let (gap, wanted) = (frame.gap(id), id.to_owned());
        let came = self
            .store
            .write(move |s| {
                let text = std::str::from_utf8(&body).unwrap_or_default();
                match write_thing(s, things, &wanted, text, &asked, run) {
                    Ok(id) => {
                        // What answers under another id would be asked for under this one.
                        let etag = etag.filter(|_| id == wanted);
                        s.keep_etag(&tag.audience, &tag.request, etag.as_deref())?;
                        s.count_in_run(run, calls, 1)?;
                        s.close_gap(&gap).map(|()| Ok(id))
                    }
                    Err(Trouble::Malformed(detail)) => Ok(Err(detail)),
                    Err(Trouble::Store(e)) => Err(e),
                }
            })
            .await?;
        match came {
            Ok(other) => {
                answered.insert(id.to_owned(), other);
                Ok(UnitEnd::whole(Vec::new(), one()))
            }
            Err(what) => {
                let e = ApiError::Unusable { family: things.family, what, attempts: 1 };
                self.gap(frame, id, Vec::new(), &e).await
            }
        }
    }
}

/// Writes a thing and returns the id that it bears; of an album also the tracks that the answer holds, as
/// the list they are: whole where they are all there, else as the beginning of a read if one is asked for.
fn write_thing(
    s: &mut Session,
    things: Things,
    wanted: &str,
    raw: &str,
    asked: &Asked,
    run: i64,
) -> Result<String, Trouble> {
    let id = ingest::entity(s, things.kind, raw, asked)?;
    if things.kind == Kind::Track && id != wanted {
        // Apps in Development Mode are not told where a track comes from.
        let fact = MarketFact { linked_from: Some(wanted), ..MarketFact::default() };
        s.set_market(MarketTable::Tracks, &id, &asked.market, fact, &asked.now)?;
    }
    if things.kind != Kind::Album {
        return Ok(id);
    }
    let answer = Answer { status: 200, body: Bytes::copy_from_slice(raw.as_bytes()), etag: None };
    let Ok(Some(page)) = RawPage::read(&answer, Wrapping::Key("tracks")) else { return Ok(id) };
    let whole = page.total.is_none_or(|total| page.served() >= total);
    if !whole && !things.begin_tracks {
        return Ok(id);
    }
    let key = album_tracks_key(&id, asked);
    let list = s.list(&key)?.id;
    s.forget_checkpoint(list)?;
    let staged = ingest::stage_entries(s, list, Shape::AlbumTracks, &id, 0, &page.entries(), asked)?;
    let skipped = i64::try_from(staged.gaps.len()).unwrap_or(i64::MAX);
    if whole {
        let proof = Proof { announced: page.total, served: page.served(), skipped, ..Proof::default() };
        s.swap(list, &key, &proof, run, &asked.now)?;
    } else {
        let at = Checkpoint { next_offset: page.served(), announced: page.total, skipped, ..Checkpoint::default() };
        s.save_checkpoint(list, run, &at, &asked.now)?;
    }
    Ok(id)
}

/// The list of an album's tracks.
pub(super) fn album_tracks_key(album: &str, asked: &Asked) -> ListKey {
    ListKey {
        kind: "album_tracks",
        parent_id: album.to_owned(),
        audience: asked.user_id.clone().unwrap_or_else(|| "app".into()),
        market: asked.market.clone(),
        variant: String::new(),
    }
}

fn batch_entries<'a>(text: &'a str, key: &str) -> Result<Vec<Option<&'a RawValue>>, Unusable> {
    let unusable = |e: serde_json::Error| Unusable::new(format!("the answer is not what Spotify documents: {e}"));
    let mut keys: HashMap<&str, &RawValue> = serde_json::from_str(text).map_err(unusable)?;
    let inside = keys.remove(key).ok_or_else(|| Unusable::new(format!("the answer has no {key}")))?;
    serde_json::from_str(inside.get()).map_err(unusable)
}

/// Where the entity tag of a thing is kept.
#[derive(Clone)]
struct TagOf {
    table: &'static Table,
    audience: String,
    request: String,
}

/// Path and query of a request.
fn named(request: &Request) -> String {
    let query: Vec<String> = request.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if query.is_empty() { request.path.clone() } else { format!("{}?{}", request.path, query.join("&")) }
}

fn one() -> Tally {
    Tally { served: 1, stored: 1, ..Tally::default() }
}
