//! What changed between two reads of a playlist, in as few rows as possible.
//!
//! An item is identified by uri, added_at and added_by, and the same item may appear many times. The common
//! start and end of both reads stay, which settles every edit in one place. Of the rest, a longest common
//! subsequence stays. Of the remaining items, those in both reads have moved, and the others were added or
//! removed. No description of the difference needs fewer rows.
//!
//! The comparison takes time proportional to the number of changes (Myers, "An O(ND) difference algorithm",
//! 1986), so an insert at the head of ten thousand items compares each item once. Beyond [`MAX_EXACT_CHANGES`],
//! equal items are matched in order and the longest run that kept its order stays. That is just as short unless
//! items repeat.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

/// Number of changes up to which the shortest result is searched for. The search needs two megabytes at that
/// point.
const MAX_EXACT_CHANGES: usize = 700;

/// What happened to one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ItemChange {
    /// It is new at this position.
    Added { after: usize },
    /// It is no longer in the list; this was its position.
    Removed { before: usize },
    /// It changed its position relative to the items that stayed.
    Moved { before: usize, after: usize },
}

/// The difference between two reads.
#[derive(Debug, Default)]
pub(super) struct PlaylistDiff {
    /// Removals by old position, then additions and moves by new position.
    pub changes: Vec<ItemChange>,
    /// For each new position, the old position of the same item.
    pub origin: Vec<Option<usize>>,
}

/// Compares two reads of a list by the hashes of their items.
pub(super) fn diff_items(before: &[u64], after: &[u64]) -> PlaylistDiff {
    let head = common_length(before.iter(), after.iter());
    let (old, new) = (&before[head..], &after[head..]);
    let tail = common_length(old.iter().rev(), new.iter().rev());
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
    let stays = longest_common_subsequence(old, new, MAX_EXACT_CHANGES).unwrap_or_else(|| match_in_order(old, new));

    let mut origin: Vec<Option<usize>> = (0..head).map(Some).collect();
    origin.resize(after.len(), None);
    for (from, to) in stays {
        origin[head + to] = Some(head + from);
    }
    for back in 1..=tail {
        origin[after.len() - back] = Some(before.len() - back);
    }
    let mut stayed = vec![false; before.len()];
    origin.iter().flatten().for_each(|place| stayed[*place] = true);
    let mut left: FxHashMap<u64, VecDeque<usize>> = FxHashMap::default();
    for place in (head..before.len() - tail).filter(|place| !stayed[*place]) {
        left.entry(before[place]).or_default().push_back(place);
    }
    let mut came = Vec::new();
    for place in head..after.len() - tail {
        if origin[place].is_some() {
            continue;
        }
        origin[place] = left.get_mut(&after[place]).and_then(VecDeque::pop_front);
        came.push(match origin[place] {
            Some(before) => ItemChange::Moved { before, after: place },
            None => ItemChange::Added { after: place },
        });
    }
    let mut changes: Vec<ItemChange> =
        left.into_values().flatten().map(|before| ItemChange::Removed { before }).collect();
    changes.sort_unstable();
    changes.append(&mut came);
    PlaylistDiff { changes, origin }
}

/// Returns how many items are equal at the start of two lists.
fn common_length<'a>(one: impl Iterator<Item = &'a u64>, other: impl Iterator<Item = &'a u64>) -> usize {
    one.zip(other).take_while(|(one, other)| one == other).count()
}

/// Returns a longest common subsequence as pairs of positions, or none if more than `most` items would be left
/// out.
///
/// `rows[n][i]` is the furthest old position that can be reached with `n` items left out, where old and new
/// position differ by `2 * i - n`. The rows are kept for the way back.
fn longest_common_subsequence(old: &[u64], new: &[u64], most: usize) -> Option<Vec<(usize, usize)>> {
    let mut rows: Vec<Vec<usize>> = Vec::new();
    for out in 0..=most {
        let mut row = Vec::with_capacity(out + 1);
        for i in 0..=out {
            let mut from = row_start(&rows, i);
            let to = |from: usize| from + out - 2 * i;
            while old.get(from).is_some_and(|item| new.get(to(from)) == Some(item)) {
                from += 1;
            }
            row.push(from);
            if from == old.len() && to(from) == new.len() {
                return Some(backtrack(&rows, i, from));
            }
        }
        rows.push(row);
    }
    None
}

