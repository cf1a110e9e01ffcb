//! What is a user's own: profile, playlists, library, followed artists, tops and plays.

use super::engine::{Engine, FetchFrame, Tally};
use super::halt::Halt;
use super::list::{List, ListEnd, Opening};
use super::look::is_about_the_list;
use super::unit::UnitEnd;
use crate::ingest::{self, Shape, Trouble};
use crate::job::{Fetch, TimeRange};
use crate::store::{ListKey, Proof, Requested};
use crate::stream::{Paging, Stream};
use spotify_client::Kind;
use spotify_client::client::{Answer, Request, Unusable};
use spotify_client::error::ApiError;
use spotify_client::family::Family;
use spotify_client::page::{RawPage, Wrapping, utf8};

impl Engine {
    /// One fetch of a stream of a user's.
    pub(super) async fn of_a_user(&self, fetch: &Fetch, frame: &FetchFrame) -> Result<UnitEnd, Halt> {
        let stream = frame.stream;
        match stream.name {
            "me" => self.profile(frame).await,
            "my_playlist_items" => self.my_playlist_items(frame).await,
            "recently_played" => self.plays(frame).await,
            _ => {
                let mut end = UnitEnd::default();
                for list in lists_of_a_user(fetch, frame) {
                    end.add(self.whole_list(frame, &list).await?);
                }
                Ok(end)
            }
        }
    }

    /// Reads a list of the user's whole and puts it in place.
    pub(super) async fn whole_list(&self, frame: &FetchFrame, list: &List) -> Result<UnitEnd, Halt> {
        let _reading = self.lock_list(&list.key).await?;
        let known = self.open_list(&list.key).await?;
        let requested = vec![row(frame, known.id)];
        if self.is_of_this_run(known.checked_at.as_ref()) {
            let tally = Tally { unchanged: 1, stored: known.stored.unwrap_or(0), ..Tally::default() };
            return Ok(UnitEnd::whole(requested, tally));
        }
        match self.read_list(frame, list, &known, Opening::default()).await? {
            ListEnd::Whole(tally) => {
                self.answers_again(frame, frame.stream.name).await?;
                Ok(UnitEnd::whole(requested, tally))
            }
            ListEnd::Awaits(_) => Ok(UnitEnd { requested, ..UnitEnd::default() }),
            ListEnd::Refused(e) => self.gap(frame, frame.stream.name, requested, &e).await,
            ListEnd::Unproved { reason, detail } => self.unproved(frame, "", &known, requested, (reason, detail)).await,
        }
    }

    async fn profile(&self, frame: &FetchFrame) -> Result<UnitEnd, Halt> {
        let requested = vec![Requested { user_id: Some(frame.audience.clone()), list_id: None, item_id: None }];
        let (id, when) = (frame.audience.clone(), self.fresh_in(chrono::TimeDelta::zero()));
        let known = self.store.write(move |s| s.fresh(ingest::table_of(Kind::User), &[id], &when)).await?;
        if known == [true] {
            return Ok(UnitEnd::whole(requested, Tally { unchanged: 1, stored: 1, ..Tally::default() }));
        }
        let check = |answer: &Answer| utf8(&answer.body).map(|_| answer.body.clone());
        let body = match self.api.get_checked(&frame.bearer, &Request::new(Family::ME, "/me"), check).await {
            Ok(body) => body,
            Err(e) if is_about_the_list(&e) => return self.gap(frame, frame.stream.name, requested, &e).await,
            Err(e) => return Err(e.into()),
        };
        let asked = frame.asked(self.now());
        let written = self.store.write(move |s| {
            match ingest::entity(s, Kind::User, std::str::from_utf8(&body).unwrap_or_default(), &asked) {
                Ok(_) => Ok(None),
                Err(Trouble::Malformed(detail)) => Ok(Some(detail)),
                Err(Trouble::Store(e)) => Err(e),
            }
        });
        match written.await? {
            None => {
                self.answers_again(frame, frame.stream.name).await?;
                Ok(UnitEnd::whole(requested, Tally { served: 1, stored: 1, ..Tally::default() }))
            }
            Some(what) => {
                let e = ApiError::Unusable { family: Family::ME, what, attempts: 1 };
                self.gap(frame, frame.stream.name, requested, &e).await
            }
        }
    }

