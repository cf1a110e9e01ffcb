use super::*;
use proptest::prelude::*;

/// A list of Spotify's: a release day per item, and how many items a page has.
struct MadeUpList {
    days: Vec<u32>,
    page_size: usize,
    announced: usize,
}

impl MadeUpList {
    fn new(days: impl IntoIterator<Item = u32>, page_size: usize) -> MadeUpList {
        let days: Vec<u32> = days.into_iter().collect();
        MadeUpList { announced: days.len(), days, page_size }
    }

    fn page(&self, offset: i64) -> RawPage {
        let from = usize::try_from(offset).unwrap().min(self.days.len());
        let to = (from + self.page_size).min(self.days.len());
        let entry = |day: &u32| {
            let date = format!("20{:02}-{:02}-{:02}", day / 360, day / 30 % 12 + 1, day % 30 + 1);
            format!(r#"{{"id":"{day}","release_date":"{date}"}}"#)
        };
        let entries: Vec<String> = self.days[from..to].iter().map(entry).collect();
        let entries: Vec<Option<&str>> = entries.iter().map(|entry| Some(&**entry)).collect();
        let more = to < self.days.len();
        let total = Some(row_count(self.announced));
        let limit = Some(row_count(self.page_size));
        let mut page = RawPage::default().with_entries(&entries, total, more);
        page.limit = limit;
        page
    }

    /// The newest items and the number of requests that they took, in the way of a run: the rest of a list with
    /// its newest item first is read from its second page on.
    fn newest(&self, wanted: i64, known: &KnownNewest) -> (Vec<u32>, usize) {
        let mut newest = NewestItems::new(wanted, self.page(0), known);
        let mut requests = 1;
        while let Some(offset) = newest.next_offset() {
            requests += 1;
            assert!(requests < 500, "it ends: {newest:?}");
            newest.add_page(offset, &self.page(offset));
        }
        let page = newest.into_page(Vec::new(), known).page;
        let id = |entry: Option<&str>| {
            scan::find_values(entry.unwrap(), ["id"])[0].unwrap().trim_matches('"').parse().unwrap()
        };
        let mut found: Vec<u32> = page.entries().into_iter().map(id).collect();
        let wanted = usize::try_from(wanted).unwrap();
        while found.len() < wanted && page.more && found.len() < self.days.len() {
            requests += 1;
            found.extend(self.page(row_count(found.len())).entries().into_iter().map(id));
        }
        found.truncate(wanted);
        (found, requests)
    }
}

fn known(days: &[u32], total: usize, are_elsewhere: bool) -> KnownNewest {
    let ids = days.iter().map(ToString::to_string).collect();
    KnownNewest { ids, total: Some(row_count(total)), are_elsewhere }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn newest_of_an_ordered_list_are_found(
        length in 0usize..140,
        wanted in 1i64..70,
        page_size in 1usize..60,
        is_oldest_first: bool,
        is_shuffled: bool,
        seed: u32,
    ) {
        let mut days: Vec<u32> = (0..row_count(length)).map(|n| u32::try_from(n).unwrap() + 40).collect();
        if !is_oldest_first {
            days.reverse();
        }
        if is_shuffled {
            // The first page is out of order, and so is the rest.
            days.sort_by_key(|day| day.wrapping_mul(2_654_435_761).wrapping_add(seed) % 101);
        }
        let list = MadeUpList::new(days.clone(), page_size);
        let is_seen = length <= page_size
            || release_order(list.page(0).entries().iter().map(|entry| ReleaseSpan::of_entry((*entry)?)))
                == ReleaseOrder::Mixed;
        prop_assume!(!is_shuffled || is_seen);
        let (found, requests) = list.newest(wanted, &KnownNewest::default());
        let mut newest = days.clone();
        newest.sort_by_key(|day| std::cmp::Reverse(*day));
        newest.truncate(usize::try_from(wanted).unwrap());
        prop_assert_eq!(found, newest);
        let pages = |items: usize| items.div_ceil(page_size);
        let bound = match (is_shuffled, is_oldest_first) {
            (true, _) => pages(length).max(1),
            // The order of a page of one item shows on the next page.
            (false, true) => 2 + pages(usize::try_from(wanted).unwrap()),
            (false, false) => 1 + pages(usize::try_from(wanted).unwrap()),
        };
        prop_assert!(requests <= bound, "{requests} requests of {bound}");
    }
}

#[test]
fn order_decides_how_many_pages_are_read() {
    let (newest_first, oldest_first) = ((0..130).rev(), 0..130);
    let first_run = KnownNewest::default();
    let cases = [
        ("newest first", MadeUpList::new(newest_first.clone(), 50), 5, 1),
        ("newest first, more than a page", MadeUpList::new(newest_first, 50), 60, 2),
        ("oldest first", MadeUpList::new(oldest_first.clone(), 50), 5, 2),
        ("oldest first, more than a page", MadeUpList::new(oldest_first.clone(), 50), 60, 3),
        ("oldest first, in one page", MadeUpList::new(0..8, 50), 5, 1),
        ("one page and one item", MadeUpList::new(0..51, 50), 5, 2),
        ("mixed", MadeUpList::new((0..130).map(|n| n * 37 % 131), 50), 5, 3),
        ("total that is too large", MadeUpList { announced: 150, ..MadeUpList::new(oldest_first.clone(), 50) }, 5, 2),
        (
            "total that is far too large",
            MadeUpList { announced: 300, ..MadeUpList::new(oldest_first.clone(), 50) },
            5,
            5,
        ),
        ("total that is too small", MadeUpList { announced: 110, ..MadeUpList::new(oldest_first, 50) }, 5, 3),
    ];
    for (case, list, wanted, requests) in cases {
        let (found, taken) = list.newest(wanted, &first_run);
        let mut days = list.days.clone();
        days.sort_unstable();
        let newest: Vec<u32> = days.into_iter().rev().take(usize::try_from(wanted).unwrap()).collect();
        assert_eq!((found, taken), (newest, requests), "{case}");
    }
}

#[test]
fn new_item_is_found_at_either_end() {
    let before: Vec<u32> = (100..230).rev().collect();
    let stored = known(&before[..5], 130, false);
    let run = |days: Vec<u32>, known: &KnownNewest| MadeUpList::new(days, 50).newest(5, known);
    let with = |first: &[u32], last: &[u32]| [first, &before, last].concat();
    assert_eq!(run(before.clone(), &stored), (vec![229, 228, 227, 226, 225], 1));
    assert_eq!(run(with(&[230], &[]), &stored), (vec![230, 229, 228, 227, 226], 1));
    assert_eq!(run(with(&[], &[230]), &stored), (vec![230, 229, 228, 227, 226], 3), "the end is looked at");
    assert_eq!(run(with(&[], &[7]), &stored), (vec![229, 228, 227, 226, 225], 2), "an old one was added");
    // The next run remembers that the newest item is not on the first page.
    let stored = known(&[230, 229, 228, 227, 226], 131, true);
    assert_eq!(run(with(&[], &[230]), &stored), (vec![230, 229, 228, 227, 226], 3));
    // In a list with its oldest item first.
    let oldest_first: Vec<u32> = (100..230).collect();
    let at_start = [vec![230], oldest_first].concat();
    assert_eq!(run(at_start, &known(&[229], 130, true)), (vec![230, 229, 228, 227, 226], 3));
}
