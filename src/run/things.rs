//! Things by id: only those that are not fresh, many in one call where the app has batch reads.

use std::collections::HashMap;

use bytes::Bytes;
use chrono::TimeDelta;
use serde_json::value::RawValue;

use super::engine::{Engine, FetchFrame, Tally, stamp};
use super::halt::Halt;
use super::list::is_about_the_list;
use super::unit::UnitEnd;
use crate::ingest::{self, Asked, Shape, Trouble};
use crate::spotify::Kind;
use crate::spotify::client::{Answer, Request, Unusable};
use crate::spotify::error::ApiError;
use crate::spotify::family::Family;
use crate::spotify::page::{RawPage, Wrapping, utf8};
use crate::spotify::refusal::Refusal;
use crate::state::AppClass;
use crate::store::{Checkpoint, ListKey, Proof, Requested, Session};

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
    /// `/albums`, which is also the key of a batch answer.
    fn plural(self) -> String {
        format!("{}s", self.kind)
    }
}

impl Engine {
    /// Reads the things of these ids that are not fresh.
    pub(super) async fn things(&self, frame: &FetchFrame, things: Things, ids: &[String]) -> Result<UnitEnd, Halt> {
        let mut end = UnitEnd::default();
        let asked_for = |id: &String| Requested { user_id: None, list_id: None, item_id: Some(id.clone()) };
        end.requested = ids.iter().map(asked_for).collect();
        let since = stamp(self.fresh_since(things.refresh_after));
        let (all, table) = (ids.to_vec(), ingest::table_of(things.kind));
        let fresh = match things.anew {
            true => vec![false; ids.len()],
            false => self.store.write(move |s| s.fresh(table, &all, &since)).await?,
        };
        let known_gaps = self.known_gaps(frame, ids).await?;
        let mut wanted = Vec::new();
        for ((id, fresh), gap) in ids.iter().zip(fresh).zip(known_gaps) {
            match (fresh, gap) {
                (true, _) => end.tally.add(Tally { unchanged: 1, stored: 1, ..Tally::default() }),
                (false, true) => end.tally.add(Tally { unchanged: 1, skipped: 1, ..Tally::default() }),
                (false, false) => wanted.push(id.clone()),
            }
            if fresh || gap {
                self.progress.unit_done(&frame.fetch);
            }
        }
        let mut rest = wanted.as_slice();
        while !rest.is_empty() {
            let many = self.batch_size(things, rest.len())?;
            let (now, later) = rest.split_at(many.min(rest.len()));
            if many > 1 {
                match self.batch(frame, things, now).await {
                    Ok(batch) => end.add(batch),
                    Err(Halt::Api(ApiError::Refused {
                        kind: Refusal::EndpointRemoved | Refusal::Unknown,
                        message,
                        ..
                    })) => {
                        let evidence = format!("a batch read of {} was refused: {message}", things.plural());
                        self.app.learn(AppClass::Development, &evidence).map_err(ApiError::from)?;
                        self.app.no_batch(things.family, &evidence).map_err(ApiError::from)?;
                        continue;
                    }
                    Err(e) => return Err(e),
                }
            } else {
                for id in now {
                    end.add(self.thing(frame, things, id).await?);
                }
            }
            rest = later;
        }
        Ok(end)
    }

    /// How many ids the next call may carry. A first batch in an app of unknown class finds out.
    fn batch_size(&self, things: Things, left: usize) -> Result<usize, Halt> {
        let class = self.app.class().map_err(ApiError::from)?;
        if left < 2
            || class == Some(AppClass::Development)
            || !self.app.may_batch(things.family).map_err(ApiError::from)?
        {
            return Ok(1);
        }
        Ok(usize::from(things.batch))
    }

