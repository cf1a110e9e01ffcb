//! A search: one answer holds a page for each type; codes (ISRC, UPC) are searches too.

use super::class::SmallerPage;
use super::engine::{Engine, FetchFrame, Tally};
use super::halt::Halt;
use super::land::Notes;
use super::look::is_about_the_list;
use super::unit::UnitEnd;
use crate::ingest::{self, Asked, Trouble, Window, stage_search, unstage_search};
use crate::store::{Checkpoint, ListKey, ListRow, Proof, Requested, Session, Skip, Span, StoreError};
use crate::stream::Paging;
use spotify_client::Kind;
use spotify_client::client::{Answer, Request};
use spotify_client::error::ApiError;
use spotify_client::family::Family;
use spotify_client::page::{RawPage, Wrapping};

/// Pages of a search: 10 hits in Development Mode, 50 with Extended Quota.
pub(super) const PAGING: Paging = Paging::Offset { development: 10, extended: 50 };

/// Spotify serves no hit beyond this offset.
pub(super) const DEEPEST: i64 = 1_000;

/// What is searched.
#[derive(Debug, Clone)]
pub(super) struct Search {
    pub query: String,
    pub kinds: Vec<Kind>,
    pub most: i64,
}

/// An answer of a search that is to be committed.
struct Hits {
    list: i64,
    key: ListKey,
    kinds: Vec<Kind>,
    /// How far the search had come.
    at: Checkpoint,
    window: Window,
    /// An odd answer came from this place before.
    again: bool,
    /// Hits that were due at an earlier place did not come.
    lacked: bool,
    notes: Notes,
    asked: Asked,
    run: i64,
    calls: i64,
}

/// What one answer of a search was.
enum Came {
    /// Hits, which are committed.
    Hits {
        served: i64,
        lacks: bool,
        next: Checkpoint,
        /// Rows that stand, where it was the last answer.
        stored: Option<i64>,
    },
    /// It lacks hits, or repeats the answer before: no hit is committed, and it is asked for once more.
    Odd,
    /// It was so twice, and nothing can be made of it.
    Unproved {
        reason: &'static str,
        detail: String,
    },
    Malformed(String),
}

/// A code that Spotify finds nothing for.
pub(super) struct Meaningless {
    /// What came of asking.
    pub end: UnitEnd,
    /// The id that it meant at some time before.
    pub before: Option<String>,
}

impl Search {
    /// The list of what it finds.
    pub(super) fn key(&self, frame: &FetchFrame) -> ListKey {
        ListKey {
            kind: "search",
            parent_id: self.query.clone(),
            audience: frame.audience.clone(),
            market: frame.market.clone(),
            variant: format!("{} {}", types(&self.kinds), self.most),
        }
    }
}

impl Hits {
    /// Commits the hits and how far the search has come with them.
    fn commit(self, s: &mut Session, body: &[u8]) -> Result<Came, StoreError> {
        let Hits { list, key, kinds, at, window, again, lacked, notes, asked, run, calls } = self;
        let text = std::str::from_utf8(body).unwrap_or_default();
        let found = match stage_search(s, list, text, &kinds, window, &asked) {
            Ok(found) => found,
            Err(Trouble::Store(e)) => return Err(e),
            Err(Trouble::Malformed(detail)) => return Ok(Came::Malformed(detail)),
        };
        let none = window.offset == 0 && found.served == 0 && found.lacks > 0;
        if found.repeats || none || (found.lacks > 0 && !again) {
            unstage_search(s, list, &kinds, window)?;
            let detail = match none {
                true => format!("none of the {} hits came that Spotify announces", found.announced),
                false => format!("the answer at {} repeats the hits before it", window.offset),
            };
            let reason = if none { "short_page" } else { "repeated_page" };
            return Ok(if again { Came::Unproved { reason, detail } } else { Came::Odd });
        }
        // An answer that says that it is the last takes with it what is announced beyond.
        let lacks = found.lacks + if found.more { 0 } else { found.beyond };
        if lacks > 0 {
            let detail = Some(format!("{lacks} of the hits that were due did not come"));
            notes.note(s, window.offset, Skip { reason: "short_page", detail, ..Skip::default() })?;
        }
        for (position, reason, detail) in &found.staged.gaps {
            notes.note(s, *position, Skip { reason, detail: detail.clone(), ..Skip::default() })?;
        }
        let gaps = i64::try_from(found.staged.gaps.len()).unwrap_or(0);
        let next = Checkpoint {
            next_offset: window.offset + window.limit,
            announced: at.announced.or(Some(found.announced)),
            skipped: at.skipped + gaps,
            ..at
        };
        // Hits come in pages, and the last of them comes with the whole.
        let stored = if !found.more || next.next_offset >= window.most {
            let served = s.staged_count(list)? + next.skipped;
            let (announced, skipped, beginning) = (next.announced, next.skipped, lacks == 0 && !lacked);
            let proof = Proof { announced, served, skipped, beginning, ..Proof::default() };
            Some(s.swap(list, &key, &proof, run, &asked.now)?.stored)
        } else {
            s.save_checkpoint(list, run, &next, &asked.now)?;
            None
        };
        s.count_in_run(run, calls, found.served)?;
        Ok(Came::Hits { served: found.served, lacks: lacks > 0, next, stored })
    }
}

