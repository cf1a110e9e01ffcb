//! One pass over a list.
//!
//! The cursor follows what the server served, nulls counted. `next` only says whether there is
//! more; an empty page ends a list whatever `next` says; `total` is a hint until the end, when it is
//! a check.

use serde_json::Value;

use super::doubt::{Odd, Verdict};
use super::engine::{Engine, FetchFrame, Tally};
use super::halt::Halt;
use super::head::{Head, Known};
use super::land::{Landed, Landing};
use super::list::{List, Opening};
use super::look::{Look, Place, is_about_the_list};
use crate::store::{Checkpoint, ListRow, ProvedBy};
use crate::stream::Paging;
use spotify_client::error::ApiError;
use spotify_client::page::RawPage;

/// A list that serves this many items more than it announced does not end.
const BEYOND_TOTAL: i64 = 1_000;

/// A list that does not say how long it is has no more items than this: Spotify's longest, a
/// library, is far shorter.
const LONGEST: i64 = 1_000_000;

/// How a pass ended.
#[derive(Debug)]
pub(super) enum PassEnd {
    /// The list was read to its end and is in place.
    Whole(Tally),
    /// It was read from its head to what is known; the rest is presumed to stand.
    Presumed(Tally),
    /// The first answer is what it was.
    Unchanged(Tally),
    /// It was read to its end and has to be proved.
    Awaits,
    /// It is not the list any more that it was at the beginning.
    Moved,
    /// It does not end, or contradicts itself.
    Unproved { reason: &'static str, detail: String },
    /// Spotify refuses it.
    Refused(ApiError),
}

/// Either what was wanted, or how the pass ended by that.
pub(super) type OrEnd<T> = Result<Result<T, PassEnd>, Halt>;

/// One pass.
pub(super) struct Pass<'a> {
    pub(super) engine: &'a Engine,
    pub(super) frame: &'a FetchFrame,
    pub(super) list: &'a List,
    pub(super) row: &'a ListRow,
    head: Option<Head>,
    tag: Option<String>,
    /// Where an interrupted read goes on.
    resumed_at: i64,
    /// Answers that the list came in.
    pub(super) answers: i64,
    /// One item is read twice: it tells whether this is still the list that was interrupted.
    overlap: bool,
    /// The interrupted read that this pass goes on with, until that is told.
    interrupted: Option<Checkpoint>,
    /// A page that was looked at and found to stand as it is.
    in_hand: Option<RawPage>,
    /// The place whose page is asked for once more.
    pub(super) doubted: Option<i64>,
    /// The place whose page is odd and is so all the same.
    pub(super) vouched: Option<i64>,
    /// Where the page before ended that had fewer items than its size, and its last item.
    pub(super) edge: Option<(i64, Value)>,
    /// Hash of what an earlier pass read to its end, or this one.
    content: Option<String>,
    pub(super) total_moved: bool,
}

