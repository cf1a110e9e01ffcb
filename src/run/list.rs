//! Reading one list, page by page, until it is proved whole.
//!
//! The cursor follows what the server served, nulls counted. `next` only says whether there is
//! more; an empty page ends a list whatever `next` says; `total` is a hint until the end, when it is
//! a check. Each page is committed into staging with its checkpoint; the whole list is swapped in by
//! one transaction.

use super::engine::{Engine, FetchFrame, Tally, stamp};
use super::halt::Halt;
use super::lock::ListLock;
use crate::ingest::{Shape, ensure_row, stage_entries};
use crate::spotify::Kind;
use crate::spotify::client::{Answer, Request, Unusable};
use crate::spotify::error::ApiError;
use crate::spotify::family::Family;
use crate::spotify::page::{RawPage, Wrapping};
use crate::store::{Checkpoint, ListKey, Proof, Session, Skip, StoreError};
use crate::stream::Paging;

/// A list that moves while it is read is begun again this often.
const RESTARTS: i64 = 2;

/// A list that serves this many items more than it announced does not end.
const BEYOND_TOTAL: i64 = 1_000;

/// A list that does not say how long it is has no more items than this: Spotify's longest, a
/// library, is far shorter.
const LONGEST: i64 = 1_000_000;

/// A list, and how to ask for it.
#[derive(Debug, Clone)]
pub(super) struct List {
    pub key: ListKey,
    pub family: Family,
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    pub shape: Shape,
    pub wrapping: Wrapping,
    pub paging: Paging,
    /// Items wanted at most.
    pub most: Option<i64>,
    /// Where its version can be asked for, if it has one.
    pub version: Option<Request>,
    /// What it belongs to, if that has a row of its own.
    pub parent: Option<Kind>,
}

/// What is in hand when the read begins.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// The first page, if another answer held it.
    pub page: Option<RawPage>,
    /// Spotify's version of the list.
    pub snapshot_id: Option<String>,
    /// Entity tag of the answer.
    pub etag: Option<String>,
    /// The checkpoint at hand is of this moment: what it staged need not be proved again.
    pub just_begun: bool,
}

/// How a read ended.
#[derive(Debug)]
pub(super) enum ListEnd {
    /// Whole, and in place.
    Whole(Tally),
    /// It kept moving, or never ended; the old list stays.
    Unproved { reason: &'static str, detail: String },
    /// Spotify refuses it, or its pages stay unusable.
    Refused(ApiError),
}

/// What staging a page found.
enum Landed {
    Staged {
        skipped: i64,
    },
    /// The list is not the one whose read was interrupted.
    Different,
    Swapped {
        stored: i64,
        skipped: i64,
    },
}

impl Engine {
    /// Waits until no other run reads the list; it is this one's until the lock is dropped.
    pub(super) async fn lock_list(&self, key: &ListKey) -> Result<ListLock, Halt> {
        // A stop is heard here too. What is deferred is so for those who read as well.
        let goes_on = || match self.api.may_send(Family::ME) {
            Err(e @ ApiError::Stopped) => Err(Halt::Api(e)),
            _ => Ok(()),
        };
        ListLock::take(&self.locks, self.store.path(), key, goes_on).await
    }

    /// The number of a list and, unless everything is to be read anew, its interrupted read.
    pub(super) async fn open_list(&self, key: &ListKey) -> Result<crate::store::ListRow, Halt> {
        let (key, full) = (key.clone(), self.full);
        let row = self.store.write(move |s| {
            let mut row = s.list(&key)?;
            if full && row.checkpoint.is_some() {
                s.forget_checkpoint(row.id)?;
                row.checkpoint = None;
            }
            Ok(row)
        });
        Ok(row.await?)
    }

    /// Reads a list whole and puts it in place.
    pub(super) async fn read_list(
        &self,
        frame: &FetchFrame,
        list: &List,
        id: i64,
        known: Option<Checkpoint>,
        mut opening: Opening,
    ) -> Result<ListEnd, Halt> {
        let mut at = match known {
            Some(at) if at.snapshot_id == opening.snapshot_id => at,
            _ => self.begin(id, &opening, 0).await?,
        };
        loop {
            match self.read_once(frame, list, id, &mut at, &mut opening).await? {
                Some(ListEnd::Whole(tally)) => return Ok(ListEnd::Whole(self.count(frame, list, &at, tally).await?)),
                Some(end) => return Ok(end),
                None if at.restarts >= RESTARTS => {
                    self.forget(id).await?;
                    let detail = format!("it changed in each of {} reads", RESTARTS + 1);
                    return Ok(ListEnd::Unproved { reason: "moved", detail });
                }
                None => {
                    let restarts = at.restarts + 1;
                    self.unskip(frame, list).await?;
                    opening.page = None;
                    opening.etag = None;
                    at = self.begin(id, &opening, restarts).await?;
                }
            }
        }
    }