impl Engine {
    /// Searches once and appends what was found to the log.
    pub(super) async fn search(&self, frame: &FetchFrame, search: &Search) -> Result<UnitEnd, Halt> {
        let key = search.key(frame);
        let _reading = self.lock_list(&key).await?;
        let known = self.open_list(&key).await?;
        let requested = vec![Requested { user_id: None, list_id: Some(known.id), item_id: None }];
        if self.is_of_this_run(known.checked_at.as_ref()) {
            let tally = Tally { unchanged: 1, stored: known.stored.unwrap_or(0), ..Tally::default() };
            return Ok(UnitEnd::whole(requested, tally));
        }
        let mut at = self.began(&known).await?;
        let (mut tally, began_with) = (Tally::default(), at.skipped);
        // The place whose answer is asked for once more, since the first one was odd.
        let (mut doubted, mut lacked) = (None, false);
        loop {
            let room = search.most.min(DEEPEST) - at.next_offset;
            let (body, limit) = match self.search_page(frame, &search.query, &search.kinds, at.next_offset, room).await
            {
                Ok(page) => page,
                Err(Halt::Api(e)) if is_about_the_list(&e) => {
                    return self.gap(frame, &search.query, requested, &e).await;
                }
                Err(e) => return Err(e),
            };
            let asked = frame.asked(self.now());
            let landing = Hits {
                list: known.id,
                key: key.clone(),
                kinds: search.kinds.clone(),
                at: at.clone(),
                window: Window { offset: at.next_offset, limit: i64::from(limit), most: search.most.min(DEEPEST) },
                again: doubted == Some(at.next_offset),
                lacked,
                notes: self.notes(frame, &key, &asked),
                asked,
                run: self.run,
                calls: self.calls(),
            };
            match self.store.write(move |s| landing.commit(s, &body)).await? {
                Came::Hits { served, lacks, next, stored } => {
                    at = next;
                    tally.served += served;
                    tally.skipped += i64::from(lacks);
                    lacked |= lacks;
                    tally.announced = at.announced;
                    self.progress.items(&frame.fetch, served);
                    if let Some(stored) = stored {
                        tally.stored = stored;
                        tally.skipped += at.skipped - began_with;
                        return Ok(UnitEnd::whole(requested, tally));
                    }
                }
                Came::Odd => doubted = Some(at.next_offset),
                Came::Unproved { reason, detail } => {
                    self.give_up(known.id, &at, None, reason).await?;
                    frame.course.served_in_vain(tally.served);
                    return self.unproved(frame, &search.query, &known, requested, (reason, detail)).await;
                }
                Came::Malformed(what) => {
                    let e = ApiError::Unusable { family: Family::SEARCH, what, attempts: 1 };
                    return self.gap(frame, &search.query, requested, &e).await;
                }
            }
        }
    }

    /// Where a search goes on; hits of an earlier run are of another day, and it begins anew.
    async fn began(&self, known: &ListRow) -> Result<Checkpoint, Halt> {
        match known.checkpoint.clone() {
            Some(at) if self.is_of_this_run(known.begun_at.as_ref()) => Ok(at),
            _ => {
                self.forget(known.id).await?;
                Ok(Checkpoint::default())
            }
        }
    }

