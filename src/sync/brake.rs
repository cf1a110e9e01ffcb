//! The brake: a batch that is much worse than the published rows does not replace them.
//!
//! Before a list is published, the new rows are compared with the list as it is stored. Spotify has sent whole
//! libraries with one field of another type, with blank names, as nulls, or with a total of 0 in one answer.
//! Such a batch is left out: the old list stays, the fetch is partial, and a person may accept the batch.
//!
//! The first read of a list has nothing to protect. Logs (searches and plays) have no brake either: a new
//! batch is added to them and replaces nothing, and blanks never overwrite known values.

use crate::store::{FieldFlaws, ListQuality, StoredBatch};

/// The word for it in `skipped_items`.
pub(super) const SUSPECT_BATCH: &str = "suspect_batch";

/// Fewer items than this are everyday life: one or two tracks of a list are withdrawn now and then.
const SUSPECT_ITEMS: i64 = 3;

/// A quarter of a list. Withdrawals of a label or a territory affect fewer items of one list, and the faults
/// that are known of Spotify's answers affect nearly all of them.
const SUSPECT_SHARE: i64 = 4;

/// A list that keeps a tenth of its rows or fewer is as good as emptied. A user may have done that, so it is
/// believed as soon as a second answer agrees.
const EMPTIED_SHARE: i64 = 10;

/// A list as it would be published.
#[derive(Debug)]
pub(super) struct NewBatch {
    pub quality: ListQuality,
    /// Blank or unreadable fields, the most frequent first.
    pub flaws: Vec<FieldFlaws>,
    /// Rows that the list would have, with its unreadable items.
    pub items: i64,
    /// Total that Spotify announced, as far as the list is wanted.
    pub announced: Option<i64>,
    /// What the version of the list says.
    pub version: BatchVersion,
    /// A second answer says the same as the first: nearly nothing is left of the list.
    pub is_emptied_twice: bool,
    /// Rows of a suspicious batch that an earlier run left out.
    pub left_out_before: Option<i64>,
}

/// What the version of a batch says, compared with that of the published list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BatchVersion {
    /// The list has no version.
    Missing,
    /// Nothing has changed, by Spotify's own word.
    Same,
    /// The list has changed.
    New,
}

/// Why a batch is suspicious.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BatchSuspicion {
    /// Many items are null or have no id.
    UnreadableItems { count: i64, of: i64 },
    /// A field of many items is blank or unreadable.
    Field { flaws: FieldFlaws, of: i64 },
    /// Nearly all rows would vanish.
    Emptied { items: i64, before: i64 },
    /// Rows would vanish that the announced total still counts.
    Shrunk { items: i64, before: i64, announced: Option<i64> },
}

/// Whether a number of items is far more than chance: a quarter of them and at least three, or all of several.
pub(super) fn is_sharp(count: i64, of: i64) -> bool {
    count >= SUSPECT_ITEMS && count * SUSPECT_SHARE >= of || count > 1 && count >= of
}

/// Whether a list that had rows is as good as emptied.
pub(super) fn is_nearly_emptied(before: i64, items: i64) -> bool {
    before >= SUSPECT_ITEMS && items * EMPTIED_SHARE <= before
}

/// Why a batch is suspicious, compared with the published rows. `None` if it may be published.
pub(super) fn find_suspicion(before: &StoredBatch, batch: &NewBatch) -> Option<BatchSuspicion> {
    if before.rows == 0 {
        return None;
    }
    let of = batch.quality.items;
    // As many flaws as the published list had are expected again.
    let more_than_before = |count: i64, before_count: i64, before_items: i64| match before_items {
        0 => count,
        items => count - before_count * of / items,
    };
    let (unreadable_before, items_before) = match &before.quality {
        Some(quality) => (quality.unreadable, quality.items),
        None => (before.skipped, before.rows + before.skipped),
    };
    let count = batch.quality.unreadable;
    if is_sharp(more_than_before(count, unreadable_before, items_before), of) {
        return Some(BatchSuspicion::UnreadableItems { count, of });
    }
    if let Some(quality) = &before.quality {
        let is_worse = |flaws: &&FieldFlaws| {
            let before = quality.fields.get(&flaws.field).copied().unwrap_or(0);
            is_sharp(more_than_before(flaws.count, before, quality.items), of)
        };
        if let Some(flaws) = batch.flaws.iter().find(is_worse) {
            return Some(BatchSuspicion::Field { flaws: flaws.clone(), of });
        }
    }
    let (items, announced) = (batch.items, batch.announced);
    if is_nearly_emptied(before.rows, items) && announced.is_none_or(|total| is_nearly_emptied(before.rows, total)) {
        let seen_before =
            batch.left_out_before.is_some_and(|items_before| is_nearly_emptied(before.rows, items_before));
        let is_confirmed = batch.is_confirmed(seen_before || batch.is_emptied_twice);
        return (!is_confirmed).then_some(BatchSuspicion::Emptied { items, before: before.rows });
    }
    // A total that was too large before is as much too large again.
    let expected = announced.map_or(before.rows, |total| (total - before.unserved).min(before.rows));
    // Without a total, the same number of rows in two runs says as much as one.
    let is_confirmed = announced.is_none() && batch.is_confirmed(batch.left_out_before == Some(items));
    (!is_confirmed && is_sharp(expected - items, before.rows)).then_some(BatchSuspicion::Shrunk {
        items,
        before: before.rows,
        announced,
    })
}

