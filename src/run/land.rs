//! Committing what was read of a list: a page with its checkpoint into staging, the whole into place.

use super::engine::{Engine, FetchFrame, stamp};
use super::halt::Halt;
use super::head::Head;
use super::list::{List, Opening};
use crate::ingest::{Asked, Shape, ensure_row, stage_entries};
use crate::store::{Checkpoint, ListKey, ListRow, Proof, ProvedBy, Session, Skip, Standing, StoreError};
use spotify_client::page::RawPage;

/// A page that is to be committed.
#[derive(Debug)]
pub(super) struct Landing {
    pub page: RawPage,
    pub offset: i64,
    /// Its first entry was staged before an interruption.
    pub overlap: bool,
    /// How far the list is read with it.
    pub at: Checkpoint,
    /// It completes the list: what proves that, and whether it ended before its total.
    pub finish: Option<(ProvedBy, bool)>,
    /// It may repeat the items before it.
    pub vouched: bool,
    /// Hashes of what stood, and of what an earlier pass read to its end.
    pub known: Vec<String>,
}

/// A list that is in order may have a thing twice, and so many more, as long as they stand apart.
const A_HANDFUL: usize = 5;

/// What committing a page found.
#[derive(Debug)]
pub(super) enum Landed {
    Staged {
        skipped: i64,
        /// What stands on the page.
        rows: Vec<Standing>,
    },
    /// The list is not the one whose read was interrupted.
    Different,
    /// The page has the items before it once more: nothing was committed.
    Repeats(RawPage),
    /// So many things stand in the list twice that it may have moved; the hash of what was read.
    Doubled(String),
    Swapped {
        stored: i64,
        skipped: i64,
    },
}

/// Where what could not be stored whole is noted.
#[derive(Debug, Clone)]
pub(super) struct Notes {
    run: i64,
    fetch: String,
    stream: &'static str,
    parent_id: Option<String>,
    now: String,
}

impl Notes {
    pub(super) fn note(&self, s: &mut Session, position: i64, skip: Skip) -> Result<(), StoreError> {
        let (fetch, parent_id) = (self.fetch.clone(), self.parent_id.clone());
        let skip = Skip { fetch, stream: self.stream, parent_id, position: Some(position), ..skip };
        s.skip(self.run, &skip, &self.now)
    }

    /// Notes a total that does not fit a list that is put in place: in the same transaction, or a kill in
    /// between would lose it.
    fn wrong_total(&self, s: &mut Session, detail: Option<String>) -> Result<(), StoreError> {
        if detail.is_none() {
            return Ok(());
        }
        let (fetch, parent_id) = (self.fetch.clone(), self.parent_id.clone());
        let reason = "wrong_total";
        s.skip(self.run, &Skip { fetch, stream: self.stream, parent_id, reason, detail, ..Skip::default() }, &self.now)
    }

    /// Notes what stands in a list for another time: one row of it is kept.
    fn doubled(&self, s: &mut Session, doubled: &[Standing]) -> Result<i64, StoreError> {
        for row in doubled {
            let detail = row.added_at.as_ref().map(|at| format!("saved at {at}"));
            let skip = Skip { item_id: Some(row.id.clone()), reason: "listed_twice", detail, ..Skip::default() };
            self.note(s, row.position, skip)?;
        }
        Ok(i64::try_from(doubled.len()).unwrap_or(i64::MAX))
    }
}

impl Engine {
    pub(super) fn notes(&self, frame: &FetchFrame, key: &ListKey, asked: &Asked) -> Notes {
        Notes {
            run: self.run,
            fetch: frame.fetch.clone(),
            stream: frame.stream.name,
            parent_id: Some(key.parent_id.clone()).filter(|p| !p.is_empty()),
            now: asked.now.clone(),
        }
    }