/// What a page means for the pass.
struct Step {
    reached: i64,
    last: bool,
    /// It ended before its total.
    short: bool,
    cursor: Option<String>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        frame: &'a FetchFrame,
        list: &'a List,
        row: &'a ListRow,
        known: Option<Known>,
        tag: Option<String>,
    ) -> Pass<'a> {
        Pass {
            engine,
            frame,
            list,
            row,
            head: known.map(Head::new),
            tag,
            resumed_at: 0,
            answers: 0,
            overlap: false,
            interrupted: None,
            in_hand: None,
            doubted: None,
            vouched: None,
            edge: None,
            content: None,
            total_moved: false,
        }
    }

    pub(super) fn by_cursor(&self) -> bool {
        matches!(self.list.paging, Paging::Cursor { .. })
    }

    pub(super) async fn run(mut self, at: &mut Checkpoint, opening: &mut Opening) -> Result<PassEnd, Halt> {
        if let Err(end) = self.go_on_from(at, opening).await? {
            return Ok(end);
        }
        if at.ended && at.snapshot_id.is_none() {
            return self.prove(at, opening).await;
        }
        if at.ended {
            // It waited for a proof since before an interruption, and is what it was.
            let stored = self.engine.swap(self.frame, self.list, self.row.id, at, ProvedBy::Snapshot).await?;
            return Ok(PassEnd::Whole(self.tally(at, stored)));
        }
        loop {
            let offset = at.next_offset - i64::from(self.overlap);
            let page = match self.page(at, opening, offset).await? {
                Ok(page) => page,
                Err(end) => return Ok(end),
            };
            if let Some(odd) = self.odd(at, &page, offset) {
                match self.doubt(offset, &page, odd.may_be).await? {
                    Verdict::Stands => {}
                    Verdict::Again => continue,
                    // It was the page before that was odd: cursors step over what it lacked.
                    Verdict::False
                        if at.restarts == 0
                            && (odd.reason == "short_page" || odd.reason == "cut_short" && self.by_cursor()) =>
                    {
                        return Ok(PassEnd::Moved);
                    }
                    Verdict::False => return Ok(odd.end()),
                }
            }
            if let Err(end) = self.same_total(at, opening, &page).await? {
                return Ok(end);
            }
            self.edge = self.short_end(&page, offset);
            let step = match self.step(at, &page, offset) {
                Ok(step) => step,
                Err(end) => return Ok(end),
            };
            if let Some(end) = self.take(at, page, offset, step).await? {
                opening.content = self.content.take();
                return Ok(end);
            }
            if at.ended {
                return self.prove(at, opening).await;
            }
        }
    }

    /// Takes up an interrupted read where it was.
    async fn go_on_from(&mut self, at: &Checkpoint, opening: &mut Opening) -> OrEnd<()> {
        let just_begun = std::mem::take(&mut opening.just_begun);
        let unproved = at.next_offset > 0 && at.snapshot_id.is_none() && !just_begun && !at.ended;
        self.content.clone_from(&opening.content);
        // What came with the answer about its parent was served now, too.
        self.resumed_at = if just_begun { 0 } else { at.next_offset };
        self.overlap = unproved && !self.by_cursor();
        self.interrupted = (at.next_offset > 0 && !just_begun && !at.ended).then(|| at.clone());
        if unproved && let Err(end) = self.same_head(at).await? {
            self.tell(false);
            return Ok(Err(end));
        }
        self.answers = i64::from(opening.page.is_some()) + i64::from(at.next_offset > 0);
        if let Some(head) = self.head.as_mut().filter(|_| at.next_offset > 0) {
            let (id, up_to) = (self.row.id, at.next_offset);
            head.take(self.engine.store.write(move |s| s.staged(id, 0, up_to)).await?, up_to);
        }
        Ok(Ok(()))
    }

    /// The page at a place: in hand, or asked for.
    async fn page(&mut self, at: &mut Checkpoint, opening: &mut Opening, offset: i64) -> OrEnd<RawPage> {
        if let Some(page) = self.in_hand.take().or_else(|| opening.page.take().filter(|_| offset == 0)) {
            return Ok(Ok(page));
        }
        self.answers += 1;
        let etag = self.tag.as_deref().filter(|_| offset == 0 && at.restarts == 0 && self.doubted.is_none());
        let place = Place { offset, cursor: at.cursor.as_deref(), etag };
        match self.engine.look(self.frame, self.list, place).await {
            Ok(Look::Page(page)) => {
                // The tag of a list with a version is that of what names the version, another address.
                if offset == 0 && self.list.version.is_none() {
                    at.etag = page.etag.clone().or_else(|| at.etag.take());
                }
                Ok(Ok(page))
            }
            Ok(Look::Unchanged) => {
                self.engine.confirm(self.row.id).await?;
                let presumed = i64::from(self.row.proof.as_deref() != Some("one_answer"));
                let stored = self.row.stored.unwrap_or(0);
                Ok(Err(PassEnd::Unchanged(Tally { unchanged: 1, presumed, stored, ..Tally::default() })))
            }
            Err(Halt::Api(e)) if is_about_the_list(&e) => Ok(Err(PassEnd::Refused(e))),
            Err(e) => Err(e),
        }
    }

    /// How far the list is read with a page, and whether that is all.
    fn step(&self, at: &Checkpoint, page: &RawPage, offset: i64) -> Result<Step, PassEnd> {
        let reached = offset + page.served();
        let announced = at.announced.or(page.total);
        let enough = self.list.most.is_some_and(|most| reached >= most);
        let cursor = if page.more { page.after.clone() } else { None };
        let whole = match self.list.paging {
            Paging::Whole => true,
            Paging::Cursor { .. } => page.served() == 0 || cursor.is_none(),
            _ => page.served() == 0 || (!page.more && announced.is_none_or(|total| reached >= total)),
        };
        let last = whole || enough;
        let bound = announced.unwrap_or(LONGEST);
        if !last && reached > bound + BEYOND_TOTAL {
            let detail = format!("{reached} items served of {bound} announced");
            return Err(PassEnd::Unproved { reason: "endless", detail });
        }
        // What was announced and not served may well stand there: it is not called removed.
        let short = page.served() == 0 && self.list.version.is_none() && announced.is_some_and(|total| reached < total);
        Ok(Step { reached, last, short: short && !Self::is_empty_end(page), cursor })
    }

    /// Commits a page; the end of the pass, where that is one. `at.ended` says that all is read and has
    /// to be proved.
    async fn take(
        &mut self,
        at: &mut Checkpoint,
        page: RawPage,
        offset: i64,
        step: Step,
    ) -> Result<Option<PassEnd>, Halt> {
        let by = if self.answers > 1 { ProvedBy::EndReached } else { ProvedBy::OneAnswer };
        let needs_proof = step.last && self.list.version.is_some() && self.answers > 1;
        let mut landing = at.clone();
        landing.next_offset = step.reached;
        landing.announced = at.announced.or(page.total);
        landing.cursor = step.cursor;
        landing.ended = needs_proof;
        let finish = (step.last && !needs_proof).then_some((by, step.short));
        let overlap = std::mem::take(&mut self.overlap);
        let (vouched, content) = (self.vouched == Some(offset), self.content.clone());
        let known = content.into_iter().chain(self.row.content_hash.clone()).collect();
        let parts = Landing { page, offset, overlap, at: landing.clone(), finish, vouched, known };
        match self.engine.land(self.frame, self.list, self.row.id, parts).await? {
            Landed::Different => {
                self.tell(false);
                return Ok(Some(PassEnd::Moved));
            }
            Landed::Repeats(page) => {
                self.overlap = overlap;
                let verdict = self.doubt(offset, &page, !self.by_cursor()).await?;
                let detail = format!("the page at {offset} repeats the items before it");
                return Ok(match verdict {
                    Verdict::Stands => {
                        self.in_hand = Some(page);
                        None
                    }
                    Verdict::Again => None,
                    Verdict::False => Some(Odd { reason: "repeated_page", detail, may_be: false }.end()),
                });
            }
            Landed::Doubled(content) => {
                self.content = Some(content);
                return Ok(Some(PassEnd::Moved));
            }
            Landed::Swapped { stored, skipped } => {
                self.tell(true);
                landing.skipped += skipped;
                *at = landing;
                return Ok(Some(PassEnd::Whole(self.tally(at, stored))));
            }
            Landed::Staged { skipped, rows } => {
                self.tell(true);
                landing.skipped += skipped;
                if let Some(head) = &mut self.head {
                    head.take(rows, step.reached);
                }
            }
        }
        self.engine.progress.items(&self.frame.fetch, step.reached - offset);
        *at = landing;
        let enough = |head: &&Head| at.announced.is_some_and(|total| head.is_enough(total));
        let Some(head) = self.head.as_ref().filter(enough) else { return Ok(None) };
        let (stored, doubled) = self.engine.presume(self.frame, self.list, self.row, at, head).await?;
        let unchanged = i64::from(head.found_nothing_new());
        let tally = Tally { presumed: 1, unchanged, ..self.tally(at, stored) };
        Ok(Some(PassEnd::Presumed(Tally { skipped: tally.skipped + doubled, ..tally })))
    }

    /// Tells, once, what became of the interrupted read.
    fn tell(&mut self, goes_on: bool) {
        if let Some(at) = self.interrupted.take() {
            self.engine.took_up(self.frame, self.list, self.row, &at, goes_on);
        }
    }

    /// Shows that a list with a version did not move while it was read.
    async fn prove(&self, at: &mut Checkpoint, opening: &mut Opening) -> Result<PassEnd, Halt> {
        let Some(version) = &self.list.version else { return Ok(PassEnd::Moved) };
        let id = self.row.id;
        let content = self.engine.store.write(move |s| s.staged_hash(id)).await?;
        // Where versions say nothing, the same content in two reads does, one of them an earlier one.
        let again = opening.content.as_ref() == Some(&content)
            || (self.row.restless && self.row.content_hash.as_ref() == Some(&content));
        if again {
            let stored = self.engine.swap(self.frame, self.list, id, at, ProvedBy::Content).await?;
            return Ok(PassEnd::Whole(self.tally(at, stored)));
        }
        opening.content = Some(content);
        // So it is where Spotify names no version at all: none is not the same as none.
        if at.snapshot_id.is_none() || (self.row.restless && at.restarts == 0) {
            return Ok(PassEnd::Moved);
        }
        if self.list.proved_later {
            return Ok(PassEnd::Awaits);
        }
        let snapshot = match self.engine.version(self.frame, version).await {
            Ok(snapshot) => snapshot,
            Err(Halt::Api(e)) if is_about_the_list(&e) => return Ok(PassEnd::Refused(e)),
            Err(e) => return Err(e),
        };
        if snapshot != at.snapshot_id {
            opening.snapshot_id = snapshot;
            return Ok(PassEnd::Moved);
        }
        let stored = self.engine.swap(self.frame, self.list, id, at, ProvedBy::Snapshot).await?;
        Ok(PassEnd::Whole(self.tally(at, stored)))
    }

    fn tally(&self, at: &Checkpoint, stored: i64) -> Tally {
        let served = at.next_offset - self.resumed_at;
        Tally { announced: at.announced, served, stored, skipped: at.skipped, ..Tally::default() }
    }
}