    /// Notes a total that does not fit a list that was proved whole.
    async fn count(&self, frame: &FetchFrame, list: &List, at: &Checkpoint, mut tally: Tally) -> Result<Tally, Halt> {
        let Some(announced) = at.announced.filter(|n| *n != at.next_offset) else { return Ok(tally) };
        if list.most.is_some() || !matches!(list.paging, Paging::Offset { .. }) {
            return Ok(tally);
        }
        let parent_id = Some(list.key.parent_id.clone()).filter(|p| !p.is_empty());
        let detail = Some(format!("Spotify announced {announced} items, and the list ended after {}", at.next_offset));
        let (fetch, stream) = (frame.fetch.clone(), frame.stream.name);
        self.skip(Skip { fetch, stream, parent_id, reason: "wrong_total", detail, ..Skip::default() }).await?;
        tally.skipped += 1;
        Ok(tally)
    }

    /// One pass over the list; `None` if it moved.
    async fn read_once(
        &self,
        frame: &FetchFrame,
        list: &List,
        id: i64,
        at: &mut Checkpoint,
        opening: &mut Opening,
    ) -> Result<Option<ListEnd>, Halt> {
        let resumed_at = at.next_offset;
        // Where there is no version, one item is read twice: it tells whether this is still the list.
        let by_cursor = matches!(list.paging, Paging::Cursor { .. });
        let just_begun = std::mem::take(&mut opening.just_begun);
        let mut overlap = at.next_offset > 0 && at.snapshot_id.is_none() && !by_cursor && !just_begun;
        let mut answers = i64::from(opening.page.is_some()) + i64::from(resumed_at > 0);
        let mut previous = None;
        let mut doubted: Option<i64> = None;
        let mut total_moved = false;
        loop {
            let offset = at.next_offset - i64::from(overlap);
            let page = match opening.page.take().filter(|_| offset == 0) {
                Some(page) => page,
                None => {
                    answers += 1;
                    match self.page(frame, list, at, offset).await {
                        Ok(page) => page,
                        Err(Halt::Api(e)) if is_about_the_list(&e) => return Ok(Some(ListEnd::Refused(e))),
                        Err(e) => return Err(e),
                    }
                }
            };
            let content = edges(&page);
            let repeats = page.served() > 1 && content.is_some() && previous == content;
            let ends_early = page.served() == 0 && at.announced.is_some_and(|total| offset < total);
            // The tops end in an empty page that announces 0.
            let is_end = page.served() == 0 && page.total == Some(0);
            if (repeats || (ends_early && !is_end && !by_cursor)) && doubted != Some(offset) {
                // It can be so; it can also be a server's slip, which a second look tells.
                doubted = Some(offset);
                continue;
            }
            if repeats && list.shape != Shape::PlaylistItems {
                self.forget(id).await?;
                return Ok(Some(ListEnd::Unproved {
                    reason: "repeated_page",
                    detail: format!("the page at {offset} repeats the one before"),
                }));
            }
            previous = content;
            if at.announced.is_some() && page.total.is_some() && page.total != at.announced && !is_end {
                // A list with a version is asked for that: Spotify's totals are wrong now and then.
                let Some(version) = list.version.as_ref().filter(|_| !total_moved) else { return Ok(None) };
                total_moved = true;
                match self.version(frame, version).await {
                    Ok(snapshot) if snapshot == at.snapshot_id => at.announced = page.total,
                    Ok(snapshot) => {
                        opening.snapshot_id = snapshot;
                        return Ok(None);
                    }
                    Err(Halt::Api(e)) if is_about_the_list(&e) => return Ok(Some(ListEnd::Refused(e))),
                    Err(e) => return Err(e),
                }
            }
            let reached = offset + page.served();
            let enough = list.most.is_some_and(|most| reached >= most);
            let next = if page.more { page.after.clone() } else { None };
            let whole = match list.paging {
                Paging::Whole => true,
                Paging::Cursor { .. } => page.served() == 0 || next.is_none(),
                _ => {
                    page.served() == 0
                        || (!page.more && at.announced.or(page.total).is_none_or(|total| reached >= total))
                }
            };
            let last = whole || enough;
            let bound = at.announced.or(page.total).unwrap_or(LONGEST);
            if !last && reached > bound + BEYOND_TOTAL {
                self.forget(id).await?;
                return Ok(Some(ListEnd::Unproved {
                    reason: "endless",
                    detail: format!("{reached} items served of {bound} announced"),
                }));
            }
            let needs_proof = last && list.version.is_some() && answers > 1;
            let mut landing = at.clone();
            landing.next_offset = reached;
            landing.announced = at.announced.or(page.total);
            landing.cursor = next;
            let truncated = enough && page.more;
            let finish = (last && !needs_proof).then_some(truncated);
            let landed = self.land(frame, list, id, offset, overlap, page, landing.clone(), finish).await?;
            overlap = false;
            match landed {
                Landed::Different => {
                    tracing::info!(list = %list.path, "the list changed since its read was interrupted; it is read from the start");
                    return Ok(None);
                }
                Landed::Staged { skipped } => landing.skipped += skipped,
                Landed::Swapped { stored, skipped } => {
                    landing.skipped += skipped;
                    *at = landing;
                    return Ok(Some(ListEnd::Whole(tally(at, resumed_at, stored))));
                }
            }
            self.progress.items(&frame.fetch, reached - offset);
            *at = landing;
            if last {
                break;
            }
        }
        let Some(version) = &list.version else { return Ok(None) };
        let snapshot = match self.version(frame, version).await {
            Ok(snapshot) => snapshot,
            Err(Halt::Api(e)) if is_about_the_list(&e) => return Ok(Some(ListEnd::Refused(e))),
            Err(e) => return Err(e),
        };
        if snapshot != at.snapshot_id {
            opening.snapshot_id = snapshot;
            return Ok(None);
        }
        let stored = self.swap(list, id, at).await?;
        Ok(Some(ListEnd::Whole(tally(at, resumed_at, stored))))
    }