    pub(super) async fn land(
        &self,
        frame: &FetchFrame,
        list: &List,
        id: i64,
        landing: Landing,
    ) -> Result<Landed, Halt> {
        let asked = frame.asked(self.now());
        let (key, shape, most, run) = (list.key.clone(), list.shape, list.most, self.run);
        let (parent, notes, finishes) = (list.parent, self.notes(frame, &list.key, &asked), landing.finish.is_some());
        let (wrong_total, calls) = (list.wrong_total(&landing.at), self.calls());
        let land = move |s: &mut Session| {
            let Landing { page, offset, overlap, mut at, finish, vouched, known } = landing;
            if let Some(kind) = parent {
                // What is refused gets no row; what answers has one that its list can point at.
                ensure_row(s, kind, &key.parent_id, &asked)?;
            }
            let mut entries = page.entries();
            if let Some(most) = most {
                entries.truncate(usize::try_from(most - offset).unwrap_or(0));
            }
            if overlap && (entries.is_empty() || !same_rows(s, id, shape, &key, offset, &entries[..1], &asked)?) {
                return Ok(Landed::Different);
            }
            let staged = stage_entries(s, id, shape, &key.parent_id, offset, &entries, &asked)?;
            let reached = offset + i64::try_from(entries.len()).unwrap_or(0);
            if !vouched && s.repeats(id, offset, reached)? {
                s.unstage(id, offset + i64::from(overlap))?;
                return Ok(Landed::Repeats(page));
            }
            let doubled = if finish.is_some() { s.doubled(id, &key, i64::MAX)? } else { Vec::new() };
            // What comes or goes while a list is read shows at the edge of two pages.
            if doubled.len() > A_HANDFUL || (!doubled.is_empty() && s.doubled_nearby(id)?) {
                let hash = s.staged_hash(id)?;
                if !known.contains(&hash) {
                    s.unstage(id, offset + i64::from(overlap))?;
                    return Ok(Landed::Doubled(hash));
                }
            }
            s.count_in_run(run, calls, reached - offset - i64::from(overlap))?;
            let mut skipped = 0;
            for (position, reason, detail) in staged.gaps {
                if overlap && position == offset {
                    continue;
                }
                skipped += 1;
                notes.note(s, position, Skip { reason, detail, ..Skip::default() })?;
            }
            if let Some((by, short)) = finish {
                skipped += notes.doubled(s, &doubled)?;
                notes.wrong_total(s, wrong_total)?;
                let proof = Proof { short, beginning: most.is_some(), ..proof(&at, by, skipped) };
                let swapped = s.swap(id, &key, &proof, run, &asked.now)?;
                return Ok(Landed::Swapped { stored: swapped.stored, skipped });
            }
            at.skipped += skipped;
            s.save_checkpoint(id, run, &at, &asked.now)?;
            let rows = s.staged(id, offset, at.next_offset)?;
            Ok(Landed::Staged { skipped, rows })
        };
        Ok(if finishes { self.store.write(land).await? } else { self.store.write_page(land).await? })
    }

    /// Whether a list begins as what was staged of it, up to a place that an interrupted read has reached.
    pub(super) async fn begins_with(
        &self,
        frame: &FetchFrame,
        list: &List,
        id: i64,
        page: RawPage,
        up_to: i64,
    ) -> Result<bool, Halt> {
        let (asked, key, shape) = (frame.asked(self.now()), list.key.clone(), list.shape);
        let same = self.store.write(move |s| {
            let mut entries = page.entries();
            entries.truncate(usize::try_from(up_to).unwrap_or(0));
            same_rows(s, id, shape, &key, 0, &entries, &asked)
        });
        Ok(same.await?)
    }

    /// Puts what is staged in place of the old list.
    pub(super) async fn swap(
        &self,
        frame: &FetchFrame,
        list: &List,
        id: i64,
        at: &Checkpoint,
        by: ProvedBy,
    ) -> Result<i64, Halt> {
        // The version was asked for once more, and it is the same; or it says nothing.
        let snapshot_after = at.snapshot_id.clone().filter(|_| by == ProvedBy::Snapshot);
        let proof = Proof { snapshot_after, ..proof(at, by, 0) };
        let asked = frame.asked(self.now());
        let (notes, wrong_total) = (self.notes(frame, &list.key, &asked), list.wrong_total(at));
        let (key, run) = (list.key.clone(), self.run);
        let swap = move |s: &mut Session| {
            notes.wrong_total(s, wrong_total)?;
            Ok(s.swap(id, &key, &proof, run, &asked.now)?.stored)
        };
        Ok(self.store.write(swap).await?)
    }

