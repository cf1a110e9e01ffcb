//! Incremental reads, compared with a model of a library.

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