impl NewBatch {
    /// Whether a change of size is real, given that another answer said the same.
    fn is_confirmed(&self, seen_before: bool) -> bool {
        match self.version {
            BatchVersion::New => true,
            BatchVersion::Same => false,
            BatchVersion::Missing => seen_before,
        }
    }
}

impl BatchSuspicion {
    /// The problem, with an example if there is one.
    pub(super) fn describe(&self, first_unreadable: Option<&str>) -> String {
        match self {
            BatchSuspicion::UnreadableItems { count, of } => {
                let example = first_unreadable.map(|text| format!(" ({text})")).unwrap_or_default();
                format!("{count} of {of} items are null or have no id{example}")
            }
            BatchSuspicion::Field { flaws: FieldFlaws { field, count, sent, first_item }, of } => {
                let example = first_item.as_ref().map(|id| format!(", for example in {id}")).unwrap_or_default();
                match sent.as_str() {
                    "blank" => format!("{count} of {of} items have a blank {field}{example}"),
                    "object" => format!("{count} of {of} items have an unreadable {field} (an object{example})"),
                    sent => format!("{count} of {of} items have an unreadable {field} (a {sent}{example})"),
                }
            }
            BatchSuspicion::Emptied { items, before } => {
                format!("Spotify announces {items} of {before} items, which only a second answer can confirm")
            }
            BatchSuspicion::Shrunk { items, before, announced: Some(total) } => {
                format!("only {items} of {before} items came, and Spotify announces {total}")
            }
            BatchSuspicion::Shrunk { items, before, announced: None } => {
                format!("only {items} of {before} items came, which only a second run confirms")
            }
        }
    }
}

/// The rows that stay instead of a suspicious batch, and the command that accepts it.
pub(super) fn describe_kept(read_at: &str, job: &str, fetch: &str) -> String {
    let day = read_at.get(..10).unwrap_or(read_at);
    format!("the list of {day} stays; accept it: cratedigger run --accept {job} {fetch}")
}

/// The known rows that stay where a list ends before them, and the command that accepts its end.
pub(super) fn describe_known_rows(job: &str, fetch: &str) -> String {
    format!("the known rows stay; accept the end: cratedigger run --accept {job} {fetch}")
}

