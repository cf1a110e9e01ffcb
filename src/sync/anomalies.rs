//! Anomalies of pages and lists, and the one place that decides about them.
//!
//! An anomaly can be what Spotify has, or a mistake of one server. A list is never called complete because of an
//! anomalous page alone: the decision names the evidence that it wants, the caller gathers it, and asks again.
//!
//! | anomaly | evidence wanted | with it | without it |
//! | --- | --- | --- | --- |
//! | no cursor | a second answer | page is used | `no_cursor`, the old list stays |
//! | short page | a second answer | page is used | read in smaller pages |
//! | cut short as far from the total as before | the list as it is stored | list ends here, `wrong_total` | as below |
//! | cut short, list has a version or is a discography, with all rows that its total does not say are gone, or was never read | the list seen at an offset that differs by one | list ends here, `wrong_total` | as below |
//! | cut short, by cursor, never read | the same end in two reads | list ends here, `wrong_total` | as below |
//! | cut short as far from the total as in an earlier run, or closer than the published list, and no known row is missing | by offset: the list seen at an offset that differs by one; by cursor: a second answer | list ends here, `wrong_total` | as below |
//! | cut short, and a person accepts it | a second answer | list ends here, `wrong_total` | as below |
//! | cut short | a second answer | page is used | by cursor: read again from the start, then `cut_short`; by offset: read in smaller pages |
//! | repeated page | by offset: the list seen at an offset that differs by one | page is used | a second answer, then `repeated_page` |
//! | page that begins with the items before it | the list seen at an offset that differs by one | page is used | other version: read again from the start; same version: a second answer, then `repeated_page` |
//! | changed total | the list's version, or the same totals in two reads | page is used | read again from the start |
//! | other rows than before an interruption | none | | read again from the start |
//! | another reader published another version meanwhile | none | | read again from the start |
//! | many or new duplicates | the same rows in two reads, in other pages | one row each, `listed_twice` | read again from the start |
//! | endless | none | | `endless`, the old list stays |
//! | nearly emptied | a second answer; of a list with a version, a new one | list is published | `suspect_batch`, the old list stays |
//!
//! "Read again from the start" happens a limited number of times; after that the list is `moved`. A
//! refused list (403, 404) never gets here: its read ends with the refusal, which is remembered.

use super::brake::{SUSPECT_BATCH, is_nearly_emptied};
use super::list_request::ListRequest;
use super::read_outcome::ReadOutcome;
use super::short_page::entry_values;
use crate::store::{Checkpoint, ListRow};
use crate::stream::{self, StreamTable};
use spotify_client::page::RawPage;

/// The word in `skipped_items` for a list that ends before its total.
pub(super) const CUT_SHORT: &str = "cut_short";

/// A list that serves this many items more than it announced does not end.
const MAX_BEYOND_TOTAL: i64 = 1_000;

/// A list without a total has fewer items than this. Spotify's longest lists, libraries, are far shorter.
const MAX_LIST_LENGTH: i64 = 1_000_000;

/// Something about a page, or about the list that it belongs to, that should not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PageAnomaly {
    /// The page says that more follows, and names no cursor for it.
    NoCursor { offset: i64 },
    /// The page is shorter than its size, and the next one begins with its last items again: some of its items are
    /// missing.
    ShortPage { offset: i64 },
    /// The list ends before its total.
    CutShort {
        reached: i64,
        announced: i64,
        /// The list may really have fewer items than it announces.
        is_plausible: bool,
        /// Nothing is stored of the list that a wrong end could replace.
        is_first_read: bool,
        /// A second answer is enough: a person accepts the list as it is, an earlier run has found this end, too, or
        /// more came than is published.
        is_accepted: bool,
    },
    /// The page has the items of the page before it.
    RepeatedPage { offset: i64 },
    /// The page begins with this many of the items before it.
    OverlappingPage { offset: i64, items: i64 },
    /// The page announces another total than the pages before it.
    ChangedTotal,
    /// The page does not continue the read that was interrupted.
    DifferentRows,
    /// Another reader of the playlist has published another version since the read began.
    OtherVersion,
    /// More items are in the list twice than a list in order has, or they are close to each other.
    ManyDuplicates {
        /// Hash of the rows.
        content_hash: String,
    },
    /// The list serves far more items than it announced.
    Endless { reached: i64, bound: i64 },
    /// The first page says that nearly nothing is left of a list that had many rows.
    NearlyEmptied { items: i64, before: i64 },
}

