//! Reading one list until it is proved whole, and beginning again where it moved meanwhile.
//!
//! One pass goes page by page (`pass`); each page is committed into staging with its checkpoint
//! (`land`); the whole list is put in place by one transaction. Lists that stand newest first are read
//! from their head to what is known, where that is enough (`head`).

use super::course::TakenUp;
use super::decide;
use super::engine::{Engine, FetchFrame, Tally};
use super::halt::Halt;
use super::head::Known;
use super::list_lock::ListLock;
use super::pass::{Pass, PassEnd};
use crate::ingest::Shape;
use crate::store::{Checkpoint, ListKey, ListRow};
use crate::stream::{Keeps, Order, Paging};
use spotify_client::Kind;
use spotify_client::client::Request;
use spotify_client::error::ApiError;
use spotify_client::family::Family;
use spotify_client::page::{RawPage, Wrapping};

/// A list that moves while it is read is begun again this often.
pub(super) const RESTARTS: i64 = 2;

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
    pub order: Order,
    /// Items wanted at most.
    pub most: Option<i64>,
    /// Where its version can be asked for, if it has one.
    pub version: Option<Request>,
    /// Whoever reads it proves it later, together with others.
    pub proved_later: bool,
    /// What it belongs to, if that has a row of its own.
    pub parent: Option<Kind>,
}

impl List {
    /// What is wrong with the total that Spotify announced, once the list was proved whole.
    pub(super) fn wrong_total(&self, at: &Checkpoint) -> Option<String> {
        let announced = at.announced.filter(|n| *n != at.next_offset)?;
        let counts = self.most.is_none() && matches!(self.paging, Paging::Offset { .. });
        counts.then(|| format!("Spotify announced {announced} items, and the list ended after {}", at.next_offset))
    }

    /// The tally with what was noted when the list was put in place.
    pub(super) fn count(&self, at: &Checkpoint, mut tally: Tally) -> Tally {
        tally.skipped += i64::from(self.wrong_total(at).is_some());
        tally
    }
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
    /// Hash of what the pass before this one read to its end.
    pub content: Option<String>,
}

/// How a read ended.
#[derive(Debug)]
pub(super) enum ListEnd {
    /// Whole, and in place.
    Whole(Tally),
    /// Read to its end and staged; whoever asked for it has to prove it.
    Awaits(Box<Checkpoint>),
    /// It kept moving, or never ended; the old list stays.
    Unproved { reason: &'static str, detail: String },
    /// Spotify refuses it, or its pages stay unusable.
    Refused(ApiError),
}

impl ListEnd {
    /// It was another one in every read.
    pub(super) fn moved() -> ListEnd {
        ListEnd::Unproved { reason: "moved", detail: format!("it changed in each of {} reads", RESTARTS + 1) }
    }
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
    pub(super) async fn open_list(&self, key: &ListKey) -> Result<ListRow, Halt> {
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

    /// Reads a list and puts it in place.
    pub(super) async fn read_list(
        &self,
        frame: &FetchFrame,
        list: &List,
        row: &ListRow,
        mut opening: Opening,
    ) -> Result<ListEnd, Halt> {
        let known = self.known(frame, list, row).await?;
        let tag = self.tag_of_use(frame, list, row, known.is_some());
        let mut at = match row.checkpoint.clone() {
            Some(at) if at.snapshot_id == opening.snapshot_id => at,
            other => {
                if let Some(at) = other {
                    self.took_up(frame, list, row, &at, false);
                }
                self.begin(row.id, &opening, 0).await?
            }
        };
        loop {
            let pass = Pass::new(self, frame, list, row, known.clone(), tag.clone());
            let began_at = at.next_offset;
            let ended = pass.run(&mut at, &mut opening).await;
            let given_up = matches!(ended, Ok(PassEnd::Moved)) && at.restarts >= RESTARTS;
            if given_up || matches!(ended, Err(_) | Ok(PassEnd::Unproved { .. })) {
                frame.course.served_in_vain(at.next_offset - began_at);
            }
            match ended? {
                PassEnd::Whole(tally) => return Ok(ListEnd::Whole(list.count(&at, tally))),
                PassEnd::Presumed(tally) | PassEnd::Unchanged(tally) => return Ok(ListEnd::Whole(tally)),
                PassEnd::Awaits => return Ok(ListEnd::Awaits(Box::new(at))),
                PassEnd::Refused(e) => return Ok(ListEnd::Refused(e)),
                PassEnd::Unproved { reason, detail } => {
                    self.give_up(row.id, &at, None, reason).await?;
                    return Ok(ListEnd::Unproved { reason, detail });
                }
                PassEnd::Moved if at.restarts >= RESTARTS => {
                    self.give_up(row.id, &at, opening.snapshot_id.clone(), "moved").await?;
                    return Ok(ListEnd::moved());
                }
                PassEnd::Moved => {
                    let restarts = at.restarts + 1;
                    self.unskip(frame, list).await?;
                    opening.page = None;
                    opening.etag = None;
                    at = self.begin(row.id, &opening, restarts).await?;
                }
            }
        }
    }

    /// Tells whether an interrupted read is gone on with, or begun again because the list is another one.
    pub(super) fn took_up(&self, frame: &FetchFrame, list: &List, row: &ListRow, at: &Checkpoint, goes_on: bool) {
        if at.next_offset == 0 {
            return;
        }
        let name = format!("{} {}", list.key.kind, list.key.parent_id);
        let by = row.begun_by.as_ref().map(|(run, job)| format!("run {run} of {job}"));
        let taken_up = TakenUp { list: name.trim().to_owned(), at: at.next_offset, of: at.announced, by, goes_on };
        self.progress.note(&taken_up.to_string());
        frame.course.took_up(taken_up);
    }

    /// What stood in a list, where reading on from there is enough.
    async fn known(&self, frame: &FetchFrame, list: &List, row: &ListRow) -> Result<Option<Known>, Halt> {
        let whole = self.whole_in(frame.full_every);
        if !decide::from_the_head(row, list.order, list.most, self.full, &whole) {
            return Ok(None);
        }
        let (id, kind) = (row.id, list.key.kind);
        let standing = self.store.write(move |s| s.standing(id, kind)).await?;
        Ok(Some(Known::new(standing, row.served.unwrap_or(0), row.announced.unwrap_or(0))))
    }

    /// The entity tag to ask with: where the same first answer means that the list stands as it is. A
    /// log needs its rows again whatever they are.
    fn tag_of_use(&self, frame: &FetchFrame, list: &List, row: &ListRow, from_the_head: bool) -> Option<String> {
        let whole = self.whole_in(frame.full_every);
        let in_one = row.proof.as_deref() == Some("one_answer");
        let of_use = frame.stream.keeps == Keeps::Now && list.version.is_none() && (in_one || from_the_head);
        row.etag
            .clone()
            .filter(|_| of_use && row.checkpoint.is_none() && decide::was_read_whole(row, self.full, &whole))
    }
}