    async fn search_page(
        &self,
        frame: &FetchFrame,
        query: &str,
        kinds: &[Kind],
        offset: i64,
        room: i64,
    ) -> Result<(bytes::Bytes, u16), Halt> {
        let types = types(kinds);
        let mut smaller: Option<SmallerPage> = None;
        loop {
            let largest = match &smaller {
                Some(page) => page.size,
                None => self.app.page_size(Family::SEARCH, "/search", PAGING).map_err(ApiError::from)?,
            };
            let limit = u16::try_from(room.clamp(1, i64::from(largest))).unwrap_or(largest);
            let mut request = Request::new(Family::SEARCH, "/search").with("q", query).with("type", types.as_str());
            request.query.extend(frame.query());
            let request = request.with("limit", limit.to_string()).with("offset", offset.to_string());
            let check = |answer: &Answer| {
                // A type without its page is an answer with rows missing.
                for kind in kinds {
                    RawPage::read(answer, Wrapping::Key(kind.plural()))?;
                }
                Ok(answer.body.clone())
            };
            match self.api.get_checked(&frame.bearer, &request, check).await {
                Ok(body) => {
                    if let Some(page) = &smaller {
                        self.app.only_smaller(&frame.bearer, (Family::SEARCH, "/search"), page).await?;
                    }
                    return Ok((body, limit));
                }
                Err(ApiError::BadRequest { message, .. })
                    if let Some(page) = SmallerPage::instead(PAGING, &request, limit, &message) =>
                {
                    smaller = Some(page);
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// The id that an ISRC or UPC was found to mean, where that is fresh.
    pub(super) async fn known_meaning(&self, kind: Kind, code: &str) -> Result<Option<String>, Halt> {
        let when = self.fresh_in(chrono::TimeDelta::days(30));
        let (table, text) = (ingest::table_of(kind), code.to_owned());
        Ok(self.store.write(move |s| s.code_meaning(table, field_of(kind), &text, &when)).await?)
    }

    /// The id that an ISRC or UPC means: from the store where it is fresh, else by one search.
    pub(super) async fn meaning(
        &self,
        frame: &FetchFrame,
        kind: Kind,
        code: &str,
    ) -> Result<Result<String, Meaningless>, Halt> {
        let field = field_of(kind);
        if let Some(id) = self.known_meaning(kind, code).await? {
            return Ok(Ok(id));
        }
        let (table, text) = (ingest::table_of(kind), code.to_owned());
        let before = self.store.write(move |s| s.code_meaning(table, field, &text, &Span::ever())).await?;
        let meaningless = |end| Ok(Err(Meaningless { end, before }));
        let written = format!("{field}:{code}");
        if let Some(gap) = self.known_gaps(frame, std::slice::from_ref(&written)).await?.pop().flatten() {
            return meaningless(UnitEnd::known_gap(Vec::new(), gap));
        }
        let body = match self.search_page(frame, &written, &[kind], 0, 1).await {
            Ok((body, _)) => body,
            Err(Halt::Api(e)) if is_about_the_list(&e) => {
                return meaningless(self.gap(frame, &written, Vec::new(), &e).await?);
            }
            Err(e) => return Err(e),
        };
        let asked = frame.asked(self.now());
        let id = self.store.write(move |s| {
            let text = std::str::from_utf8(&body).unwrap_or_default();
            match ingest::first_hit(s, text, kind, &asked) {
                Ok(id) => Ok(id),
                Err(Trouble::Malformed(_)) => Ok(None),
                Err(Trouble::Store(e)) => Err(e),
            }
        });
        match id.await? {
            Some(id) => {
                self.answers_again(frame, &written).await?;
                Ok(Ok(id))
            }
            None => {
                let message = format!("Spotify finds no {kind} with {written}");
                let e = ApiError::NotFound { family: Family::SEARCH, message };
                meaningless(self.gap(frame, &written, Vec::new(), &e).await?)
            }
        }
    }
}

/// The types of a search, as the call names them.
fn types(kinds: &[Kind]) -> String {
    kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(",")
}

/// The field of a search, and the column, that hold the code of a kind.
fn field_of(kind: Kind) -> &'static str {
    if kind == Kind::Track { "isrc" } else { "upc" }
}