/// The facts about an anomaly, in addition to its page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct AnomalyEvidence {
    /// The pages follow a cursor.
    pub has_cursor: bool,
    /// The list is read for the first time, not again from the start.
    pub is_first_pass: bool,
    /// The page was requested twice, and both answers had an anomaly.
    pub is_second_answer: bool,
    /// The pass before met the same anomaly at the same place.
    pub is_repeated: bool,
    /// Whether a page at an offset that differs by one shows the same, once one was requested.
    pub same_from_aside: Option<bool>,
    /// What the list's version says.
    pub version: VersionEvidence,
}

/// What the version of a list says about whether it changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum VersionEvidence {
    /// The list has no version.
    #[default]
    Missing,
    /// It was not requested yet.
    NotRequested,
    /// It is the same as at the start of the read.
    Same,
    /// It is another one.
    Different,
    /// It was the same when an earlier page had another total.
    SameBefore,
}

/// What to do about an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnomalyDecision {
    /// It is what Spotify has. The page is used.
    Accept,
    /// Request the list at an offset that differs by one, and decide again.
    RequestAside,
    /// Request the list's version, and decide again.
    RequestVersion,
    /// Request the same page once more.
    ReadAgain,
    /// Read the page in smaller ones.
    Divide,
    /// Read the list again from its start.
    Restart,
    /// Stop the read. The old list stays.
    Reject,
}

/// What to do about an anomaly, given the evidence so far.
pub(super) fn decide(anomaly: &PageAnomaly, evidence: &AnomalyEvidence) -> AnomalyDecision {
    let may_be_real = match anomaly {
        PageAnomaly::Endless { .. } => return AnomalyDecision::Reject,
        // The brake looks at the version before the list is published.
        PageAnomaly::NearlyEmptied { .. } => {
            return if evidence.is_second_answer { AnomalyDecision::Accept } else { AnomalyDecision::ReadAgain };
        }
        PageAnomaly::DifferentRows | PageAnomaly::OtherVersion | PageAnomaly::ManyDuplicates { .. } => {
            return AnomalyDecision::Restart;
        }
        // If the totals of two reads differ by page in the same way, the list did not change.
        PageAnomaly::ChangedTotal if evidence.is_repeated => return AnomalyDecision::Accept,
        PageAnomaly::ChangedTotal => {
            return match evidence.version {
                VersionEvidence::NotRequested => AnomalyDecision::RequestVersion,
                VersionEvidence::Same | VersionEvidence::SameBefore => AnomalyDecision::Accept,
                VersionEvidence::Missing | VersionEvidence::Different => AnomalyDecision::Restart,
            };
        }
        // An item that was inserted before it moves a page as well.
        PageAnomaly::OverlappingPage { .. } => match (evidence.same_from_aside, evidence.version) {
            (Some(false), VersionEvidence::NotRequested) => return AnomalyDecision::RequestVersion,
            (Some(false), VersionEvidence::Different) => return AnomalyDecision::Restart,
            _ => true,
        },
        PageAnomaly::NoCursor { .. } | PageAnomaly::ShortPage { .. } => false,
        PageAnomaly::CutShort { is_plausible, .. } => *is_plausible,
        PageAnomaly::RepeatedPage { .. } => !evidence.has_cursor,
    };
    match evidence.same_from_aside {
        None if may_be_real => return AnomalyDecision::RequestAside,
        Some(true) => return AnomalyDecision::Accept,
        _ => {}
    }
    if !evidence.is_second_answer {
        return AnomalyDecision::ReadAgain;
    }
    if matches!(anomaly, PageAnomaly::CutShort { is_accepted: true, .. }) {
        return AnomalyDecision::Accept;
    }
    // Two reads to the same end are all that can be known of a list that follows a cursor.
    if matches!(anomaly, PageAnomaly::CutShort { is_first_read: true, .. })
        && evidence.has_cursor
        && evidence.is_repeated
    {
        return AnomalyDecision::Accept;
    }
    match anomaly {
        PageAnomaly::ShortPage { .. } => AnomalyDecision::Divide,
        PageAnomaly::CutShort { .. } if !evidence.has_cursor => AnomalyDecision::Divide,
        // A cursor steps over what the page before lacked.
        PageAnomaly::CutShort { .. } if evidence.is_first_pass => AnomalyDecision::Restart,
        _ => AnomalyDecision::Reject,
    }
}