    /// One page from the server; a page size that the app may not use is learned on the way.
    async fn page(&self, frame: &FetchFrame, list: &List, at: &Checkpoint, offset: i64) -> Result<RawPage, Halt> {
        loop {
            let limit = self.app.page_size(list.family, list.paging).map_err(ApiError::from)?;
            let mut request = Request::new(list.family, list.path.clone());
            request.query.clone_from(&list.query);
            match list.paging {
                Paging::Whole | Paging::ById { .. } => {}
                Paging::Offset { .. } => {
                    request = request.with("limit", limit.to_string()).with("offset", offset.to_string());
                }
                Paging::Cursor { .. } => {
                    request = request.with("limit", limit.to_string());
                    if let Some(cursor) = &at.cursor {
                        request = request.with("after", cursor.clone());
                    }
                }
            }
            let check = |answer: &Answer| check_page(answer, list.wrapping, offset, limit);
            match self.api.get_checked(&frame.bearer, &request, check).await {
                Ok(page) => return Ok(page),
                Err(ApiError::BadRequest { message, .. })
                    if self
                        .app
                        .smaller_page(list.family, list.paging, limit, &message)
                        .map_err(ApiError::from)?
                        .is_some() => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Spotify's version of the list now.
    async fn version(&self, frame: &FetchFrame, request: &Request) -> Result<Option<String>, Halt> {
        let check = |answer: &Answer| {
            let playlist: crate::spotify::wire::Playlist<'_> = serde_json::from_slice(&answer.body)
                .map_err(|e| Unusable::new(format!("the answer is not what Spotify documents: {e}")))?;
            Ok(playlist.snapshot_id.value().map(|s| s.to_string()))
        };
        Ok(self.api.get_checked(&frame.bearer, request, check).await?)
    }

    #[expect(clippy::too_many_arguments, reason = "one page with its place; each has one caller")]
    async fn land(
        &self,
        frame: &FetchFrame,
        list: &List,
        id: i64,
        offset: i64,
        overlap: bool,
        page: RawPage,
        mut at: Checkpoint,
        finish: Option<bool>,
    ) -> Result<Landed, Halt> {
        let asked = frame.asked(self.now());
        let (key, shape, most, run) = (list.key.clone(), list.shape, list.most, self.run);
        let (fetch, stream, parent) = (frame.fetch.clone(), frame.stream.name, list.parent);
        let land = move |s: &mut Session| {
            if let Some(kind) = parent {
                // What is refused gets no row; what answers has one that its list can point at.
                ensure_row(s, kind, &key.parent_id, &asked)?;
            }
            let mut entries = page.entries();
            if let Some(most) = most {
                entries.truncate(usize::try_from(most - offset).unwrap_or(0));
            }
            if overlap && !same_edge(s, id, shape, &key, offset, &entries, &asked)? {
                return Ok(Landed::Different);
            }
            let staged = stage_entries(s, id, shape, &key.parent_id, offset, &entries, &asked)?;
            let mut skipped = 0;
            for (position, reason, detail) in staged.gaps {
                if overlap && position == offset {
                    continue;
                }
                skipped += 1;
                let parent_id = Some(key.parent_id.clone()).filter(|p| !p.is_empty());
                let (fetch, position) = (fetch.clone(), Some(position));
                s.skip(
                    run,
                    &Skip { fetch, stream, parent_id, position, reason, detail, ..Skip::default() },
                    &asked.now,
                )?;
            }
            if let Some(truncated) = finish {
                let proof = Proof { truncated, ..proof(&at, skipped) };
                let swapped = s.swap(id, &key, &proof, run, &asked.now)?;
                return Ok(Landed::Swapped { stored: swapped.stored, skipped });
            }
            at.skipped += skipped;
            s.save_checkpoint(id, run, &at, &asked.now)?;
            Ok(Landed::Staged { skipped })
        };
        Ok(if finish.is_some() { self.store.write(land).await? } else { self.store.write_page(land).await? })
    }

    async fn swap(&self, list: &List, id: i64, at: &Checkpoint) -> Result<i64, Halt> {
        // The caller has asked for the version once more, and it is the same.
        let proof = Proof { snapshot_after: at.snapshot_id.clone(), ..proof(at, 0) };
        let (key, run, now) = (list.key.clone(), self.run, stamp(self.now()));
        Ok(self.store.write(move |s| s.swap(id, &key, &proof, run, &now).map(|swapped| swapped.stored)).await?)
    }

    async fn begin(&self, id: i64, opening: &Opening, restarts: i64) -> Result<Checkpoint, Halt> {
        self.forget(id).await?;
        let (snapshot_id, etag) = (opening.snapshot_id.clone(), opening.etag.clone());
        Ok(Checkpoint { snapshot_id, etag, restarts, ..Checkpoint::default() })
    }

    async fn forget(&self, id: i64) -> Result<(), Halt> {
        Ok(self.store.write(move |s| s.forget_checkpoint(id)).await?)
    }

    async fn unskip(&self, frame: &FetchFrame, list: &List) -> Result<(), Halt> {
        let (run, fetch, parent) = (self.run, frame.fetch.clone(), list.key.parent_id.clone());
        Ok(self.store.write(move |s| s.unskip(run, &fetch, &parent)).await?)
    }
}

/// Whether an error concerns one list and not the run.
pub(super) fn is_about_the_list(e: &ApiError) -> bool {
    use crate::spotify::refusal::Refusal;
    match e {
        ApiError::Refused { kind, .. } => matches!(kind, Refusal::NotYourPlaylist | Refusal::Unknown),
        ApiError::BadRequest { .. }
        | ApiError::NotFound { .. }
        | ApiError::Gone { .. }
        | ApiError::Unexpected { .. }
        | ApiError::Unusable { .. } => true,
        _ => false,
    }
}

fn check_page(answer: &Answer, wrapping: Wrapping, offset: i64, limit: u16) -> Result<RawPage, Unusable> {
    let page = RawPage::read(answer, wrapping)?.ok_or_else(|| Unusable::new("the answer holds no page"))?;
    if let Some(echo) = page.offset
        && echo != offset
    {
        return Err(Unusable::new(format!("the page begins at {echo}, but {offset} was asked for")));
    }
    if !matches!(wrapping, Wrapping::Array(_)) && page.served() > i64::from(limit) {
        return Err(Unusable::new(format!("{} items on a page of {limit}", page.served())));
    }
    Ok(page)
}

/// Whether the item at the edge of an interrupted read is still the one that was staged there.
fn same_edge(
    s: &mut Session,
    id: i64,
    shape: Shape,
    key: &ListKey,
    offset: i64,
    entries: &[Option<&str>],
    asked: &crate::ingest::Asked,
) -> Result<bool, StoreError> {
    let before = s.staged_at(id, offset)?;
    let Some(first) = entries.get(..1) else { return Ok(false) };
    stage_entries(s, id, shape, &key.parent_id, offset, first, asked)?;
    Ok(s.staged_at(id, offset)? == before)
}

fn proof(at: &Checkpoint, skipped: i64) -> Proof {
    Proof {
        announced: at.announced,
        served: at.next_offset,
        skipped: at.skipped + skipped,
        snapshot_id: at.snapshot_id.clone(),
        snapshot_after: None,
        etag: at.etag.clone(),
        truncated: false,
    }
}

fn tally(at: &Checkpoint, resumed_at: i64, stored: i64) -> Tally {
    Tally { unchanged: 0, announced: at.announced, served: at.next_offset - resumed_at, stored, skipped: at.skipped }
}

/// What tells a page from the one before: how many entries it has, the first and the last of them.
/// Compared as values, since the same entry may come with its keys in another order.
fn edges(page: &RawPage) -> Option<(i64, [serde_json::Value; 2])> {
    let entries = page.entries();
    let value = |entry: Option<&Option<&str>>| serde_json::from_str(entry?.unwrap_or("null")).ok();
    Some((page.served(), [value(entries.first())?, value(entries.last())?]))
}