    /// The latest plays. Spotify has about 50 and no more, so where none of them was known before,
    /// some in between may be lost.
    async fn plays(&self, frame: &FetchFrame) -> Result<UnitEnd, Halt> {
        let list = list_of(frame.stream, frame, Shape::Saved(Kind::Track), Wrapping::Bare);
        let _reading = self.lock_list(&list.key).await?;
        let known = self.open_list(&list.key).await?;
        let requested = vec![row(frame, known.id)];
        if self.is_of_this_run(known.checked_at.as_ref()) {
            return Ok(UnitEnd::whole(requested, Tally { unchanged: 1, ..Tally::default() }));
        }
        let request = Request::new(list.family, list.path.clone()).with("limit", "50");
        let check = |answer: &Answer| {
            RawPage::read(answer, Wrapping::Bare)?.ok_or_else(|| Unusable::new("the answer holds no page"))
        };
        let page = match self.api.get_checked(&frame.bearer, &request, check).await {
            Ok(page) => page,
            Err(e) if is_about_the_list(&e) => return self.gap(frame, frame.stream.name, requested, &e).await,
            Err(e) => return Err(e.into()),
        };
        let (asked, key, run, id) = (frame.asked(self.now()), list.key.clone(), self.run, known.id);
        let served = page.served();
        let (stored, skipped) = self
            .store
            .write(move |s| {
                s.forget_checkpoint(id)?;
                let staged = ingest::stage_entries(s, id, Shape::Saved(Kind::Track), "", 0, &page.entries(), &asked)?;
                let skipped = i64::try_from(staged.gaps.len()).unwrap_or(i64::MAX);
                let proof = Proof { served, skipped, ..Proof::default() };
                Ok((s.swap(id, &key, &proof, run, &asked.now)?.stored, skipped))
            })
            .await?;
        let mut end = UnitEnd::whole(requested, Tally { served, stored, skipped, ..Tally::default() });
        // `stored` counts plays that are new: as many as were served means that none was known.
        if known.whole_at.is_some() && served > 0 && stored >= served - skipped {
            end.warnings.push(format!(
                "all {served} plays are new, so plays before them may be missing: Spotify keeps about 50; run the job \
                 at least every 25 minutes (schedule = \"*/25 * * * *\")"
            ));
        }
        Ok(end)
    }
}

fn row(frame: &FetchFrame, list: i64) -> Requested {
    Requested { user_id: Some(frame.audience.clone()), list_id: Some(list), item_id: None }
}

/// The lists that a fetch of a user's own reads one by one.
pub(super) fn lists_of_a_user(fetch: &Fetch, frame: &FetchFrame) -> Vec<List> {
    let stream = frame.stream;
    let shape = match stream.name {
        "top_artists" => Shape::Artists,
        "top_tracks" => Shape::Tracks,
        _ => return vec![library(stream, frame)],
    };
    let ranges = if fetch.time_range.is_empty() { &[TimeRange::MediumTerm][..] } else { &fetch.time_range };
    let list = |range: &TimeRange| {
        let mut list = list_of(stream, frame, shape, Wrapping::Bare);
        range.word().clone_into(&mut list.key.variant);
        list.query.push(("time_range", range.word().to_owned()));
        list
    };
    ranges.iter().map(list).collect()
}

fn library(stream: &'static Stream, frame: &FetchFrame) -> List {
    let (shape, wrapping) = match stream.name {
        "my_playlists" => (Shape::Playlists, Wrapping::Bare),
        "followed_artists" => (Shape::Artists, Wrapping::Key("artists")),
        "saved_albums" => (Shape::Saved(Kind::Album), Wrapping::Bare),
        "saved_shows" => (Shape::Saved(Kind::Show), Wrapping::Bare),
        "saved_episodes" => (Shape::Saved(Kind::Episode), Wrapping::Bare),
        "saved_audiobooks" => (Shape::Saved(Kind::Audiobook), Wrapping::Bare),
        _ => (Shape::Saved(Kind::Track), Wrapping::Bare),
    };
    let mut list = list_of(stream, frame, shape, wrapping);
    if stream.name == "followed_artists" {
        list.query.push(("type", "artist".into()));
    }
    list
}

pub(super) fn list_of(stream: &Stream, frame: &FetchFrame, shape: Shape, wrapping: Wrapping) -> List {
    List {
        key: ListKey {
            kind: stream.name,
            parent_id: String::new(),
            audience: frame.audience.clone(),
            market: frame.market_of(stream),
            variant: String::new(),
        },
        family: Family::named(stream.family).unwrap_or(Family::ME),
        path: stream.endpoint.to_owned(),
        query: if stream.takes_market() { frame.query() } else { Vec::new() },
        shape,
        wrapping,
        paging: if stream.name == "recently_played" { Paging::Cursor { limit: 50 } } else { stream.paging },
        order: stream.order,
        most: None,
        version: None,
        proved_later: false,
        parent: None,
    }
}
