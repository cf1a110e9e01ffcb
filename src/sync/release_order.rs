//! The order of a list by release date: newest first, oldest first, or neither.
//!
//! Spotify states a date by year, month or day, so a date is a span of days. Two spans that overlap are in any order.
//! An item without a date has its place in the list and nothing else.

use spotify_client::wire::scan;

/// The days that a release date may mean, as numbers such as 20261130.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReleaseSpan {
    first: u32,
    last: u32,
}

impl ReleaseSpan {
    /// The span of a date such as `2026`, `2026-11` or `2026-11-30`; `None` for a blank or unknown one.
    pub(super) fn parse(date: &str) -> Option<ReleaseSpan> {
        let number = |part: &str| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..digits].parse::<u32>().ok()
        };
        let mut parts = date.trim().splitn(3, '-').map(number);
        let year = parts.next().flatten().filter(|year| (1..=9999).contains(year))?;
        let month = parts.next().flatten().filter(|month| (1..=12).contains(month));
        let day = month.and(parts.next().flatten()).filter(|day| (1..=31).contains(day));
        let day_number = |month: u32, day: u32| year * 10_000 + month * 100 + day;
        Some(ReleaseSpan {
            first: day_number(month.unwrap_or(1), day.unwrap_or(1)),
            last: day_number(month.unwrap_or(12), day.unwrap_or(31)),
        })
    }

    /// The span of the release date of an entry of a list.
    pub(super) fn of_entry(entry: &str) -> Option<ReleaseSpan> {
        let [date] = scan::find_values(entry, ["release_date"]);
        ReleaseSpan::parse(date?.trim_matches('"'))
    }
}

/// How a list is ordered by release date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReleaseOrder {
    NewestFirst,
    OldestFirst,
    /// All dates may be the same, or there is none.
    Unclear,
    Mixed,
}

/// The order of a list with these release dates.
pub(super) fn release_order(dates: impl Iterator<Item = Option<ReleaseSpan>>) -> ReleaseOrder {
    let (mut may_fall, mut may_rise, mut bounds) = (true, true, None);
    for span in dates.flatten() {
        let (smallest_last, largest_first) = bounds.unwrap_or((span.last, span.first));
        may_fall &= span.first <= smallest_last;
        may_rise &= span.last >= largest_first;
        bounds = Some((smallest_last.min(span.last), largest_first.max(span.first)));
    }
    match (may_fall, may_rise) {
        (true, true) => ReleaseOrder::Unclear,
        (true, false) => ReleaseOrder::NewestFirst,
        (false, true) => ReleaseOrder::OldestFirst,
        (false, false) => ReleaseOrder::Mixed,
    }
}

/// The places of the newest items of a list, newest first. In a list that is ordered, the order decides, also between
/// items of the same day. Elsewhere an item without a date counts as released with the item before it, and of several
/// items of the same day the first in the list comes first.
pub(super) fn newest_places(dates: &[Option<ReleaseSpan>], wanted: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..dates.len()).collect();
    match release_order(dates.iter().copied()) {
        ReleaseOrder::NewestFirst | ReleaseOrder::Unclear => {}
        ReleaseOrder::OldestFirst => places.reverse(),
        ReleaseOrder::Mixed => {
            let first_date = dates.iter().copied().flatten().next();
            let filled: Vec<Option<u32>> = dates
                .iter()
                .scan(first_date, |before, date| {
                    *before = date.or(*before);
                    Some(before.map(|span| span.first))
                })
                .collect();
            places.sort_by_key(|place| std::cmp::Reverse(filled[*place]));
        }
    }
    places.truncate(wanted);
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(dates: &str) -> Vec<Option<ReleaseSpan>> {
        dates.split(' ').map(ReleaseSpan::parse).collect()
    }

    #[test]
    fn dates_are_spans_of_days() {
        let span = |date| ReleaseSpan::parse(date).map(|span| (span.first, span.last));
        assert_eq!(span("2026-11-30"), Some((20_261_130, 20_261_130)));
        assert_eq!(span("2026-11-30T08:00:00Z"), Some((20_261_130, 20_261_130)));
        assert_eq!(span("2026-11"), Some((20_261_101, 20_261_131)));
        assert_eq!(span("2026"), Some((20_260_101, 20_261_231)));
        assert_eq!(span("2026-13-01"), span("2026"));
        for blank in ["", "0000", "0000-00-00", "null", "soon", "-", "é"] {
            assert_eq!(span(blank), None, "{blank}");
        }
        assert_eq!(ReleaseSpan::of_entry(r#"{"id":"a","release_date":1984}"#), ReleaseSpan::parse("1984"));
        assert_eq!(ReleaseSpan::of_entry(r#"{"id":"a","release_date":null}"#), None);
    }

    #[test]
    fn newest_are_found_in_any_order() {
        let cases = [
            ("newest first", "2026-03-03 2026-03-02 2026-03-01", ReleaseOrder::NewestFirst, vec![0, 1]),
            ("oldest first", "2026-03-01 2026-03-02 2026-03-03", ReleaseOrder::OldestFirst, vec![2, 1]),
            ("mixed", "2026-03-02 2026-03-03 2026-03-01", ReleaseOrder::Mixed, vec![1, 0]),
            ("same day", "2026-03-01 2026-03-01 2026-03-01", ReleaseOrder::Unclear, vec![0, 1]),
            ("no date", "- - -", ReleaseOrder::Unclear, vec![0, 1]),
            ("ties at the end", "2026-03-01 2026-03-02 2026-03-02", ReleaseOrder::OldestFirst, vec![2, 1]),
            ("a year among days", "2026-03-02 2026 2026-03-01", ReleaseOrder::NewestFirst, vec![0, 1]),
            ("a month that is earlier", "2026-03-02 2026-02 2026-03-01", ReleaseOrder::Mixed, vec![0, 2]),
            ("a year cannot bridge two days", "2026-05-01 2026 2026-08-01 2026-01-01", ReleaseOrder::Mixed, vec![2, 0]),
            ("no date in the middle", "2026-03-01 - 2026-03-03", ReleaseOrder::OldestFirst, vec![2, 1]),
            ("no date in a mixed list", "2026-03-01 2026-03-03 - 2026-03-02", ReleaseOrder::Mixed, vec![1, 2]),
            ("no date at the start", "- 2026-03-03 2026-03-01 2026-03-02", ReleaseOrder::Mixed, vec![0, 1]),
            ("shorter than wanted", "2026-03-01", ReleaseOrder::Unclear, vec![0]),
        ];
        for (case, dates, order, newest) in cases {
            let dates = spans(dates);
            assert_eq!(release_order(dates.iter().copied()), order, "{case}");
            assert_eq!(newest_places(&dates, 2), newest, "{case}");
        }
    }
}
