//! What changed between two reads of a playlist.
//!
//! Items are matched in order on what names an entry of a list: uri, added_at and added_by. Of the
//! matched ones the longest run that kept its order stays; the others moved. So an insert at the
//! head of ten thousand items is one line, and a duplicate that was dragged is one line too.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

/// What became of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// Stands at this place now, stood nowhere before.
    Added { after: usize },
    /// Stood at this place, stands nowhere now.
    Removed { before: usize },
    /// Changed its place among those that stayed.
    Moved { before: usize, after: usize },
}

/// The difference between two reads.
#[derive(Debug, Default)]
pub(super) struct Diff {
    /// Removals by old place, then additions and moves by new place.
    pub changes: Vec<Change>,
    /// For each new place, the old one of the same item.
    pub origin: Vec<Option<usize>>,
}

/// Compares two reads of a list by the hashes of their items.
pub(super) fn diff(before: &[u64], after: &[u64]) -> Diff {
    let mut waiting: FxHashMap<u64, VecDeque<usize>> = FxHashMap::default();
    for (place, item) in before.iter().enumerate() {
        waiting.entry(*item).or_default().push_back(place);
    }
    let origin: Vec<Option<usize>> =
        after.iter().map(|item| waiting.get_mut(item).and_then(VecDeque::pop_front)).collect();

    let mut changes: Vec<Change> = waiting.into_values().flatten().map(|before| Change::Removed { before }).collect();
    changes.sort_unstable();

    let kept: Vec<(usize, usize)> =
        origin.iter().enumerate().filter_map(|(after, before)| before.map(|b| (b, after))).collect();
    let stays = longest_increasing(&kept.iter().map(|(b, _)| *b).collect::<Vec<_>>());
    let mut still = kept.iter().zip(&stays);
    for (place, before) in origin.iter().enumerate() {
        match before {
            None => changes.push(Change::Added { after: place }),
            Some(before) => {
                if let Some((_, false)) = still.next() {
                    changes.push(Change::Moved { before: *before, after: place });
                }
            }
        }
    }
    Diff { changes, origin }
}

/// For each number, whether it belongs to one longest increasing subsequence.
fn longest_increasing(numbers: &[usize]) -> Vec<bool> {
    // tails[k]: index of the smallest number that ends an increasing run of length k + 1.
    let mut tails: Vec<usize> = Vec::new();
    let mut previous: Vec<Option<usize>> = Vec::with_capacity(numbers.len());
    for (index, number) in numbers.iter().enumerate() {
        let length = tails.partition_point(|tail| numbers[*tail] < *number);
        previous.push(length.checked_sub(1).map(|l| tails[l]));
        if length == tails.len() {
            tails.push(index);
        } else {
            tails[length] = index;
        }
    }
    let mut belongs = vec![false; numbers.len()];
    let mut at = tails.last().copied();
    while let Some(index) = at {
        belongs[index] = true;
        at = previous[index];
    }
    belongs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_insert_at_the_head_is_one_change() {
        let before: Vec<u64> = (0..1000).collect();
        let after: Vec<u64> = std::iter::once(5000).chain(0..1000).collect();
        assert_eq!(diff(&before, &after).changes, [Change::Added { after: 0 }]);
    }

    #[test]
    fn a_drag_is_one_move_even_of_a_duplicate() {
        let d = diff(&[1, 2, 3, 4], &[2, 3, 4, 1]);
        assert_eq!(d.changes, [Change::Moved { before: 0, after: 3 }]);
        let d = diff(&[1, 2, 1, 3], &[1, 2, 3, 1]);
        assert_eq!(d.changes.len(), 1, "{d:?}");
    }

    #[test]
    fn one_of_two_equal_items_removed_is_one_removal() {
        assert_eq!(diff(&[7, 7, 8], &[7, 8]).changes, [Change::Removed { before: 1 }]);
    }

    proptest! {
        #[test]
        fn replaying_the_changes_gives_the_new_list(
            before in prop::collection::vec(0u64..8, 0..40),
            after in prop::collection::vec(0u64..8, 0..40),
        ) {
            let d = diff(&before, &after);
            // Those that neither went nor moved keep their order; the rest is put at its new place.
            let gone: Vec<usize> = d.changes.iter().filter_map(|c| match c {
                Change::Removed { before } | Change::Moved { before, .. } => Some(*before),
                Change::Added { .. } => None,
            }).collect();
            let mut stay = (0..before.len()).filter(|p| !gone.contains(p)).map(|p| before[p]);
            let mut put = rustc_hash::FxHashMap::default();
            for c in &d.changes {
                match c {
                    Change::Added { after: at } => { put.insert(*at, after[*at]); }
                    Change::Moved { before: from, after: at } => { put.insert(*at, before[*from]); }
                    Change::Removed { .. } => {}
                }
            }
            let replayed: Vec<u64> = (0..after.len()).filter_map(|at| put.get(&at).copied().or_else(|| stay.next())).collect();
            prop_assert_eq!(replayed, after);
            prop_assert_eq!(stay.next(), None);
        }
    }
}
