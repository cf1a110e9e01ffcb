//! Incremental reads: a list that is sorted newest first is read from its start until that is enough.
//!
//! The rows that are served are matched with the rows that are published: a matched row has moved, rows
//! between two matched ones are gone, and any other row is new. Once as many rows are left to be served as
//! published rows are left, removals and additions add up, and the rest is *presumed* to be unchanged. This
//! does not notice a row that was removed further down while another one was added there with an old date,
//! so every list is read whole from time to time (`full_every`).
//!
//! Nothing here sends or writes anything. Tests compare this arithmetic with a model.

use std::collections::{HashMap, HashSet};

use crate::store::{ListMember, UnreadItem};

/// The published rows of a list, as they were when it was last read.
#[derive(Debug, Clone, Default)]
pub(super) struct PreviousRows {
    /// By position; `None` where no row could be stored: a null, or a malformed item.
    rows: Vec<Option<(String, Option<String>)>>,
    /// The positions of each entity: one, unless the entity is listed twice.
    places: HashMap<String, Vec<usize>>,
    /// How many items Spotify announced, which may be more than it had.
    announced: i64,
}

impl PreviousRows {
    /// The rows of a list. Spotify served `served` of its `announced` items.
    pub(super) fn new(standing: Vec<ListMember>, served: i64, announced: i64) -> PreviousRows {
        let mut rows = vec![None; usize::try_from(served).unwrap_or(0)];
        let mut places: HashMap<String, Vec<usize>> = HashMap::with_capacity(standing.len());
        for row in standing {
            let Ok(place) = usize::try_from(row.position) else { continue };
            if place >= rows.len() {
                rows.resize(place + 1, None);
            }
            places.entry(row.id.clone()).or_default().push(place);
            rows[place] = Some((row.id, row.added_at));
        }
        PreviousRows { rows, places, announced }
    }
}

/// How far an incremental read has come.
#[derive(Debug, Clone)]
pub(super) struct IncrementalRead {
    previous: PreviousRows,
    /// Positions served so far.
    served: i64,
    /// The published position behind the last one that was matched.
    next_previous: usize,
    /// Positions without a row since then.
    blanks: usize,
    /// Published positions of entities that were served with another date: they were saved again and have moved.
    replaced: HashSet<usize>,
    /// Published positions that were matched.
    matched: HashSet<usize>,
    /// The last row was matched, so all newer rows were served.
    reached_known_rows: bool,
    /// The matched rows came in their old order so far.
    in_order: bool,
    /// Every row was at its published position.
    unchanged: bool,
    /// Positions of entities that were in the list nowhere.
    new_places: HashSet<i64>,
}

impl IncrementalRead {
    pub(super) fn new(previous: PreviousRows) -> IncrementalRead {
        IncrementalRead {
            previous,
            served: 0,
            next_previous: 0,
            blanks: 0,
            replaced: HashSet::new(),
            matched: HashSet::new(),
            reached_known_rows: false,
            in_order: true,
            unchanged: true,
            new_places: HashSet::new(),
        }
    }

    /// Adds the rows that were served up to a position. Rows that were added before, where an interrupted read was
    /// continued, are skipped. A position without a row counts as matched.
    pub(super) fn add_rows(&mut self, rows: Vec<ListMember>, up_to: i64) {
        let from = self.served;
        let mut rows = rows.into_iter().skip_while(|row| row.position < from).peekable();
        for place in from..up_to {
            match rows.next_if(|row| row.position == place) {
                Some(row) => self.match_row(row),
                None => {
                    self.blanks += 1;
                    let known = usize::try_from(place).ok().and_then(|place| self.previous.rows.get(place));
                    self.unchanged &= matches!(known, Some(None));
                }
            }
        }
        self.served = self.served.max(up_to);
    }

    fn match_row(&mut self, row: ListMember) {
        let places = self.previous.places.get(&row.id).map_or(&[][..], Vec::as_slice);
        let is_it = |place: &&usize| {
            let same = matches!(&self.previous.rows[**place], Some((_, at)) if *at == row.added_at);
            same && !self.matched.contains(*place)
        };
        let known = places.iter().find(is_it).copied();
        self.unchanged &= known.is_some_and(|place| as_count(place) == row.position);
        let Some(place) = known else {
            self.reached_known_rows = false;
            if places.is_empty() {
                self.new_places.insert(row.position);
            }
            // A library has an entity once: with another date it is not where it was. If it is there all the
            // same, the rest does not add up, and it is matched there.
            if let [only] = places
                && *only >= self.next_previous
            {
                self.replaced.insert(*only);
            }
            return;
        };
        self.in_order &= place >= self.next_previous;
        self.next_previous = self.next_previous.max(place + 1);
        self.blanks = 0;
        self.reached_known_rows = true;
        self.matched.insert(place);
        self.replaced.remove(&place);
    }

    /// Whether the rest of a list that announces `total` items may be presumed to be unchanged.
    pub(super) fn is_enough(&self, total: i64) -> bool {
        let next = self.next_previous + self.blanks;
        // A null at the end of a page that was no null before may be any of the items.
        let blanks_were_known =
            self.previous.rows.get(self.next_previous..next).is_some_and(|rows| rows.iter().all(Option::is_none));
        let gone = self.replaced.iter().filter(|place| **place >= next).count();
        let left = self.previous.announced - as_count(next) - as_count(gone);
        self.in_order && self.reached_known_rows && blanks_were_known && left == total - self.served
    }

    /// The rows that are presumed to follow, at their new positions.
    pub(super) fn presumed_rows(&self) -> Vec<ListMember> {
        let row = |(position, place): (i64, usize)| {
            let (id, added_at) = self.previous.rows[place].clone()?;
            Some(ListMember { position, id, added_at })
        };
        self.presumed_places().filter_map(row).collect()
    }

    /// The places of the previous rows that are presumed to follow, with their new positions.
    fn presumed_places(&self) -> impl Iterator<Item = (i64, usize)> + '_ {
        let from = self.next_previous + self.blanks;
        let left = (from..self.previous.rows.len()).filter(|place| !self.replaced.contains(place));
        (self.served..).zip(left)
    }

    /// Of items that the last read could not read, those in the part that is presumed, at their new positions.
    pub(super) fn presumed_unread(&self, unread: &[UnreadItem]) -> Vec<UnreadItem> {
        let item = |(position, place): (i64, usize)| {
            let known = unread.iter().find(|item| item.position == as_count(place))?;
            Some(UnreadItem { position, ..known.clone() })
        };
        self.presumed_places().filter_map(item).collect()
    }

    /// Of known gaps, those in the part that is presumed: their places now, with the items that have them.
    pub(super) fn presumed_gaps(&self, places: &[i64]) -> Vec<(i64, Option<String>)> {
        let is_gap = |(_, place): &(i64, usize)| places.contains(&as_count(*place));
        let known = |place: usize| self.previous.rows[place].as_ref().map(|(id, _)| id.clone());
        self.presumed_places().filter(is_gap).map(|(position, place)| (position, known(place))).collect()
    }

    /// Whether a new entity came at one of these published places, in a list that has grown by some items at its start.
    pub(super) fn fills_gap(&self, places: &[i64], grown: i64) -> bool {
        places.iter().any(|place| self.new_places.contains(&(place + grown)))
    }

    /// Whether all rows that were read are where they were.
    pub(super) fn found_nothing_new(&self) -> bool {
        self.unchanged
    }
}

fn as_count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
