//! Pages that are odd: they can be what Spotify has, and they can be a server's slip.
//!
//! A page that ends a list before its total, or repeats the items before it, is looked at from one place
//! aside. What is so shows there too, one place further on: an end has the last item left, a repetition
//! its own items. What does not is asked for once more, and given up if it is odd again. A list is never
//! called whole over an odd page on that page's word alone. A page in mid list that has fewer items than its
//! size is asked for once more; comes it so again, the next page has to begin behind its last item.
//!
//! An interrupted read of a list without a version is doubted likewise: its head is looked at again.

use serde_json::Value;

use super::halt::Halt;
use super::list::Opening;
use super::look::{Look, Place, is_about_the_list};
use super::pass::{OrEnd, Pass, PassEnd};
use crate::spotify::page::RawPage;
use crate::store::Checkpoint;

/// Something odd about a page.
#[derive(Debug)]
pub(super) struct Odd {
    /// The word in `skipped_items`, should it stay so.
    pub reason: &'static str,
    pub detail: String,
    pub taken: Taken,
}

/// When an odd page is taken as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Never,
    /// Lists that are in order are known to be so: if a look from one place aside shows the same.
    IfAsideShowsIt,
    /// Servers are known to do so: if it comes so again.
    IfItComesAgain,
}

impl Odd {
    /// The end of a pass that it makes worthless.
    pub(super) fn end(self) -> PassEnd {
        PassEnd::Unproved { reason: self.reason, detail: self.detail }
    }
}

/// What comes of a doubt.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is odd, and so is the list.
    Stands,
    /// The page is asked for once more.
    Again,
    /// It is no page of the list.
    False,
}

impl Pass<'_> {
    /// What to think of an odd page.
    pub(super) async fn doubt(&mut self, offset: i64, page: &RawPage, taken: Taken) -> Result<Verdict, Halt> {
        let again = self.doubted == Some(offset);
        let stands = match taken {
            Taken::Never => false,
            Taken::IfAsideShowsIt => self.is_so(offset, page).await?,
            Taken::IfItComesAgain => again,
        };
        if stands {
            self.vouched = Some(offset);
            return Ok(Verdict::Stands);
        }
        if again {
            return Ok(Verdict::False);
        }
        self.doubted = Some(offset);
        Ok(Verdict::Again)
    }

    /// Whether a look from one place aside shows the same.
    async fn is_so(&mut self, offset: i64, page: &RawPage) -> Result<bool, Halt> {
        let aside = if offset > 0 { offset - 1 } else { offset + 1 };
        self.answers += 1;
        let seen =
            match self.engine.look(self.frame, self.list, Place { offset: aside, cursor: None, etag: None }).await {
                Ok(Look::Page(seen)) => seen,
                Ok(Look::Unchanged) => return Ok(false),
                Err(Halt::Api(e)) if is_about_the_list(&e) => return Ok(false),
                Err(e) => return Err(e),
            };
        if page.served() == 0 {
            return Ok(seen.served() == i64::from(offset > 0));
        }
        // Its last item is the one before it too.
        let (seen, page) = (values(&seen), values(page));
        Ok(seen.len() >= page.len() && seen.first() == page.last() && page.starts_with(&seen[1..]))
    }

    /// A total that changes means that the list did, unless its version says that it did not:
    /// Spotify's totals are wrong now and then.
    pub(super) async fn same_total(&mut self, at: &mut Checkpoint, opening: &mut Opening, page: &RawPage) -> OrEnd<()> {
        let same = at.announced.is_none() || page.total.is_none() || page.total == at.announced;
        if same || Self::is_empty_end(page) {
            return Ok(Ok(()));
        }
        let Some(version) = self.list.version.as_ref() else {
            return Ok(Err(PassEnd::Moved));
        };
        if self.total_moved {
            // Its totals are of no use; whether it moved is asked at its end.
            at.announced = page.total;
            return Ok(Ok(()));
        }
        self.total_moved = true;
        match self.engine.version(self.frame, version).await {
            Ok(snapshot) if snapshot.is_some() && snapshot == at.snapshot_id => {
                at.announced = page.total;
                Ok(Ok(()))
            }
            Ok(snapshot) => {
                opening.snapshot_id = snapshot;
                Ok(Err(PassEnd::Moved))
            }
            Err(Halt::Api(e)) if is_about_the_list(&e) => Ok(Err(PassEnd::Refused(e))),
            Err(e) => Err(e),
        }
    }

    /// Whether a list that an interrupted read goes on with begins as it did: where nothing else tells its
    /// versions apart, what came and what went may leave its total as it was.
    pub(super) async fn same_head(&mut self, at: &Checkpoint) -> OrEnd<()> {
        let place = Place { offset: 0, cursor: None, etag: at.etag.as_deref() };
        let page = match self.engine.look(self.frame, self.list, place).await {
            Ok(Look::Page(page)) => page,
            Ok(Look::Unchanged) => return Ok(Ok(())),
            Err(Halt::Api(e)) if is_about_the_list(&e) => return Ok(Err(PassEnd::Refused(e))),
            Err(e) => return Err(e),
        };
        let same_total = page.total.is_none() || at.announced.is_none() || page.total == at.announced;
        if same_total && self.engine.begins_with(self.frame, self.list, self.row.id, page, at.next_offset).await? {
            return Ok(Ok(()));
        }
        Ok(Err(PassEnd::Moved))
    }
}

/// The entries of a page, compared as values: the same may come with its keys in another order.
pub(super) fn values(page: &RawPage) -> Vec<Option<Value>> {
    page.entries().into_iter().map(|entry| serde_json::from_str(entry.unwrap_or("null")).ok()).collect()
}
