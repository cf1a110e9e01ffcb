//! Reads in halves what fails as a whole, so that one bad item costs itself only.
//!
//! Where the first half of a bad range is good, the second half is known to be bad and is halved again without a
//! request. One bad item of fifty takes about eleven requests.

use std::ops::Range;

/// Ranges of positions that are still to be requested, because a request for all of them failed.
#[derive(Debug)]
pub(super) struct Halving {
    /// The last one is the next.
    rest: Vec<HalfRange>,
}

#[derive(Debug)]
struct HalfRange {
    range: Range<i64>,
    is_first_half: bool,
    is_known_bad: bool,
}

impl Halving {
    /// Halves a range after its request failed.
    pub(super) fn new(range: Range<i64>) -> Halving {
        Halving { rest: vec![HalfRange { range, is_first_half: false, is_known_bad: true }] }
    }

    /// The first items by themselves, and then the others: a request for the whole range failed, and perhaps all do.
    pub(super) fn first_items(range: Range<i64>, count: i64) -> Halving {
        let middle = (range.start + count).min(range.end);
        let others = HalfRange { range: middle..range.end, is_first_half: false, is_known_bad: false };
        let first = HalfRange { range: range.start..middle, is_first_half: true, is_known_bad: false };
        Halving { rest: if middle < range.end { vec![others, first] } else { vec![first] } }
    }

    /// The range to request next; `None` if all of them are done.
    pub(super) fn next_range(&mut self) -> Option<Range<i64>> {
        while let Some(next) = self.rest.last() {
            if !next.is_known_bad || length(&next.range) <= 1 {
                return Some(next.range.clone());
            }
            self.halve();
        }
        None
    }

    /// The range was read. The rest of a range that was read in part begins at `reached`, and so do the ranges
    /// behind it, if more was read.
    pub(super) fn record_success(&mut self, reached: i64) {
        let Some(done) = self.rest.pop() else { return };
        if reached < done.range.end {
            self.rest.push(HalfRange { range: reached..done.range.end, ..done });
            return;
        }
        if done.is_first_half
            && let Some(second) = self.rest.last_mut()
        {
            second.is_known_bad = reached == done.range.end;
        }
        while let Some(next) = self.rest.last_mut().filter(|next| next.range.start < reached) {
            next.range.start = reached;
            if next.range.start >= next.range.end {
                self.rest.pop();
            }
        }
    }

    /// The request for the range failed. Returns the position, if it is a single one, which cannot be read.
    pub(super) fn record_failure(&mut self) -> Option<i64> {
        let failed = self.rest.last_mut()?;
        if length(&failed.range) > 1 {
            failed.is_known_bad = true;
            return None;
        }
        self.rest.pop().map(|failed| failed.range.start)
    }

    fn halve(&mut self) {
        let Some(HalfRange { range, .. }) = self.rest.pop() else { return };
        let middle = range.start + length(&range).div_euclid(2);
        self.rest.push(HalfRange { range: middle..range.end, is_first_half: false, is_known_bad: false });
        self.rest.push(HalfRange { range: range.start..middle, is_first_half: true, is_known_bad: false });
    }
}

fn length(range: &Range<i64>) -> i64 {
    range.end - range.start
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The items read of a range with bad positions, those that are not, and the number of requests.
    fn read(range: Range<i64>, bad: &[i64]) -> (Vec<i64>, Vec<i64>, usize) {
        let mut halving = Halving::new(range);
        let (mut good, mut found, mut requests) = (Vec::new(), Vec::new(), 0);
        while let Some(next) = halving.next_range() {
            requests += 1;
            if bad.iter().any(|position| next.contains(position)) {
                found.extend(halving.record_failure());
            } else {
                good.extend(next.clone());
                halving.record_success(next.end);
            }
        }
        (good, found, requests)
    }

    #[test]
    fn bad_positions_are_found_in_order() {
        for bad in [vec![50], vec![70, 71], vec![99], vec![50, 99], vec![60, 75, 80], (50..100).collect()] {
            let (good, found, _) = read(50..100, &bad);
            assert_eq!(found, bad);
            assert_eq!(good, (50..100).filter(|n| !bad.contains(n)).collect::<Vec<_>>());
        }
        assert_eq!(read(7..8, &[7]), (vec![], vec![7], 1));
    }

    #[test]
    fn one_of_fifty_takes_twelve_requests() {
        let most = (0..50).map(|bad| read(0..50, &[bad]).2).max();
        assert!(most <= Some(12), "{most:?}");
    }

    #[test]
    fn rest_of_a_part_is_requested() {
        let mut halving = Halving::new(0..8);
        assert_eq!(halving.next_range(), Some(0..4));
        halving.record_success(3);
        assert_eq!(halving.next_range(), Some(3..4));
        halving.record_success(6);
        assert_eq!(halving.next_range(), Some(6..8));
    }

    #[test]
    fn first_position_is_requested_alone() {
        let mut halving = Halving::first_items(0..50, 1);
        assert_eq!(halving.next_range(), Some(0..1));
        halving.record_success(1);
        assert_eq!(halving.next_range(), Some(1..25), "the others are known to be bad");
        let mut halving = Halving::first_items(0..50, 1);
        assert_eq!((halving.next_range(), halving.record_failure()), (Some(0..1), Some(0)));
        assert_eq!(halving.next_range(), Some(1..50));
    }
}