/// The quality to record for a published list. Of an incremental read, the rest of the list counts as before.
pub(super) fn merged_quality(before: Option<&StoredBatch>, new: ListQuality, is_incremental: bool) -> ListQuality {
    let Some(old) = before.and_then(|before| before.quality.as_ref()).filter(|_| is_incremental) else { return new };
    let scaled = |count: i64| if old.items == 0 { 0 } else { count * new.items / old.items };
    let mut fields = new.fields;
    for (field, count) in &old.fields {
        let known = fields.entry(field.clone()).or_default();
        *known = scaled(*count).max(*known);
    }
    ListQuality { items: new.items, unreadable: scaled(old.unreadable).max(new.unreadable), fields }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(rows: i64, nulls: i64, fields: &[(&str, i64)]) -> StoredBatch {
        let fields = fields.iter().map(|(field, count)| ((*field).to_owned(), *count)).collect();
        let quality = Some(ListQuality { items: rows + nulls, unreadable: nulls, fields });
        StoredBatch { quality, rows, skipped: nulls, ..StoredBatch::default() }
    }

    fn batch(items: i64, nulls: i64, flawed: i64, announced: Option<i64>) -> NewBatch {
        let flaws = FieldFlaws { field: "name".into(), count: flawed, sent: "blank".into(), first_item: None };
        let quality = ListQuality { items, unreadable: nulls, ..ListQuality::default() };
        let flaws = if flawed > 0 { vec![flaws] } else { Vec::new() };
        let version = BatchVersion::Missing;
        NewBatch { quality, flaws, items, announced, version, is_emptied_twice: false, left_out_before: None }
    }

    #[test]
    fn only_a_much_worse_batch_is_suspicious() {
        // Rows, nulls and blank names before; items, nulls, blank names and total now; whether it is left out.
        let table = [
            ("the same", (20, 0, 0), (20, 0, 0, Some(20)), false),
            ("one of two is null", (2, 0, 0), (2, 1, 0, Some(2)), false),
            ("both of two are null", (2, 0, 0), (2, 2, 0, Some(2)), true),
            ("the only one is null", (1, 0, 0), (1, 1, 0, Some(1)), false),
            ("two of five are blank", (5, 0, 0), (5, 0, 2, Some(5)), false),
            ("three of five are blank", (5, 0, 0), (5, 0, 3, Some(5)), true),
            ("a quarter is blank", (100, 0, 0), (100, 0, 25, Some(100)), true),
            ("a fifth is blank", (100, 0, 0), (100, 0, 20, Some(100)), false),
            ("as many were blank before", (22, 0, 21), (22, 0, 22, Some(22)), false),
            ("as many nulls as before", (10, 10, 0), (20, 11, 0, Some(20)), false),
            ("it was empty", (0, 0, 0), (5, 5, 0, Some(5)), false),
            ("half of it was removed", (120, 0, 0), (60, 0, 0, Some(60)), false),
            ("half of it did not come", (120, 0, 0), (60, 0, 0, Some(120)), true),
            ("two did not come", (120, 0, 0), (118, 0, 0, Some(120)), false),
            ("half of it came, without a total", (120, 0, 0), (60, 0, 0, None), true),
            ("nothing came", (120, 0, 0), (0, 0, 0, Some(0)), true),
            ("nearly nothing came", (120, 0, 0), (2, 0, 0, Some(2)), true),
            ("two rows were removed", (2, 0, 0), (0, 0, 0, Some(0)), false),
        ];
        for (name, (rows, nulls, blank), (items, now_nulls, now_blank, announced), is_left_out) in table {
            let (old, new) = (before(rows, nulls, &[("name", blank)]), batch(items, now_nulls, now_blank, announced));
            assert_eq!(find_suspicion(&old, &new).is_some(), is_left_out, "{name}");
        }
    }

    #[test]
    fn wrong_total_does_not_hide_a_real_shrink() {
        let before = StoredBatch { unserved: 3, ..before(9, 0, &[]) };
        assert_eq!(find_suspicion(&before, &batch(6, 0, 0, Some(9))), None);
        assert!(find_suspicion(&before, &batch(6, 0, 0, Some(12))).is_some());
    }

    #[test]
    fn emptied_list_is_accepted_by_a_second_read() {
        let old = before(120, 0, &[]);
        let empty = || batch(0, 0, 0, Some(0));
        for left_out_before in [Some(0), Some(3)] {
            assert_eq!(find_suspicion(&old, &NewBatch { left_out_before, ..empty() }), None);
        }
        assert!(find_suspicion(&old, &NewBatch { left_out_before: Some(100), ..empty() }).is_some());
        assert_eq!(find_suspicion(&old, &NewBatch { is_emptied_twice: true, ..empty() }), None);
        assert_eq!(find_suspicion(&old, &NewBatch { version: BatchVersion::New, ..empty() }), None);
        let same =
            NewBatch { version: BatchVersion::Same, is_emptied_twice: true, left_out_before: Some(0), ..empty() };
        assert!(find_suspicion(&old, &same).is_some(), "Spotify says that nothing has changed");
    }

    #[test]
    fn older_quality_is_not_compared_by_field() {
        let old = StoredBatch { quality: None, ..before(20, 0, &[]) };
        assert_eq!(find_suspicion(&old, &batch(20, 0, 20, Some(20))), None);
        assert!(find_suspicion(&old, &batch(20, 20, 0, Some(20))).is_some());
    }

    #[test]
    fn incremental_read_keeps_the_worse_share() {
        let old = before(100, 0, &[("name", 50)]);
        let new = ListQuality { items: 10, ..ListQuality::default() };
        assert_eq!(merged_quality(Some(&old), new.clone(), true).fields["name"], 5);
        assert_eq!(merged_quality(Some(&old), new.clone(), false), new);
    }
}