    /// Puts what was read from the head, and behind it what is presumed to stand, in place of the old
    /// list; how many rows stand now, and how many of those read stand there twice.
    pub(super) async fn presume(
        &self,
        frame: &FetchFrame,
        list: &List,
        row: &ListRow,
        at: &Checkpoint,
        head: &Head,
    ) -> Result<(i64, i64), Halt> {
        let asked = frame.asked(self.now());
        let notes = self.notes(frame, &list.key, &asked);
        let (id, key, rest, at, run) = (row.id, list.key.clone(), head.rest(), at.clone(), self.run);
        let grown = at.announced.unwrap_or(0) - row.announced.unwrap_or(0);
        let served = row.served.unwrap_or(0) + grown;
        let presumed = self.store.write(move |s| {
            let doubled = s.doubled(id, &key, at.next_offset)?;
            let doubled = notes.doubled(s, &doubled)?;
            s.stage_presumed(id, key.kind, &rest)?;
            let all = doubles(s, id, &key)?;
            let skipped = (served - s.staged_count(id)? + all).max(0);
            let by = ProvedBy::Presumed { read: at.next_offset };
            let proof = Proof { served, skipped, ..proof(&at, by, 0) };
            Ok((s.swap(id, &key, &proof, run, &asked.now)?.stored, doubled))
        });
        Ok(presumed.await?)
    }

    /// Forgets what was staged and begins anew.
    pub(super) async fn begin(&self, id: i64, opening: &Opening, restarts: i64) -> Result<Checkpoint, Halt> {
        self.forget(id).await?;
        let (snapshot_id, etag) = (opening.snapshot_id.clone(), opening.etag.clone());
        Ok(Checkpoint { snapshot_id, etag, restarts, ..Checkpoint::default() })
    }

    /// Forgets a read that came to nothing, and keeps the record of it.
    pub(super) async fn give_up(
        &self,
        id: i64,
        at: &Checkpoint,
        snapshot_after: Option<String>,
        reason: &'static str,
    ) -> Result<(), Halt> {
        let (at, run, now) = (at.clone(), self.run, stamp(self.now()));
        let give_up = move |s: &mut Session| {
            let proof = Proof { snapshot_after, ..proof(&at, ProvedBy::default(), 0) };
            s.record_unproved(id, &proof, run, reason, &now)?;
            s.forget_checkpoint(id)
        };
        Ok(self.store.write(give_up).await?)
    }

    pub(super) async fn forget(&self, id: i64) -> Result<(), Halt> {
        Ok(self.store.write(move |s| s.forget_checkpoint(id)).await?)
    }

    pub(super) async fn unskip(&self, frame: &FetchFrame, list: &List) -> Result<(), Halt> {
        let (run, fetch, parent) = (self.run, frame.fetch.clone(), list.key.parent_id.clone());
        Ok(self.store.write(move |s| s.unskip(run, &fetch, &parent)).await?)
    }

    /// A list that was found to stand as it is.
    pub(super) async fn confirm(&self, list: i64) -> Result<(), Halt> {
        let now = stamp(self.now());
        let confirm = move |s: &mut Session| {
            s.forget_checkpoint(list)?;
            s.confirm_list(list, &now)
        };
        Ok(self.store.write(confirm).await?)
    }
}

/// How many rows stand in a list for another time.
fn doubles(s: &Session, list: i64, key: &ListKey) -> Result<i64, StoreError> {
    Ok(i64::try_from(s.doubled(list, key, i64::MAX)?.len()).unwrap_or(i64::MAX))
}

/// Whether the items at a place of an interrupted read are still those that were staged there.
fn same_rows(
    s: &mut Session,
    id: i64,
    shape: Shape,
    key: &ListKey,
    offset: i64,
    entries: &[Option<&str>],
    asked: &Asked,
) -> Result<bool, StoreError> {
    let up_to = offset + i64::try_from(entries.len()).unwrap_or(0);
    let before = s.staged_as_text(id, offset, up_to)?;
    s.unstage_between(id, offset, up_to)?;
    stage_entries(s, id, shape, &key.parent_id, offset, entries, asked)?;
    Ok(s.staged_as_text(id, offset, up_to)? == before)
}

fn proof(at: &Checkpoint, by: ProvedBy, skipped: i64) -> Proof {
    Proof {
        by,
        announced: at.announced,
        served: at.next_offset,
        skipped: at.skipped + skipped,
        snapshot_id: at.snapshot_id.clone(),
        snapshot_after: None,
        etag: at.etag.clone(),
        short: false,
        beginning: false,
    }
}