impl PageAnomaly {
    /// The word for it in `skipped_items`.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            PageAnomaly::NoCursor { .. } => "no_cursor",
            PageAnomaly::ShortPage { .. } => "short_page",
            PageAnomaly::CutShort { .. } => CUT_SHORT,
            PageAnomaly::RepeatedPage { .. } | PageAnomaly::OverlappingPage { .. } => "repeated_page",
            PageAnomaly::Endless { .. } => "endless",
            PageAnomaly::NearlyEmptied { .. } => SUSPECT_BATCH,
            PageAnomaly::ChangedTotal
            | PageAnomaly::DifferentRows
            | PageAnomaly::OtherVersion
            | PageAnomaly::ManyDuplicates { .. } => "moved",
        }
    }

    /// What happened, for people.
    pub(super) fn detail(&self) -> String {
        match self {
            PageAnomaly::NoCursor { offset } => format!("the page at {offset} names no cursor for the next one"),
            PageAnomaly::ShortPage { offset } => {
                format!("the page at {offset} was short, and the next one begins with its last items again")
            }
            PageAnomaly::CutShort { reached, announced, .. } => {
                format!("it ended after {reached} of the {announced} items that Spotify announced")
            }
            PageAnomaly::RepeatedPage { offset } => format!("the page at {offset} repeats the items before it"),
            PageAnomaly::OverlappingPage { offset, items } => {
                format!("the page at {offset} begins with the last {items} items before it")
            }
            PageAnomaly::Endless { reached, bound } => format!("{reached} items came, and Spotify announced {bound}"),
            PageAnomaly::NearlyEmptied { items, before } => format!("{items} items are left of {before}"),
            PageAnomaly::ChangedTotal => "the announced total changed".to_owned(),
            PageAnomaly::DifferentRows => "it changed since the read was interrupted".to_owned(),
            PageAnomaly::OtherVersion => "another reader published another version of it meanwhile".to_owned(),
            PageAnomaly::ManyDuplicates { .. } => "many items are in it twice".to_owned(),
        }
    }
}

/// The outcome of a pass that an anomaly ends.
pub(super) fn rejected(anomaly: &PageAnomaly) -> ReadOutcome {
    let reached = match anomaly {
        PageAnomaly::CutShort { reached, .. } => Some(*reached),
        _ => None,
    };
    ReadOutcome::Unproved { reason: anomaly.reason(), detail: anomaly.detail(), reached }
}

/// The anomaly of a page that ends the list too early, or does not say where the next page begins.
pub(super) fn find_page_anomaly(
    list: &ListRequest,
    (row, at): (&ListRow, &Checkpoint),
    page: (&RawPage, i64),
) -> Option<PageAnomaly> {
    let (page, offset) = page;
    let has_cursor = list.has_cursor();
    let reached = offset + page.served();
    let is_whole = at.announced.or(page.total).is_some_and(|total| total > 0 && reached >= total);
    if has_cursor && page.more && page.served() > 0 && page.after.is_none() && !is_whole {
        return Some(PageAnomaly::NoCursor { offset });
    }
    let ends = page.served() == 0 || (has_cursor && !page.more);
    let announced = at.announced.or(page.total).filter(|total| ends && reached < *total)?;
    if is_empty_end(list, page) || is_known_shortfall(row, announced, reached) {
        return None;
    }
    // The version of a list tells whether it is whole, and discographies are known to announce more releases than
    // they have. A list that was never read replaces nothing. Any other list that ends early has rows missing, and so
    // has one with a cursor that leads to an empty page.
    let is_first_read = row.whole_at.is_none() && (!has_cursor || page.served() > 0);
    // Only the version of a list shows that none of the announced items is there.
    let is_plausible =
        !has_cursor && (list.version.is_some() || reached > 0 && (list.total_is_unreliable || is_first_read));
    Some(PageAnomaly::CutShort { reached, announced, is_plausible, is_first_read, is_accepted: false })
}