    async fn batch(&self, frame: &FetchFrame, things: Things, ids: &[String]) -> Result<UnitEnd, Halt> {
        let plural = things.plural();
        let mut request = Request::new(things.family, format!("/{plural}"));
        request.query = frame.query();
        request = request.with("ids", ids.join(","));
        let wanted = ids.len();
        let check = |answer: &Answer| {
            let text = utf8(&answer.body)?;
            let entries = batch_entries(text, &plural)?;
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
        let (asked, run, key) = (frame.asked(self.now()), self.run, plural.clone());
        let came: Vec<Option<String>> = self
            .store
            .write(move |s| {
                // Both were checked when the answer came.
                let Ok(text) = std::str::from_utf8(&body) else { return Ok(Vec::new()) };
                let Ok(entries) = batch_entries(text, &key) else { return Ok(Vec::new()) };
                let mut came = Vec::with_capacity(entries.len());
                for entry in entries {
                    came.push(match entry.map(|raw| write_thing(s, things, raw.get(), &asked, run)) {
                        None => Some("Spotify answers null for it".to_owned()),
                        Some(Ok(_)) => None,
                        Some(Err(Trouble::Malformed(detail))) => Some(detail),
                        Some(Err(Trouble::Store(e))) => return Err(e),
                    });
                }
                Ok(came)
            })
            .await?;
        let mut end = UnitEnd::default();
        for (id, trouble) in ids.iter().zip(came) {
            end.add(match trouble {
                None => {
                    self.answers_again(frame, id).await?;
                    UnitEnd::whole(Vec::new(), one())
                }
                Some(message) => {
                    let e = ApiError::NotFound { family: things.family, message };
                    self.gap(frame, id, Vec::new(), &e).await?
                }
            });
            self.progress.unit_done(&frame.fetch);
        }
        Ok(end)
    }

    async fn thing(&self, frame: &FetchFrame, things: Things, id: &str) -> Result<UnitEnd, Halt> {
        let mut request =
            Request::new(things.family, format!("/{}/{}", things.plural(), crate::spotify::path_segment(id)));
        request.query = frame.query();
        let check = |answer: &Answer| {
            let text = utf8(&answer.body)?;
            let raw: &RawValue =
                serde_json::from_str(text).map_err(|e| Unusable::new(format!("the answer is not JSON: {e}")))?;
            if raw.get().starts_with('{') {
                Ok(answer.body.clone())
            } else {
                Err(Unusable::new("the answer is not an object"))
            }
        };
        let answer = self.api.get_checked(&frame.bearer, &request, check).await;
        self.progress.unit_done(&frame.fetch);
        let body = match answer {
            Ok(body) => body,
            Err(e) if is_about_the_list(&e) => return self.gap(frame, id, Vec::new(), &e).await,
            Err(e) => return Err(e.into()),
        };
        let (asked, run) = (frame.asked(self.now()), self.run);
        let (stream, audience, gap) = (frame.stream.name, frame.audience.clone(), id.to_owned());
        let trouble = self
            .store
            .write(move |s| {
                let text = std::str::from_utf8(&body).unwrap_or_default();
                match write_thing(s, things, text, &asked, run) {
                    Ok(()) => s.close_gap(stream, &gap, &audience).map(|()| None),
                    Err(Trouble::Malformed(detail)) => Ok(Some(detail)),
                    Err(Trouble::Store(e)) => Err(e),
                }
            })
            .await?;
        match trouble {
            None => Ok(UnitEnd::whole(Vec::new(), one())),
            Some(what) => {
                let e = ApiError::Unusable { family: things.family, what, attempts: 1 };
                self.gap(frame, id, Vec::new(), &e).await
            }
        }
    }
}

/// Writes a thing; of an album also the tracks that the answer holds, as the list they are: whole
/// where they are all there, else as the beginning of a read if `begin` asks for one.
fn write_thing(s: &mut Session, things: Things, raw: &str, asked: &Asked, run: i64) -> Result<(), Trouble> {
    let id = ingest::entity(s, things.kind, raw, asked)?;
    if things.kind != Kind::Album {
        return Ok(());
    }
    let answer = Answer { status: 200, body: Bytes::copy_from_slice(raw.as_bytes()), etag: None };
    let Ok(Some(page)) = RawPage::read(&answer, Wrapping::Key("tracks")) else { return Ok(()) };
    let whole = page.total.is_none_or(|total| page.served() >= total);
    if !whole && !things.begin_tracks {
        return Ok(());
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
    Ok(())
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

fn one() -> Tally {
    Tally { served: 1, stored: 1, ..Tally::default() }
}
