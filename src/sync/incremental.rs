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
    /// The rows of a list of which `served` of the `announced` items were served.
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

    /// Whether all rows that were read are where they were.
    pub(super) fn found_nothing_new(&self) -> bool {
        self.unchanged
    }
}

fn as_count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A row of a library as it truly is; nothing: null.
    type Row = Option<(u32, u32)>;

    /// A change that a user, or Spotify, makes to a library.
    #[derive(Debug, Clone)]
    enum Change {
        Save,
        Remove(usize),
        SaveAgain(usize),
        /// At a place that its date puts it at, however far down.
        InsertWithOldDate(usize),
        TurnToNull(usize),
        /// Under another date: a library with the same track twice.
        Double(usize),
    }

    impl Change {
        /// Whether only a whole read is sure to see it.
        fn is_presumed_away(&self) -> bool {
            matches!(self, Change::InsertWithOldDate(_) | Change::TurnToNull(_) | Change::Double(_))
        }
    }

    /// The real library, and the result of the read.
    #[derive(Debug, Default)]
    struct Library {
        truth: Vec<Row>,
        known: Vec<ListMember>,
        clock: u32,
        next_id: u32,
    }

    impl Library {
        fn make(&mut self, change: &Change) {
            self.clock += 10;
            let at = |n: usize, len: usize| if len == 0 { 0 } else { n % len };
            let place = |n: usize| at(n, self.truth.len());
            match *change {
                Change::Save => {
                    self.next_id += 1;
                    self.truth.insert(0, Some((self.next_id, self.clock)));
                }
                Change::Remove(n) if !self.truth.is_empty() => drop(self.truth.remove(place(n))),
                Change::SaveAgain(n) if !self.truth.is_empty() => {
                    if let Some((id, _)) = self.truth.remove(place(n)) {
                        self.truth.insert(0, Some((id, self.clock)));
                    }
                }
                Change::InsertWithOldDate(n) => {
                    self.next_id += 1;
                    let place = place(n);
                    let below = self.truth[place..].iter().flatten().map(|(_, at)| *at).next().unwrap_or(0);
                    self.truth.insert(place, Some((self.next_id, below + 1)));
                }
                Change::TurnToNull(n) if !self.truth.is_empty() => {
                    let place = place(n);
                    self.truth[place] = None;
                }
                Change::Double(n) if !self.truth.is_empty() => {
                    if let Some((id, _)) = self.truth[place(n)] {
                        self.truth.insert(0, Some((id, self.clock)));
                    }
                }
                _ => {}
            }
        }

        /// What a whole read concludes.
        fn whole(truth: &[Row]) -> Vec<ListMember> {
            Library::rows(truth, 0)
        }

        fn rows(truth: &[Row], from: usize) -> Vec<ListMember> {
            let rows = truth.iter().zip(as_count(from)..).filter_map(|(row, position)| {
                let (id, at) = (*row)?;
                Some(ListMember { position, id: id.to_string(), added_at: Some(at.to_string()) })
            });
            rows.collect()
        }

        /// Reads from the head; how many pages that took, and how far it came.
        fn read(&mut self, before: i64, page: usize) -> (usize, usize) {
            let total = as_count(self.truth.len());
            let mut head = IncrementalRead::new(PreviousRows::new(self.known.clone(), before, before));
            let (mut reached, mut pages) = (0, 0);
            loop {
                let end = (reached + page).min(self.truth.len());
                head.add_rows(Library::rows(&self.truth[reached..end], reached), as_count(end));
                (reached, pages) = (end, pages + 1);
                if reached == self.truth.len() {
                    self.known = Library::whole(&self.truth);
                    return (pages, reached);
                }
                if head.is_enough(total) {
                    self.known = Library::whole(&self.truth[..reached]);
                    self.known.extend(head.presumed_rows());
                    return (pages, reached);
                }
            }
        }
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            4 => Just(Change::Save),
            3 => any::<usize>().prop_map(Change::Remove),
            2 => any::<usize>().prop_map(Change::SaveAgain),
            2 => any::<usize>().prop_map(Change::InsertWithOldDate),
            1 => any::<usize>().prop_map(Change::TurnToNull),
            1 => any::<usize>().prop_map(Change::Double),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        /// Ten reads with changes between them, each fourth one whole.
        #[test]
        fn incremental_read_is_wrong_only_if_presumed(
            rounds in prop::collection::vec(prop::collection::vec(change(), 0..8), 10),
            start in 0u32..120,
            page in 1usize..20,
        ) {
            let mut library = Library::default();
            (0..start).for_each(|_| library.make(&Change::Save));
            library.known = Library::whole(&library.truth);
            let (mut before, mut may_be_fooled) = (library.truth.len(), false);
            for (n, changes) in rounds.iter().enumerate() {
                changes.iter().for_each(|change| library.make(change));
                may_be_fooled |= changes.iter().any(Change::is_presumed_away);
                let truth = Library::whole(&library.truth);
                if n % 4 == 3 {
                    library.known = truth;
                    may_be_fooled = false;
                } else {
                    let (_, reached) = library.read(as_count(before), page);
                    let seen = |rows: &[ListMember]| -> Vec<ListMember> {
                        rows.iter().filter(|row| row.position < as_count(reached)).cloned().collect()
                    };
                    prop_assert_eq!(seen(&library.known), seen(&truth), "the read part is right");
                    prop_assert!(library.known.iter().all(|row| row.position < as_count(library.truth.len())));
                    if !may_be_fooled {
                        prop_assert_eq!(&library.known, &truth);
                    }
                }
                before = library.truth.len();
            }
        }
    }

    fn library(size: u32) -> (Library, i64) {
        let mut library = Library::default();
        (0..size).for_each(|_| library.make(&Change::Save));
        library.known = Library::whole(&library.truth);
        (library, i64::from(size))
    }

    #[test]
    fn ten_new_rows_take_one_page() {
        let (mut library, before) = library(3_000);
        assert_eq!(library.read(before, 50), (1, 50));
        (0..10).for_each(|_| library.make(&Change::Save));
        assert_eq!(library.read(before, 50), (1, 50));
        assert_eq!(library.known, Library::whole(&library.truth));
    }

    #[test]
    fn read_continues_to_the_last_removal() {
        let (mut library, before) = library(3_000);
        for place in [2_900, 1_500, 100] {
            library.make(&Change::Remove(place));
        }
        (0..10).for_each(|_| library.make(&Change::Save));
        assert_eq!(library.read(before, 50), (59, 2_950), "the last of them was at 2,900, which is 2,908 now");
        assert_eq!(library.known, Library::whole(&library.truth));
    }

    #[test]
    fn row_saved_again_leaves_its_old_position() {
        let (mut library, before) = library(3_000);
        library.make(&Change::SaveAgain(2_000));
        assert_eq!(library.read(before, 50), (1, 50));
        assert_eq!(library.known, Library::whole(&library.truth));
    }

    #[test]
    fn overlapping_page_shows_as_much() {
        let (mut library, before) = library(200);
        library.make(&Change::Save);
        let mut head = IncrementalRead::new(PreviousRows::new(library.known.clone(), before, before));
        head.add_rows(Library::rows(&library.truth[..1], 0), 1);
        assert!(!head.is_enough(201), "no known row was met so far");
        head.add_rows(Library::rows(&library.truth[..50], 0), 50);
        assert!(head.is_enough(201));
        let (library, before) = self::library(200);
        let mut head = IncrementalRead::new(PreviousRows::new(library.known.clone(), before, before));
        head.add_rows(Library::rows(&library.truth[..50], 0), 50);
        head.add_rows(Library::rows(&library.truth[49..99], 49), 99);
        assert!(head.found_nothing_new());
    }

    #[test]
    fn a_page_of_new_rows_alone_is_not_enough() {
        let (mut library, before) = library(200);
        (0..50).for_each(|_| library.make(&Change::Save));
        assert_eq!(library.read(before, 50).0, 2, "no known row was met on the first");
    }

    #[test]
    fn unread_removal_is_found_by_a_complete_read() {
        let (mut library, before) = library(300);
        library.make(&Change::Remove(200));
        library.make(&Change::InsertWithOldDate(250));
        assert_eq!(library.read(before, 50), (1, 50));
        assert_ne!(library.known, Library::whole(&library.truth));
    }
}