/// Whether the list was as far from its total when it was last read. A constant difference is no movement: the total
/// counts items that Spotify does not serve.
pub(super) fn is_known_shortfall(row: &ListRow, announced: i64, reached: i64) -> bool {
    let before = row.whole_at.as_ref().and(row.announced.zip(row.served)).map(|(announced, served)| announced - served);
    before.is_some_and(|before| before > 0 && before == announced - reached)
}

/// The anomaly of a first page that says that nearly nothing is left of a list with this many rows.
pub(super) fn find_emptied(rows_before: i64, page: &RawPage, offset: i64) -> Option<PageAnomaly> {
    let items = page.total.unwrap_or(0).max(page.served());
    (offset == 0 && !page.more && is_nearly_emptied(rows_before, items))
        .then_some(PageAnomaly::NearlyEmptied { items, before: rows_before })
}

/// The anomaly of a list that serves far more items than it announced.
pub(super) fn find_endless(announced: Option<i64>, reached: i64) -> Option<PageAnomaly> {
    let bound = announced.unwrap_or(MAX_LIST_LENGTH);
    (reached > bound + MAX_BEYOND_TOTAL).then_some(PageAnomaly::Endless { reached, bound })
}

/// The anomaly of a page that announces another total than the pages before it.
pub(super) fn find_changed_total(list: &ListRequest, at: &Checkpoint, page: &RawPage) -> Option<PageAnomaly> {
    let is_same = at.announced.is_none() || page.total.is_none() || page.total == at.announced;
    (!is_same && !is_empty_end(list, page)).then_some(PageAnomaly::ChangedTotal)
}

/// Whether a page is the empty one that announces 0 and ends a list of top items.
pub(super) fn is_empty_end(list: &ListRequest, page: &RawPage) -> bool {
    let is_top_list =
        || stream::find(list.key.kind).is_some_and(|stream| matches!(stream.table, StreamTable::TopItems(_)));
    page.served() == 0 && page.total == Some(0) && is_top_list()
}