/// Returns the old position at which the next row starts: an old or a new item is left out there.
fn row_start(rows: &[Vec<usize>], i: usize) -> usize {
    let Some(before) = rows.last() else { return 0 };
    let by_old = i.checked_sub(1).map(|i| before[i] + 1);
    by_old.max(before.get(i).copied()).unwrap_or(0)
}

/// Returns the pairs on the path that led past the last of `rows` to this old position.
fn backtrack(rows: &[Vec<usize>], mut i: usize, mut from: usize) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for out in (0..=rows.len()).rev() {
        let rows = &rows[..out];
        let began = row_start(rows, i);
        pairs.extend((began..from).rev().map(|place| (place, place + out - 2 * i)));
        from = began;
        if let Some(before) = rows.last()
            && before.get(i) != Some(&from)
        {
            (i, from) = (i - 1, from - 1);
        }
    }
    pairs
}

/// Matches equal items in order and returns the longest run that kept its order.
fn match_in_order(old: &[u64], new: &[u64]) -> Vec<(usize, usize)> {
    let mut waiting: FxHashMap<u64, VecDeque<usize>> = FxHashMap::default();
    for (place, item) in old.iter().enumerate() {
        waiting.entry(*item).or_default().push_back(place);
    }
    let matched = new.iter().enumerate();
    let matched: Vec<(usize, usize)> =
        matched.filter_map(|(to, item)| Some((waiting.get_mut(item)?.pop_front()?, to))).collect();
    let stays = longest_increasing(&matched.iter().map(|(from, _)| *from).collect::<Vec<_>>());
    matched.into_iter().zip(stays).filter_map(|(pair, stays)| stays.then_some(pair)).collect()
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
        assert_eq!(diff_items(&before, &after).changes, [ItemChange::Added { after: 0 }]);
    }

    #[test]
    fn a_drag_is_one_move_even_of_a_duplicate() {
        let d = diff_items(&[1, 2, 3, 4], &[2, 3, 4, 1]);
        assert_eq!(d.changes, [ItemChange::Moved { before: 0, after: 3 }]);
        let d = diff_items(&[1, 2, 1, 3], &[1, 2, 3, 1]);
        assert_eq!(d.changes.len(), 1, "{d:?}");
    }

    #[test]
    fn one_of_many_equal_items_is_one_removal() {
        assert_eq!(diff_items(&[7, 7, 8], &[7, 8]).changes, [ItemChange::Removed { before: 1 }]);
        let before: Vec<u64> = (0..20).flat_map(|n| [1, 100 + n % 2]).collect();
        for place in 0..before.len() {
            let mut after = before.clone();
            after.remove(place);
            assert_eq!(diff_items(&before, &after).changes.len(), 1, "removed at {place}");
            assert_eq!(diff_items(&after, &before).changes.len(), 1, "added at {place}");
        }
    }

    #[test]
    fn edits_at_both_ends_are_as_many_rows() {
        let before: Vec<u64> = (0..10_000).map(|n| if n % 3 == 0 { n } else { 1_000_000 + n % 3 }).collect();
        let mut after = before.clone();
        after.remove(9_990);
        after.insert(10, 5_000_000);
        after.remove(1);
        assert_eq!(diff_items(&before, &after).changes.len(), 3);
    }

    #[test]
    fn reversed_list_is_compared_in_bounded_time() {
        let before: Vec<u64> = (0..10_000).collect();
        let after: Vec<u64> = (0..10_000).rev().collect();
        assert_eq!(diff_items(&before, &after).changes.len(), 9_999);
    }

    /// Minimum number of rows, by the textbook's table.
    fn fewest(before: &[u64], after: &[u64]) -> usize {
        let mut longest = vec![vec![0usize; after.len() + 1]; before.len() + 1];
        for (i, one) in before.iter().enumerate() {
            for (j, other) in after.iter().enumerate() {
                let skip = longest[i][j + 1].max(longest[i + 1][j]);
                longest[i + 1][j + 1] = if one == other { longest[i][j] + 1 } else { skip };
            }
        }
        let mut names: Vec<u64> = before.to_vec();
        names.sort_unstable();
        names.dedup();
        let times = |list: &[u64], name: u64| list.iter().filter(|item| **item == name).count();
        let in_both: usize = names.iter().map(|name| times(before, *name).min(times(after, *name))).sum();
        // An item that is in both and does not stay is one row instead of two.
        before.len() + after.len() - longest[before.len()][after.len()] - in_both
    }

    /// The new list, from the old one and the changes.
    fn replayed(before: &[u64], after: &[u64], d: &PlaylistDiff) -> (Vec<u64>, bool) {
        // Items that were neither removed nor moved keep their order; the others are put at their new
        // position.
        let gone: Vec<usize> = d
            .changes
            .iter()
            .filter_map(|c| match c {
                ItemChange::Removed { before } | ItemChange::Moved { before, .. } => Some(*before),
                ItemChange::Added { .. } => None,
            })
            .collect();
        let mut stay = (0..before.len()).filter(|p| !gone.contains(p)).map(|p| before[p]);
        let mut put = rustc_hash::FxHashMap::default();
        for c in &d.changes {
            match c {
                ItemChange::Added { after: at } => drop(put.insert(*at, after[*at])),
                ItemChange::Moved { before: from, after: at } => drop(put.insert(*at, before[*from])),
                ItemChange::Removed { .. } => {}
            }
        }
        let list = (0..after.len()).filter_map(|at| put.get(&at).copied().or_else(|| stay.next())).collect();
        (list, stay.next().is_none())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn changes_are_correct_and_minimal(
            before in prop::collection::vec(0u64..6, 0..30),
            after in prop::collection::vec(0u64..6, 0..30),
        ) {
            let d = diff_items(&before, &after);
            prop_assert_eq!(replayed(&before, &after, &d), (after.clone(), true));
            prop_assert_eq!(d.changes.len(), fewest(&before, &after));
            for (place, origin) in d.origin.iter().enumerate() {
                prop_assert!(origin.is_none_or(|from| before[from] == after[place]));
            }
        }

        /// The fallback for many changes also leads to the new list.
        #[test]
        fn items_matched_in_their_order_stay_in_it(
            before in prop::collection::vec(0u64..6, 0..30),
            after in prop::collection::vec(0u64..6, 0..30),
        ) {
            let pairs = match_in_order(&before, &after);
            prop_assert!(pairs.is_sorted_by(|one, next| one.0 < next.0 && one.1 < next.1));
            prop_assert!(pairs.iter().all(|(from, to)| before[*from] == after[*to]));
        }

        /// An edit by a person: some neighbours are removed, added or dragged elsewhere.
        #[test]
        fn one_edit_has_at_most_a_row_per_item(
            list in prop::collection::vec(0u64..4, 1..60),
            place in any::<prop::sample::Index>(),
            to in any::<prop::sample::Index>(),
            count in 1usize..5,
            what in 0u8..3,
        ) {
            let mut after = list.clone();
            let place = place.index(list.len());
            let count = count.min(list.len() - place);
            match what {
                0 => drop(after.drain(place..place + count)),
                1 => drop(after.splice(place..place, (0..count as u64).map(|n| n % 5))),
                _ => {
                    let dragged: Vec<u64> = after.drain(place..place + count).collect();
                    let to = to.index(after.len() + 1);
                    drop(after.splice(to..to, dragged));
                }
            }
            prop_assert!(diff_items(&list, &after).changes.len() <= count);
        }
    }
}