/// Whether a page that was requested at an offset that differs by one confirms an anomalous page.
///
/// An end that is real has the last item left there, and a page that really repeats so many items has its own items.
pub(super) fn is_same_from_aside(aside: &RawPage, page: &RawPage, offset: i64, repeated: usize) -> bool {
    if page.served() == 0 {
        return aside.served() == i64::from(offset > 0);
    }
    // The last of the repeated items is also the item before the page.
    let (aside, page) = (entry_values(aside), entry_values(page));
    let before = page.get(repeated.saturating_sub(1));
    aside.len() >= page.len() && aside.first() == before && page.starts_with(&aside[1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_anomaly_is_decided_by_its_evidence() {
        use AnomalyDecision::{Accept, Divide, ReadAgain, Reject, RequestAside, RequestVersion, Restart};
        let first = AnomalyEvidence { is_first_pass: true, ..AnomalyEvidence::default() };
        let twice = AnomalyEvidence { is_second_answer: true, ..first };
        let later = AnomalyEvidence { is_first_pass: false, ..twice };
        let with_cursor = |evidence| AnomalyEvidence { has_cursor: true, ..evidence };
        let aside = |same, evidence| AnomalyEvidence { same_from_aside: Some(same), ..evidence };
        let version = |version| AnomalyEvidence { version, ..first };
        let short = PageAnomaly::ShortPage { offset: 50 };
        let repeated = PageAnomaly::RepeatedPage { offset: 50 };
        let cut = |is_plausible| PageAnomaly::CutShort {
            reached: 50,
            announced: 60,
            is_plausible,
            is_first_read: false,
            is_accepted: false,
        };
        let PageAnomaly::CutShort { reached, announced, .. } = cut(false) else { unreachable!() };
        let [cut_first, cut_accepted] = [true, false].map(|is_first_read| PageAnomaly::CutShort {
            reached,
            announced,
            is_plausible: false,
            is_first_read,
            is_accepted: !is_first_read,
        });
        let repeated_total = AnomalyEvidence { is_repeated: true, ..first };
        let same_end = AnomalyEvidence { is_repeated: true, has_cursor: true, ..later };
        let no_cursor = PageAnomaly::NoCursor { offset: 50 };
        let overlap = PageAnomaly::OverlappingPage { offset: 50, items: 1 };
        let unknown = version(VersionEvidence::NotRequested);
        let table = [
            ("no cursor, first answer", &no_cursor, with_cursor(first), ReadAgain),
            ("no cursor, second answer", &no_cursor, with_cursor(twice), Reject),
            ("short page, first answer", &short, first, ReadAgain),
            ("short page, second answer", &short, twice, Divide),
            ("short page, after a restart", &short, later, Divide),
            ("end that may be real", &cut(true), first, RequestAside),
            ("end that is real", &cut(true), aside(true, first), Accept),
            ("end that is not real", &cut(true), aside(false, first), ReadAgain),
            ("end that is not real, second answer", &cut(true), aside(false, twice), Divide),
            ("end that cannot be real", &cut(false), first, ReadAgain),
            ("end that cannot be real, second answer", &cut(false), twice, Divide),
            ("end by cursor, second answer", &cut(false), with_cursor(twice), Restart),
            ("end by cursor, after a restart", &cut(false), with_cursor(later), Reject),
            ("end by cursor of a first read", &cut_first, with_cursor(twice), Restart),
            ("end by cursor of a first read, elsewhere than before", &cut_first, with_cursor(later), Reject),
            ("end by cursor of a first read, in two reads", &cut_first, same_end, Accept),
            ("end by cursor of a later read, in two reads", &cut(false), same_end, Reject),
            ("accepted end, first answer", &cut_accepted, first, ReadAgain),
            ("accepted end, second answer", &cut_accepted, with_cursor(twice), Accept),
            ("total that an earlier pass met", &PageAnomaly::ChangedTotal, repeated_total, Accept),
            ("repetition by offset", &repeated, first, RequestAside),
            ("repetition that is real", &repeated, aside(true, twice), Accept),
            ("repetition that is not real", &repeated, aside(false, twice), Reject),
            ("repetition by cursor", &repeated, with_cursor(first), ReadAgain),
            ("overlap that is not real", &overlap, aside(false, unknown), RequestVersion),
            ("overlap, other version", &overlap, aside(false, version(VersionEvidence::Different)), Restart),
            ("overlap, same version", &overlap, aside(false, version(VersionEvidence::Same)), ReadAgain),
            ("total of a list without version", &PageAnomaly::ChangedTotal, first, Restart),
            ("total", &PageAnomaly::ChangedTotal, version(VersionEvidence::NotRequested), RequestVersion),
            ("total, same version", &PageAnomaly::ChangedTotal, version(VersionEvidence::Same), Accept),
            ("total, same version before", &PageAnomaly::ChangedTotal, version(VersionEvidence::SameBefore), Accept),
            ("total, other version", &PageAnomaly::ChangedTotal, version(VersionEvidence::Different), Restart),
            ("other rows", &PageAnomaly::DifferentRows, first, Restart),
            ("other version", &PageAnomaly::OtherVersion, twice, Restart),
            ("duplicates", &PageAnomaly::ManyDuplicates { content_hash: String::new() }, first, Restart),
            ("emptied list", &PageAnomaly::NearlyEmptied { items: 0, before: 60 }, first, ReadAgain),
            ("emptied list, second answer", &PageAnomaly::NearlyEmptied { items: 0, before: 60 }, twice, Accept),
            ("endless", &PageAnomaly::Endless { reached: 2_000, bound: 50 }, first, Reject),
        ];
        for (name, anomaly, evidence, decision) in table {
            assert_eq!(decide(anomaly, &evidence), decision, "{name}");
        }
    }
}
